"""Mixup: shares that add up, average faces that go with the pictures, losses that are expectations over the mixture."""

import dataclasses

import pytest
import torch

from ifgan import losses
from ifgan.data.pairs import Batch
from ifgan.errors import InputError
from ifgan.training.fit import make_accelerator
from ifgan.training.mixing import largest, mixed
from ifgan.training.networks import build_networks
from ifgan.training.step import joint_objective, train_step
from tiny_runs import tiny


def batch_of(size: int = 12) -> Batch:
    """Picture k is k all over, its average face -k: a mixture tells of what it was made."""
    numbers = torch.arange(size).float().view(-1, 1, 1, 1).expand(-1, 3, 32, 32)
    return Batch(numbers / size, -numbers / size, torch.arange(size) % 3)


def test_picture_average_face_and_label_are_mixed_alike() -> None:
    torch.manual_seed(0)
    plain = batch_of()
    batch = mixed(plain, 3, 0.4)
    torch.testing.assert_close(batch.average, -batch.image)
    torch.testing.assert_close(batch.label.sum(1), torch.ones(12))
    assert batch.label.shape == (12, 3) and (batch.label >= 0).all()
    pure = (batch.label.max(1).values == 1) & (batch.image[:, 0, 0, 0] == plain.image[:, 0, 0, 0])
    assert not pure.all()  # some are mixed
    for one, image in zip(batch.label, batch.image, strict=True):
        low, high = image.min().item(), image.max().item()
        assert low == pytest.approx(high) and 0 <= low <= 1
        assert (one > 0).sum() <= 2


def test_no_mixing_unless_asked_for() -> None:
    batch = batch_of()
    assert mixed(batch, 3, 0.0) is batch
    assert torch.equal(largest(batch.label), batch.label)
    with pytest.raises(InputError, match="mixup -1"):
        tiny(mixup=-1)


def test_the_expression_loss_of_a_mixture_is_the_mean_over_its_parts() -> None:
    logits = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    one, other, share = torch.arange(4) % 3, torch.tensor([2, 2, 0, 0]), torch.tensor([0.9, 0.5, 0.7, 1.0])
    eye = torch.eye(3)
    shares = share[:, None] * eye[one] + (1 - share)[:, None] * eye[other]
    each = [torch.nn.functional.cross_entropy(logits, label.repeat(2), reduction="none") for label in (one, other)]
    wanted = 2 * (share.repeat(2) * each[0] + (1 - share.repeat(2)) * each[1]).mean()
    torch.testing.assert_close(losses.expression_loss(logits, shares, passes=2), wanted)


@pytest.mark.parametrize("method", ["baseline", "ifgan"])
def test_a_step_with_mixed_pictures(method: str) -> None:
    config = tiny(method=method, mixup=0.3)
    accelerator = make_accelerator(config)
    nets = build_networks(config, 3, accelerator)
    batch = mixed(batch_of(), 3, 0.3)
    fake = None if nets.generator is None else nets.generator(batch.image)
    labels = joint_objective(nets, batch, fake, config)[3]
    assert torch.equal(labels, batch.label.argmax(1).repeat(1 if method == "baseline" else 2))
    values = {}
    for parameter in (0.0, 0.3):
        torch.manual_seed(5)
        fresh = build_networks(config, 3, accelerator)
        values[parameter] = train_step(fresh, batch_of(), dataclasses.replace(config, mixup=parameter), accelerator, 0)
    assert values[0.0].keys() == values[0.3].keys()
    assert values[0.0]["softmax"] != values[0.3]["softmax"]
