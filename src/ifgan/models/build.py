"""From a configuration to networks."""

import torch

from ifgan.config import LEVELS, Config
from ifgan.errors import InputError, one_line
from ifgan.models.backbones import NOT_OF_FACES, read_part
from ifgan.models.discriminator import Discriminator
from ifgan.models.generator import Generator
from ifgan.models.ifgan import IFGAN, Baseline, Classifier, System
from ifgan.models.mixture import Mixture


def build_system(config: Config, classes: int, *, pretrained: str | None = None) -> System:
    """The method's networks with fresh weights; ``pretrained`` overrides the configuration's."""
    weights = config.classifier.weights if pretrained is None else pretrained
    draws = "generator" in config.networks
    generator = _generator(config, weights, start=pretrained is None) if draws else None
    classifier = Classifier(
        backbone=config.classifier.backbone,
        classes=classes,
        images=2 if draws else 1,
        pretrained=weights,
        stem_pooling=config.classifier.stem_pooling,
        dropout=config.classifier.dropout,
    )
    if config.classifier.head_weights and pretrained is None:
        classifier.head.load_state_dict(_head(weights, classes))
    if generator is None:
        return Baseline(classifier)
    mixture = Mixture(classes, config.preprocess.image_size)
    reads_mixture = config.classifier.reads_mixture
    return IFGAN(classifier, generator, mixture, redraw=config.generator.redraw, reads_mixture=reads_mixture)


def _head(source: str, classes: int) -> dict[str, torch.Tensor]:
    state = read_part(source, "classifier.head") if source not in NOT_OF_FACES else {}
    if not state:
        raise InputError(f"classifier.head_weights: {source} is no checkpoint of ifgan, which has one")
    if len(state["bias"]) != classes:
        raise InputError(
            f"classifier.head_weights: {source} knows {len(state['bias'])} expressions; expected {classes}"
        )
    return state


def build_discriminator(config: Config) -> Discriminator | None:
    """D, or None when the configuration has no adversarial loss."""
    return Discriminator(width=config.discriminator.width) if "discriminator" in config.networks else None


def _generator(config: Config, pretrained: str, *, start: bool) -> Generator:
    """``start``: whether it begins as ``generator.weights`` says."""
    given = config.generator.weights if start else None
    generator = Generator(
        encoder=config.generator.encoder,
        pretrained=pretrained if given is None else "none",
        width=config.generator.width,
        levels=LEVELS,
        attention_level=0 if config.method == "ifgan-noattention" else config.generator.attention_level,
        upsampling=config.generator.upsampling,
    )
    if given is not None:
        state = read_part(given, "generator")
        try:
            generator.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"generator.weights {given}: holds no G of this form ({one_line(error)})") from error
    return generator


@torch.no_grad()
def check_size(config: Config, system: System) -> None:
    """Raise InputError where E takes no images of ``image_size`` pixels, as a vision transformer of another size. No
    weight, statistic or random draw is changed by it.
    """
    side, classifier = config.preprocess.image_size, system.classifier
    training = classifier.training
    try:
        classifier.eval()(*(torch.zeros(1, 3, side, side) for _ in range(classifier.images)))
    except (AssertionError, RuntimeError, ValueError) as error:
        setting = f"classifier.backbone {config.classifier.backbone}"
        raise InputError(f"{setting}: takes no images of {side} pixels ({one_line(error)})") from error
    finally:
        classifier.train(training)
