"""Variants of the method by name, and runs that are called what they are."""

import shutil
from pathlib import Path

import pytest
import torch

from ifgan.config import METHODS, Config, to_dict
from ifgan.data.pairs import Batch
from ifgan.errors import InputError
from ifgan.experiments.run_records import read_runs
from ifgan.experiments.variants import VARIANTS, variant_of, with_variant, without_variant
from ifgan.presets import make_config
from ifgan.training.fit import make_accelerator
from ifgan.training.networks import build_networks
from ifgan.training.schedule import phase_at
from ifgan.training.step import joint_objective, train_step
from tiny_runs import batch_of, tiny


@pytest.mark.parametrize("name", VARIANTS)
def test_a_run_is_called_what_it_is(name: str):
    assert variant_of(with_variant(make_config("cpu", seed=3), name)) == name


def test_the_paper_s_methods_come_first_and_change_nothing_else():
    assert tuple(VARIANTS)[:3] == METHODS
    for method in METHODS:
        config = make_config("cpu")
        assert to_dict(with_variant(config, method)) == to_dict(config) | {"method": method}


def test_what_tells_no_baselines_apart_changes_nothing_of_one():
    """Settings of G, D and pairs: a baseline's step is the same whatever they are."""
    plain = tiny(method="baseline", precision="fp32")
    idle = set(plain.flat()) - set(without_variant(plain)) - {"method"}
    changes = {
        "classifier.average_dropout": 0.5, "classifier.image_dropout": 0.2, "classifier.reads_mixture": True,
        "classifier.tta_inputs": ("pair",), "discriminator.width": 8, "generator.attention_level": 1,
        "generator.encoder": "test_resnet", "generator.redraw": "mixture", "generator.upsampling": "nearest",
        "generator.weights": "gone.safetensors", "generator.width": 8, "losses.end_to_end": False, "losses.gan": 0.1,
        "losses.l1": 7.0, "losses.saturating_gan": True, "optimizer.discriminator_learning_rate": 0.1,
        "optimizer.generator_beta1": 0.1, "optimizer.generator_learning_rate": 1.0, "phases.classifier_before": "image",
    }  # fmt: skip
    assert set(changes) == idle
    one, other = (_stepped(config) for config in (plain, plain.changed(**changes)))
    assert one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def _stepped(config: Config) -> dict[str, torch.Tensor]:
    accelerator = make_accelerator(config)
    nets = build_networks(config, 3, accelerator)
    torch.manual_seed(0)
    train_step(nets, batch_of(6), config, accelerator, 0, phase_at(config, 0))
    return nets.system.state_dict()


def _moved(name: str, **weights: float) -> set[str]:
    """Which of G and E a step's losses of this variant reach, with some weights changed."""
    config = with_variant(tiny(precision="fp32"), name).changed(**weights)
    accelerator = make_accelerator(config)
    torch.manual_seed(0)
    nets = build_networks(config, 3, accelerator)
    batch = Batch(*torch.rand(2, 6, 3, 32, 32).mul(2).sub(1), torch.eye(3)[torch.arange(6) % 3])
    nets.centers.values += 1.0  # so that the island loss pulls
    total = joint_objective(nets, batch, nets.generator(batch.image), config)[0]
    total.backward()
    parts = {"G": nets.generator, "E": nets.classifier}
    return {who for who, part in parts.items() if any(p.grad is not None and p.grad.any() for p in part.parameters())}


NOTHING = {"gan": 0.0, "l1": 0.0, "softmax": 0.0, "island": 0.0}


@pytest.mark.parametrize(
    ("name", "loss", "reached", "whole"),
    [
        ("ifgan-nogan", "gan", set(), {"G"}),
        ("ifgan-nol1", "l1", set(), {"G"}),
        ("ifgan-noisland", "island", set(), {"G", "E"}),
        ("ifgan-separate", "softmax", {"E"}, {"G", "E"}),
        ("ifgan-separate", "island", {"E"}, {"G", "E"}),
    ],
)
def test_what_a_variant_leaves_out_moves_nothing(name: str, loss: str, reached: set[str], whole: set[str]):
    """Each loss alone, in the variant and in the whole method."""
    others = {other: weight for other, weight in NOTHING.items() if other != loss}
    assert _moved(name, **others) == reached
    assert _moved("ifgan", **others) == whole


def test_an_unknown_name_is_refused():
    with pytest.raises(InputError, match="method 'ifgan-nothing': expected some of baseline, "):
        with_variant(make_config("cpu"), "ifgan-nothing")


def test_runs_that_differ_are_different_methods_and_equal_ones_can_not_both_count(runs: Path, tmp_path: Path):
    both = tmp_path / "runs"
    shutil.copytree(runs / "ifgan", both / "a")
    shutil.copytree(runs / "ifgan", both / "b")
    with pytest.raises(InputError, match="a and b are the same fold with the same settings"):
        read_runs(both)
    settings = both / "b" / "config.yaml"
    settings.write_text(settings.read_text().replace("epochs: 3", "epochs: 4"))
    records = read_runs(both)
    assert [record.method for record in records] == ["ifgan epochs=3", "ifgan epochs=4"]
    assert [record.outcome.method for record in records if record.outcome] == ["ifgan epochs=3", "ifgan epochs=4"]
