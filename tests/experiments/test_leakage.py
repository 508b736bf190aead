"""Re-identification: what probes may see, what they find in made-up vectors, and the command on real, tiny runs."""

import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import ndimage
from sklearn.decomposition import PCA

from ifgan.cli import main
from ifgan.errors import InputError
from ifgan.experiments.anonymisers import PlainAnonymizers, blurred, pixelated, quantized_8bit, views_of
from ifgan.experiments.evaluation import open_run
from ifgan.experiments.leakage import measure_leakage, picture_groups
from ifgan.experiments.leakage_report import Leakage
from ifgan.experiments.reidentification import PROBES, nearest_neighbour, read_from, reidentified, whitened
from ifgan.training.run_data import SplitChoice, load_run_data
from tiny_runs import make_prepared, tiny, train_tiny

PEOPLE = np.repeat([f"s{k}" for k in range(8)], 6)
EXPRESSIONS = np.tile(["anger", "fear", "sadness"], 16)
ONE_BY_ONE = [str(index) for index in range(len(PEOPLE))]
BOTH = pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)


def code(names: np.ndarray, length: int = 48, noise: float = 0.1) -> np.ndarray:
    """(M, length): a random vector for each name, and noise."""
    rng = np.random.default_rng(0)
    of = {name: rng.normal(size=length) for name in sorted(set(names))}
    return np.array([of[name] for name in names]) + noise * rng.normal(size=(len(names), length))


@BOTH
def test_people_are_found_where_they_are_and_by_chance_where_not(probe):
    assert reidentified(code(PEOPLE), PEOPLE, EXPRESSIONS, probe).all()
    nobody = [reidentified(code(EXPRESSIONS), PEOPLE[order], EXPRESSIONS, probe).mean() for order in orders(6)]
    assert np.mean(nobody) < 0.25  # chance 0.125


def orders(count: int) -> list[np.ndarray]:
    return [np.random.default_rng(seed).permutation(len(PEOPLE)) for seed in range(count)]


@BOTH
def test_a_pose_that_was_seen_is_no_help(probe):
    """Vectors that tell person and expression together only: whoever saw the other expressions knows nothing."""
    together = np.char.add(PEOPLE, EXPRESSIONS)
    assert reidentified(code(together), PEOPLE, EXPRESSIONS, probe).mean() < 0.4
    as_pictures = picture_groups(together, ONE_BY_ONE)  # of which each was seen
    assert reidentified(code(together), PEOPLE, as_pictures, probe).all()


def test_expressions_are_read_by_probes_that_saw_other_people():
    assert read_from(code(EXPRESSIONS), EXPRESSIONS, PEOPLE).all()
    assert read_from(code(np.char.add(PEOPLE, EXPRESSIONS)), EXPRESSIONS, PEOPLE).mean() < 0.6  # chance 0.33


def test_the_nearest_neighbour_is_that_of_the_angle_from_the_mean():
    train = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, -1.0]]) + 5
    found = nearest_neighbour(train, np.array(["right", "up", "down"]), np.array([[9.0, 5.5], [4.9, 5.1]]))
    assert found.tolist() == ["right", "up"]


@pytest.mark.parametrize("shape", [(12, 40), (40, 12)], ids=["more columns", "more rows"])
def test_components_are_those_of_a_principal_component_analysis(shape: tuple[int, int]):
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(shape[0] + 5, shape[1])) * np.geomspace(1, 1e-3, shape[1])  # the last few under 0.1 %
    train, test = vectors[:-5], vectors[-5:]
    theirs = PCA(0.999, whiten=True, svd_solver="full").fit(train)
    expected = theirs.transform(train), theirs.transform(test)
    assert expected[0].shape[1] < min(shape)
    found_both = whitened(train, test)
    signs = np.sign((expected[0] * found_both[0]).sum(axis=0))  # a component may point either way
    for found, wanted in zip(found_both, expected, strict=True):
        np.testing.assert_allclose(found * signs, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("people", "groups", "words"),
    [
        pytest.param(["s0"] * 4, ["a", "b"] * 2, "at least two people; found 1", id="one person"),
        pytest.param(["s0", "s1"] * 2, ["a"] * 4, "at least two groups", id="one group"),
        pytest.param(["s0", "s0", "s1", "s1"], ["a", "b", "a", "a"], "subject s1 has images of a only", id="missing"),
    ],
)
def test_what_can_not_be_asked(people: list[str], groups: list[str], words: str):
    with pytest.raises(InputError, match=words):
        reidentified(np.zeros((4, 2)), np.array(people), np.array(groups), nearest_neighbour)


