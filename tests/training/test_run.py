"""The way that the commands take, from settings and images to a folder marked done; nobody who is tested is seen."""

import shutil
from contextlib import nullcontext
from pathlib import Path

import pytest
import torch
from torch.testing import assert_close

from ifgan.errors import InputError, PictureError
from ifgan.experiments.variants import with_variant
from ifgan.files import read_json, write_bytes
from ifgan.models.checkpoint import load_trained
from ifgan.models.ifgan import predict
from ifgan.models.tensor_file import read_tensors
from ifgan.presets import make_config
from ifgan.training import run_folder
from ifgan.training.fit import fit, train_run
from ifgan.training.run_data import SplitChoice, load_run_data
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import check_generator_has_loss
from tiny_runs import make_prepared, tiny, train_tiny


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_prepared(tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("prepared") / "set")


def test_a_run_opens_no_test_picture_and_is_judged_by_its_validation_people(prepared: Path, tmp_path: Path) -> None:
    config = tiny(epochs=1, precision="fp32")
    data = load_run_data(shutil.copytree(prepared, tmp_path / "set"), SplitChoice(0))
    for item in data.parts["test"]:
        item.path.write_bytes(b"poison")
    run = RunFolder(tmp_path / "run")
    train_run(config, data, run, ["test"], say=lambda line: None)
    kept, pairs = load_trained(run.best), data.pairs("validation", config)
    right, distances = [], []
    with torch.inference_mode():
        for image, average, target in (pairs[0, index] for index in range(len(pairs))):
            output = predict(kept.system, image[None], kept.config)
            right.append(output.logits.argmax().item() == target.argmax().item())
            distances.append((output.average_face[0] - average).abs().mean().item())
    said = kept.about["validation"]
    assert said["n"] == len(pairs) == 3
    assert said["accuracy"] == pytest.approx(sum(right) / 3)
    assert said["l1"] == pytest.approx(sum(distances) / 3, abs=1e-5)
    with pytest.raises(PictureError):  # it would have been noticed
        data.pairs("test", config)[0, 0]


def test_weights_that_know_the_held_out_train_no_run(prepared: Path, tmp_path: Path) -> None:
    one, other = (load_run_data(prepared, SplitChoice(fold)) for fold in (0, 5))
    RunFolder(tmp_path / "theirs").start(tiny(), other.record, ["test"], resume=False)
    config = tiny(classifier_weights=str(tmp_path / "theirs" / "checkpoint" / "best.safetensors"))
    with pytest.raises(InputError, match="these weights have seen 2 people"):
        train_run(config, one, RunFolder(tmp_path / "run"), ["test"])
    assert not (tmp_path / "run").exists()


def test_training_pictures_are_varied_and_no_others(prepared: Path) -> None:
    data, config = load_run_data(prepared, SplitChoice(0)), tiny()
    same = {part: torch.equal(*(data.pairs(part, config)[epoch, 0].image for epoch in (0, 1))) for part in data.parts}
    assert same == {"train": False, "validation": True, "test": True}


def test_the_running_mean_of_every_step_is_what_is_judged_and_kept(prepared: Path, tmp_path: Path) -> None:
    """One step an epoch, at a constant rate: after two, 3/4 of the first weights and 1/4 of the second."""
    data = load_run_data(prepared, SplitChoice(0))
    settings = {"method": "baseline", "batch_size": 24, "schedule": "step", "precision": "fp32"}
    runs = [train_tiny(tiny(**settings, epochs=count), data, tmp_path / str(count)) for count in (1, 2)]
    mean = train_tiny(tiny(**settings, epochs=2, weights_ema=0.75), data, tmp_path / "mean")
    first, second = (load_trained(run.best).system.state_dict() for run in runs)
    for name, found in load_trained(mean.best).system.state_dict().items():
        if found.is_floating_point():  # statistics of batch normalisation too
            assert_close(found, 0.75 * first[name] + 0.25 * second[name], atol=1e-6, rtol=1e-4)
    assert not torch.equal(first["classifier.head.weight"], second["classifier.head.weight"])


def test_a_resumed_run_remembers_which_epoch_was_best(prepared: Path, tmp_path: Path) -> None:
    """At a rate of nothing all epochs are alike, so the first stays the best; broken off in the second."""
    config = tiny(method="baseline", learning_rate=0.0, freeze_batch_statistics=True, choose_from=0.0)
    data, run = load_run_data(prepared, SplitChoice(0)), RunFolder(tmp_path)
    parts = [data.pairs(part, config) for part in ("train", "validation")]
    run.start(config, data.record, ["test"], resume=False)

    def stop(line: str) -> None:
        if "epoch 2/" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(config, run, *parts, say=stop)
    fit(config, run, *parts, say=lambda line: None)
    assert [line["epoch"] for line in run.metrics()] == [1, 2, 3]
    assert load_trained(run.best).about["epoch"] == 1


