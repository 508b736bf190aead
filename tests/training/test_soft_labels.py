"""Softened labels: shares of the own label and of what the averaged E or teachers read, which moves nothing."""

from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from ifgan.data.pairs import Batch
from ifgan.errors import InputError
from ifgan.models.build import build_system
from ifgan.models.checkpoint import Trained, load_trained, save_trained
from ifgan.models.ifgan import predict
from ifgan.training import step as step_module
from ifgan.training.fit import make_accelerator
from ifgan.training.networks import Networks, build_networks
from ifgan.training.schedule import phase_at
from ifgan.training.step import train_step
from ifgan.training.targets import load_teachers, mixed, softened
from tiny_runs import tiny


def batch_of(size: int = 12) -> Batch:
    torch.manual_seed(1)
    return Batch(torch.rand(size, 3, 32, 32), torch.rand(size, 3, 32, 32), torch.eye(3)[torch.arange(size) % 3])


def networks(**settings: object) -> Networks:
    config = tiny(weights_ema=0.5, **settings)
    return build_networks(config, 3, make_accelerator(config))


@pytest.mark.parametrize("method", ["baseline", "ifgan"])
def test_a_share_of_the_label_is_what_the_averaged_classifier_reads(method: str) -> None:
    nets, batch = networks(method=method), batch_of()
    half, whole = softened(nets, batch, 0.5).target, softened(nets, batch, 1.0).target
    own = batch.target
    torch.testing.assert_close(half, (own + whole) / 2)
    torch.testing.assert_close(half.sum(1), torch.ones(12))
    teacher = nets.tested.eval()
    halves = (batch.image,) if method == "baseline" else (batch.image, torch.zeros_like(batch.image))
    torch.testing.assert_close(whole, teacher.classifier(*halves)[0].softmax(1))
    mixture = mixed(batch, 0.4)
    torch.testing.assert_close(softened(nets, mixture, 0.25).target.sum(1), torch.ones(12))


def test_reading_moves_no_weight_and_no_statistic() -> None:
    nets, batch = networks(method="baseline"), batch_of()
    nets.train()
    before = {name: tensor.clone() for name, tensor in nets.averaged.state_dict().items()}
    softened(nets, batch, 0.5)
    assert all(torch.equal(tensor, before[name]) for name, tensor in nets.averaged.state_dict().items())


def test_labels_stay_as_they_are_unless_asked_for() -> None:
    batch = batch_of()
    assert softened(networks(), batch, 0.0) is batch
    with pytest.raises(InputError, match=r"soft_labels: only with optimizer\.weights_ema or teachers"):
        tiny(soft_labels=0.5)
    with pytest.raises(InputError, match="soft_labels: expected at most 1, got 2"):
        tiny(soft_labels=2, weights_ema=0.5)


@pytest.mark.parametrize("taught", [False, True])
def test_the_share_rises_from_nothing_unless_teachers_know_from_the_start(taught: bool) -> None:
    config = tiny(method="baseline", soft_labels=0.5, weights_ema=0.5, epochs=10)
    nets, accelerator = build_networks(config, 3, make_accelerator(config)), make_accelerator(config)
    nets.teachers = (lambda image: torch.full((len(image), 3), 1 / 3),) if taught else ()
    shares = []
    for epoch in (0, 5, 9):
        with patch.object(step_module, "softened", lambda nets, batch, share: shares.append(share) or batch):
            train_step(nets, batch_of(), config, accelerator, 0, phase_at(config, epoch))
    assert shares == pytest.approx([0.5] * 3 if taught else [0, 0.25, 0.45])


LABELS = ("anger", "fear", "neutral")


def teacher(path: Path, *, temperature: float = 1.0, **settings: object) -> str:
    config = tiny(method="baseline", **settings)
    save_trained(path, Trained(build_system(config, 3).eval(), LABELS, config, {}, temperature))
    return str(path)


def test_teachers_give_their_mean_calibrated_reading_of_the_picture_at_their_own_size(tmp_path: Path) -> None:
    one = teacher(tmp_path / "one.safetensors", temperature=2.0, tta_flip=True)
    other = teacher(tmp_path / "other.safetensors", image_size=64)
    config = tiny(soft_labels=0.75, teachers=(one, other))
    accelerator = make_accelerator(config)
    nets, batch = build_networks(config, 3, accelerator), batch_of()
    nets.teachers = load_teachers(config, LABELS, accelerator.device)
    large = torch.nn.functional.interpolate(batch.image, size=(64, 64), mode="bilinear", antialias=True)
    with torch.inference_mode():
        small, big = (load_trained(Path(file)) for file in (one, other))
        first = predict(small.system, batch.image, small.config).logits.div(2).softmax(1)
        second = predict(big.system, large, big.config).logits.softmax(1)
    wanted = 0.25 * batch.target + 0.75 * (first + second) / 2
    torch.testing.assert_close(softened(nets, batch, 0.75).target, wanted)


def test_teachers_that_know_or_see_something_else_are_refused(tmp_path: Path) -> None:
    grey, usual = teacher(tmp_path / "grey.safetensors", grey=True), teacher(tmp_path / "usual.safetensors")
    for file, labels, sentence in [
        (
            usual,
            ("anger", "fear", "sadness"),
            "usual.safetensors knows anger, fear, neutral; expected anger, fear, sad",
        ),
        (grey, LABELS, "grey.safetensors sees faces in another form"),
        (str(tmp_path / "none.safetensors"), LABELS, "no such checkpoint"),
    ]:
        with pytest.raises(InputError, match=sentence):
            load_teachers(tiny(soft_labels=0.5, teachers=(file,)), labels, torch.device("cpu"))
    with pytest.raises(InputError, match="teachers: only with soft_labels"):
        tiny(teachers=(usual,))


@pytest.mark.parametrize("method", ["baseline", "ifgan"])
def test_a_step_with_soft_labels(method: str) -> None:
    config = tiny(method=method, weights_ema=0.5, soft_labels=0.5, mixup=0.2)
    accelerator = make_accelerator(config)
    nets = build_networks(config, 3, accelerator)
    first = train_step(nets, batch_of(), config, accelerator, 0)["softmax"]
    for step in range(1, 30):
        last = train_step(nets, batch_of(), config, accelerator, step)["softmax"]
        nets.update_averaged()
    assert last < first
