"""One run of a study: trained, and its test images read while it goes on. Paper §4.1, §4.3."""

import io
import shutil
import sys
from contextlib import redirect_stderr
from dataclasses import replace
from typing import Any

import pandas as pd
import torch
from torch import Tensor

from ifgan.data.pairs import FacePairs, LocatedSample
from ifgan.data.sample import read_manifest
from ifgan.experiments.evaluation import refuse_oracle
from ifgan.experiments.study_files import Finished
from ifgan.experiments.study_plan import StudyRun, set_of
from ifgan.faces.model_input import InputForm
from ifgan.files import read_json, read_text, write_text
from ifgan.models.build import build_system
from ifgan.models.checkpoint import load_trained, read_about
from ifgan.models.ifgan import IFGAN, System, predict, to_probabilities
from ifgan.training.fit import in_bf16, train_run
from ifgan.training.networks import Networks
from ifgan.training.run_data import RunData, SplitChoice, load_run_data
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import first_selectable, parts_in_force

AVERAGED = 0.2  # the share of epochs at the end whose weights are averaged (swa)
EMA = 0.8  # an epoch's decay of the running mean of the weights (ema)


def do_run(run: StudyRun) -> Finished:
    """Train and measure one run, from its first epoch or from its trunk's last common one."""
    torch.set_num_threads(1)
    study, config = run.study, run.config
    choice = SplitChoice(run.fold, folds=study.folds, train_subjects=study.train_subjects)
    data = load_run_data(set_of(run.work, study.train), choice, seed=run.seed)
    folder = run.folder
    shutil.rmtree(folder.path, ignore_errors=True)  # a run that was cut off; a finished one is in the study
    branched = _take_over(run, folder)
    marks = {arm.trunk_epochs for arm in study.arms if arm.trunk == run.arm.name}
    observer = Observer(run, data, folder, marks)
    with redirect_stderr(io.StringIO()):  # several runs side by side would mix their progress
        train_run(config, data, folder, [], say=lambda line: None, watch=observer)
    observer.end()
    row = _row(run, folder, data) | {"trunk": run.arm.trunk if branched else "", "plan": run.plan}
    return Finished(row, _epochs(run, folder), observer.table())


def _take_over(run: StudyRun, folder: RunFolder) -> bool:
    """Begin where the trunk of the same seed and fold was; False where there is none, and the run trains those epochs
    itself, to the same weights.
    """
    arm = next((arm for arm in run.study.arms if arm.name == run.arm.trunk), None)
    if arm is None:
        return False
    trunk = replace(run, arm=arm).folder
    state = trunk.path / f"state-{run.arm.trunk_epochs}.safetensors"
    if not state.exists():
        return False
    folder.last.parent.mkdir(parents=True)
    shutil.copy(state, folder.last)
    lines = read_text(trunk.path / "metrics.jsonl").splitlines(keepends=True)
    write_text(folder.path / "metrics.jsonl", "".join(lines[: run.arm.trunk_epochs]))
    return True


