"""Whose images train, validate and test when other sets join. Paper §4.3."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from ifgan.data.sample import read_manifest
from ifgan.errors import InputError
from ifgan.training.run_data import RunData, SplitChoice, load_run_data, recorded_run_data
from tiny_runs import make_prepared, tiny


def rewrite(prepared: Path, *changes: tuple[str, str]) -> None:
    manifest = (prepared / "manifest.csv").read_text()
    for old, new in changes:
        assert old in manifest
        manifest = manifest.replace(old, new)
    (prepared / "manifest.csv").write_text(manifest)


def test_pictures_of_other_sets_join_training_and_nothing_else(tmp_path: Path) -> None:
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    other = make_prepared(tmp_path / "b", tmp_path / "other", subjects=3, first=20)
    # Other people, and contempt, which the first set doesn't have.
    rewrite(other, (",folder,", ",other,"), (",sadness,", ",contempt,"))
    alone, joined = (load_run_data(own, SplitChoice(0), extra=extra) for extra in ((), (other,)))
    assert (joined.parts["validation"], joined.parts["test"]) == (alone.parts["validation"], alone.parts["test"])
    added = joined.parts["train"][len(alone.parts["train"]) :]
    assert {located.folder for located in added} == {other}
    assert [located.sample.expression for located in added].count("anger") == 3
    assert joined.labels == alone.labels == ("anger", "happiness", "sadness")
    assert_same_averages(joined, alone)  # §4.3: "in its training set"


def test_whoever_is_held_out_is_in_no_other_set_and_no_average(tmp_path: Path) -> None:
    """Another preparation of the same people: those who validate or are tested stay out of training and averages."""
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    again = make_prepared(tmp_path / "b", tmp_path / "again", subjects=12)
    data = load_run_data(own, SplitChoice(0), extra=(again,), averages_from=(again,), leaks="drop")
    added = [item.sample.subject for item in data.parts["train"] if item.folder == again]
    held_out = {item.sample.subject for split in ("validation", "test") for item in data.parts[split]}
    assert len(held_out) == 2 and not held_out & set(added)
    assert any("6 images of other sets that show people who are held out" in s for s in data.record["left_out"])
    poison(again, held_out)
    assert_same_averages(data, load_run_data(own, SplitChoice(0), averages_from=(again,), leaks="drop"))


def test_a_copy_of_a_tested_picture_under_another_name_is_in_no_average(tmp_path: Path) -> None:
    own, other, _ = with_a_copy(tmp_path)
    with pytest.raises(InputError, match=r"averaged images are held out too \(1\)"):
        load_run_data(own, SplitChoice(0), averages_from=(other,))
    data = load_run_data(own, SplitChoice(0), averages_from=(other,), leaks="drop")
    kept = [np.asarray(Image.open(other / s.image), float) for s in read_manifest(other)
            if s.expression == "anger" and s.subject != "s21"]  # fmt: skip
    assert np.abs(data.averages["anger"] - np.mean(kept, axis=0)).max() <= 0.5


def test_a_picture_that_validates_and_is_tested_is_a_leak(tmp_path: Path) -> None:
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    paths = {(s.subject, s.expression): own / s.image for s in read_manifest(own)}
    for who in ("s0", "s1"):  # tested, and validating, in fold 0
        Image.fromarray(checkered()).save(paths[who, "anger"])
    with pytest.raises(InputError, match=r"validation images are held out too \(1\)"):
        load_run_data(own, SplitChoice(0))
    data = load_run_data(own, SplitChoice(0), leaks="drop")
    assert len(data.parts["validation"]) == 2 and len(data.parts["test"]) == 3
    again = recorded_run_data(own, data.record, data.averages, seed=0)
    assert again.parts == data.parts


def test_a_subject_in_two_parts_of_an_official_split_stops_the_run(tmp_path: Path) -> None:
    own = make_prepared(tmp_path / "a", tmp_path / "own", subjects=3)
    lines = (own / "manifest.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    splits = ["train"] * 3 + ["validation"] * 3 + ["test"] * 3
    named = [[*row[:7], split, *row[8:]] for row, split in zip(rows, splits, strict=True)]
    named[-1][2] = named[0][2]
    (own / "manifest.csv").write_text("\n".join([lines[0], *map(",".join, named)]) + "\n")
    with pytest.raises(InputError, match="subject s0 is in train and in test"):
        load_run_data(own, SplitChoice())


def with_a_copy(folder: Path) -> tuple[Path, Path, Path]:
    """A set, another one, and the image in it that is one of those tested in the first's fold 0."""
    own = make_prepared(folder / "a", folder / "own")
    other = make_prepared(folder / "b", folder / "other", subjects=3, first=20)
    tested = next(own / s.image for s in read_manifest(own) if (s.subject, s.expression) == ("s0", "anger"))
    copied = next(other / s.image for s in read_manifest(other) if (s.subject, s.expression) == ("s21", "anger"))
    for path in (tested, copied):
        Image.fromarray(checkered()).save(path)
    return own, other, copied


