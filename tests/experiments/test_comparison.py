"""Differences between methods: by hand, and what must not change them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from ifgan.errors import InputError
from ifgan.experiments.comparison import accuracy_interval, compare
from ifgan.experiments.outcome import RunOutcome, pooled, results
from ifgan.training.evaluate import Predictions


def outcome(method: str, hits: list[list[bool]], fold: int = 0, first: int = 0) -> RunOutcome:
    """Two classes; ``hits[s]`` says which images of subject s are predicted right; the true class is 0."""
    flat = np.array([hit for subject in hits for hit in subject])
    probabilities = np.stack([np.where(flat, 0.9, 0.2), np.where(flat, 0.1, 0.8)], axis=1)
    subjects = [f"s{first + k}" for k, subject in enumerate(hits) for _ in subject]
    table = pd.DataFrame({"image": [f"{fold} {k}" for k in range(len(flat))], "subject": subjects})
    table = table.assign(expression="anger", anger=probabilities[:, 0], happiness=probabilities[:, 1])
    return RunOutcome(method, fold, Predictions(table, ("anger", "happiness")))


def test_the_difference_is_that_of_pooled_accuracies():
    worse = outcome("baseline", [[True, False], [False, False], [True, True, False]])
    better = outcome("ifgan", [[True, True], [True, False], [True, True, False]])
    found = compare([better], [worse])
    assert found is not None
    assert found.difference == pytest.approx(2 / 7)
    assert (found.subjects, found.pictures) == (3, 7)
    assert found.low <= found.difference <= found.high


def test_p_counts_the_signs_that_are_as_extreme():
    """Five subjects, each one image better: of 2**5 signs two are as extreme, so p = 2/32."""
    found = compare([outcome("ifgan", [[True]] * 5)], [outcome("baseline", [[False]] * 5)])
    assert found is not None
    assert found.p_value == pytest.approx(2 / 32)


def test_a_method_against_itself():
    same = [outcome("ifgan", [[True, False], [True, True]])]
    found = compare(same, same)
    assert found is not None
    assert (found.difference, found.low, found.high, found.p_value) == (0, 0, 0, 1)


def test_swapping_the_methods_changes_signs_only():
    rng = np.random.default_rng(0)
    a, b = (outcome(name, (rng.random((12, 4)) < share).tolist()) for name, share in (("a", 0.9), ("b", 0.6)))
    there, back = compare([a], [b]), compare([b], [a])
    assert there is not None and back is not None
    assert there.difference == -back.difference
    assert (there.low, there.high) == pytest.approx((-back.high, -back.low), abs=0.03)
    assert there.p_value == pytest.approx(back.p_value, abs=0.01)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param(outcome("a", [[True], [True]], fold=1), outcome("b", [[True], [True]]), id="no fold in common"),
        pytest.param(outcome("a", [[True], [True]], first=5), outcome("b", [[True], [True]]), id="other people"),
        pytest.param(outcome("a", [[True, True]]), outcome("b", [[True, False]]), id="one subject"),
    ],
)
def test_what_can_not_be_compared_is_not(ours: RunOutcome, theirs: RunOutcome):
    assert compare([ours], [theirs]) is None


def ten_of(method: str, rights: list[int]) -> list[RunOutcome]:
    """A fold a number: so many of its ten people right, one image each."""
    return [
        outcome(method, [[person < count] for person in range(10)], fold, first=10 * fold)
        for fold, count in enumerate(rights)
    ]


def test_p_over_folds_is_that_of_students_paired_t():
    """Three folds with differences 0.1, 0.2 and 0.3: t = 0.2 / (0.1 / sqrt(3)) = sqrt(12); with two degrees of freedom
    P(|T| > t) = 1 - t / sqrt(2 + t^2) in closed form.
    """
    found = compare(ten_of("ifgan", [6, 7, 8]), ten_of("baseline", [5, 5, 5]))
    assert found is not None
    assert found.folds == 3
    assert found.p_folds == pytest.approx(1 - 12**0.5 / 14**0.5)


@pytest.mark.parametrize(
    ("ours", "theirs", "p_folds"),
    [
        pytest.param([7], [5], None, id="one fold says nothing"),
        pytest.param([5, 6], [5, 6], 1, id="no difference"),
        pytest.param([6, 7], [5, 6], None, id="the same difference everywhere, which few images make likely"),
        pytest.param([6, 8], [5, 5], 2 * (1 - 0.8524163823495667), id="one and three of ten: t = 2"),
    ],
)
def test_p_over_folds_without_spread(ours: list[int], theirs: list[int], p_folds: float | None):
    found = compare(ten_of("ifgan", ours), ten_of("baseline", theirs))
    assert found is not None
    assert found.p_folds == (None if p_folds is None else pytest.approx(p_folds))


def test_what_holds_for_the_people_only_is_said_of_these_networks_only():
    """One fold of three bears the whole difference: ten people tell, three folds don't."""
    found = compare(ten_of("ifgan", [9, 5, 5]), ten_of("baseline", [0, 5, 5]))
    assert found is not None
    assert found.p_value < 0.05 < (found.p_folds or 0)
    assert found.verdict == "as trained here, ifgan is above baseline"


