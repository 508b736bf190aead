"""The figures of a report: what was measured as plots, and what evaluation drew. Paper §4.5, Fig. 5 and Fig. 6."""

from dataclasses import dataclass

from ifgan.data.sample import HeldOut
from ifgan.experiments.picture_files import data_uri, rendered
from ifgan.experiments.plots import (
    confusion_figure,
    curves_figure,
    few_subjects_figure,
    reliability_figure,
    subjects_figure,
)
from ifgan.experiments.run_records import RunRecord, by_method, by_set, of_own_people, outcomes_of
from ifgan.training.starting_weights import taken_over


@dataclass(frozen=True)
class Picture:
    """A titled figure, as PNG."""

    title: str
    png: bytes
    note: str = ""

    @property
    def uri(self) -> str:
        """For the page."""
        return data_uri(self.png)


def pictures_of(records: list[RunRecord], split: HeldOut) -> list[Picture]:
    """All figures about some runs, on ``split`` or other sets: of numbers first, then of faces."""
    pictures = []
    for where, on_set in _named(records):
        groups = {name: found for name, group in by_method(on_set).items() if (found := outcomes_of(group))}
        if groups:
            note = "Numbers of images; shade: share of the true class."
            pictures.append(Picture(f"Confusion matrices{where}", rendered(confusion_figure(groups)), note))
            note = "Share of right answers over stated confidence, in 15 bins; area: images; above: calibration error."
            pictures.append(Picture(f"Reliability{where}", rendered(reliability_figure(groups)), note))
        if subjects := subjects_figure(groups):
            note = "Each person's share of images predicted right, people sorted for each method by itself."
            pictures.append(Picture(f"Accuracy of each subject{where}", rendered(subjects), note))
        if few := few_subjects_figure(on_set):
            note = "Mean and standard deviation over the folds that were run."
            pictures.append(Picture(f"Accuracy over training subjects{where}", rendered(few), note))
    pictures += [
        _curves(on_set, where)
        for where, on_set in _named(of_own_people(records))
        if any(r.run.metrics() for r in on_set)
    ]
    return pictures + [picture for record in _shown(of_own_people(records)) for picture in _drawn(record, split)]


def _named(records: list[RunRecord]) -> list[tuple[str, list[RunRecord]]]:
    """Those of each set with the words that its titles end with; none where there is but one set."""
    groups = by_set(records)
    return [(f" on {data}" if len(groups) > 1 else "", on_set) for data, on_set in groups.items()]


def _curves(records: list[RunRecord], where: str) -> Picture:
    return Picture(f"Learning curves{where}", rendered(curves_figure(records)), "One line a run.")


def _shown(records: list[RunRecord]) -> list[RunRecord]:
    """The first fold of every method on every set: the faces of all folds would be a page of their own."""
    first: dict[tuple[str, str], RunRecord] = {}
    for record in records:
        first.setdefault((record.data, record.method), record)
    return list(first.values())


def _shown_people(record: RunRecord, split: HeldOut) -> str:
    if split == "test" and record.people_known and not taken_over(record.config):
        return "People whom no network has seen"
    return "Images that were held out"


def _drawn(record: RunRecord, split: HeldOut) -> list[Picture]:
    """What evaluation left in the run folder."""
    kinds = {
        "transfer": (
            "Generated faces",
            f"{_shown_people(record, split)}: input, the face that G drew of it, and the average training face.",
        ),
        "attention": (
            "Attention maps",
            "Where the attention module nearest to the output looks when it draws the point with the cross.",
        ),
    }
    found = []
    for kind, (title, note) in kinds.items():
        path = record.run.path / f"{kind}_{split}.png"
        if path.exists():
            found.append(Picture(f"{title}: {record.name.replace('/', ' ')}", path.read_bytes(), note))
    return found
