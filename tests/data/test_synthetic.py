"""The synthetic posed set: legal action units, levels that scale exactly, people that depend on seed and number."""

import csv
import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ifgan.data.readers import read
from ifgan.data.readers.bu3dfe import FILE_NAME
from ifgan.data.synthetic import expression as fx
from ifgan.data.synthetic import synthesize
from ifgan.data.synthetic.generate import Studio
from ifgan.data.synthetic.identity import ETHNICITIES, draw_identity, local_pairs, subject_name
from ifgan.data.synthetic.mesh import load_head, vertex_normals
from ifgan.data.synthetic.render import rasterise
from ifgan.data.synthetic.scene import draw_scene
from ifgan.errors import InputError
from ifgan.faces.detect import FaceDetector
from ifgan.faces.picture import to_png
from ifgan.labels import BASIC
from ifgan.seeds import numpy_rng

ALL = (*BASIC, "contempt")
needs_anny = pytest.mark.skipif(importlib.util.find_spec("anny") is None, reason='needs "ifgan[synthetic]"')
ROWS = [(name, row) for table in (fx.PROTOTYPES, fx.VARIANTS) for name, rows in table.items() for row in rows]


def poses(expression: str, count: int = 150) -> list[fx.Pose]:
    return [fx.draw_pose(expression, numpy_rng("test", expression, number)) for number in range(count)]


@pytest.fixture(scope="module")
def head():
    return load_head()