def test_a_verdict_is_that_of_difference_and_p():
    hits = [[[True] * 3] * 9, [[False] * 3] * 9, [[True] * 3] * 5 + [[False] * 3] * 4]
    sure, none, half = (outcome(name, given) for name, given in zip(("a", "b", "c"), hits, strict=True))
    words = [compare([one], [other]) for one, other in ((sure, none), (none, sure), (sure, sure), (half, none))]
    assert [found and found.verdict for found in words] == [
        "as trained here, a is above b",  # one fold can't tell what others, trained anew, would do
        "as trained here, b is below a",
        "a and a are not significantly different",
        "c and b are not significantly different",  # five of nine people: p is 0.06
    ]


def test_the_interval_of_sure_things_is_that_of_as_many_people():
    """Three of three is no proof: alpha / 2 = low ** 3."""
    assert accuracy_interval([outcome("a", [[True], [True], [True]])]) == pytest.approx((0.025 ** (1 / 3), 1))
    assert accuracy_interval([outcome("a", [[False], [False]])]) == pytest.approx((0, 1 - 0.025**0.5))


def test_a_picture_of_nobody_known_is_one_picture_in_however_many_folds():
    """Ten runs' answers on the same forty images tell no more than forty images do."""
    hits = [[k % 3 > 0] for k in range(40)]
    one = nobody(outcome("a", hits), "abcd")
    ten = [replace(one, fold=fold) for fold in range(10)]
    assert accuracy_interval(ten) == pytest.approx(accuracy_interval([one]), abs=1e-9)


def test_pictures_in_another_order_are_not_compared():
    hits = [[True], [False], [True]]
    ours, theirs = nobody(outcome("a", hits), "xyz"), nobody(outcome("b", hits), "xzy")
    assert compare([ours], [theirs]) is None
    assert compare([ours], [nobody(theirs, "xyz")]) is not None


def nobody(of: RunOutcome, names: str) -> RunOutcome:
    """The same, of images whose people nobody knows."""
    images = [f"{names[k % len(names)]}{k}" for k in range(len(of.predictions))]
    table = of.predictions.table.assign(image=images, subject="")
    return replace(of, predictions=replace(of.predictions, table=table))


def test_outcomes_of_different_labels_are_not_pooled():
    one = outcome("a", [[True], [False]])
    with pytest.raises(InputError, match="different labels"):
        pooled([one, replace(one, predictions=replace(one.predictions, labels=("anger",)))])


def test_the_interval_is_that_of_subjects_not_of_pictures():
    """Two hundred images of four people are four observations: the interval must be wide."""
    low, high = accuracy_interval([outcome("a", [[True] * 50, [True] * 50, [False] * 50, [False] * 50])])
    assert high - low > 0.7


def test_results_pool_pictures_but_average_folds():
    folds = [outcome("a", [[True, True, True], [True]]), outcome("a", [[False]], fold=1, first=7)]
    answer = results(folds)["methods"]["a"]
    assert (answer["mean"], answer["pooled"]) == (0.5, 0.8)
    assert answer["std"] == pytest.approx(np.std([1, 0], ddof=1))
    assert [fold["n"] for fold in answer["folds"]] == [4, 1]
    assert answer["folds"][0]["confusion"] == [[4, 0], [0, 0]]


def test_one_subject_that_differs_says_nothing():
    """Either sign of one is as extreme."""
    found = compare([outcome("ifgan", [[True]] * 5)], [outcome("baseline", [[True]] * 4 + [[False]])])
    assert found is not None
    assert found.p_value == 1