def checkered() -> np.ndarray:
    """(256, 256, 3) uint8, unlike any other."""
    return np.kron(np.random.default_rng(0).integers(40, 200, (16, 16, 3)), np.ones((16, 16, 1))).astype(np.uint8)


def poison(prepared: Path, subjects: set[str]) -> None:
    for sample in read_manifest(prepared):
        if sample.subject in subjects:
            Image.fromarray(np.full((256, 256, 3), 255, np.uint8)).save(prepared / sample.image)


def assert_same_averages(one: RunData, other: RunData) -> None:
    assert all(np.array_equal(one.averages[name], other.averages[name]) for name in one.labels)


def test_averages_from_other_sets_have_every_expression_or_the_run_stops(tmp_path: Path) -> None:
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    other = make_prepared(tmp_path / "b", tmp_path / "other", subjects=3, first=20)
    rewrite(other, (",folder,", ",other,"), (",sadness,", ",contempt,"))
    with pytest.raises(InputError, match=r"none of .*other shows sadness"):
        load_run_data(own, SplitChoice(0), averages_from=(other,))


@pytest.mark.parametrize("change", [0, 2], ids=["the same image", "nearly the same image"])
def test_a_picture_on_both_sides_stops_the_run_or_is_left_out(change: int, tmp_path: Path) -> None:
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    samples = {f"{s.subject} {s.expression}": own / s.image for s in read_manifest(own)}
    face = checkered()
    Image.fromarray(face).save(samples["s0 anger"])  # tested in fold 0
    Image.fromarray(face + np.uint8(change)).save(samples["s5 anger"])  # trains
    with pytest.raises(InputError, match=r"training images are held out too \(1\)"):
        load_run_data(own, SplitChoice(0))
    kept = load_run_data(own, SplitChoice(0), leaks="drop")
    assert samples["s5 anger"] not in [item.path for item in kept.parts["train"]]
    assert samples["s0 anger"] in [item.path for item in kept.parts["test"]]
    assert len(kept.parts["train"]) == 8 * 3 - 1
    assert "1 training images" in kept.describe()
    shown = [np.asarray(Image.open(i.path), float) for i in kept.parts["train"] if i.sample.expression == "anger"]
    assert len(shown) == 7 and np.abs(kept.averages["anger"] - np.mean(shown, axis=0)).max() <= 0.5


def test_few_training_subjects_are_among_more_and_nobody_else_changes(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path / "a", tmp_path / "own")
    whole, few, more = (load_run_data(prepared, SplitChoice(0, train_subjects=n)) for n in (None, 2, 5))
    people = [{item.sample.subject for item in data.parts["train"]} for data in (few, more, whole)]
    assert [len(group) for group in people] == [2, 5, 8]
    assert people[0] < people[1] < people[2]
    for part in ("validation", "test"):
        assert few.parts[part] == more.parts[part] == whole.parts[part]
    assert not np.array_equal(few.averages["anger"], whole.averages["anger"])  # averages are of those who train
    again = recorded_run_data(prepared, few.record, few.averages, seed=0)
    assert again.parts == few.parts


