"""Counts of a set by expression, subject and split, and how they differ from what a full copy should give (§4.1)."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ifgan.data.sample import SPLITS, Sample
from ifgan.labels import EXPRESSIONS

Counts = dict[str, Any]


def count(samples: Iterable[Sample]) -> Counts:
    """``{"pictures", "subjects", "expressions": {name: n}, "splits": {name: n}, "per_subject": {id: n}}``.

    Expressions and splits that don't occur are left out, images without a subject or split are not counted there.
    """
    samples = list(samples)
    expressions = Counter(sample.expression for sample in samples)
    splits = Counter(sample.split for sample in samples)
    subjects = Counter(sample.subject for sample in samples if sample.subject)
    return {
        "pictures": len(samples),
        "subjects": len(subjects),
        "expressions": {name: expressions[name] for name in EXPRESSIONS if expressions[name]},
        "splits": {name: splits[name] for name in SPLITS if splits[name]},
        "per_subject": dict(sorted(subjects.items())),
    }


def differences(expected: Counts, found: Counts) -> list[str]:
    """One sentence for every expected count that isn't met: ``"expected 3589 test images, found 0"``."""
    sentences = []
    for what, word in (("pictures", "images"), ("subjects", "subjects")):
        if what in expected and expected[what] != found[what]:
            sentences.append(f"expected {expected[what]} {word}, found {found[what]}")
    for what in ("splits", "expressions"):
        for name, number in expected.get(what, {}).items():
            if number != found[what].get(name, 0):
                sentences.append(f"expected {number} {name} images, found {found[what].get(name, 0)}")
    return sentences
