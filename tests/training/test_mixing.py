"""Mixup: shares that add up, average faces that go with the images, losses that are expectations over the mixture."""

import pytest
import torch

from ifgan import losses
from ifgan.data.pairs import Batch
from ifgan.errors import InputError
from ifgan.training.fit import make_accelerator
from ifgan.training.networks import build_networks
from ifgan.training.step import joint_objective, train_step
from ifgan.training.targets import mixed
from tiny_runs import tiny


def batch_of(size: int = 12) -> Batch:
    """An image's three channels are its label's one-hot, its average face is the negative: a mixture tells of what it
    was made.
    """
    labels = torch.arange(size) % 3
    pictures = torch.eye(3)[labels][:, :, None, None].expand(-1, -1, 32, 32)
    return Batch(pictures, -pictures, torch.eye(3)[labels])


def test_picture_average_face_and_label_are_mixed_alike() -> None:
    torch.manual_seed(0)
    batch = mixed(batch_of(), 0.4)
    assert batch.target.shape == (12, 3)
    torch.testing.assert_close(batch.image, batch.target[:, :, None, None].expand(-1, -1, 32, 32))
    torch.testing.assert_close(batch.average, -batch.image)
    torch.testing.assert_close(batch.target.sum(1), torch.ones(12))
    assert ((batch.target > 0).sum(1) == 2).any() and ((batch.target > 0).sum(1) <= 2).all()


def test_no_mixing_unless_asked_for() -> None:
    batch = batch_of()
    assert mixed(batch, 0.0) is batch
    with pytest.raises(InputError, match="mixup: expected at least 0, got -1"):
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
    batch = mixed(batch_of(), 0.3)
    fake = None if nets.generator is None else nets.generator(batch.image)
    labels = joint_objective(nets, batch, fake, config)[3]
    assert torch.equal(labels, batch.target.argmax(1).repeat(1 if method == "baseline" else 2))
    values = {}
    for parameter in (0.0, 0.3):
        torch.manual_seed(5)
        fresh = build_networks(config, 3, accelerator)
        values[parameter] = train_step(fresh, batch_of(), config.changed(mixup=parameter), accelerator, 0)
    assert values[0.0].keys() == values[0.3].keys()
    assert values[0.0]["softmax"] != values[0.3]["softmax"]
