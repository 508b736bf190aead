"""Run folders as records: tables, figures and the report read runs through here and nowhere else."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, get_args

from ifgan.config import NEUTRAL, Config, read_config, short_name
from ifgan.data.sample import SPLITS, UNKNOWN, HeldOut
from ifgan.errors import InputError
from ifgan.experiments.outcome import RunOutcome, read_outcome
from ifgan.experiments.variants import published_accuracy, variant_of, variant_rank, without_variant
from ifgan.files import read_object
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import selection_key

_NOTHING = object()
PLAN = "crossval.json"  # what a cross-validation was to do


@dataclass(frozen=True)
class RunRecord:
    """One run folder. ``method``: its variant, and what else sets it apart from the others, such as
    ``ifgan epochs=30``. ``outcome`` is None until `ifgan evaluate` has seen the run. ``other_set``: the outcome is on
    all of that set, which the run was not trained on; empty: on the people whom its own fold kept apart.
    """

    name: str
    run: RunFolder
    config: Config
    split: dict[str, Any]
    environment: dict[str, Any]
    outcome: RunOutcome | None
    method: str
    other_set: str = ""

    @property
    def data(self) -> str:
        """The name of the prepared set, or of two across data sets: trained on -> tested on."""
        return f"{self.split['data']} → {self.other_set}" if self.other_set else self.split["data"]

    @property
    def dataset(self) -> str:
        """The data set's, as in its manifest: ``ckplus``; empty where unknown, and across data sets."""
        return "" if self.other_set else self.split["dataset"]

    @property
    def fold(self) -> int:
        """The fold's number; 0 for an official split."""
        return self.split["choice"]["fold"] or 0

    @property
    def tested_on(self) -> str:
        """The name of the set whose images the outcome is on."""
        return self.other_set or self.split["data"]

    @property
    def official(self) -> bool:
        """Whether the run followed the set's own split instead of a fold."""
        return self.split["choice"]["fold"] is None

    @property
    def published(self) -> float | None:
        """What the paper reports of the method on the set and expressions, or None."""
        labels = () if self.outcome is None else self.outcome.predictions.labels
        return published_accuracy(self.dataset, self.method, labels)

    @property
    def train_subjects(self) -> int:
        """How many people trained, as far as they are known."""
        return len(set(self.split["subjects"]["train"]) - {""})

    @property
    def people_known(self) -> bool:
        """Whether all who are held out are known, so that people are kept apart, not images only."""
        held_out = {*self.split["subjects"]["validation"], *self.split["subjects"]["test"]}
        return not any(subject == "" or subject.startswith(UNKNOWN) for subject in held_out)

    @property
    def asked_subjects(self) -> int | None:
        """How many training subjects were asked for; None: all."""
        return self.split["choice"]["train_subjects"]

    @property
    def epochs(self) -> str:
        """How many were trained, and of how many while the run isn't finished: ``"30"``, ``"7 of 30"``."""
        planned = self.config.optimizer.epochs
        return str(planned) if self.run.done else f"{len(self.run.metrics())} of {planned}"

    @property
    def minutes(self) -> float:
        """Training and validation time."""
        return sum(line["seconds"] for line in self.run.metrics()) / 60

    @property
    def best_epoch(self) -> int | None:
        """The epoch that is kept, counted from 1."""
        best = max(self.run.metrics(), key=self._merit, default=None)
        return None if best is None else best["epoch"]

    def _merit(self, line: dict[str, Any]) -> tuple[bool, float, float]:
        validation = line["validation"]
        return selection_key(self.config, line["epoch"] - 1, validation["accuracy"], validation["loss"])


def read_runs(folder: Path, split: str = "test") -> list[RunRecord]:
    """Every run below ``folder`` (or the run that it is) with its outcome on ``split``, by set, by method in the
    paper's order, then by fold.

    Raises InputError when there is none, a record is broken, or the same fold was run twice with the same settings.
    """
    folder = Path(folder)
    paths = sorted(path.parent for path in folder.rglob("config.yaml"))
    if not paths:
        raise InputError(f"{folder}: holds no run folder; expected one with config.yaml, as ifgan train makes")
    records = _with_telling_names([_record(folder, path, split) for path in paths])
    places: dict[tuple[str, str, int], str] = {}
    for record in records:
        place = (record.data, record.method, record.fold)
        if place in places:
            raise InputError(f"{folder}: {places[place]} and {record.name} are the same fold with the same settings")
        places[place] = record.name
    return sorted(records, key=_place)