def test_other_seeds_and_folds_draw_other_people(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path / "a", tmp_path / "own")
    choices = [
        load_run_data(prepared, SplitChoice(fold, train_subjects=3), seed=seed) for fold in (0, 5) for seed in (0, 1)
    ]
    assert len({frozenset(data.record["subjects"]["train"]) for data in choices}) == 4


@pytest.mark.parametrize(("number", "words"), [(0, "expected 1 to 8"), (9, "expected 1 to 8")])
def test_numbers_of_training_subjects_that_can_not_be(number: int, words: str, tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path / "a", tmp_path / "own")
    with pytest.raises(InputError, match=f"--train-subjects {number}: {words}"):
        load_run_data(prepared, SplitChoice(0, train_subjects=number))


def test_few_of_unknown_people_are_refused(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path / "a", tmp_path / "own", subjects=3)
    lines = (prepared / "manifest.csv").read_text().splitlines()
    splits = ["train"] * 3 + ["validation"] * 3 + ["test"] * 3
    rows = [line.split(",") for line in lines[1:]]
    named = [[*row[:2], "", *row[3:7], split, *row[8:]] for row, split in zip(rows, splits, strict=True)]
    (prepared / "manifest.csv").write_text("\n".join([lines[0], *map(",".join, named)]) + "\n")
    assert load_run_data(prepared, SplitChoice()).parts["test"]
    with pytest.raises(InputError, match="without subject ids"):
        load_run_data(prepared, SplitChoice(train_subjects=1))


def in_official_split(prepared: Path) -> None:
    """Six people of ten train, two validate, two are tested."""
    lines = (prepared / "manifest.csv").read_text().splitlines()
    rows = [line.split(",") for line in lines[1:]]
    parts = {f"s{number}": part for number, part in enumerate(["train"] * 6 + ["validation"] * 2 + ["test"] * 2)}
    named = [",".join([*row[:7], parts[row[2]], *row[8:]]) for row in rows]
    (prepared / "manifest.csv").write_text("\n".join([lines[0], *named]) + "\n")


def test_an_expression_whose_last_training_picture_leaks_is_one_sentence(tmp_path: Path) -> None:
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    in_official_split(own)
    lines = (own / "manifest.csv").read_text().splitlines()
    kept = [line for line in lines if not (",anger," in line and line.split(",")[2] in {"s1", "s2", "s3", "s4", "s5"})]
    (own / "manifest.csv").write_text("\n".join(kept) + "\n")
    paths = {(s.subject, s.expression): own / s.image for s in read_manifest(own)}
    for who in ("s0", "s9"):  # trains and is tested
        Image.fromarray(checkered()).save(paths[who, "anger"])
    with pytest.raises(InputError, match=r"no training image of .*own shows anger"):
        load_run_data(own, SplitChoice(), leaks="drop")


def test_nobody_left_to_validate_is_one_sentence(tmp_path: Path) -> None:
    """All of them are tested too, and dropped."""
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    for sample in read_manifest(own):
        if sample.subject in {"s0", "s1"}:  # tested, and validating, in fold 0
            Image.fromarray(np.roll(checkered(), 80 * len(sample.expression), axis=0)).save(own / sample.image)
    with pytest.raises(InputError, match="no validation images are left"):
        load_run_data(own, SplitChoice(0), leaks="drop")


def test_a_link_is_recorded_by_the_name_of_what_it_leads_to(tmp_path: Path) -> None:
    """Tests on other sets go by that name, so that training people can't pass as unseen."""
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    other = make_prepared(tmp_path / "b", tmp_path / "other", subjects=3, first=20)
    rewrite(other, (",folder,", ",other,"))
    for name, target in (("link", own), ("other-link", other)):
        (tmp_path / name).symlink_to(target)
    linked = tmp_path / "other-link"
    record = load_run_data(tmp_path / "link", SplitChoice(0), extra=(linked,), averages_from=(linked,)).record
    assert (record["data"], record["extra"], record["averages_from"]) == ("own", ["other"], ["other"])


