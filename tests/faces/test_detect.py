"""MTCNN: drawn faces are found where they are drawn, the rest is left alone, and the library agrees."""

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from drawn_faces import MOVES, draw_face, on_canvas
from faces.mtcnn_to_onnx import NETWORKS, SIDES_PX, OfPixels
from ifgan.faces.detect import MAX_SIDE_PX, Face, FaceDetector, nms, prominence
from ifgan.onnx_session import Session
from ifgan.weights import packaged_file


def eye_distance(points_xy_px: np.ndarray) -> float:
    return float(np.hypot(*(points_xy_px[1] - points_xy_px[0])))


@pytest.mark.parametrize("expression", MOVES)
@pytest.mark.parametrize("size", [110, 256])
def test_a_face_is_found_where_it_is_drawn(detector: FaceDetector, expression: str, size: int) -> None:
    canvas, (drawn,) = on_canvas([draw_face(len(expression), size, expression)], 340, 420, [(70, 40)])
    (face,) = detector([canvas])[0]
    found = np.array(face.landmarks_xy_px)
    assert found.shape == (5, 2)
    # The library's own landmarks err by as much: they are where MTCNN sees them, not where they were drawn.
    assert np.abs(found - drawn).max() < 0.15 * eye_distance(drawn)
    x0, y0, x1, y1 = face.box_xyxy_px
    assert ((found > (x0, y0)) & (found < (x1, y1))).all()
    assert x0 >= 70 and x1 <= 70 + size and 0.9 < face.confidence <= 1


def test_no_face_in_noise_grey_or_stripes(detector: FaceDetector) -> None:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 256, (side, side + 40, 3), dtype=np.uint8) for side in (60, 150, 260)]
    stripes = np.zeros((200, 200, 3), np.uint8)
    stripes[::8] = 255
    assert detector([*noise, stripes, np.full((300, 200, 3), 128, np.uint8)]) == [[]] * 5


def test_pictures_smaller_than_any_face(detector: FaceDetector) -> None:
    assert detector([np.zeros((16, 16, 3), np.uint8), np.zeros((16, 900, 3), np.uint8)]) == [[], []]


def test_ten_faces_are_ten_and_the_largest_most_central_comes_first(detector: FaceDetector) -> None:
    sizes = [110, 110, 110, 110, 110, 200, 110, 110, 110, 110]
    corners = [(20, 20), (200, 20), (420, 20), (640, 20), (780, 160), (360, 180), (20, 200), (200, 380), (560, 430)]
    corners.append((740, 400))
    faces = [draw_face(seed, size) for seed, size in enumerate(sizes)]
    canvas, drawn = on_canvas(faces, 560, 920, corners)
    found = detector([canvas])[0]
    assert len(found) == 10
    for points in drawn:
        nearest = min(np.abs(np.array(face.landmarks_xy_px) - points).max() for face in found)
        assert nearest < 0.15 * eye_distance(points)
    assert np.abs(np.array(found[0].landmarks_xy_px) - drawn[5]).max() < 0.15 * eye_distance(drawn[5])
    scores = [prominence(face, 920, 560) for face in found]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.parametrize("smallest_px", [60, 110])
def test_larger_faces_are_found_alike_where_small_ones_are_not_wanted(detector: FaceDetector, smallest_px: int) -> None:
    """They are what it would find otherwise; a much smaller one isn't looked for."""
    canvas, _ = on_canvas(
        [draw_face(0, 40), draw_face(1, 150), draw_face(2, 230)], 300, 560, [(10, 10), (60, 60), (300, 30)]
    )
    every, few = detector([canvas])[0], detector([canvas], smallest_px)[0]

    def widths(faces: list[Face]) -> list[float]:
        return [face.box_xyxy_px[2] - face.box_xyxy_px[0] for face in faces]

    assert min(widths(every)) < 45 and min(widths(few)) > 0.6 * smallest_px
    large = [face for face, width in zip(every, widths(every), strict=True) if width >= smallest_px]
    assert large == [face for face, width in zip(few, widths(few), strict=True) if width >= smallest_px] != []


