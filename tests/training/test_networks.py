"""What building a run's networks changes in them: where products are rounded, and nothing else."""

import copy
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from ifgan.errors import InputError
from ifgan.models.build import build_discriminator, build_system, check_size
from ifgan.training.fit import make_accelerator
from ifgan.training.networks import build_networks, keep_depthwise_in_fp32
from ifgan.training.state import Progress, load_state, save_state
from tiny_runs import tiny


def test_depthwise_convolutions_keep_fp32_among_bfloat16_ones() -> None:
    torch.manual_seed(0)
    network = timm.create_model("tf_efficientnet_lite0", pretrained=False, num_classes=0).eval()
    x, keys = torch.randn(2, 3, 64, 64), list(network.state_dict())
    with torch.inference_mode():
        before = network(x)
        keep_depthwise_in_fp32(network)
        assert torch.equal(network(x), before)  # in fp32 they are what they were
    assert list(network.state_dict()) == keys
    kinds: dict[bool, set[torch.dtype]] = {True: set(), False: set()}
    for part in network.modules():
        if isinstance(part, nn.Conv2d):
            depthwise = part.groups > 1
            part.register_forward_hook(lambda _, inputs, output, d=depthwise: kinds[d].add(output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        network(x).float().sum().backward()
    assert kinds == {True: {torch.float32}, False: {torch.bfloat16}}
    copied = copy.deepcopy(network)
    torch.nn.init.zeros_(copied.conv_stem.weight)
    assert not copied(x).equal(network(x))  # a copy computes with its own weights
    for module in copied.modules():
        if isinstance(module, nn.Conv2d) and module.groups > 1:
            assert module.forward.__self__ is module
    assert all(parameter.grad is not None for parameter in network.parameters())


def test_the_running_mean_is_the_mean_and_is_kept(tmp_path: Path) -> None:
    config = tiny(weights_ema=0.75)
    nets = build_networks(config, 3, make_accelerator(config))
    weight = nets.system.classifier.head.weight
    mean = None
    for step in range(4):
        with torch.no_grad():
            weight.fill_(float(step * step))
        nets.update_averaged()
        mean = weight[0, 0].item() if mean is None else 0.75 * mean + 0.25 * weight[0, 0].item()
    assert mean is not None and mean > 0
    assert torch.allclose(nets.tested.classifier.head.weight, torch.tensor(mean))
    assert nets.tested is not nets.system
    save_state(tmp_path / "last.safetensors", nets, Progress())
    again = build_networks(config, 3, make_accelerator(config))
    load_state(tmp_path / "last.safetensors", again)
    again.update_averaged()
    nets.update_averaged()
    for name, value in nets.tested.state_dict().items():
        assert torch.equal(again.tested.state_dict()[name], value), name


def test_without_a_running_mean_the_weights_are_tested() -> None:
    nets = build_networks(tiny(), 3, make_accelerator(tiny()))
    assert nets.tested is nets.system and "averaged" not in nets.modules()


@pytest.mark.parametrize("decay", [-0.1, 1.0])
def test_decays_that_are_none(decay: float) -> None:
    with pytest.raises(InputError, match="weights_ema"):
        tiny(weights_ema=decay)


@pytest.mark.parametrize(("decoupled", "left"), [(True, 1 - 0.1 * 0.5), (False, 1 - 0.1)])
def test_decay_is_a_penalty_or_shrinks_the_weights_themselves(decoupled: bool, left: float) -> None:
    """Without another gradient: Adam's first step has the rate's length, AdamW's takes rate times decay of a weight."""
    config = tiny(learning_rate=0.1, weight_decay=0.5, decoupled_decay=decoupled)
    nets = build_networks(config, 3, make_accelerator(config))
    weight = nets.system.classifier.head.weight
    with torch.no_grad():
        weight.fill_(1.0)
    weight.grad = torch.zeros_like(weight)
    nets.optimizers["classifier"].step()
    assert torch.allclose(weight, torch.tensor(left))


def test_a_run_of_other_networks_is_not_gone_on_with(tmp_path: Path) -> None:
    accelerator = make_accelerator(tiny())
    save_state(tmp_path / "last.safetensors", build_networks(tiny(), 3, accelerator), Progress())
    with pytest.raises(InputError, match=r"last\.safetensors: is of other networks") as error:
        load_state(tmp_path / "last.safetensors", build_networks(tiny(generator_width=8), 3, accelerator))
    assert "\n" not in str(error.value)


def test_a_backbone_that_takes_no_such_images_is_refused() -> None:
    config = tiny(precision="fp32", backbone="vit_tiny_patch16_224")
    with pytest.raises(InputError, match="backbone vit_tiny_patch16_224: takes no images of 32 pixels"):
        build_networks(config, 3, make_accelerator(config))


def test_the_look_at_the_size_changes_nothing() -> None:
    config = tiny(precision="fp32")
    torch.manual_seed(0)
    system, discriminator = build_system(config, 3), build_discriminator(config)
    before = {name: tensor.clone() for name, tensor in system.state_dict().items()}
    drawn = torch.get_rng_state()
    check_size(config, system)
    assert all(torch.equal(tensor, before[name]) for name, tensor in system.state_dict().items())
    assert torch.equal(torch.get_rng_state(), drawn)
    assert all(module.training for module in (*system.modules(), *discriminator.modules()))
