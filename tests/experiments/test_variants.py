"""Variants of the method by name, and runs that are called what they are."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from ifgan.config import METHODS
from ifgan.data.pairs import Batch
from ifgan.errors import InputError
from ifgan.experiments.run_records import read_runs
from ifgan.experiments.variants import VARIANTS, variant_of, with_variant, without_variant
from ifgan.models.build import build_system
from ifgan.presets import make_config
from ifgan.training.fit import make_accelerator
from ifgan.training.networks import build_networks
from ifgan.training.step import joint_objective
from tiny_runs import tiny


@pytest.mark.parametrize("name", VARIANTS)
def test_a_run_is_called_what_it_is(name: str):
    assert variant_of(with_variant(make_config("cpu", seed=3), name)) == name


def test_the_paper_s_methods_come_first_and_change_nothing_else():
    assert tuple(VARIANTS)[:3] == METHODS
    for method in METHODS:
        assert without_variant(with_variant(make_config("cpu"), method)) == without_variant(make_config("cpu"))


def _moved(name: str, **weights: float) -> set[str]:
    """Which of G and E a step's losses of this variant reach, with some weights changed."""
    config = replace(with_variant(tiny(precision="fp32"), name), **weights)
    accelerator = make_accelerator(config)
    torch.manual_seed(0)
    nets = build_networks(config, 3, accelerator)
    batch = Batch(*torch.rand(2, 6, 3, 32, 32).mul(2).sub(1), torch.arange(6) % 3)
    nets.centers.values += 1.0  # so that the island loss pulls
    total = joint_objective(nets, batch, nets.generator(batch.image), config)[0]
    total.backward()
    parts = {"G": nets.generator, "E": nets.classifier}
    return {who for who, part in parts.items() if any(p.grad is not None and p.grad.any() for p in part.parameters())}


NOTHING = {"lambda_gan": 0.0, "lambda_l1": 0.0, "lambda_softmax": 0.0, "lambda_island": 0.0}


@pytest.mark.parametrize(
    ("name", "loss", "reached", "whole"),
    [
        ("ifgan-nogan", "lambda_gan", set(), {"G"}),
        ("ifgan-nol1", "lambda_l1", set(), {"G"}),
        ("ifgan-noisland", "lambda_island", set(), {"G", "E"}),
        ("ifgan-separate", "lambda_softmax", {"E"}, {"G", "E"}),
        ("ifgan-separate", "lambda_island", {"E"}, {"G", "E"}),
    ],
)
def test_what_a_variant_leaves_out_moves_nothing(name: str, loss: str, reached: set[str], whole: set[str]):
    """Each loss alone, in the variant and in the whole method."""
    others = {other: weight for other, weight in NOTHING.items() if other != loss}
    assert _moved(name, **others) == reached
    assert _moved("ifgan", **others) == whole


def test_the_generated_face_alone_is_what_the_classifier_reads():
    system = build_system(with_variant(tiny(), "ifgan-generated"), 3).eval()
    assert system.generator is not None
    image, other = torch.rand(2, 4, 3, 32, 32)
    system.generator.forward = lambda picture: torch.full_like(picture, 0.3)  # whoever comes in, one face comes out
    with torch.no_grad():
        assert torch.equal(system(image).logits, system(other).logits)
        pair = build_system(with_variant(tiny(), "ifgan"), 3).eval()
        pair.generator.forward = system.generator.forward
        assert not torch.equal(pair(image).logits, pair(other).logits)


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
