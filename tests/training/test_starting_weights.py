"""Weights that a run takes over must not know the people whom it holds out."""

from pathlib import Path

import pytest

from ifgan.config import Config
from ifgan.errors import InputError
from ifgan.files import write_json
from ifgan.models.checkpoint import save_trained
from ifgan.training.starting_weights import check_head, check_taken_over
from tiny_model import tiny_trained

MINE = {"data": "mine", "dataset": "ckplus", "extra": []}


def people(train: str, validation: str, test: str) -> dict[str, object]:
    """A letter a person."""
    return {"subjects": {"train": list(train), "validation": list(validation), "test": list(test)}}


def weights(folder: Path, record: dict[str, object]) -> str:
    write_json(folder / "split.json", record)
    return str(folder / "checkpoint" / "best.safetensors")


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        pytest.param(MINE | people("abcdef", "g", "h"), None, id="the same fold"),
        pytest.param(MINE | people("abcdeh", "g", "f"), r"1 people whom this run holds out \(h\)", id="tested"),
        pytest.param(MINE | people("abcdeg", "f", "h"), r"1 people .* \(g\)", id="validating"),
        pytest.param(MINE | people("abcdef", "h", "g"), r"1 people .* \(h\)", id="chose their epoch"),
        pytest.param(MINE | {"data": "again"} | people("gh", "", ""), r"2 people", id="the same people elsewhere"),
        pytest.param({"data": "x", "dataset": "x", "extra": ["mine"]} | people("h", "", ""), "1 people", id="joined"),
        pytest.param({"data": "x", "dataset": "x", "extra": []} | people("gh", "", ""), None, id="another data set"),
        pytest.param(MINE | {"subjects": dict(train=[""], validation=[""], test=[""])}, None, id="unknown"),
    ],
)
@pytest.mark.parametrize("taken", ["classifier_weights", "generator_weights", "teachers"])
def test_whom_the_weights_have_seen(theirs: dict[str, object], words: str | None, taken: str, tmp_path: Path) -> None:
    file = weights(tmp_path / "run", theirs)
    config = (
        Config().changed(teachers=(file,), soft_labels=0.5)
        if taken == "teachers"
        else Config().changed(**{taken: file})
    )
    ours = MINE | people("abcdef", "g", "h")
    if words is None:
        check_taken_over(config, ours)
    else:
        with pytest.raises(InputError, match=words):
            check_taken_over(config, ours)


def test_a_baseline_takes_over_no_generator(tmp_path: Path) -> None:
    file = weights(tmp_path / "run", MINE | people("h", "", ""))
    check_taken_over(Config().changed(method="baseline", generator_weights=file), MINE | people("abcdef", "g", "h"))
    with pytest.raises(InputError, match="1 people whom this run holds out"):
        check_taken_over(Config().changed(generator_weights=file), MINE | people("abcdef", "g", "h"))


def test_a_decision_about_other_expressions_is_refused(tmp_path: Path) -> None:
    trained = tiny_trained("baseline")
    save_trained(tmp_path / "best.safetensors", trained)
    config = Config().changed(classifier_weights=str(tmp_path / "best.safetensors"), head_weights=True)
    check_head(config, trained.labels)
    with pytest.raises(InputError, match="knows anger, happiness, surprise, neutral; expected anger, fear"):
        check_head(config, ("anger", "fear"))


def test_two_sets_of_rendered_people_have_other_people_by_the_same_names(tmp_path: Path) -> None:
    theirs = {"data": "one", "dataset": "synthetic", "extra": []} | people("gh", "", "")
    file = weights(tmp_path / "run", theirs)
    ours = {"data": "other", "dataset": "synthetic", "extra": []} | people("abcdef", "g", "h")
    check_taken_over(Config().changed(classifier_weights=file), ours)
    with pytest.raises(InputError, match="2 people"):
        check_taken_over(Config().changed(classifier_weights=file), ours | {"data": "one"})


def test_weights_without_a_record_say_nothing(tmp_path: Path) -> None:
    ours = MINE | people("abcdef", "g", "h")
    for name in ("imagenet", "packaged", "none", "ifgan-wild", str(tmp_path / "a" / "exported.safetensors")):
        check_taken_over(Config().changed(classifier_weights=name), ours)


def test_two_folders_of_pictures_are_two_sets_whatever_their_ids(tmp_path: Path) -> None:
    theirs = {"data": "one", "dataset": "folder", "extra": []} | people("gh", "", "")
    ours = {"data": "other", "dataset": "folder", "extra": []} | people("abcdef", "g", "h")
    check_taken_over(Config().changed(classifier_weights=weights(tmp_path / "run", theirs)), ours)


@pytest.mark.parametrize("record", [{}, {"data": "mine"}, {"subjects": {"train": ["h"], "validation": [], "test": []}}])
def test_a_record_of_an_early_version_or_of_something_else_says_nothing(
    record: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = weights(tmp_path / "run", record)
    check_taken_over(Config().changed(classifier_weights=file), MINE | people("abcdef", "g", "h"))
    (tmp_path / "run" / "checkpoint").mkdir()
    monkeypatch.chdir(tmp_path / "run" / "checkpoint")
    check_taken_over(
        Config().changed(classifier_weights="ifgan-wild"), MINE | people("abcdef", "g", "h")
    )  # no file of this folder