def test_groups_of_pictures():
    """In turn, for each person; what was taken together stays together."""
    people = np.array(["a", "b", "a", "a", "b", "a"])
    assert picture_groups(people, list("123456")).tolist() == ["odd", "odd", "even", "odd", "even", "even"]
    assert picture_groups(people, list("112234")).tolist() == ["odd", "odd", "even", "even", "even", "odd"]


def test_shares_are_means_over_people():
    """Somebody on ninety images counts like anybody else, and so chance is one of as many as there are."""
    subjects = np.array(["often"] * 90 + ["a"] * 5 + ["b"] * 5)
    right = np.array([True] * 90 + [True] * 5 + [False] * 5)
    found = Leakage((), subjects, "picture", {"people with a single image": 3}, {})
    assert found.share(right)["share"] == pytest.approx(2 / 3) and found.chance == pytest.approx(1 / 3)
    assert found.share(subjects == "often")["share"] == pytest.approx(found.chance)  # always the most frequent one
    assert "Left out: 3 people with a single image." in found.table().note
    nobody = found.share(np.zeros(100, bool))
    assert (nobody["share"], nobody["low"]) == (0, 0) and nobody["high"] > 0.5  # three people are no proof


def test_one_expression_leaves_a_probe_one_answer():
    assert read_from(code(PEOPLE), np.full(len(PEOPLE), "anger"), PEOPLE).all()
    each = np.where(PEOPLE < "s4", "anger", "fear")
    assert read_from(code(PEOPLE), each, np.where(PEOPLE < "s4", "x", "y")).mean() == 0  # never seen the other's


def test_blur_is_a_gaussian():
    picture = torch.rand(1, 3, 48, 48, generator=torch.manual_seed(0))
    expected = ndimage.gaussian_filter(picture[0].numpy(), (0, 3, 3), mode="mirror", truncate=3)
    np.testing.assert_allclose(blurred(picture, 1 / 16)[0].numpy(), expected, atol=1e-5)


def test_squares_have_the_mean_of_what_was_there():
    picture = torch.rand(2, 3, 24, 24, generator=torch.manual_seed(0))
    squares = pixelated(picture, 4)
    assert squares.shape == picture.shape
    torch.testing.assert_close(squares[1, 2, 6:12, 18:24], picture[1, 2, 6:12, 18:24].mean().expand(6, 6))


def test_pictures_are_judged_as_files_hold_them():
    values = quantized_8bit(torch.tensor([-1.2, -1.0, 0.0011, 0.002, 1.0, 1.3]))
    np.testing.assert_allclose(values * 127.5 + 127.5, [0, 0, 128, 128, 255, 255], atol=1e-4)


@pytest.mark.parametrize(("changes", "words"), [({"blur": 0.0}, "blur 0.0"), ({"blocks": 0}, "blocks 0")])
def test_anonymisers_that_are_none(changes: dict, words: str):
    with pytest.raises(InputError, match=words):
        PlainAnonymizers(**changes)


