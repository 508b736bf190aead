"""What each network is given in a joint step, and what weighs how much. Paper §3.2, Eq. 1 to 5."""

import pytest
import torch
from torch.testing import assert_close

from ifgan.training.fit import make_accelerator
from ifgan.training.networks import build_networks
from ifgan.training.step import discriminator_objective, joint_objective, train_step
from tiny_runs import batch_of, tiny


def test_the_discriminator_is_to_say_yes_to_average_faces_and_no_to_drawn_ones() -> None:
    config = tiny(precision="fp32")
    nets, batch, fake = build_networks(config, 3, make_accelerator(config)), batch_of(), torch.zeros(4, 3, 32, 32)
    said = []
    nets.discriminator.register_forward_hook(lambda _, given, verdict: said.append((*given, verdict)))
    total, _ = discriminator_objective(nets, batch, fake)
    (image, face, real), (again, drawn, no) = said  # two passes: their batch statistics are apart
    assert all(map(torch.equal, (image, again, face, drawn), (batch.image, batch.image, batch.average, fake)))
    assert_close(total, -(real.sigmoid().log().mean() + (1 - no.sigmoid()).log().mean()) / 2)


def test_e_reads_real_and_drawn_pairs_and_the_centres_follow_both() -> None:
    config = tiny(precision="fp32", average_dropout=0.0, image_dropout=0.0)
    accelerator = make_accelerator(config)
    nets, batch = build_networks(config, 3, accelerator), batch_of()
    nets.train()
    drawn, read = [], []
    nets.generator.register_forward_hook(lambda _, given, face: drawn.append(face.detach()))
    nets.classifier.register_forward_hook(lambda _, given, said: read.append((*given, said[1].detach())))
    train_step(nets, batch, config, accelerator, 0)
    ((pictures, faces, features),) = read  # in one batch, so one set of batch statistics
    assert torch.equal(pictures, batch.image.repeat(2, 1, 1, 1))
    assert torch.equal(faces, torch.cat([batch.average, drawn[0]]))
    labels = batch.target.argmax(1).repeat(2)
    for label in range(3):  # from the origin, Wen et al.: rate * sum / (1 + count)
        own = features[labels == label]
        assert_close(nets.centers.values[label], 0.5 * own.sum(0) / (1 + len(own)))


def test_e_meets_the_blanked_halves_of_real_and_drawn_pairs() -> None:
    config = tiny(precision="fp32", average_dropout=1 / 2, image_dropout=1 / 2, island=0.0)
    nets, batch = build_networks(config, 3, make_accelerator(config)), batch_of(64)
    read = []
    nets.classifier.register_forward_hook(lambda _, given, said: read.append(given))
    torch.manual_seed(0)
    joint_objective(nets, batch, nets.generator(batch.image), config)
    ((pictures, faces),) = read
    shown = torch.stack([(half != 0).any(dim=(1, 2, 3)) for half in (pictures, faces)])
    assert (shown.sum(0) == 1).all()  # one half each, never none
    for part in shown[0].split(64):  # real pairs, then drawn ones
        assert 16 < part.sum() < 48


def test_every_lambda_of_eq_1_weighs_its_own_loss() -> None:
    lambdas = {"gan": "gan", "l1": "l1", "softmax": "softmax", "island": "island"}
    config = tiny(precision="fp32", average_dropout=0.0, image_dropout=0.0, **dict.fromkeys(lambdas.values(), 1.0))
    nets, batch = build_networks(config, 3, make_accelerator(config)), batch_of()
    nets.system.eval(), nets.plain_discriminator.eval()
    nets.centers.values.copy_(torch.eye(3, nets.centers.values.shape[1]))  # orthogonal: 3 * 2 pairs of 1
    fake = nets.generator(batch.image)
    total, parts, features, labels = joint_objective(nets, batch, fake, config)
    assert total.item() == pytest.approx(sum(part.item() for part in parts.values()), rel=1e-5)
    for name, field in lambdas.items():
        more = joint_objective(nets, batch, fake, config.changed(**{field: 3.0}))[0]
        assert (more - total).item() == pytest.approx(2 * parts[name].item(), rel=1e-3), name
    verdict = nets.discriminator(batch.image, fake)
    assert parts["gan"].item() == pytest.approx(-torch.nn.functional.logsigmoid(verdict).mean().item(), rel=1e-4)
    logits = torch.stack([nets.classifier(batch.image, face)[0] for face in (batch.average, fake)])
    each = -logits.log_softmax(-1)[:, torch.arange(4), batch.target.argmax(1)]
    assert parts["softmax"].item() == pytest.approx(each.mean(1).sum().item(), rel=1e-4)
    pulled = (features - nets.centers.values[labels]).square().sum(1).mean().item()
    assert parts["island"].item() == pytest.approx(pulled + 0.03 * 3 * 2, rel=1e-4)
