"""Softened labels: shares of the own label and of what the averaged E reads, which moves nothing and rises in time."""

import pytest
import torch

from ifgan.data.pairs import Batch
from ifgan.errors import InputError
from ifgan.training.fit import make_accelerator
from ifgan.training.mixing import mixed
from ifgan.training.networks import Networks, build_networks
from ifgan.training.schedule import config_at
from ifgan.training.soft_labels import softened
from ifgan.training.step import train_step
from tiny_runs import tiny


def batch_of(size: int = 12) -> Batch:
    torch.manual_seed(1)
    return Batch(torch.rand(size, 3, 32, 32), torch.rand(size, 3, 32, 32), torch.arange(size) % 3)


def networks(**settings: object) -> Networks:
    config = tiny(weights_ema=0.5, **settings)
    return build_networks(config, 3, make_accelerator(config))


@pytest.mark.parametrize("method", ["baseline", "ifgan"])
def test_a_share_of_the_label_is_what_the_averaged_classifier_reads(method: str) -> None:
    nets, batch = networks(method=method), batch_of()
    half, whole = softened(nets, batch, 0.5).label, softened(nets, batch, 1.0).label
    own = torch.eye(3)[batch.label]
    torch.testing.assert_close(half, (own + whole) / 2)
    torch.testing.assert_close(half.sum(1), torch.ones(12))
    teacher = nets.tested.eval()
    halves = (batch.image,) if method == "baseline" else (batch.image, torch.zeros_like(batch.image))
    torch.testing.assert_close(whole, teacher.classifier(*halves)[0].softmax(1))
    mixture = mixed(batch, 3, 0.4)
    torch.testing.assert_close(softened(nets, mixture, 0.25).label.sum(1), torch.ones(12))


def test_reading_moves_no_weight_and_no_statistic() -> None:
    nets, batch = networks(method="baseline"), batch_of()
    nets.train()
    before = {name: tensor.clone() for name, tensor in nets.averaged.state_dict().items()}
    softened(nets, batch, 0.5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in nets.averaged.state_dict().items())


def test_labels_stay_as_they_are_unless_asked_for() -> None:
    batch = batch_of()
    assert softened(networks(), batch, 0.0) is batch
    with pytest.raises(InputError, match="soft_labels: only with weights_ema"):
        tiny(soft_labels=0.5)
    with pytest.raises(InputError, match="soft_labels 2"):
        tiny(soft_labels=2, weights_ema=0.5)


def test_the_share_rises_from_nothing_towards_what_is_asked_for() -> None:
    config = tiny(soft_labels=0.5, weights_ema=0.5, epochs=10)
    assert [config_at(config, epoch).soft_labels for epoch in (0, 5, 9)] == pytest.approx([0, 0.25, 0.45])


@pytest.mark.parametrize(
    ("method", "reads"), [("baseline", "pair"), ("baseline", "generated"), ("ifgan", "pair"), ("ifgan", "generated")]
)
def test_a_step_with_soft_labels(method: str, reads: str) -> None:
    config = tiny(method=method, classifier_input=reads, weights_ema=0.5, soft_labels=0.5, mixup=0.2)
    accelerator = make_accelerator(config)
    nets = build_networks(config, 3, accelerator)
    first = train_step(nets, batch_of(), config, accelerator, 0)["softmax"]
    for step in range(1, 30):
        last = train_step(nets, batch_of(), config, accelerator, step)["softmax"]
        nets.follow()
    assert last < first
