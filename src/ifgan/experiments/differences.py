"""Which methods are compared with which, and how it is told: a table and a sentence each."""

from collections.abc import Sequence

from ifgan.errors import InputError
from ifgan.experiments.comparison import SIGNIFICANT, Comparison, compare
from ifgan.experiments.run_records import RunRecord, by_method, by_set, outcomes_of
from ifgan.experiments.table import DASH, Table


def comparisons(records: list[RunRecord], against: Sequence[str] = ()) -> dict[str, list[Comparison]]:
    """Per set, every method against every one before it, or against those named only, where they share folds and number
    of training subjects. Raises InputError for a name that no method has.
    """
    names = by_method(records)
    if unknown := [name for name in against if name not in names]:
        raise InputError(f"against {unknown[0]!r}: no method is called so; expected some of {', '.join(names)}")
    return {data: found for data, on_set in by_set(records).items() if (found := _comparisons(on_set, against))}


def _comparisons(records: list[RunRecord], against: Sequence[str]) -> list[Comparison]:
    groups = by_method(records)
    if against:
        asked = [(a, b) for k, b in enumerate(against) for a in groups if a not in (b, *against[:k])]
    else:
        asked = [(a, b) for k, a in enumerate(groups) for b in list(groups)[:k]]
    pairs = [(groups[a], groups[b]) for a, b in asked if b in groups]
    alike = [(ours, theirs) for ours, theirs in pairs if ours[0].asked_subjects == theirs[0].asked_subjects]
    outcomes = [(outcomes_of(ours), outcomes_of(theirs)) for ours, theirs in alike]
    found = [compare(ours, theirs) for ours, theirs in outcomes if ours and theirs]
    return [comparison for comparison in found if comparison is not None]


def comparison_table(found: dict[str, list[Comparison]]) -> Table:
    """A row a set and pair of methods."""
    header = (
        "data",
        "method",
        "against",
        "subjects",
        "difference of accuracy",
        "95 % interval",
        "p",
        "folds",
        "p over folds",
    )
    rows = tuple(
        (data, c.method, c.against, str(c.subjects or DASH), f"{c.difference:+.3f}", f"{c.low:+.3f} to {c.high:+.3f}",
         _p(c.p_value), str(c.folds), DASH if c.p_folds is None else _p(c.p_folds))
        for data, group in found.items()
        for c in group
    )  # fmt: skip
    note = "same people and folds; interval: bootstrap over subjects; p: paired permutation test over subjects"
    note += ", of these trained networks; p over folds: paired t test, of training anew"
    if any(not c.subjects for group in found.values() for c in group):
        note += "; where no subjects are known, both over images"
    if (most := max(map(len, found.values()))) > 1:
        note += f"; {most} comparisons of a set, each p by itself: by Bonferroni's rule one below "
        note += f"{SIGNIFICANT / most:.2g} tells"
    return Table("Differences", header, rows, note + ".")


def leading(found: dict[str, list[Comparison]]) -> dict[str, list[Comparison]]:
    """The comparison that a page begins with: IF-GAN against its baseline, where there is one, on the set of most
    subjects and images, which tells most.
    """
    every = [(data, comparison) for data, group in found.items() for comparison in group]
    wanted = [(data, c) for data, c in every if (c.method, c.against) == ("ifgan", "baseline")]
    lead = max(wanted or every[:1], key=lambda pair: (pair[1].subjects, pair[1].pictures), default=None)
    return {} if lead is None else {lead[0]: [lead[1]]}


def verdicts(found: dict[str, list[Comparison]]) -> list[str]:
    """A sentence a comparison, whichever way it went."""
    return [
        f"On {data}, {c.verdict}: {100 * c.difference:+.1f} points of accuracy ({100 * c.low:+.1f} to "
        f"{100 * c.high:+.1f}), p {_p(c.p_value)}, {_of_whom(c)}"
        + ("." if c.p_folds is None else f"; over {c.folds} folds p {_p(c.p_folds)}.")
        for data, group in found.items()
        for c in group
    ]


def _of_whom(comparison: Comparison) -> str:
    return f"{comparison.subjects} subjects" if comparison.subjects else f"{comparison.pictures} images"


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
