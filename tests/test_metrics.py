"""Measures against scikit-learn's, closed forms, and what a temperature may and may not do."""

import numpy as np
import pytest
from scipy import special
from sklearn import metrics as reference

from ifgan import metrics
from tiny_model import tempered

RNG = np.random.default_rng(0)
LOGITS = RNG.normal(size=(20000, 6))
PROBABILITIES = special.softmax(LOGITS, axis=1)
TRUE = (PROBABILITIES.cumsum(axis=1) > RNG.random((20000, 1))).argmax(axis=1)  # drawn from the probabilities themselves
PREDICTED = PROBABILITIES.argmax(axis=1)


def test_measures_are_scikit_learn_s():
    confusion = metrics.confusion_matrix(TRUE, PREDICTED, 6)
    np.testing.assert_array_equal(confusion, reference.confusion_matrix(TRUE, PREDICTED))
    assert metrics.accuracy(confusion) == pytest.approx(reference.accuracy_score(TRUE, PREDICTED))
    assert metrics.balanced_accuracy(confusion) == pytest.approx(reference.balanced_accuracy_score(TRUE, PREDICTED))
    assert metrics.macro_f1(confusion) == pytest.approx(reference.f1_score(TRUE, PREDICTED, average="macro"))


def test_a_class_without_pictures_is_no_class():
    confusion = np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]])
    assert metrics.balanced_accuracy(confusion) == pytest.approx((0.75 + 1) / 2)
    assert metrics.macro_f1(confusion) == pytest.approx((6 / 7 + 8 / 9) / 2)
    assert np.isnan(metrics.accuracy(np.zeros((3, 3), int)))


def test_calibration_error_by_hand():
    """Two bins of two: confidence 0.9 and half right, confidence 0.6 and all right."""
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.6, 0.4]])
    true = np.array([0, 1, 1, 0])
    assert metrics.expected_calibration_error(probabilities, true, bins=10) == pytest.approx(0.5 * 0.4 + 0.5 * 0.4)
    counts, confidence, right = metrics.reliability(probabilities, true, bins=10)
    assert counts[[6, 9]].tolist() == [2, 2] and counts.sum() == 4
    assert confidence[[6, 9]] == pytest.approx([0.6, 0.9]) and right[[6, 9]] == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_a_temperature_is_found_again(temperature: float):
    """Labels drawn from softmax(logits), told as softmax(logits / t): the fit must undo t."""
    told = special.softmax(LOGITS / temperature, axis=1)
    found = metrics.fit_temperature(told, TRUE)
    assert found == pytest.approx(1 / temperature, rel=0.1)
    np.testing.assert_allclose(tempered(told, 1 / temperature), PROBABILITIES, atol=1e-12)
    assert metrics.expected_calibration_error(tempered(told, found), TRUE) < 0.02


def test_a_temperature_changes_no_decision():
    for temperature in (0.25, 10):
        assert (tempered(PROBABILITIES, temperature).argmax(axis=1) == PREDICTED).all()


def test_where_all_are_right_confidence_is_as_high_as_so_many_pictures_bear_out():
    """Right 240 times of 240, said with 0.8: one wrong image more or less makes no leap."""
    told = np.full((240, 6), 0.04) + 0.76 * np.eye(6)[np.arange(240) % 6]
    true = np.arange(240) % 6
    confidence = tempered(told, metrics.fit_temperature(told, true)).max(axis=1)
    assert confidence == pytest.approx((240 + 1 / 6) / 241, abs=1e-3)
    nearly = true.copy()
    nearly[0] = 1
    below = tempered(told, metrics.fit_temperature(told, nearly)).max(axis=1)
    assert below == pytest.approx((239 + 1 / 6) / 241, abs=1e-3)


def test_a_sure_zero_is_no_infinity():
    """Wrong once in three, with all certainty: the highest temperature there is, and probabilities still."""
    found = metrics.fit_temperature(np.eye(3), np.array([0, 1, 1]))
    assert np.isfinite(tempered(np.eye(3), found)).all() and found > 5
