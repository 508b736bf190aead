"""What of a run depends on its progress alone: the learning rate, and the losses that have joined.
Paper §4.3: times 0.9 every 10 epochs; all losses from the start.
"""

import math
from typing import Literal, NamedTuple

from ifgan.config import Config
from ifgan.errors import InputError


def learning_rate_factor(config: Config, epochs_done: float, *, start: float = 0.0) -> float:
    """What a learning rate is multiplied by after ``epochs_done`` epochs, fractions included, of a network that
    joined after ``start`` of them; before that, the factor that it will start with.
    """
    asked = config.optimizer
    done, epochs = max(epochs_done - start, 0.0), asked.epochs - start
    if asked.schedule == "step":
        return asked.decay_factor ** (int(done) // asked.decay_epochs)
    if done < asked.warmup_epochs:
        return min(max(done, 0.1) / asked.warmup_epochs, 1.0)  # not 0 in the first step, which would learn nothing
    progress = (done - asked.warmup_epochs) / max(epochs - asked.warmup_epochs, 1e-9)
    return (1 + math.cos(math.pi * min(progress, 1.0))) / 2


class Phase(NamedTuple):
    """What is taught in an epoch: whether the ``classifier`` reads pairs, images alone, or has to wait; whether the
    ``discriminator`` has joined; which share of the epochs is ``done``, by which soft labels rise.
    """

    classifier: Literal["pairs", "images", "nothing"] = "pairs"
    discriminator: bool = True
    done: float = 1.0


WHOLE = Phase()  # every part in force


def phase_at(config: Config, epoch: int) -> Phase:
    """Of ``epoch`` (from 0)."""
    starts, before = start_epochs(config), config.phases.classifier_before
    early: Literal["images", "nothing"] = "images" if before == "image" else "nothing"
    classifier = "pairs" if epoch >= starts["classifier"] else early
    return Phase(classifier, epoch >= starts["discriminator"], epoch / config.optimizer.epochs)


def start_epochs(config: Config) -> dict[str, int]:
    """Whole epochs before each network joins. The baseline has nothing to wait for."""
    waits = "generator" in config.networks
    return {part: start if waits else 0 for part, start in _starts(config).items()}


def _starts(config: Config) -> dict[str, int]:
    """The same of IF-GAN with these settings, whatever the method is."""
    starts = {
        "classifier": config.phases.classifier_start,
        "generator": 0.0,
        "discriminator": config.phases.discriminator_start,
    }
    return {part: _whole_epochs(share, config) for part, share in starts.items()}


def _whole_epochs(share: float, config: Config) -> int:
    return math.floor(share * config.optimizer.epochs + 0.5)  # to the nearest; int() would make 28 of 0.29 of 100


def rate_starts(config: Config) -> dict[str, int]:
    """Whole epochs before each network learns anything, and its learning rate's schedule begins."""
    early = {"classifier": 0} if config.phases.classifier_before == "image" else {}
    return start_epochs(config) | early


def parts_in_force(config: Config, epoch: int) -> tuple[str, ...]:
    """Those of its ``networks`` that had joined in ``epoch`` (from 0)."""
    starts = start_epochs(config)
    return tuple(part for part in config.networks if epoch >= starts[part])


def what_is_missing(config: Config, epoch: int | None) -> str:
    """What of the method had not joined in ``epoch`` (from 1), as a sentence; empty where all of it had. Told from
    settings and epoch, so that it holds for runs of any age; an unknown epoch is told where parts join later.
    """
    starts = start_epochs(config)
    if not isinstance(epoch, int):
        late = any(starts[part] for part in config.networks)
        return "it doesn't say which epoch was measured, and not every part takes part in all of them" if late else ""
    joined = parts_in_force(config, epoch - 1)
    missing = [part for part in config.networks if part not in joined]
    if not missing:
        return ""
    told = " and ".join(f"the {part}, which joins in epoch {starts[part] + 1}" for part in missing)
    without = (
        "; a method without discriminator has a name of its own, ifgan-nogan" if "discriminator" in missing else ""
    )
    return f"its epoch {epoch} came before {told}{without}"


def first_selectable(config: Config) -> int:
    """The first epoch (from 0) that may be kept: ``choose_from``, or the one in which the last part of IF-GAN joins.
    The same for every method with these settings, for the baseline and for IF-GAN without discriminator too, so that
    all have as many epochs to choose from.
    """
    first = max(_starts(config).values())
    if config.phases.choose_from is not None:
        first = _whole_epochs(config.phases.choose_from, config)
    return min(first, config.optimizer.epochs - 1)


def selection_key(config: Config, epoch: int, accuracy: float, loss: float) -> tuple[bool, float, float]:
    """By which the kept ``epoch`` (from 0) is chosen, larger is better: the last one; with ``choose_from`` not before
    `first_selectable` (an earlier one is kept until there is a later one), then the highest validation accuracy, among
    equals the lowest loss.
    """
    if config.phases.choose_from is None:
        return True, epoch, 0.0
    return epoch >= first_selectable(config), accuracy, -loss


def selection(config: Config) -> str:
    """How the kept epoch is chosen, as records tell it: ``"last epoch"`` or ``"validation"``."""
    return "last epoch" if config.phases.choose_from is None else "validation"


def wrongly_chosen(how: object) -> str:
    """What is wrong with an epoch that was chosen in another way, as a sentence; else empty."""
    return "" if how in ("last epoch", "validation") else f"its epoch was not chosen on validation but on {how!r}"


def check_phases(config: Config) -> None:
    """Raise InputError where a part would never get an epoch or never learn, or an epoch could be chosen before one has
    joined.
    """
    starts = start_epochs(config)
    for part in config.networks:
        if starts[part] >= config.optimizer.epochs:
            share = getattr(config.phases, f"{part}_start")
            told = f"phases.{part}_start {share:g} of {config.optimizer.epochs} epochs"
            raise InputError(f"{told}: the {part} would never join; give it an epoch, or more epochs")
        if not config.optimizer.learning_rates[part]:
            raise InputError(f"optimizer: the {part}'s learning rate is 0: it would never learn")
    if not config.losses.softmax and not config.losses.island:
        raise InputError("losses.softmax 0, losses.island 0: no loss teaches the classifier")
    if "generator" in config.networks and config.classifier.average_dropout == 1:
        raise InputError("classifier.average_dropout 1: it would never read an average face; that is the baseline")
    last = max(_starts(config)[part] for part in ("classifier", "discriminator"))
    asked, first = config.phases.choose_from, first_selectable(config)
    if asked is not None and first < min(last, config.optimizer.epochs - 1):
        raise InputError(
            f"phases.choose_from {asked:g}: epoch {first + 1} may not be chosen, since the "
            f"last part joins in epoch {last + 1}; raise it, or leave it unset"
        )


def describe_phases(config: Config) -> list[str]:
    """The phases of training in words, one sentence each: ``"epochs 15-22: generator and classifier"``."""
    starts = start_epochs(config)
    firsts = sorted({starts[part] for part in config.networks} | {0})
    sentences = []
    for first, after in zip(firsts, [*firsts[1:], config.optimizer.epochs], strict=True):
        joined = list(parts_in_force(config, first))
        if config.phases.classifier_before == "image" and "classifier" not in joined:
            joined.append("classifier on images alone")
        span = f"epoch {after}" if after == first + 1 else f"epochs {first + 1}-{after}"
        sentences.append(f"{span}: {', '.join(joined)}")
    chosen = f"of epochs {first_selectable(config) + 1}-{config.optimizer.epochs} the best on validation is kept"
    return [*sentences, "the last epoch is kept" if config.phases.choose_from is None else chosen]


def check_generator_has_loss(config: Config) -> None:
    """Raise InputError for settings by which, in some epoch, no loss reaches G: Adam's weight decay alone would move it
    then, a learning rate a step, and take all its weights to zero.
    """
    loss = config.losses
    for epoch in range(config.optimizer.epochs) if "generator" in config.networks else ():
        phase = phase_at(config, epoch)
        by_classifier = (loss.softmax or loss.island) and loss.end_to_end and phase.classifier == "pairs"
        if not (loss.l1 or (loss.gan and phase.discriminator) or by_classifier):
            raise InputError(
                f"losses, phases: no loss teaches the generator in epoch {epoch + 1}; let one of L1, GAN and "
                "classifier teach it from the start"
            )
