"""One run: train, keep one epoch, remember everything. Paper §4.1, §4.3."""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from accelerate.utils import DistributedDataParallelKwargs
from torch.utils.data import DataLoader

from ifgan.config import Config
from ifgan.data.averages import write_averages
from ifgan.data.pairs import Batch, FacePairs, Row, Rows
from ifgan.errors import InputError
from ifgan.losses import rarity
from ifgan.metrics import fit_temperature
from ifgan.models.checkpoint import Trained, save_trained
from ifgan.models.device import fastest_device
from ifgan.models.ifgan import IFGAN
from ifgan.progress import track
from ifgan.seeds import seed_for
from ifgan.training.batches import EpochBatches
from ifgan.training.evaluate import Predictions, evaluate
from ifgan.training.networks import Networks, build_networks
from ifgan.training.run_data import RunData
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import (
    check_generator_has_loss,
    check_phases,
    describe_phases,
    learning_rate_factor,
    parts_in_force,
    phase_at,
    rate_starts,
    selection,
    selection_key,
)
from ifgan.training.starting_weights import check_head, check_taken_over
from ifgan.training.state import Progress, load_state, save_state
from ifgan.training.step import train_step
from ifgan.training.targets import load_teachers

Say = Callable[[str], None]
Watch = Callable[[Networks, int], None]  # the networks after an epoch (from 1), its checkpoint written


@dataclass(frozen=True)
class Session:
    """What every function of a run needs."""

    config: Config
    run: RunFolder
    train: FacePairs
    validation: FacePairs
    accelerator: Accelerator
    say: Say

    @property
    def leads(self) -> bool:
        """Whether this process writes files and prints."""
        return self.accelerator.is_main_process


def train_run(
    config: Config,
    data: RunData,
    run: RunFolder,
    command: list[str],
    *,
    resume: bool = False,
    say: Say | None = None,
    watch: Watch | None = None,
) -> None:
    """Train into ``run``, or the rest of it; nothing is done to a finished one. Raises InputError for
    settings that teach G nothing, weights that know held-out people, a folder of another run, and like `fit`.
    """
    check_phases(config)
    check_generator_has_loss(config)
    check_taken_over(config, data.record)
    check_head(config, data.labels)
    run.start(config, data.record, command, resume=resume)
    if not run.done:
        write_averages(run.path / "average_faces", data.averages)
        fit(config, run, data.pairs("train", config), data.pairs("validation", config), say=say, watch=watch)


def fit(
    config: Config,
    run: RunFolder,
    train: FacePairs,
    validation: FacePairs,
    *,
    say: Say | None = None,
    watch: Watch | None = None,
) -> None:
    """Train into ``run``, from its last checkpoint if there is one, and mark it done. Raises InputError for networks
    that can't be built or take no such images, a checkpoint that isn't theirs, a loss or output that isn't finite.

    The last epoch is kept; with ``choose_from`` the one with the highest validation accuracy, see `selection_key`.
    """
    session = Session(config, run, train, validation, make_accelerator(config), say or _print)
    nets = build_networks(config, len(train.labels), session.accelerator)
    if isinstance(nets.system, IFGAN):
        nets.system.mixture.to(session.accelerator.device).averages.copy_(train.average_inputs())
    if config.losses.class_balance:
        weights = rarity(train.targets(), config.losses.class_balance)
        nets.label_weights = weights.to(session.accelerator.device)
    nets.teachers = load_teachers(config, train.labels, session.accelerator.device)
    progress = load_state(run.last, nets) if run.last.exists() else Progress()
    if session.leads:
        for sentence in describe_phases(config):
            session.say(f"{config.method} {sentence}")
    while progress.epoch < config.optimizer.epochs:
        started = time.monotonic()
        losses = train_epoch(session, nets, progress)
        predictions = _validated(session, nets, progress)
        record = {"epoch": progress.epoch + 1, "train": losses, "validation": predictions.summary()}
        if session.leads:
            run.log(record | {"seconds": round(time.monotonic() - started, 1)})
            session.say(_line(config, record, time.monotonic() - started))
        keep_best(session, nets, progress, predictions)
        progress.epoch, progress.step, progress.sums = progress.epoch + 1, 0, {}
        checkpoint(session, nets, progress)
        if watch is not None:
            watch(nets, progress.epoch)
    if session.leads:
        (run.path / "done").touch()
    session.accelerator.wait_for_everyone()


def make_accelerator(config: Config) -> Accelerator:
    """Device, processes and precision. Raises InputError for what several processes can't do."""
    # Buffers stay each process's own: broadcasting them would change them between D's two passes of one step.
    ddp = DistributedDataParallelKwargs(broadcast_buffers=False)
    precision = "bf16" if in_bf16(config) else "no"
    if AcceleratorState._shared_state.get("_mixed_precision", precision) != precision:
        AcceleratorState._reset_state()  # one process may train several runs; Accelerate thinks of one precision
    accelerator = Accelerator(mixed_precision=precision, kwargs_handlers=[ddp])
    if config.losses.island_reduction == "sum" and accelerator.num_processes > 1:
        raise InputError("losses.island_reduction sum: gradients are averaged over processes; use one process, or mean")
    return accelerator