def test_every_view_is_what_it_is_called(home: Path):
    opened = open_run(home / "ifgan", home / "colours")
    system = opened.trained.system
    assert system.generator is not None and system.mixture is not None
    views = views_of(opened.pairs, system.generator, system.mixture, PlainAnonymizers(1 / 8, 4))
    images = torch.stack([opened.pairs[0, index].image for index in range(len(opened.pairs))])
    with torch.inference_mode():
        faces = system.generator(images)
        expected = {"input": images, "generated": faces, "mixture": system.mixture(faces)}
    expected |= {"blurred": blurred(images, 1 / 8), "pixelated": pixelated(images, 4)}
    for name, pictures in expected.items():
        torch.testing.assert_close(views[name], pictures, atol=1.01 / 255, rtol=0)
    assert len({tuple(pictures[0].flatten()[:500].tolist()) for pictures in views.values()}) == 6


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A set of twelve people in three folds, an IF-GAN and a baseline of fold 0, a baseline of fold 1."""
    folder = tmp_path_factory.mktemp("leakage")
    data = make_prepared(folder / "raw", folder / "colours", subjects=12)
    for name, fold in (("ifgan", 0), ("baseline", 0), ("stranger", 1)):
        method = "ifgan" if name == "ifgan" else "baseline"
        train_tiny(tiny(method=method, epochs=1), load_run_data(data, SplitChoice(fold, folds=3)), folder / name)
    return folder


def test_the_command(home: Path, capsys: pytest.CaptureFixture[str]):
    run = str(home / "ifgan")
    assert main(["leakage", run, "--data", str(home / "colours"), "--baseline", str(home / "baseline")]) == 0
    printed = capsys.readouterr().out
    assert (home / "ifgan" / "leakage" / "leakage.txt").read_text() in printed
    found = json.loads((home / "ifgan" / "leakage" / "leakage.json").read_text())
    assert (found["subjects"], found["pictures"], found["chance"]) == (4, 12, 0.25)
    assert set(found["classifiers"]) == {"this run", "the baseline"}
    views = {(row["view"], row["vectors"]): row for row in found["rows"]}
    assert len(views) == 6 * 3 + 1
    with open(home / "ifgan" / "leakage" / "leakage.csv", newline="") as file:
        pictures = list(csv.DictReader(file))
    for (view, vectors), row in views.items():
        for probe, answer in row["reidentified"].items():
            share = np.mean([int(picture[f"{view}, {vectors}: {probe}"]) for picture in pictures])
            assert share == pytest.approx(answer["share"]) and answer["low"] <= share <= answer["high"]
    faces = views["input", "pixels"]["reidentified"]["nearest neighbour"]
    assert faces["share"] > 0.5  # each of these people is a noise of their own
    for vectors in ("pixels", "ImageNet features", "baseline's features"):
        row = views["average face", vectors]
        assert all(answer["share"] == 0.25 for answer in row["reidentified"].values())  # it shows nobody
        assert row["expression"]["share"] == 1


def test_people_of_another_set(home: Path, tmp_path: Path):
    others = make_prepared(tmp_path / "raw", tmp_path / "others", subjects=3, first=50)
    found = measure_leakage(home / "ifgan", others, people="all", groups="picture")
    assert set(found.subjects) == {"s50", "s51", "s52"}
    assert found.left_out == {} and list(found.classifiers) == ["this run"]


@pytest.mark.parametrize(
    ("run", "options", "words"),
    [
        pytest.param("baseline", {}, "the baseline has no generator", id="no generator"),
        pytest.param("ifgan", {"people": "all"}, "was trained on this set", id="people who trained"),
        pytest.param("ifgan", {"baseline": "stranger"}, "on other people than", id="baseline of another fold"),
        pytest.param("ifgan", {"baseline": "ifgan"}, "expected a run of method baseline", id="no baseline"),
    ],
)
def test_what_is_refused(home: Path, run: str, options: dict, words: str):
    if "baseline" in options:
        options = options | {"baseline": home / options["baseline"]}
    with pytest.raises(InputError, match=words):
        measure_leakage(home / run, home / "colours", **options)


@pytest.mark.parametrize(
    ("subjects", "kept", "groups"),
    [
        pytest.param(1, 3, "expression", id="one person"),
        pytest.param(3, 1, "expression", id="one expression each"),
        pytest.param(3, 1, "picture", id="one image each"),
    ],
)
def test_sets_in_which_nobody_can_be_asked_about(home: Path, tmp_path: Path, subjects: int, kept: int, groups):
    others = make_prepared(tmp_path / "raw", tmp_path / "others", subjects=subjects)
    manifest = others / "manifest.csv"
    head, *rows = manifest.read_text().splitlines()
    manifest.write_text("\n".join([head, *(row for k, row in enumerate(rows) if k % 3 < kept)]) + "\n")
    with pytest.raises(InputError, match=r"at least two subjects with .* each; found [01]"):
        measure_leakage(home / "ifgan", others, people="all", groups=groups)


def test_frames_of_one_film_are_one_picture_to_a_probe(home: Path, tmp_path: Path):
    """They are nearly the same; BU-3DFE's levels of one expression are not."""
    films = make_prepared(tmp_path / "raw", tmp_path / "films", subjects=3, first=60)
    manifest = pd.read_csv(films / "manifest.csv", dtype=str, keep_default_na=False)
    manifest.assign(sequence="1").to_csv(films / "manifest.csv", index=False)
    with pytest.raises(InputError, match="two images each; found 0"):
        measure_leakage(home / "ifgan", films, people="all", groups="picture")
    manifest.assign(sequence="1", intensity=manifest["expression"]).to_csv(films / "manifest.csv", index=False)
    assert len(measure_leakage(home / "ifgan", films, people="all", groups="picture").subjects) == 9
