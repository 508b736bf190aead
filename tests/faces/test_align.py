"""Alignment: a similarity, exact where there is one, least squares elsewhere; it never mirrors or squashes."""

import numpy as np
import pytest
from PIL import Image

from drawn_faces import MOVES, draw, draw_face, person
from ifgan.errors import PictureError
from ifgan.faces.align import (
    ALIGNED_SIZE,
    TEMPLATE_XY_PX,
    align_face,
    central_square,
    invert_similarity,
    similarity_from_landmarks,
    transform_points,
    warp,
)


def similarity(angle_deg: float, scale: float, shift_xy: tuple[float, float]) -> np.ndarray:
    angle = np.deg2rad(angle_deg)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.hstack([turn, np.array(shift_xy)[:, None]])


def random_landmarks(rng: np.random.Generator) -> np.ndarray:
    """Three points of a plausible face anywhere in an image, turned by up to 60 degrees."""
    face = np.array([(-0.5, 0), (0.5, 0), (rng.uniform(-0.3, 0.3), rng.uniform(0.3, 0.8))])
    return transform_points(similarity(rng.uniform(-60, 60), rng.uniform(15, 200), rng.uniform(150, 400, 2)), face)


@pytest.mark.parametrize("angle_deg", [-170.0, -35.0, 0.0, 5.0, 90.0])
@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
def test_a_known_similarity_is_recovered(angle_deg: float, scale: float) -> None:
    known = similarity(angle_deg, scale, (310.5, -12.25))
    found = similarity_from_landmarks(transform_points(known, TEMPLATE_XY_PX))
    np.testing.assert_allclose(invert_similarity(found), known, atol=1e-6)


def test_map_and_inverse_are_the_identity() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        matrix, points = similarity_from_landmarks(random_landmarks(rng)), rng.uniform(0, 500, (20, 2))
        there = transform_points(matrix, points)
        np.testing.assert_allclose(transform_points(invert_similarity(matrix), there), points, atol=1e-9)


def test_it_never_mirrors_or_squashes() -> None:
    rng = np.random.default_rng(1)
    for _ in range(200):
        (a, b, _), (c, d, _) = similarity_from_landmarks(random_landmarks(rng))
        assert (a, b) == (d, -c) and a * d - b * c > 0


def test_it_is_the_least_squares_similarity() -> None:
    """Against numpy's general solver for the four unknowns of a·x - b·y + e, b·x + a·y + f."""
    rng = np.random.default_rng(2)
    for _ in range(20):
        points = random_landmarks(rng)
        rows = [row for x, y in points for row in ((x, -y, 1, 0), (y, x, 0, 1))]
        a, b, e, f = np.linalg.lstsq(np.array(rows), TEMPLATE_XY_PX.ravel(), rcond=None)[0]
        np.testing.assert_allclose(similarity_from_landmarks(points), [[a, -b, e], [b, a, f]], atol=1e-8)


def test_the_chin_of_a_wide_open_mouth_stays_inside_the_centre_crop() -> None:
    """CK+: chins lie up to 2.23 eye distances below the eye line (99 % of surprise); brows to 1.1 above it."""
    (left, eye_y), (right, _), _ = TEMPLATE_XY_PX
    first, last = (ALIGNED_SIZE - 224) / 2, (ALIGNED_SIZE + 224) / 2
    assert eye_y + 2.23 * (right - left) < last
    assert eye_y - 1.05 * (right - left) > first
    assert (left + right) / 2 == ALIGNED_SIZE / 2


def test_a_face_on_the_template_stays_as_it_is() -> None:
    face, _ = draw_face(1)
    assert np.abs(align_face(face, TEMPLATE_XY_PX).astype(int) - face).max() <= 1


@pytest.mark.parametrize(("angle_deg", "scale"), [(0.0, 1.0), (25.0, 1.0), (-40.0, 1.7), (10.0, 3.0), (5.0, 0.6)])
def test_a_turned_and_scaled_face_comes_back(angle_deg: float, scale: float) -> None:
    face, landmarks = draw_face(4, noise=0)
    side = int(ALIGNED_SIZE * scale * 1.6)
    centred = similarity(0, 1, (-128, -128))
    placed = similarity(angle_deg, scale, (side / 2, side / 2))
    matrix = np.hstack([placed[:, :2], placed[:, :2] @ centred[:, 2:] + placed[:, 2:]])
    picture = warp(face, matrix, (side, side))
    back = align_face(picture, transform_points(matrix, landmarks)).astype(int)
    direct = align_face(face, landmarks).astype(int)
    assert np.abs(back - direct)[16:240, 16:240].mean() < 3  # two interpolations blur edges a little


def test_left_stays_left() -> None:
    face, landmarks = draw(person(5), MOVES["contempt"])
    marked = face.copy()
    marked[:, :40] = (255, 0, 0)
    aligned = align_face(marked, landmarks)
    red = np.abs(aligned.astype(int) - (255, 0, 0)).max(axis=2) < 5
    assert red[100:150, 10].all() and not red[100:150, 245].any()


def test_three_or_five_points_give_the_same_face() -> None:
    face, landmarks = draw_face(6)
    assert (align_face(face, landmarks) == align_face(face, landmarks[:3])).all()
    assert (align_face(face, landmarks) == align_face(face, landmarks.tolist())).all()


def test_beyond_the_picture_its_edge_is_repeated() -> None:
    picture = np.full((60, 60, 3), 200, np.uint8)
    aligned = align_face(picture, np.array([(15.0, 20.0), (45.0, 20.0), (30.0, 36.0)]))
    assert aligned.shape == (256, 256, 3) and (aligned == 200).all()


def test_a_large_picture_does_not_alias() -> None:
    """A pattern of alternating lines becomes grey, not stripes, when shrunk eight times."""
    lines = np.zeros((2048, 2048, 3), np.uint8)
    lines[::2] = 255
    aligned = align_face(lines, TEMPLATE_XY_PX * 8).astype(int)
    assert np.abs(aligned - 127).max() <= 3


@pytest.mark.parametrize(
    ("points", "match"),
    [
        ([(10, 10), (20, 10)], "at least 3 points"),
        ([(10, 10, 0)] * 3, "at least 3 points"),
        ([(10, 10), (20, 10), (15, float("nan"))], "finite"),
        ([(10, 10), (10, 10.5), (10, 20)], "less than a pixel"),
        ([(45, 20), (15, 20), (30, 36)], "swapped"),
        ([(1015, 20), (1045, 20), (1030, 36)], "outside the 60x60 image"),
    ],
)
def test_landmarks_that_no_face_has(points: list, match: str) -> None:
    with pytest.raises(PictureError, match=match):
        align_face(np.zeros((60, 60, 3), np.uint8), np.array(points, dtype=float))


def test_central_square_of_a_cropped_face() -> None:
    face, _ = draw_face(7)
    wide = np.pad(face, ((0, 0), (30, 31), (0, 0)))
    assert (central_square(wide) == face).all()
    small = np.asarray(Image.fromarray(face).resize((64, 64), Image.Resampling.BOX))
    assert central_square(small).shape == (256, 256, 3)
