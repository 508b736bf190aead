"""From files to aligned faces: in order, one bad file loses no other, workers change nothing."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawn_faces import draw_face, on_canvas
from ifgan import workers
from ifgan.errors import InputError
from ifgan.faces import pipeline
from ifgan.faces.align import align_face, central_square
from ifgan.faces.detect import FaceDetector
from ifgan.faces.pipeline import FoundFaces, Request, Wanted, faces_in, find_faces, whole_picture

BROKEN, EMPTY = 3, 5  # every so many pictures of the folder below


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Twelve files: faces at places that tell them apart, some broken, some without a face."""
    folder = tmp_path_factory.mktemp("pictures")
    found = []
    for index in range(12):
        canvas, _ = on_canvas([draw_face(index, 140)], 240, 320, [(10 + 14 * index, 40)])
        path = folder / f"{index}.png"
        if index % BROKEN == 2:
            path.write_bytes(b"no image")
        else:
            picture = np.full((240, 320, 3), 128, np.uint8) if index % EMPTY == 1 else canvas
            Image.fromarray(picture).save(path)
        found.append(path)
    return found


def same(one: list[FoundFaces], other: list[FoundFaces]) -> bool:
    """Faces, errors and every bit of the crops."""
    return len(one) == len(other) and all(
        (a.faces, a.error) == (b.faces, b.error)
        and all((x == y).all() for x, y in zip(a.aligned, b.aligned, strict=True))
        for a, b in zip(one, other, strict=True)
    )


def test_results_are_in_order_and_a_bad_file_loses_no_other(paths: list[Path]) -> None:
    results = list(find_faces(paths, workers=0))
    assert len(results) == len(paths)
    for index, (path, found) in enumerate(zip(paths, results, strict=True)):
        if index % BROKEN == 2:
            assert found == FoundFaces(error=f"{path}: is not an image (AVIF, BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP)")
        elif index % EMPTY == 1:
            assert found == FoundFaces()
        else:
            (face,), (crop,) = found.faces, found.aligned
            assert abs(face.landmarks_xy_px[2][0] - (10 + 14 * index + 70)) < 6  # the nose of this very picture
            assert crop.shape == (256, 256, 3) and crop.dtype == np.uint8


def test_workers_change_nothing_and_draw_only_a_few_pictures_ahead(
    paths: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "_WORTH_A_POOL", 4)
    drawn = 0

    def counted() -> Iterator[Path]:
        nonlocal drawn
        for path in paths * 4:
            drawn += 1
            yield path

    ahead, results = 0, []
    for found in find_faces(counted(), workers=2):
        ahead = max(ahead, drawn - len(results))
        results.append(found)
    assert ahead <= 2 * workers.WAITING_PER_WORKER + 4
    assert same(results[:12], list(find_faces(paths, workers=1)))
    assert all(same(results[:12], results[start : start + 12]) for start in (12, 24, 36))


class Deadly:
    """Ends the process that unpickles it, as running out of memory does."""

    def __reduce__(self) -> tuple[object, tuple[int]]:
        return os._exit, (9,)


def test_a_picture_that_kills_its_worker_loses_no_other(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_WORTH_A_POOL", 2)
    requests = [Request(path) for path in paths[:6]]
    requests.insert(2, Request(Deadly()))  # type: ignore[arg-type]
    results = list(find_faces(requests, workers=2))
    assert "died" in (results.pop(2).error or "")
    assert same(results, list(find_faces(paths[:6], workers=0)))


def test_workers_that_all_die_end_it_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pipeline, "_WORTH_A_POOL", 2)
    monkeypatch.setattr(workers, "_DEATHS_IN_A_ROW", 2)
    with pytest.raises(InputError, match="try workers=1"):
        list(find_faces([Request(Deadly())] * 6, workers=2))  # type: ignore[arg-type]


def test_landmarks_that_are_known_replace_detection(detector: FaceDetector) -> None:
    grey, points = np.full((200, 200, 3), 128, np.uint8), draw_face(1, 200)[1]
    for given in (points, points[:3]):
        found = faces_in(Request(grey, given), detector)
        assert len(found.faces) == 1 and (found.aligned[0] == 128).all()
        np.testing.assert_allclose(found.faces[0].landmarks_xy_px, given)
    wrong = faces_in(Request(grey, points[:, 0]), detector)
    assert wrong.error == "landmarks must be points (x, y), got an array of shape (5,)"


def test_every_face_or_the_most_prominent(detector: FaceDetector) -> None:
    canvas, _ = on_canvas([draw_face(1, 120), draw_face(2, 180)], 260, 420, [(10, 20), (180, 40)])
    every = faces_in(Request(canvas), detector)
    one = faces_in(Request(canvas), detector, Wanted(every=False))
    assert len(every.faces) == 2 and one.faces == every.faces[:1]
    assert (one.aligned[0] == every.aligned[0]).all()
    assert (every.aligned[0] == align_face(canvas, np.array(every.faces[0].landmarks_xy_px))).all()


def test_cropped_faces_are_taken_whole(tmp_path: Path) -> None:
    face = draw_face(4, 100)[0]
    wide = np.pad(face, ((0, 0), (11, 9), (0, 0)))
    found = whole_picture(Request(wide))
    assert found.faces[0].box_xyxy_px == (10, 0, 110, 100) and found.faces[0].landmarks_xy_px == ()
    assert (found.aligned[0] == central_square(wide)).all()
    assert whole_picture(Request(tmp_path / "absent.png")).error == f"{tmp_path / 'absent.png'}: no such file"


