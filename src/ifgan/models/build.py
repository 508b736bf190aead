"""From a configuration to networks: the only place in `models` that reads one."""

import torch
from torch import nn

from ifgan.config import Config
from ifgan.errors import InputError, one_line
from ifgan.models.backbones import NOT_OF_FACES, read_part
from ifgan.models.classifier import Classifier
from ifgan.models.discriminator import Discriminator
from ifgan.models.generator import Generator
from ifgan.models.mixture import Mixture
from ifgan.models.system import System


def build_system(config: Config, classes: int, *, pretrained: str | None = None) -> System:
    """G and E (E alone for the baseline) with fresh weights; ``pretrained`` overrides the configuration's."""
    weights = config.pretrained if pretrained is None else pretrained
    generator = None if config.method == "baseline" else _generator(config, weights, start=pretrained is None)
    classifier = Classifier(
        backbone=config.backbone,
        classes=classes,
        pictures=2 if generator is not None and config.classifier_input == "pair" else 1,
        pretrained=weights,
        pair_stem=config.pair_stem,
        stem_pooling=config.stem_pooling,
        dropout=config.classifier_dropout,
    )
    if config.pretrained_head and pretrained is None:
        classifier.head.load_state_dict(_head(weights, classes))
    mixture = None if generator is None else Mixture(classes, config.image_size)
    return System(
        classifier,
        generator,
        mixture,
        classifier_input=config.classifier_input,
        classifier_views=config.classifier_views,
        corners_px=config.corners_px,
        mirror=config.mirror,
        redraw=config.redraw,
        read_mixture=config.read_mixture,
    )


def _head(source: str, classes: int) -> dict[str, torch.Tensor]:
    state = read_part(source, "classifier.head") if source not in NOT_OF_FACES else {}
    if not state:
        raise InputError(f"pretrained_head: pretrained {source} is no checkpoint of ifgan, which has one")
    if len(state["bias"]) != classes:
        raise InputError(f"pretrained_head: {source} knows {len(state['bias'])} expressions; expected {classes}")
    return state


def build_discriminator(config: Config) -> Discriminator | None:
    """D, or None when the configuration has no adversarial loss."""
    if config.method == "baseline" or config.lambda_gan == 0:
        return None
    return Discriminator(
        width=config.discriminator_width, layers=config.discriminator_layers, norm=config.discriminator_norm
    )


def _generator(config: Config, pretrained: str, *, start: bool) -> Generator:
    """``start``: whether it begins as ``generator_pretrained`` says."""
    given = config.generator_pretrained if start else None
    generator = Generator(
        encoder=config.generator_encoder,
        pretrained=pretrained if given is None else "none",
        width=config.generator_width,
        levels=config.generator_levels,
        attention_level=0 if config.method == "ifgan-noattention" else config.attention_level,
        attention_places=config.attention_places,
        key_ratio=config.attention_key_ratio,
        norm=config.generator_norm,
        upsampling=config.upsampling,
        dropout=config.generator_dropout,
    )
    if given is not None:
        state = read_part(given, "generator")
        try:
            generator.load_state_dict(state)
        except RuntimeError as error:
            raise InputError(f"generator_pretrained {given}: holds no G of this form ({one_line(error)})") from error
    return generator


@torch.no_grad()
def check_size(config: Config, system: System, discriminator: Discriminator | None) -> None:
    """Raise InputError where E or D takes no pictures of ``image_size`` pixels, as a vision transformer of another size
    and patches larger than the picture. No weight, statistic or random draw is changed by it.
    """
    picture = torch.zeros(1, 3, config.image_size, config.image_size)
    pictures = 2 if config.method != "baseline" and config.classifier_input == "pair" else 1
    _try(system.classifier, pictures * (picture,), f"backbone {config.backbone}")
    if discriminator is not None:
        _try(discriminator, (picture, picture), f"discriminator_layers {config.discriminator_layers}")


def _try(network: nn.Module, pictures: tuple[torch.Tensor, ...], setting: str) -> None:
    training = network.training
    try:
        network.eval()(*pictures)
    except (AssertionError, RuntimeError, ValueError) as error:
        side = pictures[0].shape[-1]
        raise InputError(f"{setting}: takes no pictures of {side} pixels ({one_line(error)})") from error
    finally:
        network.train(training)