@pytest.fixture(scope="module")
def two_subjects(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("synthetic") / "two"
    synthesize(out, subjects=2, seed=3, workers=2)
    return out


# Expressions


def test_every_basic_expression_has_prototypes_variants_and_optional_units():
    assert tuple(fx.PROTOTYPES) == tuple(fx.VARIANTS) == tuple(fx.OPTIONAL) == ALL


@pytest.mark.parametrize(("expression", "row"), ROWS)
def test_every_row_is_made_of_units_that_can_be_shown(expression, row):
    for number in range(10):
        units = fx.parse_row(row, numpy_rng("row", number))
        assert {unit for _, unit, _ in units} <= set(fx.AU_ACTIONS)
        assert len({unit for _, unit, _ in units}) == len(units)


@needs_anny
def test_every_unit_moves_the_face_with_actions_that_the_package_has(head):
    for unit, actions in fx.AU_ACTIONS.items():
        moved = sum(np.abs(head.action(name)).max() * value for name, value in actions.items())
        assert moved > 0.02, f"AU{unit} moves nothing"


@pytest.mark.parametrize("expression", ALL)
def test_levels_scale_one_sample_exactly(expression):
    for pose in poses(expression, 10):
        strongest = pose.actions()
        for level, scale in fx.LEVELS.items():
            scaled = pose.at_level(level)
            assert scaled.prototype == pose.prototype
            for unit, (left, right) in scaled.units.items():
                low, high = fx.LETTERS[scaled.letters[unit]]
                intensity = (left + right) / 2 if min(left, right) else max(left, right)
                slack = fx.ASYMMETRY if scale == 1 else 1e-9  # as drawn, a side may leave its letter by so much
                assert low * (1 - slack) <= intensity <= high * (1 + slack) or scaled.letters[unit] == "A"
            assert scaled.actions() == pytest.approx({name: value * scale for name, value in strongest.items()})


@pytest.mark.parametrize("expression", ALL)
def test_intensities_keep_to_their_letters_and_sides_to_ten_percent(expression):
    for pose in poses(expression):
        for unit, (left, right) in pose.units.items():
            low, high = fx.LETTERS[pose.letters[unit]]
            assert 0 <= min(left, right) <= max(left, right) <= 1
            if min(left, right) == 0:  # one side alone
                assert re.search(rf"[LR]{unit}(?!\d)", pose.prototype)
                continue
            assert abs(left - right) <= fx.ASYMMETRY * (left + right) + 1e-9
            assert low * (1 - fx.ASYMMETRY) <= (left + right) / 2 <= high * (1 + fx.ASYMMETRY)


def test_letters_of_the_manual_are_respected():
    assert all(pose.letters[5] == "B" for pose in poses("surprise") if "5B" in pose.prototype)
    assert all(pose.letters[12] in "CD" for pose in poses("happiness") if pose.prototype == "12CD")


@pytest.mark.parametrize("expression", ALL)
def test_an_optional_unit_is_of_its_expression_and_never_opens_a_shut_mouth(expression):
    for pose in poses(expression, 200):
        of_row = {int(unit) for unit in re.findall(r"\d+", pose.prototype)}
        extra = set(pose.units) - of_row
        assert len(extra) <= 1 and extra <= set(fx.OPTIONAL[expression])
        assert not (extra & {17, 23, 24} and set(pose.units) & {25, 26, 27})
        assert not (extra & {25, 26, 27} and (set(pose.units) - extra) & {17, 23, 24, 25, 26, 27})


@pytest.mark.parametrize("expression", ALL)
def test_people_differ_in_how_they_show_an_expression_but_a_draw_repeats(expression):
    drawn = poses(expression)
    assert len({pose.prototype for pose in drawn}) == len({row for name, row in ROWS if name == expression})
    assert drawn == poses(expression)


# People


@needs_anny
def test_a_subject_depends_on_seed_and_number_alone(head):
    assert draw_identity(5, 7, head) == draw_identity(5, 7, head)
    assert draw_identity(5, 7, head).shapes != draw_identity(5, 9, head).shapes
    assert draw_identity(5, 7, head).shapes != draw_identity(6, 7, head).shapes


@needs_anny
def test_people_are_many_and_their_codes_fit_their_looks(head):
    people = [draw_identity(0, number, head) for number in range(60)]
    assert len({person.subject for person in people}) == 60
    assert {person.ethnicity for person in people} == set(ETHNICITIES)
    assert all(18 <= person.age <= 70 for person in people)
    for person in people:
        assert person.gender == {"F": "female", "M": "male"}[person.subject[0]]
        low, high = ETHNICITIES[person.ethnicity][2]
        assert low <= person.tone <= high
        ancestry = {race: 0.0 for race in ("african", "asian", "caucasian")}
        for name, weight in person.shapes.items():
            race = name.removeprefix("macrodetails/").split("-")[0]
            if race in ancestry:
                ancestry[race] += weight
        assert sum(ancestry.values()) == pytest.approx(1)
        leader = {"WH": "caucasian", "AE": "asian", "BL": "african"}.get(person.ethnicity)
        assert leader is None or max(ancestry, key=ancestry.get) == leader


@needs_anny
def test_identity_is_made_of_many_local_shapes_that_exist(head):
    pairs = local_pairs(head)
    assert len(pairs) >= 80
    assert all(np.abs(head.target(name)).max() > 0 for pair in pairs for name in pair)


def test_names_are_those_of_bu3dfe():
    assert [subject_name(number) for number in range(4)] == ["F0001", "M0001", "F0002", "M0002"]
    found = FILE_NAME.fullmatch("F0001_AN04WH_F2D.png")
    assert (found["subject"], found["expression"], found["level"]) == ("F0001", "AN", "04")


def test_heads_turn_but_stay_frontal():
    scenes = [draw_scene(numpy_rng("scene", number)) for number in range(200)]
    turned = np.array([[scene.yaw_deg, scene.pitch_deg, scene.roll_deg] for scene in scenes])
    assert (np.abs(turned) <= 12).all() and (turned.std(axis=0) > 2).all()
    assert min(scene.eye_distance_px for scene in scenes) >= 75


# Drawing


def test_the_nearer_triangle_hides_the_farther_and_backs_are_not_seen():
    square = [[0, 0], [0, 10], [10, 10], [10, 0]]
    screen = np.array([[x, y, depth] for depth in (1.0, 2.0) for x, y in square], np.float32)
    towards, away = [[0, 1, 2], [0, 2, 3]], [[4, 6, 5], [4, 7, 6]]
    pixels, corners, weights = rasterise(screen, np.array([*towards, [4, 5, 6]]), 10)
    assert len(pixels) == 100, "two triangles that share an edge leave no crack"
    assert np.allclose(weights.sum(axis=1), 1, atol=1e-4) and weights.min() > -1e-3
    assert 40 < (corners[:, 0] == 4).sum() < 60, "the nearer half covers its half"
    _, corners, _ = rasterise(screen, np.array(towards + away), 10)
    assert (corners < 4).all()


def test_weights_give_a_pixel_its_place():
    screen = np.array([[1.3, 0.7, 1], [2.1, 17.2, 1.5], [18.4, 9.9, 2]], np.float32)
    pixels, corners, weights = rasterise(screen, np.array([[0, 1, 2]]), 20)
    places = (screen[corners] * weights[:, :, None]).sum(axis=1)
    assert np.allclose(places[:, 0], pixels % 20 + 0.5, atol=1e-3)
    assert np.allclose(places[:, 1], pixels // 20 + 0.5, atol=1e-3)


@needs_anny
def test_normals_are_unit_and_the_nose_points_forward(head):
    normals = vertex_normals(head.vertices, head.triangles["skin"])
    own = np.unique(head.triangles["skin"])
    assert np.allclose(np.linalg.norm(normals[own], axis=1), 1)
    tip = own[np.argmax(head.vertices[own, 2])]
    assert normals[tip, 2] > 0.8


# The set


def table(out: Path) -> list[dict[str, str]]:
    with open(out / "ground_truth.csv", newline="") as file:
        return list(csv.DictReader(file))


@needs_anny
def test_a_set_has_25_pictures_a_person_and_the_truth_about_each(two_subjects):
    rows = table(two_subjects)
    assert sorted(path.relative_to(two_subjects).as_posix() for path in two_subjects.glob("*/*.png")) == sorted(
        row["image"] for row in rows
    )
    assert len(rows) == 50
    for row in rows:
        found = FILE_NAME.fullmatch(Path(row["image"]).name)
        assert found["subject"] == row["subject"] and found["level"] == row["level"]
        assert found["ethnicity"] == row["ethnicity"]
        assert (row["expression"] == "neutral") == (row["level"] == "00") == (json.loads(row["action_units"]) == {})
    people = json.loads((two_subjects / "identities.json").read_text())
    assert set(people) == {"F0001", "M0001"}
    assert all(len(person["shapes"]) > 80 for person in people.values())
    with Image.open(two_subjects / rows[0]["image"]) as picture:
        assert picture.size == (352, 352) and picture.mode == "RGB"


@needs_anny
def test_levels_of_one_expression_are_one_sample_in_the_truth_too(two_subjects):
    units = {
        (row["subject"], row["expression"], row["level"]): json.loads(row["action_units"])
        for row in table(two_subjects)
    }
    for (subject, expression, level), values in units.items():
        strongest = units[subject, expression, "04" if level != "00" else "00"]
        for unit, sides in values.items():
            scaled = np.array(strongest[unit]) * fx.LEVELS[int(level)]
            assert sides == pytest.approx(scaled.tolist(), abs=2e-4)


@needs_anny
def test_bytes_depend_on_neither_the_count_nor_the_workers(two_subjects, head):
    made = [
        (row, to_png(image, compress_level=4)) for row, image in Studio(head).pictures(draw_identity(3, 0, head), 3)
    ]
    assert len(made) == 25
    assert all(png == (two_subjects / row["image"]).read_bytes() for row, png in made)


@needs_anny
def test_a_run_that_was_broken_off_goes_on_and_keeps_what_is_finished(two_subjects):
    files = sorted(two_subjects.glob("*/*.png"))
    before = {path: path.read_bytes() for path in files}
    kept = next((two_subjects / "F0001").glob("*.png"))
    stamp = kept.stat().st_mtime_ns
    (two_subjects / "truth" / "M0001.json").unlink()
    next((two_subjects / "M0001").glob("*.png")).unlink()
    report = synthesize(two_subjects, subjects=2, seed=3, workers=1)
    assert (report.made, report.subjects, report.pictures) == (1, 2, 50)
    assert kept.stat().st_mtime_ns == stamp
    assert {path: path.read_bytes() for path in files} == before
    assert synthesize(two_subjects, subjects=2, seed=3).made == 0


@needs_anny
def test_contempt_is_one_sided_and_leaves_all_other_images_as_they_are(tmp_path, two_subjects):
    synthesize(tmp_path, subjects=1, seed=3, contempt=True)
    rows = table(tmp_path)
    (shown,) = [row for row in rows if (row["expression"], row["level"]) == ("contempt", "04")]
    assert len(rows) == 29
    assert any(min(sides) == 0 < max(sides) for sides in json.loads(shown["action_units"]).values())
    for path in (two_subjects / "F0001").glob("*.png"):
        assert (tmp_path / "F0001" / path.name).read_bytes() == path.read_bytes()
    found = list(read("bu3dfe", tmp_path, levels="04", neutral=True, contempt=True).items)
    assert sorted(picture.expression for picture in found) == sorted((*ALL, "neutral"))
    assert "contempt" not in {picture.expression for picture in read("bu3dfe", tmp_path).items}
    with pytest.raises(InputError, match="contempt False"):
        synthesize(two_subjects, subjects=2, seed=3, contempt=True)
    with pytest.raises(InputError, match="holds no contempt"):
        read("bu3dfe", two_subjects, contempt=True)


@needs_anny
def test_another_seed_is_refused_in_the_same_folder(two_subjects):
    with pytest.raises(InputError, match="seed 3"):
        synthesize(two_subjects, subjects=2, seed=4)


@needs_anny
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="can't be written"):
        synthesize(tmp_path / "file" / "out", subjects=1)


def test_fewer_than_one_subject_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 1"):
        synthesize(tmp_path, subjects=0)


def test_a_missing_package_names_the_extra_and_writes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r'pip install "ifgan\[synthetic\]"'):
        synthesize(tmp_path / "out", subjects=1)
    assert not (tmp_path / "out").exists()


@needs_anny
def test_mtcnn_finds_every_face(two_subjects):
    paths = sorted(two_subjects.glob("*/*04??_F2D.png"))
    images = []
    for path in paths:
        with Image.open(path) as picture:
            images.append(np.asarray(picture.convert("RGB")))
    for path, faces in zip(paths, FaceDetector()(images), strict=True):
        assert faces, path.name
        left, right = np.array(faces[0].landmarks_xy_px)[:2]
        assert np.hypot(*(right - left)) > 68