def test_a_picture_too_large_for_memory_is_one_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise MemoryError

    monkeypatch.setattr(pipeline, "as_picture", full)
    assert whole_picture(Request(Path("a.png"))).error == "a.png: not enough memory for this image"


def test_nothing_to_do() -> None:
    assert list(find_faces([])) == []


def test_a_cut_off_pil_image_loses_no_other(paths: list[Path], tmp_path: Path) -> None:
    """Its file is read when it is sent to a worker."""
    cut = tmp_path / "cut.png"
    cut.write_bytes(paths[0].read_bytes()[:-200])
    images = [Image.open(cut if index == 3 else paths[0]) for index in range(26)]
    found = list(find_faces(images, workers=2))
    assert [index for index, result in enumerate(found) if result.error is not None] == [3]
    assert "can't be decoded" in (found[3].error or "")


def test_deaths_among_good_pictures_end_nothing(paths: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """More of them than may follow each other."""
    monkeypatch.setattr(pipeline, "_WORTH_A_POOL", 2)
    monkeypatch.setattr(workers, "_DEATHS_IN_A_ROW", 2)
    requests = [request for path in paths[:3] for request in (Request(Deadly()), Request(path), Request(path))]  # type: ignore[arg-type]
    results = list(find_faces(requests, workers=2))
    assert [result.error is not None and "died" in result.error for result in results] == [True, False, False] * 3


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_an_image_on_its_side_or_upside_down_is_read_upright(detector: FaceDetector, quarters: int) -> None:
    canvas, _ = on_canvas([draw_face(4, 150, "happiness")], 300, 380, [(60, 40)])
    upright = faces_in(Request(canvas), detector)
    turned = faces_in(Request(np.ascontiguousarray(np.rot90(canvas, -quarters))), detector)
    (face,), (known,) = turned.faces, upright.faces
    assert face.turned_deg == 90 * quarters and known.turned_deg == 0
    assert np.abs(turned.aligned[0].astype(int) - upright.aligned[0]).mean() < 1  # but for where the warp rounds
    height, width = canvas.shape[:2]
    x, y = np.array(known.landmarks_xy_px).T
    expected = {1: (height - y, x), 2: (width - x, height - y), 3: (y, width - x)}[quarters]
    np.testing.assert_allclose(np.array(face.landmarks_xy_px).T, expected, atol=1e-3)
    x0, y0, x1, y1 = face.box_xyxy_px
    inside = np.array(face.landmarks_xy_px)
    assert ((inside > (x0, y0)) & (inside < (x1, y1))).all()


def test_faces_that_are_small_or_not_sure_can_be_left_out(detector: FaceDetector) -> None:
    canvas, _ = on_canvas([draw_face(1, 90), draw_face(2, 190)], 260, 420, [(10, 20), (180, 40)])
    every = faces_in(Request(canvas), detector).faces
    assert len(every) == 2
    sides = [min(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (face.box_xyxy_px for face in every)]
    large = faces_in(Request(canvas), detector, Wanted(min_side_px=(min(sides) + max(sides)) / 2)).faces
    assert large == (every[sides.index(max(sides))],)
    surest = max(face.confidence for face in every)
    assert all(
        face.confidence == surest for face in faces_in(Request(canvas), detector, Wanted(min_confidence=surest)).faces
    )
    assert faces_in(Request(canvas), detector, Wanted(min_confidence=1.1)) == FoundFaces()


@pytest.mark.parametrize(
    ("sides", "faces"), [((48, 48), 1), ((112, 96), 1), ((39, 48), 0), ((48, 64), 0), ((120, 120), 0)]
)
def test_a_thumbnail_in_which_nothing_is_found_can_be_taken_for_a_face(
    detector: FaceDetector, sides: tuple[int, int], faces: int
) -> None:
    stripes = np.zeros((*sides, 3), np.uint8)
    stripes[::4] = 200
    found = faces_in(Request(stripes), detector, Wanted(crops=True))
    assert len(found.faces) == len(found.aligned) == faces and faces_in(Request(stripes), detector) == FoundFaces()
    for face in found.faces:
        assert face.confidence == 0 and face.box_xyxy_px == (0, 0, sides[1], sides[0])
        eye, other, nose = face.landmarks_xy_px[:3]
        assert 0 < eye[0] < nose[0] < other[0] < sides[1] and 0 < eye[1] < nose[1] < sides[0]
    assert not faces_in(Request(stripes), detector, Wanted(crops=True, min_confidence=0.01)).faces
    assert not faces_in(Request(np.full_like(stripes, 128)), detector, Wanted(crops=True)).faces


def test_a_face_that_is_found_in_a_thumbnail_is_no_crop(detector: FaceDetector) -> None:
    canvas = np.asarray(Image.fromarray(on_canvas([draw_face(2, 220)], 256, 256, [(18, 18)])[0]).resize((96, 96)))
    assert same([faces_in(Request(canvas), detector, Wanted(crops=True))], [faces_in(Request(canvas), detector)])
    assert faces_in(Request(canvas), detector).faces
