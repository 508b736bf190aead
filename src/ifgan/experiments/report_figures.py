"""The figures of a report: what was measured as plots, and what evaluation drew. Paper §4.5, Fig. 5 and Fig. 6."""

from typing import Literal

from ifgan.data.sample import HeldOut
from ifgan.experiments.comparison import Comparison
from ifgan.experiments.picture_files import Picture, rendered
from ifgan.experiments.plots import (
    confusion_figure,
    curves_figures,
    folds_figure,
    forest_figure,
    reliability_figure,
    subjects_figure,
    subjects_trained_figure,
)
from ifgan.experiments.run_records import RunRecord, by_method, by_set, in_domain, outcomes_of
from ifgan.training.starting_weights import taken_over

FOREST_NOTE = "Differences, with 95 % bootstrap intervals over subjects; filled: p < 0.05 over subjects and over folds."
FOLDS_NOTE = "Accuracy: a dot a run; the line is their mean."


def pictures_of(records: list[RunRecord], split: HeldOut, found: dict[str, list[Comparison]]) -> list[Picture]:
    """All figures about some runs, on ``split`` or other sets, in the order of the page."""
    groups = {
        where: {name: outcomes for name, group in by_method(on_set).items() if (outcomes := outcomes_of(group))}
        for where, on_set in _named(records)
    }
    pictures = []
    for data, comparisons in found.items():
        where = f" on {data}" if len(groups) > 1 else ""
        pictures.append(Picture(f"Result{where}", rendered(forest_figure(comparisons)), caption=FOREST_NOTE))
    for where, methods in groups.items():
        if any(len(outcomes) > 1 for outcomes in methods.values()):
            pictures.append(Picture(f"Result{where}", rendered(folds_figure(methods)), caption=FOLDS_NOTE))
    own = in_domain(records)
    pictures += _drawn(_shown(own), split, "transfer")
    for where, methods in groups.items():
        for name, outcomes in methods.items():
            note = "Numbers of images; shade: share of the true class."
            pictures.append(Picture(f"Confusion{where}", rendered(confusion_figure(outcomes)), note, name))
        for name, outcomes in methods.items():
            note = "Accuracy over confidence in 15 bins; area: images."
            pictures.append(Picture(f"Reliability{where}", rendered(reliability_figure({name: outcomes})), note, name))
        if subjects := subjects_figure(methods):
            note = "Each subject's share of images predicted right, subjects sorted for each method by itself."
            pictures.append(Picture(f"Subjects{where}", rendered(subjects), note))
    for where, on_set in _named(records):
        if few := subjects_trained_figure(on_set):
            note = "Mean and standard deviation over the folds that were run."
            pictures.append(Picture(f"Accuracy over training subjects{where}", rendered(few), note))
    for where, on_set in _named(own):
        if any(record.run.metrics() for record in on_set):
            curves = curves_figures(on_set)
            pictures += [
                Picture(f"Learning curves{where}", rendered(figure), "One line a run.", title)
                for title, figure in curves.items()
            ]
    return pictures + _drawn(_shown(own), split, "attention")


def _named(records: list[RunRecord]) -> list[tuple[str, list[RunRecord]]]:
    """Those of each set with the words that its titles end with; none where there is but one set."""
    groups = by_set(records)
    return [(f" on {data}" if len(groups) > 1 else "", on_set) for data, on_set in groups.items()]


def _shown(records: list[RunRecord]) -> list[RunRecord]:
    """The first fold of every method on every set: the faces of all folds would be a page of their own."""
    first: dict[tuple[str, str], RunRecord] = {}
    for record in records:
        first.setdefault((record.data, record.method), record)
    return list(first.values())


def _shown_people(record: RunRecord, split: HeldOut) -> str:
    if split == "test" and record.people_known and not taken_over(record.config):
        return "Subjects whom no network has seen"
    return "Images that were held out"


def _drawn(records: list[RunRecord], split: HeldOut, kind: Literal["transfer", "attention"]) -> list[Picture]:
    """What evaluation left in the run folders."""
    found = []
    for record in records:
        path = record.run.path / f"{kind}_{split}.png"
        notes = {
            "transfer": f"{_shown_people(record, split)}: input, generated face, average training face.",
            "attention": "Where the attention module nearest to the output looks to draw the point with the cross.",
        }
        title = {"transfer": "Generated faces", "attention": "Attention maps"}[kind]
        if path.exists():
            found.append(Picture(title, path.read_bytes(), notes[kind], record.name.replace("/", " ")))
    return found
