"""Folds as data: disjoint, complete, named; and official splits."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from ifgan.data.folds import RULES, Fold, make_folds, read_folds, write_folds
from ifgan.data.sample import Sample
from ifgan.data.splits import folds_of, split_samples
from ifgan.errors import InputError


def ids(number):
    return [f"S{i:03d}" for i in np.random.default_rng(number).choice(1000, number, replace=False)]


def sample(subject, expression="anger", split="", image=None):
    return Sample(image or f"images/{subject}_{expression}.png", "toy", subject, "", "", expression, split=split)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("subjects", "number"), [(10, 10), (11, 10), (31, 10), (100, 10), (106, 10), (7, 3), (3, 3)])
def test_subjects_are_disjoint_and_each_is_tested_once(rule, subjects, number):
    names = ids(subjects)
    counts = {name: Counter(anger=1 + i % 4, fear=i % 2) for i, name in enumerate(names)}
    folds = make_folds(names, rule, number, counts)
    assert len(folds) == number
    for fold in folds:
        parts = [fold.train, fold.validation, fold.test]
        assert sorted(sum(parts, ())) == sorted(names)  # complete and without repeats: disjoint
        assert all(parts)
    assert sorted(s for fold in folds for s in fold.test) == sorted(names)
    assert sorted(s for fold in folds for s in fold.validation) == sorted(names)
    assert [fold.validation for fold in folds] == [folds[(k + 1) % number].test for k in range(number)]
    assert make_folds(reversed(names), rule, number, counts) == folds  # the order given doesn't matter


def test_step_and_block_by_hand():
    names = [f"{i:02d}" for i in range(12)]
    assert make_folds(names, "step", 5)[1].test == ("01", "06", "11")
    assert make_folds(names, "block", 5)[1].test == ("03", "04", "05")


def test_balanced_evens_out_a_skewed_set():
    rng = np.random.default_rng(3)
    counts = {f"s{i:03d}": {"anger": int(rng.integers(0, 9)), "fear": int(rng.integers(0, 3))} for i in range(60)}

    def spread(rule, expression):
        sizes = [sum(counts[s][expression] for s in fold.test) for fold in make_folds(counts, rule, 10, counts)]
        return max(sizes) - min(sizes)

    for expression in ("anger", "fear"):
        assert spread("balanced", expression) <= 3 < spread("step", expression)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((ids(9), "step", 10), "9 subjects can't make 10 folds"),
        ((ids(9), "random", 3), "'random' is unknown"),
        ((ids(9), "step", 2), "2 is too few"),
        (([*ids(9), ""], "step", 3), "subject id for every image"),
        ((ids(9), "balanced", 3), "needs the images"),
    ],
)
def test_folds_that_cannot_be(arguments, words):
    with pytest.raises(InputError, match=words):
        make_folds(*arguments)


def test_an_expression_without_training_pictures_is_named_with_its_fold():
    samples = [sample(f"s{i}") for i in range(5)] + [sample("s3", "fear")]
    with pytest.raises(InputError, match=r"fold 2.* fear"):  # fold 2 validates s3, fold 3 tests s3
        folds_of(samples, "step", 5)


def test_written_folds_read_back(tmp_path):
    folds = make_folds(ids(31), "block")
    write_folds(tmp_path / "folds.json", folds, "block", "mmi")
    assert read_folds(tmp_path / "folds.json", ids(31)) == folds


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folds: [replace(folds[0], train=(*folds[0].train, folds[0].test[0])), *folds[1:]], "in train and in"),
        (lambda folds: [folds[0], replace(folds[1], test=folds[0].test, train=()), *folds[2:]], "folds 0 and 1: both"),
        (lambda folds: folds[:-1], "tested in no fold"),
        (lambda folds: [*folds[:-1], replace(folds[-1], validation=())], "fold 3: its validation part is empty"),
        (lambda folds: [], "holds no fold"),
    ],
)
def test_foreign_folds_are_examined(tmp_path, change, words):
    names = ids(12)
    write_folds(tmp_path / "folds.json", change(make_folds(names, number=4)), "theirs", "toy")
    with pytest.raises(InputError, match=words):
        read_folds(tmp_path / "folds.json", names)


def test_foreign_folds_may_deal_people_whom_the_set_lacks(tmp_path):
    """Public folds of CK+ deal 118 people; 106 of them show one of the six expressions."""
    folds = make_folds(ids(12), number=4)
    write_folds(tmp_path / "folds.json", folds, "theirs", "toy")
    known = set(ids(12)) - {folds[0].test[0], folds[2].train[0]}
    read = read_folds(tmp_path / "folds.json", known)
    assert [set(fold.split_of()) for fold in read] == [known] * 4
    for ours, theirs in zip(read, folds, strict=True):
        assert ours.split_of().items() <= theirs.split_of().items() and ours.index == theirs.index


@pytest.mark.parametrize(
    "text",
    [
        "[1]",
        "{}",
        '{"folds": [{"train": ["a"]}]}',
        '{"folds": [3]}',
        "{",
        '{"folds": [{"train": "ab", "validation": [], "test": []}]}',
    ],
)
def test_a_broken_fold_file(tmp_path, text):
    (tmp_path / "folds.json").write_text(text)
    with pytest.raises(InputError, match=r"folds\.json"):
        read_folds(tmp_path / "folds.json")


def test_split_by_fold_follows_subjects_only():
    samples = [sample(f"s{i}", e, split="test") for i in range(6) for e in ("anger", "fear")]
    parts = split_samples(samples, Fold(("s0", "s1", "s2", "s3"), ("s4",), ("s5",)))
    assert {name: {s.subject for s in part} for name, part in parts.items()} == {
        "train": {"s0", "s1", "s2", "s3"}, "validation": {"s4"}, "test": {"s5"},
    }  # fmt: skip
    with pytest.raises(InputError, match="'s5', who is in no part"):
        split_samples(samples, Fold(("s0", "s1", "s2", "s3"), ("s4",), ()))


def official(subjects=False):
    rng = np.random.default_rng(0)
    kinds = rng.choice(["anger", "fear", "happiness"], 600, p=[0.1, 0.3, 0.6])
    return [
        sample(f"p{i // 4}" if subjects else "", str(kind), "test" if i >= 500 else "train", f"images/{i}.png")
        for i, kind in enumerate(kinds)
    ]


def test_validation_is_cut_from_train_alike_in_expressions_and_never_from_test():
    samples = official()
    parts = split_samples(samples)
    assert parts["test"] == [s for s in samples if s.split == "test"]
    assert sorted(map(id, parts["train"] + parts["validation"])) == sorted(id(s) for s in samples if s.split == "train")
    before, cut = (Counter(s.expression for s in part) for part in (samples[:500], parts["validation"]))
    assert all(cut[name] == round(number / 10) for name, number in before.items())


def test_the_cut_depends_on_the_seed_only():
    samples = official()
    assert split_samples(samples, seed=1) == split_samples(samples, seed=1)
    chosen = {s.image for s in split_samples(samples, seed=1)["validation"]}
    assert chosen == {s.image for s in split_samples(samples[::-1], seed=1)["validation"]}
    assert chosen != {s.image for s in split_samples(samples, seed=2)["validation"]}


def test_the_cut_takes_whole_subjects_where_they_are_known():
    parts = split_samples(official(subjects=True))
    assert not {s.subject for s in parts["train"]} & {s.subject for s in parts["validation"]}
    assert 40 <= len(parts["validation"]) <= 50


def test_an_official_validation_part_is_kept():
    samples = [*official(), sample("", "fear", "validation", "images/v.png")]
    assert split_samples(samples)["validation"] == [samples[-1]]


@pytest.mark.parametrize(
    ("samples", "words"),
    [
        ([*official(), sample("", "anger", "", "images/x.png")], r"images/x\.png has no split"),
        ([*official(), sample("", "contempt", "test", "images/x.png")], "no training image shows contempt"),
        ([sample("", "anger", "test")], "no tenth"),
    ],
)
def test_official_splits_that_cannot_be(samples, words):
    with pytest.raises(InputError, match=words):
        split_samples(samples)
