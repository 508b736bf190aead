"""What a study asks: ``study.yaml`` read and checked before anything is rendered or trained."""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import ConfigDict, Field, ValidationError

from ifgan.config import AtLeastOne, Config, Section, sentence_of
from ifgan.errors import InputError, one_line
from ifgan.experiments.variants import with_variant
from ifgan.files import read_text
from ifgan.presets import make_config
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import check_phases, start_epochs

_WITHOUT_EFFECT_ON_TRAINING = {"phases.choose_from", "classifier.tta_inputs"}


class _People(Section):
    seed: int
    subjects: AtLeastOne


class _Data(Section):
    train: _People
    test: _People


class _Trunk(Section):
    arm: str
    epochs: AtLeastOne


class _Arm(Section):
    """What stands below an arm beside these is a setting."""

    model_config = ConfigDict(extra="allow")
    method: str = "ifgan"
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    trunk: _Trunk | None = None


class StudyFile(Section):
    """``study.yaml``."""

    question: Any = None
    written: Any = None
    decided: Any = None
    plan: Any = None
    how: Any = None
    data: _Data | None = None
    folds: Annotated[int, Field(ge=3)] = 10
    train_subjects: AtLeastOne | None = None
    preset: str = "cpu"
    settings: dict[str, Any] = Field(default_factory=dict)
    every_epoch: bool = False
    arms: dict[Annotated[str, Field(pattern=r"^[\w-]+$")], _Arm | None] = Field(default_factory=dict)


@dataclass(frozen=True)
class Arm:
    """One method of a study: its settings, the seeds that it is run with, and perhaps the arm whose first epochs are
    its own too (``trunk``, and how many), which are taken over instead of trained again.
    """

    name: str
    method: str
    settings: dict[str, Any]
    seeds: tuple[int, ...]
    trunk: str | None = None
    trunk_epochs: int = 0


@dataclass(frozen=True)
class Study:
    """What ``study.yaml`` asks for. ``train``, ``test``: seed and number of rendered people. ``every_epoch``: test
    images are read after every epoch that may be chosen; else at the end, by the last epoch's weights and by those of
    the highest validation accuracy.
    """

    folder: Path
    question: str
    train: dict[str, int]
    test: dict[str, int]
    folds: int
    train_subjects: int | None
    preset: str
    arms: tuple[Arm, ...]
    every_epoch: bool


@dataclass(frozen=True)
class StudyRun:
    """One run; it carries paths and settings only, so that another process can do it."""

    study: Study
    arm: Arm
    seed: int
    fold: int
    work: Path

    @property
    def name(self) -> str:
        """``ifgan/seed-0/fold-3``."""
        return run_name(self.arm.name, self.seed, self.fold)

    @property
    def folder(self) -> RunFolder:
        """Where it trains."""
        return RunFolder(self.work / "runs" / self.study.folder.resolve().name / self.name)

    @property
    def plan(self) -> str:
        """A mark of what study.yaml says of it; what the code makes of that is told by the commit."""
        study, arm = self.study, self.arm
        asked = [study.train, study.test, study.folds, study.train_subjects, study.every_epoch]
        asked += [study.preset, arm.method, arm.settings, self.seed, self.fold]
        return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:12]

    @property
    def config(self) -> Config:
        """Its settings."""
        settings = make_config(self.study.preset, **self.arm.settings).changed(seed=self.seed)
        return with_variant(settings, self.arm.method)


def run_name(arm: str, seed: int, fold: int) -> str:
    """``ifgan/seed-0/fold-3``."""
    return f"{arm}/seed-{seed}/fold-{fold}"


def set_of(work: Path, people: dict[str, int]) -> Path:
    """The prepared set of rendered people."""
    return work / "sets" / f"synthetic-{people['seed']}"


def read_study(folder: Path) -> Study:
    """Raises InputError for a file that is missing, no study, or asks for what can't be trained; the field is named."""
    path, file = Path(folder) / "study.yaml", read_study_file(folder)
    try:
        study = _study(Path(folder), file)
        _check(study)
    except InputError as error:
        raise InputError(f"{path}: {one_line(error)}") from error
    return study


def read_study_file(folder: Path) -> StudyFile:
    """What ``study.yaml`` says; without arms it is the record of a study whose runs were done in another way. Raises
    InputError for a file that is missing or no study.
    """
    path = Path(folder) / "study.yaml"
    text = read_text(path)
    try:
        return StudyFile.model_validate(yaml.safe_load(text) or {})  # an empty file says nothing
    except ValidationError as error:
        raise InputError(f"{path}: {sentence_of(error)}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: {one_line(error)}") from error


def _study(folder: Path, file: StudyFile) -> Study:
    if file.data is None or not file.arms:
        raise InputError("expected a study, with data and arms")
    train, test = file.data.train.model_dump(), file.data.test.model_dump()
    arms = tuple(_arm(name, arm or _Arm(), file.settings) for name, arm in file.arms.items())
    return Study(
        folder,
        str(file.question or ""),
        train,
        test,
        file.folds,
        file.train_subjects,
        file.preset,
        arms,
        file.every_epoch,
    )


def _arm(name: str, arm: _Arm, shared: dict[str, Any]) -> Arm:
    settings = shared | (arm.model_extra or {})
    trunk, epochs = (arm.trunk.arm, arm.trunk.epochs) if arm.trunk else (None, 0)
    return Arm(name, arm.method, settings, arm.seeds, trunk, epochs)


def _check(study: Study) -> None:
    if study.train["seed"] == study.test["seed"]:
        raise InputError("data: train and test have the same seed, and so the same people")
    if study.folds > min(study.train["subjects"], study.test["subjects"]):
        raise InputError(f"folds {study.folds}: expected a person a fold to train on and to test")
    configs: dict[str, Config] = {}
    for arm in study.arms:
        configs[arm.name] = config = with_variant(make_config(study.preset, **arm.settings), arm.method)
        check_phases(config)
        if arm.trunk is not None:
            _check_trunk(arm, configs)


def _check_trunk(arm: Arm, configs: dict[str, Config]) -> None:
    """Whether an arm's first epochs are those of its trunk: no difference between the two has any effect by then."""
    if arm.trunk not in configs or arm.trunk == arm.name:
        raise InputError(f"arm {arm.name}: its trunk {arm.trunk!r} is no arm before it")
    own, theirs = configs[arm.name].flat(), configs[str(arm.trunk)].flat()
    differing = {name for name, value in own.items() if theirs[name] != value} - _WITHOUT_EFFECT_ON_TRAINING
    both = [configs[name] for name in (arm.name, str(arm.trunk))]
    starts = [{part: start_epochs(config)[part] for part in config.networks} for config in both]
    until = {"phases.discriminator_start": "discriminator", "losses.gan": "discriminator"}
    until["classifier.reads_mixture"] = "classifier"
    for name in sorted(differing):
        joins = min(start.get(until.get(name, ""), both[0].optimizer.epochs) for start in starts)
        if name not in until or arm.trunk_epochs > joins:
            raise InputError(f"arm {arm.name}: differs from its trunk in {name} before epoch {arm.trunk_epochs} ends")