def test_a_manifest_in_another_encoding_is_one_sentence(tmp_path: Path) -> None:
    own = make_prepared(tmp_path / "a", tmp_path / "own")
    manifest = (own / "manifest.csv").read_text().replace(",s0,", ",Jürgen,")
    (own / "manifest.csv").write_bytes(manifest.encode("latin-1"))
    with pytest.raises(InputError, match="can't be read"):
        read_manifest(own)


def test_a_copy_of_a_tested_picture_in_a_set_that_joins_is_a_leak(tmp_path: Path) -> None:
    """Under another person's name."""
    own, other, copied = with_a_copy(tmp_path)
    with pytest.raises(InputError, match=r"training images are held out too \(1\)"):
        load_run_data(own, SplitChoice(0), extra=(other,))
    kept = load_run_data(own, SplitChoice(0), extra=(other,), leaks="drop")
    assert copied not in [item.path for item in kept.parts["train"]]
    assert len(kept.parts["train"]) == 8 * 3 + 3 * 3 - 1


def test_an_official_split_is_told(tmp_path: Path) -> None:
    """Rule and number of folds do nothing there."""
    data = make_prepared(tmp_path / "raw", tmp_path / "set", subjects=4)
    assert "official split" not in load_run_data(data, SplitChoice(0, folds=4)).describe()
    table = pd.read_csv(data / "manifest.csv", dtype=str, keep_default_na=False)
    part = {"s0": "train", "s1": "train", "s2": "validation", "s3": "test"}
    table.assign(split=table["subject"].map(part)).to_csv(data / "manifest.csv", index=False)
    assert "official split; --fold takes" in load_run_data(data, SplitChoice()).describe()


def test_the_same_names_of_other_pictures_are_another_set(tmp_path: Path) -> None:
    """All sets of rendered people count from F0001; the set itself may move, and be prepared anew."""
    own, other = (
        make_prepared(tmp_path / name / "raw", tmp_path / name / "set", subjects=4, first=first)
        for name, first in (("a", 0), ("b", 20))
    )
    table = (other / "manifest.csv").read_text()
    rewrite(other, *((f"s2{k}", f"s{k}") for k in range(4)))
    assert (other / "manifest.csv").read_text() != table
    data = load_run_data(own, SplitChoice(0, folds=4))
    with pytest.raises(InputError, match="are not the run's; give the set that it was trained on, or --people all"):
        recorded_run_data(other, data.record, data.averages, seed=0)
    own.rename(tmp_path / "moved")
    again = make_prepared(tmp_path / "a" / "raw", tmp_path / "again", subjects=4)
    for same in (tmp_path / "moved", again):
        found = recorded_run_data(same, data.record, data.averages, seed=0)
        assert len(found.parts["test"]) == len(data.parts["test"])


def test_votes_are_targets_of_training_only_and_where_there_are_any(tmp_path: Path) -> None:
    prepared = make_prepared(tmp_path / "raw", tmp_path / "set")
    manifest = pd.read_csv(prepared / "manifest.csv", dtype=str, keep_default_na=False)
    angry = manifest["expression"] == "anger"
    manifest.loc[angry, "votes"] = "6 0 1 0 3 0 0 0"  # of these labels anger 6, sadness 3; fear is none of them
    manifest.to_csv(prepared / "manifest.csv", index=False)
    data = load_run_data(prepared, SplitChoice(0))
    config = tiny(targets="votes")
    for split, told in (("train", [2 / 3, 0, 1 / 3]), ("validation", [1, 0, 0])):
        pairs = data.pairs(split, config)
        for index, item in enumerate(pairs.samples):
            own = torch.eye(3)[pairs.labels.index(item.sample.expression)]
            wanted = torch.tensor(told) if item.sample.expression == "anger" else own
            torch.testing.assert_close(pairs[0, index].target, wanted.float())
    manifest.loc[angry, "votes"] = "6 0"
    manifest.to_csv(prepared / "manifest.csv", index=False)
    with pytest.raises(InputError, match="line 2: votes '6 0'; expected eight numbers"):
        load_run_data(prepared, SplitChoice(0))
    labelled = data.pairs("train", tiny())
    assert all(labelled.target(index).max() == 1 for index in range(len(labelled)))