def in_bf16(config: Config) -> bool:
    """Whether this device trains ``config`` in bfloat16."""
    if config.run.precision != "auto":
        return config.run.precision == "bf16"
    if fastest_device().type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported()  # emulated elsewhere, and slower than fp32


def _trained(session: Session, nets: Networks) -> Trained:
    return Trained(nets.tested, session.train.labels, session.config, about={})


def _validated(session: Session, nets: Networks, progress: Progress) -> Predictions:
    try:
        return evaluate(_trained(session, nets), session.validation, what="validation" if session.leads else "")
    except InputError as error:
        where = f"epoch {progress.epoch + 1}, on validation images"
        raise InputError(f"{where}: {error}; lower the learning rate or check the data") from error


def train_epoch(session: Session, nets: Networks, progress: Progress) -> dict[str, float]:
    """The rest of one epoch; mean losses over all of it."""
    config, accelerator = session.config, session.accelerator
    batches = EpochBatches(
        len(session.train),
        config.optimizer.batch_size,
        seed=config.run.seed,
        epoch=progress.epoch,
        first=progress.step,
        rank=accelerator.process_index,
        processes=accelerator.num_processes,
    )
    phase = phase_at(config, progress.epoch)
    nets.train(freeze_batch_statistics=config.optimizer.freeze_batch_statistics)
    loader = _loader(session, batches)
    what = f"{config.method} epoch {progress.epoch + 1}/{config.optimizer.epochs}"
    for rows in track(loader, what, len(batches), "steps", part=True) if session.leads else loader:
        step = progress.epoch * batches.steps + progress.step
        set_learning_rates(nets, config, progress.epoch + progress.step / batches.steps)
        torch.manual_seed(seed_for("step", config.run.seed, step, accelerator.process_index))
        losses = train_step(nets, _made(rows, session), config, accelerator, step, phase)
        nets.update_averaged()
        progress.sums = {name: progress.sums.get(name, 0.0) + value for name, value in losses.items()}
        progress.step += 1
        if config.run.checkpoint_steps and progress.step % config.run.checkpoint_steps == 0:
            checkpoint(session, nets, progress)
    return {name: total / progress.step for name, total in progress.sums.items()}


def _loader(session: Session, batches: EpochBatches) -> DataLoader:
    """What one epoch's batches are made of, loaded by processes or here."""
    if session.config.run.workers:
        session.train.preload()
    pinned = session.accelerator.device.type == "cuda"
    workers = session.config.run.workers
    return DataLoader(Rows(session.train), batch_sampler=batches, num_workers=workers, pin_memory=pinned)


def set_learning_rates(nets: Networks, config: Config, epochs_done: float) -> None:
    """Base rates times the schedule's factor, counted from where each network begins to learn."""
    starts = rate_starts(config)
    for name, optimizer in nets.optimizers.items():
        factor = learning_rate_factor(config, epochs_done, start=starts[name])
        for group in optimizer.param_groups:
            group["lr"] = config.optimizer.learning_rates[name] * factor


def keep_best(session: Session, nets: Networks, progress: Progress, predictions: Predictions) -> None:
    """Write the kept checkpoint when this epoch is it, with the temperature that fits its validation images."""
    config, accuracy, loss = session.config, predictions.accuracy, predictions.loss
    best = selection_key(config, progress.best_epoch, progress.best_accuracy, progress.best_loss)
    if selection_key(config, progress.epoch, accuracy, loss) <= best:
        return
    progress.best_epoch, progress.best_accuracy, progress.best_loss = progress.epoch, accuracy, loss
    if session.leads:
        about = {"epoch": progress.epoch + 1, "selection": selection(config), "validation": predictions.summary()}
        about["parts"] = list(parts_in_force(config, progress.epoch))
        temperature = fit_temperature(predictions.probabilities, predictions.true)
        save_trained(session.run.best, replace(_trained(session, nets), about=about, temperature=temperature))


def checkpoint(session: Session, nets: Networks, progress: Progress) -> None:
    """Write the last checkpoint, once for all processes."""
    if session.leads:
        save_state(session.run.last, nets, progress)
    session.accelerator.wait_for_everyone()


def _made(rows: Row, session: Session) -> Batch:
    batch = session.train.batch(rows, session.accelerator.device)
    image, average = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (batch.image, batch.average))
    return Batch(image, average, batch.target)


def _line(config: Config, record: dict, seconds: float) -> str:
    losses = " ".join(f"{name} {value:.3f}" for name, value in record["train"].items())
    validation = record["validation"]
    l1 = "" if validation["l1"] is None else f" l1 {validation['l1']:.3f}"
    left = (config.optimizer.epochs - record["epoch"]) * seconds / 60
    accuracy = f"validation accuracy {validation['accuracy']:.3f}{l1}"
    epoch = f"{config.method} epoch {record['epoch']}/{config.optimizer.epochs}"
    return f"{epoch}: {losses} | {accuracy} | {left:.1f} min left"


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