class Observer:
    """Reads the test images while a run goes on, in fp32, and keeps running means of the weights."""

    def __init__(self, run: StudyRun, data: RunData, folder: RunFolder, marks: set[int]) -> None:
        self.run, self.config, self.folder, self.marks = run, run.config, folder, marks
        test = set_of(run.work, run.study.test)
        samples = read_manifest(test)
        people = set(sorted({sample.subject for sample in samples})[run.fold :: run.study.folds])
        located = [LocatedSample(test, sample) for sample in samples if sample.subject in people]
        form = InputForm.from_settings(dict(self.config.preprocess))
        self.pairs = FacePairs(located, data.labels, data.averages, self.config.preprocess.image_size, form=form)
        self.first = first_selectable(self.config) + 1
        self.system = build_system(self.config, len(data.labels), pretrained="none").eval()
        self.means: dict[str, dict[str, Tensor]] = {}
        self.best: tuple[tuple[float, float], int, dict[str, Tensor]] | None = None
        self.rows: list[pd.DataFrame] = []

    def __call__(self, nets: Networks, epoch: int) -> None:
        """After ``epoch`` (from 1)."""
        if epoch in self.marks:
            shutil.copy(self.folder.last, self.folder.path / f"state-{epoch}.safetensors")
        if epoch < self.first:
            return
        if not self.run.study.every_epoch:
            self._remember_best(nets, epoch)
            return
        state, last = nets.tested.state_dict(), self.config.optimizer.epochs
        first_averaged = max(self.first, last - max(round(AVERAGED * last), 1) + 1)
        self._mean("ema", state, 1.0 if epoch == self.first else 1 - EMA)
        if epoch >= first_averaged:
            self._mean("swa", state, 1 / (epoch - first_averaged + 1))
        self._read(state, epoch, "epoch", ("read",))
        if epoch == last:
            self._read(state, epoch, "last", ("read", *views(self.system)))
            for name, mean in self.means.items():
                self._read(mean, epoch, name, ("read",))

    def _remember_best(self, nets: Networks, epoch: int) -> None:
        """The weights of the highest validation accuracy, of equals the lowest loss."""
        validation = self.folder.metrics()[-1]["validation"]
        key = (validation["accuracy"], -validation["loss"])
        if self.best is None or key > self.best[0]:
            state = nets.tested.state_dict()
            self.best = key, epoch, {name: tensor.clone() for name, tensor in state.items()}

    def end(self) -> None:
        """Read what the run has kept, where that is what the study measures."""
        if self.best is None:
            return
        kept = load_trained(self.folder.best)
        refuse_oracle(self.folder, kept)
        names = ("read", *views(self.system))
        self._read(kept.system.state_dict(), kept.about["epoch"], "kept", names, kept.temperature)
        _, epoch, state = self.best
        self._read(state, epoch, "best", ("read",))

    def _mean(self, name: str, state: dict[str, Tensor], share: float) -> None:
        """Move a running mean of weights and batch statistics towards ``state`` by ``share``."""
        mean = self.means.setdefault(name, {key: tensor.clone() for key, tensor in state.items()})
        for key, tensor in state.items():
            if tensor.is_floating_point():
                mean[key].lerp_(tensor, share)

    def _read(
        self, state: dict[str, Tensor], epoch: int, weights: str, names: tuple[str, ...], temperature: float = 1.0
    ) -> None:
        self.system.load_state_dict(state)
        read: dict[str, list[Tensor]] = {name: [] for name in names}
        with torch.inference_mode():
            for start in range(0, len(self.pairs), 48):
                image = self.pairs.batch_of(range(start, min(start + 48, len(self.pairs)))).image
                found = {"read": to_probabilities(predict(self.system, image, self.config).logits, temperature)}
                found |= _readings(self.system, image) if len(names) > 1 else {}
                for name in names:
                    read[name].append(found[name])
        samples = [item.sample for item in self.pairs.samples]
        for name, parts in read.items():
            columns = {"image": [s.image for s in samples], "subject": [s.subject for s in samples]}
            columns |= {"expression": [s.expression for s in samples]}
            table = pd.DataFrame(columns | dict(zip(self.pairs.labels, torch.cat(parts).numpy().T, strict=True)))
            self.rows.append(table.assign(run=self.run.name, epoch=epoch, weights=weights, view=name))

    def table(self) -> pd.DataFrame:
        """A row an image and reading: run, epoch, weights, view, image, subject, expression, a probability a label."""
        table = pd.concat(self.rows, ignore_index=True)
        first = ["run", "epoch", "weights", "view", "image", "subject", "expression"]
        labels = list(self.pairs.labels)
        table[labels] = table[labels].round(4).astype("float32")
        return table[first + labels].astype({"epoch": "int16"})


def views(system: System) -> tuple[str, ...]:
    """What else is read at the end, where there is a drawing; ``picture``: the image half alone, by its older name."""
    if not isinstance(system, IFGAN):
        return ()
    return ("pair", "picture", "generated", "pair-mixture", "mixture", "shares")


def _readings(system: System, image: Tensor) -> dict[str, Tensor]:
    """(B, N) probabilities of each of `views`: the pair, its halves alone, both with the mixture of average faces for
    the drawing, and the shares of that mixture.
    """
    if not isinstance(system, IFGAN) or not views(system):
        return {}
    face = system.generator(image)  # (B, 3, S, S)
    mixture, blank = system.mixture(face), torch.zeros_like(image)
    halves = {
        "pair": (image, face), "picture": (image, blank), "generated": (blank, face),
        "pair-mixture": (image, mixture), "mixture": (blank, mixture),
    }  # fmt: skip
    read = {name: system.classifier(*pair)[0].softmax(1) for name, pair in halves.items()}
    return read | {"shares": system.mixture.shares(face)}


def _row(run: StudyRun, folder: RunFolder, data: RunData) -> dict[str, Any]:
    config, lines = run.config, folder.metrics()
    chosen = read_about(folder.best)["epoch"]
    environment = read_json(folder.path / "environment.json")
    return {
        "run": run.name,
        "arm": run.arm.name,
        "method": run.arm.method,
        "fold": run.fold,
        "seed": run.seed,
        "subjects": len(data.record["subjects"]["train"]),
        "images": data.record["pictures"]["train"],
        "epochs": config.optimizer.epochs,
        "first_selectable": first_selectable(config) + 1,
        "chosen": chosen,
        "parts": " ".join(parts_in_force(config, chosen - 1)),
        "minutes": round(sum(line["seconds"] for line in lines) / 60, 2),
        "memory_gib": _peak_memory_gib(),
        "threads": environment["threads"],
        "cpu": environment["cpu"],
        "precision": "bf16" if in_bf16(config) else "fp32",
        "torch": environment["packages"]["torch"],
        "commit": environment["commit"],
        "uncommitted": environment["uncommitted"],
    }


def _peak_memory_gib() -> float | None:
    """Of this process so far; None on Windows, which doesn't tell."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**30 if sys.platform == "darwin" else 2**20), 2)  # bytes on macOS, KiB elsewhere


def _epochs(run: StudyRun, folder: RunFolder) -> pd.DataFrame:
    rows = [
        {"run": run.name, "epoch": line["epoch"], "accuracy": line["validation"]["accuracy"]}
        | {"loss": round(line["validation"]["loss"], 5), "seconds": line["seconds"]}
        | {name: round(value, 4) for name, value in line["train"].items()}
        for line in folder.metrics()
    ]
    return pd.DataFrame(rows)