def cross_dataset(records: list[RunRecord]) -> list[RunRecord]:
    """The same runs across data sets: on every other set that `ifgan evaluate --people all` has tested them on, by set.
    Raises InputError for a broken record.
    """
    found = []
    for record in records:
        names = [path.stem.removeprefix("predictions_") for path in record.run.path.glob("predictions_*.csv")]
        for name in sorted(set(names) - set(SPLITS)):
            outcome = read_outcome(record.run, name)
            outcome = None if outcome is None else replace(outcome, method=record.method, fold=record.fold)
            found.append(replace(record, other_set=name, outcome=outcome))
    return sorted(found, key=lambda record: record.data)


def _place(record: RunRecord) -> tuple[str, int, str, int, str]:
    return record.data, variant_rank(variant_of(record.config)), record.method, record.fold, record.name


def _record(folder: Path, path: Path, split_name: str) -> RunRecord:
    run, config = RunFolder(path), read_config(path / "config.yaml")
    name = str(path.relative_to(folder)) if path != folder else path.name
    split, environment = run.split, read_object(path / "environment.json")
    return RunRecord(name, run, config, split, environment, read_outcome(run, split_name), variant_of(config))


def _with_telling_names(records: list[RunRecord]) -> list[RunRecord]:
    """The same, with the settings in the name that differ among runs of one variant on one set; of a setting that most
    of them share, only the others' values are named.
    """
    groups: dict[tuple[str, str], list[RunRecord]] = {}
    for record in records:
        groups.setdefault((record.data, record.method), []).append(record)
    named = []
    for (_, variant), group in groups.items():
        settings = [_settings(record) for record in group]
        usual = _usual([values for k, values in enumerate(settings) if values not in settings[:k]])
        for record, values in zip(group, settings, strict=True):
            words = [f"{short_name(name)}={values[name]}" for name, value in usual.items() if values[name] != value]
            method = " ".join([variant, *words])
            outcome = None if record.outcome is None else replace(record.outcome, method=method)
            named.append(replace(record, method=method, outcome=outcome))
    return named


def _usual(different: list[dict[str, Any]]) -> dict[str, Any]:
    """Of settings that differ, the value that more than half of these share, or else what no value equals."""
    usual: dict[str, Any] = {}
    for name in different[0]:
        values = [settings[name] for settings in different]
        common = next((value for value in values if 2 * values.count(value) > len(values)), _NOTHING)
        if values.count(common) < len(values):
            usual[name] = common
    return usual


def _settings(record: RunRecord) -> dict[str, Any]:
    """Whatever makes two runs of a variant two methods: settings, how folds were dealt, additional training data."""
    split = record.split
    told = {name: split["choice"].get(name) for name in ("rule", "folds", "file")}
    told["train_subjects"] = record.asked_subjects or "all"
    settings = {name: value for name, value in without_variant(record.config).items() if name not in NEUTRAL}
    return settings | told | {name: split.get(name) for name in ("extra", "averages_from")}


@dataclass(frozen=True)
class Plan:
    """What a cross-validation was to do: every method on every set, in so many ``folds`` of each set, measured on
    ``measure``.
    """

    sets: tuple[str, ...]
    methods: tuple[str, ...]
    folds: dict[str, int]
    measure: HeldOut = "test"


def read_plan(folder: Path) -> Plan | None:
    """The plan of a cross-validation's folder, or None. Raises InputError for a broken one."""
    path = Path(folder) / PLAN
    if not path.exists():
        return None
    content = read_object(path, "sets", "methods", "folds", "measure")
    try:
        sets, folds = tuple(content["sets"]), content["folds"]
        plan = Plan(sets, tuple(content["methods"]), {name: int(folds[name]) for name in sets}, content["measure"])
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected sets, methods, folds and measure") from error
    if plan.measure not in get_args(HeldOut):
        raise InputError(f"{path}: measure {plan.measure!r}; expected one of {', '.join(get_args(HeldOut))}")
    return plan


def by_method(records: list[RunRecord]) -> dict[str, list[RunRecord]]:
    """Records grouped by method, in their order."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.method, []).append(record)
    return groups


def by_set(records: list[RunRecord]) -> dict[str, list[RunRecord]]:
    """Records grouped by the prepared set (across data sets: by both), in their order."""
    groups: dict[str, list[RunRecord]] = {}
    for record in records:
        groups.setdefault(record.data, []).append(record)
    return groups


def in_domain(records: list[RunRecord]) -> list[RunRecord]:
    """Those tested on the people whom their own fold kept apart, not across data sets."""
    return [record for record in records if not record.other_set]


def outcomes_of(records: list[RunRecord]) -> list[RunOutcome]:
    """The outcomes of those that were evaluated."""
    return [record.outcome for record in records if record.outcome is not None]