def test_the_schedule_reaches_the_weights(prepared: Path, tmp_path: Path) -> None:
    """A rate that is nothing from the second epoch on: two epochs leave the weights of one."""
    data = load_run_data(prepared, SplitChoice(0))
    still = {"method": "baseline", "schedule": "step", "decay_epochs": 1, "decay_factor": 0.0, "precision": "fp32"}
    changes = ({"epochs": 1}, {"epochs": 2}, {"epochs": 2, "decay_factor": 0.5})
    runs = [train_tiny(tiny(**{**still, **more}), data, tmp_path / str(k)) for k, more in enumerate(changes)]
    one, two, on = (read_tensors(run.last)[0]["system.classifier.head.weight"] for run in runs)
    assert torch.equal(one, two) and not torch.equal(one, on)


@pytest.mark.parametrize(
    ("method", "changes", "taught"),
    [
        pytest.param("ifgan", {}, True, id="the preset"),
        pytest.param("ifgan-nol1", {}, True, id="without L1 D is there from the start"),
        pytest.param("ifgan-nogan", {}, True, id="without D"),
        pytest.param("ifgan-separate", {"gan": 0.0}, True, id="L1 alone"),
        pytest.param("ifgan", {"l1": 0.0}, False, id="D joins late, E reads images"),
        pytest.param("ifgan", {"l1": 0.0, "classifier_start": 0.0}, True, id="E teaches from the start"),
        pytest.param("ifgan-separate", {"l1": 0.0, "gan": 0.0}, False, id="nobody at all"),
        pytest.param("baseline", {"l1": 0.0}, True, id="no G"),
    ],
)
def test_some_loss_teaches_the_generator_in_every_epoch(method: str, changes: dict, taught: bool) -> None:
    config = with_variant(make_config("cpu"), method).changed(**changes)
    with nullcontext() if taught else pytest.raises(InputError, match="no loss teaches the generator in epoch 1"):
        check_generator_has_loss(config)


def test_settings_that_teach_nothing_train_no_run(prepared: Path, tmp_path: Path) -> None:
    config = tiny(l1=0.0, gan=0.0, end_to_end=False)
    with pytest.raises(InputError, match="no loss teaches the generator"):
        train_run(config, load_run_data(prepared, SplitChoice(0)), RunFolder(tmp_path / "run"), ["test"])
    assert not (tmp_path / "run").exists()


def test_what_the_rest_of_a_run_was_computed_by_is_kept(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, config, record = RunFolder(tmp_path / "run"), tiny(), load_run_data(prepared, SplitChoice(0)).record
    here = {"commit": "one", "uncommitted": False}
    for commit in ("one", "one", "two", "two"):
        monkeypatch.setattr(run_folder, "environment", lambda command, commit=commit: here | {"commit": commit})
        run.start(config, record, [], resume=True)
        write_bytes(run.last, b"")
    assert read_json(run.path / "environment.json") == here | {"resumed": [{"commit": "two", "uncommitted": False}]}


def test_a_run_that_never_began_leaves_its_folder_free(prepared: Path, tmp_path: Path) -> None:
    """As one whose weights can't be had: the advice is to try others, with the same --out."""
    data, run = load_run_data(prepared, SplitChoice(0)), RunFolder(tmp_path / "run")
    with pytest.raises(InputError, match=r"absent\.safetensors"):
        train_run(tiny(epochs=1, classifier_weights=str(tmp_path / "absent.safetensors")), data, run, ["test"])
    train_run(tiny(epochs=1), data, run, ["test"], say=lambda line: None)
    assert run.done and "weights: none" in (run.path / "config.yaml").read_text()
    with pytest.raises(InputError, match="other settings"):
        train_run(tiny(epochs=2), data, run, ["test"])


def test_weights_that_break_in_an_epoch_s_last_step_stop_the_run(prepared: Path, tmp_path: Path) -> None:
    """No later loss tells of it."""
    config = tiny(method="baseline", epochs=1, batch_size=24, learning_rate=1e38, warmup_epochs=0.0, schedule="step")
    with pytest.raises(InputError, match="epoch 1, on validation images: the model's output is not finite"):
        train_tiny(config, load_run_data(prepared, SplitChoice(0)), tmp_path / "run")


def test_a_folder_of_something_else_is_no_run_folder(prepared: Path, tmp_path: Path) -> None:
    data = load_run_data(shutil.copytree(prepared, tmp_path / "set"), SplitChoice(0))
    with pytest.raises(InputError, match=r"holds manifest\.csv, which is no run's"):
        train_run(tiny(epochs=1), data, RunFolder(tmp_path / "set"), ["test"])
    assert not (tmp_path / "set" / "config.yaml").exists()