def test_of_two_of_a_size_the_central_one_comes_first(detector: FaceDetector) -> None:
    canvas, drawn = on_canvas([draw_face(3, 150), draw_face(3, 150)], 200, 600, [(5, 20), (230, 20)])
    first, second = detector([canvas])[0]
    assert abs(first.landmarks_xy_px[2][0] - drawn[1][2, 0]) < 10
    assert abs(second.landmarks_xy_px[2][0] - drawn[0][2, 0]) < 10
    assert prominence(first, 600, 200) > prominence(second, 600, 200)


def test_prominence_by_hand() -> None:
    face = Face((10.0, 20.0, 30.0, 60.0), (), 1.0)  # 20 x 40, centre (20, 40)
    assert prominence(face, 40, 80) == 800
    assert prominence(face, 46, 88) == 800 - 2 * (3**2 + 4**2)


@pytest.mark.parametrize("seed", range(4))
def test_boxes_and_landmarks_are_facenet_pytorchs(detector: FaceDetector, seed: int) -> None:
    from facenet_pytorch import MTCNN

    sizes = (256, 170, 120, 200)
    expression = list(MOVES)[seed]
    canvas, _ = on_canvas([draw_face(seed, sizes[seed], expression)], 500, 520, [(120 + 10 * seed, 130)])
    (face,) = detector([canvas])[0]
    boxes, confidences, points = MTCNN(keep_all=True).detect(Image.fromarray(canvas), landmarks=True)
    assert np.abs(boxes[0] - face.box_xyxy_px).max() < 1
    assert np.abs(points[0] - np.array(face.landmarks_xy_px)).max() < 1
    assert abs(confidences[0] - face.confidence) < 0.01


def test_a_face_does_not_depend_on_the_other_pictures(detector: FaceDetector) -> None:
    pictures = [on_canvas([draw_face(i, 120 + 20 * i)], 300, 340, [(60, 40)])[0] for i in range(4)]
    alone = [detector([picture])[0] for picture in pictures]
    assert detector(pictures) == alone and detector(pictures[::-1]) == alone[::-1]


def test_a_tight_crop_is_found_on_the_second_try(detector: FaceDetector) -> None:
    face, landmarks = draw_face(2)
    crop = np.ascontiguousarray(face[69:204, 75:181])  # from the brows to the chin, cutting the eyes' outer corners
    assert len(detector._cascade(crop)[0]) == 0
    (found,) = detector([crop])[0]
    assert np.abs(np.array(found.landmarks_xy_px) - (landmarks - (75, 69))).max() < 0.15 * eye_distance(landmarks)
    x0, y0, x1, y1 = found.box_xyxy_px
    assert min(x0, y0) >= 0 and x1 <= crop.shape[1] and y1 <= crop.shape[0]


def test_a_large_picture_is_reduced_and_answered_in_its_own_pixels(detector: FaceDetector) -> None:
    canvas, (drawn,) = on_canvas([draw_face(2, 200)], 400, 450, [(120, 80)])
    large = np.ascontiguousarray(canvas.repeat(6, axis=0).repeat(6, axis=1))
    assert max(large.shape) > 2 * MAX_SIDE_PX
    (face,) = detector([large])[0]
    assert np.abs(np.array(face.landmarks_xy_px) - 6 * drawn).max() < 0.15 * 6 * eye_distance(drawn)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_networks_are_facenet_pytorchs(name: str) -> None:
    make, outputs = NETWORKS[name]
    network, side = OfPixels(make()).eval(), SIDES_PX[name]
    shapes = [(1, 12, 40, 3), (1, 99, 71, 3)] if name == "propose" else [(n, side, side, 3) for n in (1, 2, 130)]
    session = Session(packaged_file(f"mtcnn-{name}.onnx"))
    assert session.outputs == outputs
    for number, shape in enumerate(shapes):
        pixels = np.random.default_rng(number).uniform(0, 255, shape).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(pixels))
        for ours, theirs in zip(session(pixels), expected, strict=True):
            np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-5)


@pytest.mark.parametrize("count", [0, 1, 40, 300])
def test_suppression_is_torchvisions(count: int) -> None:
    rng = np.random.default_rng(count)
    corner, size = rng.integers(0, 60, (count, 2)), rng.integers(1, 40, (count, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    scores = rng.integers(0, 50, count).astype(np.float32)  # some tie
    expected = torchvision.ops.nms(torch.from_numpy(boxes), torch.from_numpy(scores), 0.5)
    assert nms(boxes, scores, 0.5).tolist() == expected.tolist()
