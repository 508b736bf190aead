"""Training on tiny drawn sets: resume bit for bit, who moves whom, the loss that isn't finite."""

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator

from ifgan.cli import main
from ifgan.config import Config
from ifgan.errors import InputError
from ifgan.files import write_bytes
from ifgan.models.checkpoint import load_trained, save_trained
from ifgan.models.tensor_file import read_tensors
from ifgan.training import run_folder
from ifgan.training.fit import make_accelerator, set_learning_rates, train_run
from ifgan.training.networks import Networks, build_networks
from ifgan.training.run_data import RunData, SplitChoice, load_run_data
from ifgan.training.run_folder import RunFolder
from ifgan.training.schedule import (
    check_phases,
    describe_phases,
    first_selectable,
    learning_rate_factor,
    parts_in_force,
    phase_at,
    selection_key,
    what_is_missing,
)
from ifgan.training.step import blanked, joint_objective, train_step
from tiny_runs import TINY, as_options, batch_of, make_prepared, tiny, train_tiny


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_prepared(tmp_path_factory.mktemp("raw"), tmp_path_factory.mktemp("prepared") / "set")


def run_it(config: Config, data: RunData, out: Path) -> dict[str, torch.Tensor]:
    return read_tensors(train_tiny(config, data, out).last)[0]


@pytest.mark.parametrize("method", ["baseline", "ifgan-noattention", "ifgan"])
def test_every_method_trains_and_leaves_a_whole_run_folder(method: str, prepared: Path, tmp_path: Path) -> None:
    config = tiny(method=method, epochs=2)
    run_it(config, load_run_data(prepared, SplitChoice(0)), tmp_path)
    run = RunFolder(tmp_path)
    assert run.done
    assert [line["epoch"] for line in run.metrics()] == [1, 2]
    for name in ("config.yaml", "environment.json", "split.json", "checkpoint/best.safetensors"):
        assert (tmp_path / name).exists()


def test_colours_are_learnt(prepared: Path, tmp_path: Path) -> None:
    config = tiny(method="baseline", epochs=8)
    run_it(config, load_run_data(prepared, SplitChoice(0)), tmp_path)
    assert max(line["validation"]["accuracy"] for line in RunFolder(tmp_path).metrics()) == 1.0


def test_loader_processes_change_nothing_and_read_no_picture_twice(prepared: Path, tmp_path: Path) -> None:
    config = tiny(method="baseline", epochs=2)
    alone = run_it(config, load_run_data(prepared, SplitChoice(0)), tmp_path / "alone")
    helped = run_it(config.changed(workers=2), load_run_data(prepared, SplitChoice(0)), tmp_path / "two")
    assert all(torch.equal(tensor, helped[name]) for name, tensor in alone.items())
    moved = shutil.copytree(prepared, tmp_path / "set")
    pairs, files = (load_run_data(folder, SplitChoice(0)).pairs("train", config) for folder in (moved, prepared))
    pairs.preload()
    shutil.rmtree(moved)
    for index in range(len(files)):
        assert all(torch.equal(one, other) for one, other in zip(pairs[1, index], files[1, index], strict=True))


def test_a_run_learns_from_the_checkpoint_of_another_alone(prepared: Path, tmp_path: Path) -> None:
    """Its soft labels are all that the student gets, and the teacher calls every colour by another's name."""
    data = load_run_data(prepared, SplitChoice(0))
    taught = train_tiny(tiny(method="baseline", epochs=8), data, tmp_path / "teacher")
    trained = load_trained(taught.best)
    head = trained.system.classifier.head
    with torch.no_grad():  # what it calls each class moves on by one
        head.weight.copy_(head.weight.roll(1, 0))
        head.bias.copy_(head.bias.roll(1, 0))
    save_trained(tmp_path / "wrong.safetensors", trained)
    config = tiny(method="baseline", epochs=12, soft_labels=1.0, teachers=(str(tmp_path / "wrong.safetensors"),))
    student = train_tiny(config, data, tmp_path / "student")
    assert taught.metrics()[-1]["validation"]["accuracy"] == 1
    assert student.metrics()[-1]["validation"]["accuracy"] == 0


@pytest.mark.parametrize(("share", "first"), [(0.0, 1), (0.5, 3), (1.0, 4), (None, 4)])
def test_the_best_epoch_of_those_asked_for_is_kept_or_the_last(
    share: float | None, first: int, prepared: Path, tmp_path: Path
) -> None:
    config = tiny(method="baseline", epochs=4, choose_from=share, learning_rate=1e-2)
    run = train_tiny(config, load_run_data(prepared, SplitChoice(0)), tmp_path)
    late = [line for line in run.metrics() if line["epoch"] >= first]
    best = max(late, key=lambda line: (line["validation"]["accuracy"], -line["validation"]["loss"]))
    about = load_trained(run.best).about
    assert about["epoch"] == best["epoch"]
    assert about["selection"] == ("last epoch" if share is None else "validation")


def test_an_early_epoch_is_kept_while_there_is_no_later_one() -> None:
    config = tiny(epochs=4, choose_from=0.5)
    assert selection_key(config, 0, 0.5, 1.0) > selection_key(config, -1, -1.0, float("inf"))
    assert selection_key(config, 2, 0.1, 3.0) > selection_key(config, 1, 0.9, 0.2)
    assert selection_key(config, 3, 0.9, 0.1) > selection_key(config, 2, 0.9, 0.2) > selection_key(config, 3, 0.8, 0.1)


def test_killed_anywhere_and_resumed_equals_unbroken(prepared: Path, tmp_path: Path) -> None:
    """SIGKILL within a later epoch; the weights agree bit for bit."""
    arguments = ["train", "--data", str(prepared), "--preset", "cpu", "--resume"]
    arguments += as_options(TINY | {"checkpoint_steps": 1, "epochs": 4})
    command = [sys.executable, "-m", "ifgan.cli", *arguments, "--out", str(tmp_path / "broken")]
    environment = os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}  # sums depend on it
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    last, seen, stamp = tmp_path / "broken" / "checkpoint" / "last.safetensors", 0, None
    while process.poll() is None and seen <= 3:
        now = last.stat().st_mtime_ns if last.exists() else None
        seen, stamp = seen + (now != stamp), now
        time.sleep(0.001)
    process.kill()
    process.wait()
    assert seen > 3 and not (tmp_path / "broken" / "done").exists()
    for name in ("unbroken", "broken"):
        assert main([*arguments, "--out", str(tmp_path / name)]) == 0
    one, other = (
        read_tensors(tmp_path / name / "checkpoint" / "last.safetensors")[0] for name in ("unbroken", "broken")
    )
    assert one.keys() == other.keys()
    assert [name for name in one if not torch.equal(one[name], other[name])] == []
    logs = [RunFolder(tmp_path / name).metrics() for name in ("unbroken", "broken")]
    assert [{**line, "seconds": 0} for line in logs[0]] == [{**line, "seconds": 0} for line in logs[1]]


def test_expression_loss_reaches_the_generator() -> None:
    config = tiny(gan=0.0, l1=0.0, island=0.0, average_dropout=0.0, image_dropout=0.0)
    nets = build_networks(config, 3, Accelerator())
    batch = batch_of()
    total, _, _, _ = joint_objective(nets, batch, nets.generator(batch.image), config)
    total.backward()
    assert all(p.grad is not None for p in nets.system.generator.down.parameters())
    assert nets.system.generator.down[0][1].weight.grad.abs().sum() > 0


def test_the_option_stops_the_expression_loss_before_the_generator() -> None:
    """The same losses, but G's gradient is that of L1 alone."""
    gradients = {}
    for end_to_end, softmax in ((True, 10.0), (False, 10.0), (False, 0.0)):
        config = tiny(gan=0.0, softmax=softmax, average_dropout=0.0, image_dropout=0.0)
        config = config.changed(end_to_end=end_to_end, island=0.0)
        nets, batch = build_networks(config, 3, Accelerator()), batch_of()
        joint_objective(nets, batch, nets.generator(batch.image), config)[0].backward()
        gradients[end_to_end, softmax] = nets.system.generator.down[0][1].weight.grad
    assert torch.equal(gradients[False, 10.0], gradients[False, 0.0])
    assert not torch.equal(gradients[True, 10.0], gradients[False, 10.0])


def test_discriminator_joins_when_it_is_asked_for(prepared: Path, tmp_path: Path) -> None:
    config = tiny(epochs=3, discriminator_start=0.7)
    fresh = build_networks(config, 3, make_accelerator(config)).plain_discriminator.state_dict()
    data = load_run_data(prepared, SplitChoice(0))
    state = run_it(config, data, tmp_path / "run")
    losses = [line["train"] for line in RunFolder(tmp_path / "run").metrics()]
    assert [{"gan", "discriminator"} <= set(parts) for parts in losses] == [False, False, True]
    assert not torch.equal(state["discriminator.patches.0.weight"], fresh["patches.0.weight"])


def test_classifier_joins_when_it_is_asked_for(prepared: Path, tmp_path: Path) -> None:
    """Until then E is neither run nor moved, and neither are the centres; the baseline has nothing to wait for."""
    data, fresh = load_run_data(prepared, SplitChoice(0)), build_networks(tiny(), 3, make_accelerator(tiny()))
    run_it(tiny(epochs=3, classifier_start=0.7), data, tmp_path / "run")
    losses = [line["train"] for line in RunFolder(tmp_path / "run").metrics()]
    assert [{"softmax", "island"} <= set(parts) for parts in losses] == [False, False, True]
    assert all("l1" in parts and "gan" in parts for parts in losses)
    after_one: dict[str, torch.Tensor] = {}

    def watch(nets: Networks, epoch: int) -> None:
        if epoch == 1:
            after_one.update({name: value.clone() for name, value in nets.system.classifier.state_dict().items()})
            after_one["centers"] = nets.centers.values.clone()

    still = tiny(epochs=2, classifier_start=0.5)
    train_run(still, data, RunFolder(tmp_path / "still"), ["test"], say=lambda line: None, watch=watch)
    for name, value in fresh.system.classifier.state_dict().items():
        assert torch.equal(after_one[name], value), name
    assert torch.equal(after_one["centers"], fresh.centers.values)
    run_it(tiny(method="baseline", epochs=1, classifier_start=1.0), data, tmp_path / "baseline")
    assert "softmax" in RunFolder(tmp_path / "baseline").metrics()[0]["train"]


def test_no_epoch_is_kept_before_the_last_part_has_joined(prepared: Path, tmp_path: Path) -> None:
    """The method and its baseline choose from the same epoch on, and the checkpoint says what was in force."""
    data, about = load_run_data(prepared, SplitChoice(0)), {}
    for method in ("baseline", "ifgan"):
        config = tiny(method=method, epochs=5, classifier_start=0.4, discriminator_start=0.8, classifier_before="image")
        about[method] = load_trained(train_tiny(config, data, tmp_path / method).best).about
    assert (about["ifgan"]["epoch"], about["baseline"]["epoch"]) == (5, 5)
    assert about["ifgan"]["parts"] == ["generator", "classifier", "discriminator"]
    assert about["baseline"]["parts"] == ["classifier"]


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        (
            {"epochs": 20, "discriminator_start": 0.99},
            "discriminator_start 0.99 of 20 epochs: the discriminator would never join",
        ),
        ({"epochs": 2, "classifier_start": 0.5, "discriminator_start": 0.8}, "the discriminator would never join"),
        ({"epochs": 3, "classifier_start": 1.0}, "the classifier would never join"),
        (
            {"epochs": 10, "discriminator_start": 0.8, "choose_from": 0.5},
            "epoch 6 may not be chosen.* joins in epoch 9",
        ),
        (
            {"method": "baseline", "epochs": 10, "discriminator_start": 0.8, "choose_from": 0.0},
            "epoch 1 may not be chosen",
        ),
        ({"softmax": 0.0, "island": 0.0}, "no loss teaches the classifier"),
        ({"average_dropout": 1.0, "image_dropout": 0.0}, "would never read an average face"),
        ({"discriminator_learning_rate": 0.0}, "the discriminator's learning rate is 0"),
    ],
)
def test_phases_that_leave_a_part_out_are_refused(changes: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        check_phases(tiny(**changes))


def test_what_has_no_discriminator_needs_no_epoch_for_it() -> None:
    config = tiny(epochs=20, discriminator_start=0.8, gan=0.0)
    check_phases(config.changed(discriminator_start=1.0))
    assert config.networks == ("generator", "classifier")
    assert first_selectable(config) == 16  # from the same epoch on as the whole method
    check_phases(tiny(method="baseline", epochs=1, discriminator_start=1.0))


@pytest.mark.parametrize("method", ["baseline", "ifgan"])
@pytest.mark.parametrize(("epochs", "classifier", "gan"), [(1, 0, 0), (7, 0.5, 0.8), (28, 0.5, 0.8), (80, 0.3, 0.3)])
def test_every_part_is_in_force_in_every_epoch_that_may_be_chosen(
    method: str, epochs: int, classifier: float, gan: float
) -> None:
    config = tiny(method=method, epochs=epochs, classifier_start=classifier, discriminator_start=gan)
    first = first_selectable(config)
    assert first == first_selectable(config.changed(method="ifgan"))
    for epoch in range(epochs):
        whole = parts_in_force(config, epoch) == config.networks
        assert whole or epoch < first
        assert bool(what_is_missing(config, epoch + 1)) == (not whole)


def test_phases_are_told_in_words() -> None:
    config = tiny(epochs=20, classifier_start=0.5, discriminator_start=0.8, classifier_before="image")
    assert describe_phases(config) == [
        "epochs 1-10: generator, classifier on images alone",
        "epochs 11-16: generator, classifier",
        "epochs 17-20: generator, classifier, discriminator",
        "the last epoch is kept",
    ]
    assert describe_phases(config.changed(choose_from=0.8))[-1] == ("of epochs 17-20 the best on validation is kept")
    assert describe_phases(config.changed(method="baseline"))[0] == "epochs 1-20: classifier"


def test_a_network_that_joins_late_has_its_whole_schedule_before_it() -> None:
    config = tiny(epochs=9, classifier_start=0.45, schedule="cosine", warmup_epochs=1)
    short = tiny(epochs=5, schedule="cosine", warmup_epochs=1)
    nets = build_networks(config, 3, make_accelerator(config))
    for done in (0.0, 0.5, 1.0, 3.0, 4.9):
        set_learning_rates(nets, config, 4 + done)
        rate = nets.optimizers["classifier"].param_groups[0]["lr"]
        assert rate == pytest.approx(config.optimizer.learning_rate * learning_rate_factor(short, done))


def test_discriminator_moves_only_by_its_own_objective() -> None:
    config = tiny(gan=1e6)
    nets, accelerator = build_networks(config, 3, Accelerator()), Accelerator()
    still = build_networks(config.changed(gan=1.0), 3, accelerator)
    for one in (nets, still):
        one.train()
        torch.manual_seed(0)
        train_step(one, batch_of(), config if one is nets else still_config(config), accelerator, 0)
    for a, b in zip(nets.plain_discriminator.parameters(), still.plain_discriminator.parameters(), strict=True):
        assert torch.equal(a, b)


def still_config(config: Config) -> Config:
    return config.changed(gan=1.0)


def test_a_loss_that_is_not_finite_names_step_and_term_and_moves_nothing() -> None:
    config = tiny()
    nets, accelerator = build_networks(config, 3, Accelerator()), Accelerator()
    batch = batch_of()._replace(average=torch.full((4, 3, 32, 32), float("nan")))
    before = [p.clone() for p in nets.system.parameters()]
    with pytest.raises(InputError, match=r"step 7: .*discriminator nan"):
        train_step(nets, batch, config, accelerator, 7)
    assert all(torch.equal(a, b) for a, b in zip(before, nets.system.parameters(), strict=True))


def test_saved_memory_gives_the_same_weights_and_statistics() -> None:
    states = []
    for gradient_checkpointing in (False, True):
        config = tiny(gradient_checkpointing=gradient_checkpointing)
        accelerator = Accelerator()
        nets = build_networks(config, 3, accelerator)
        nets.train()
        torch.manual_seed(0)
        train_step(nets, batch_of(), config, accelerator, 0)
        states.append({k: v for k, v in nets.system.state_dict().items() if "num_batches" not in k})
    torch.testing.assert_close(*states, atol=1e-6, rtol=1e-5)


def test_a_folder_with_another_run_is_refused(prepared: Path, tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    run.start(tiny(), {}, ["a"], resume=False)
    write_bytes(run.last, b"")
    with pytest.raises(InputError, match=r"other settings \(run\.seed\)"):
        run.start(tiny(seed=1), {}, ["a"], resume=True)
    run.start(
        tiny(workers=2, gradient_checkpointing=True, checkpoint_steps=5), {}, ["a"], resume=True
    )  # the same weights


def test_the_commit_is_that_of_this_source_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installed into an environment inside somebody's own repository, ignored there, it has none."""
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    package = tmp_path / ".venv" / "ifgan"
    package.mkdir(parents=True)
    (tmp_path / ".gitignore").write_text(".venv\n")
    (package / "run_folder.py").write_text("")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "theirs"]):
        subprocess.run([*git, *words], check=True)
    monkeypatch.setattr(run_folder, "__file__", str(package / "run_folder.py"))
    assert run_folder.environment([])["commit"] is None
    subprocess.run([*git, "add", "-f", "."], check=True)  # a checkout: the file is the repository's own
    commit = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True).stdout.strip()
    assert run_folder.environment([])["commit"] == commit


@pytest.mark.parametrize(
    ("choice", "differing"),
    [
        (SplitChoice(1), "choice, fold"),
        (SplitChoice(0, train_subjects=3), "choice"),
        (SplitChoice(0, "block"), "choice"),
    ],
)
def test_a_run_of_another_split_is_not_gone_on_with(
    choice: SplitChoice, differing: str, prepared: Path, tmp_path: Path
) -> None:
    """Whoever was held out of the first fold trains in the second."""
    run = RunFolder(tmp_path)
    run.start(tiny(), load_run_data(prepared, SplitChoice(0)).record, ["a"], resume=False)
    write_bytes(run.last, b"")
    run.start(tiny(), load_run_data(prepared, SplitChoice(0)).record, ["a"], resume=True)
    with pytest.raises(InputError, match=rf"other settings \({differing}"):
        run.start(tiny(), load_run_data(prepared, choice).record, ["a"], resume=True)


def test_a_fold_out_of_range_is_refused(prepared: Path) -> None:
    with pytest.raises(InputError, match="fold 10 of 10"):
        load_run_data(prepared, SplitChoice(10))


def test_blanked_pairs_lose_one_half_in_the_shares_asked_for() -> None:
    config = tiny(average_dropout=0.25, image_dropout=0.5)
    picture, face = torch.ones(2, 4000, 3, 1, 1)
    torch.manual_seed(0)
    shown = [half.flatten(1)[:, 0] for half in blanked(picture, face, config)]  # (B,) of 0 and 1 each
    assert (shown[0] + shown[1]).min() == 1  # never both
    assert 1 - shown[0].mean() == pytest.approx(0.5, abs=0.03)
    assert 1 - shown[1].mean() == pytest.approx(0.25, abs=0.03)


def test_nothing_is_blanked_where_the_paper_blanks_nothing() -> None:
    image, face = torch.ones(2, 50, 3, 1, 1)
    halves = blanked(image, face, tiny(average_dropout=0.0, image_dropout=0.0))
    assert all((half == 1).all() for half in halves)


def test_classifier_that_reads_pictures_first_needs_no_drawn_face(prepared: Path, tmp_path: Path) -> None:
    """Before it joins, E moves as it would without G; its schedule began at once."""
    early = tiny(epochs=4, classifier_start=0.5, classifier_before="image", schedule="cosine")
    run_it(early, load_run_data(prepared, SplitChoice(0)), tmp_path / "run")
    losses = [line["train"] for line in RunFolder(tmp_path / "run").metrics()]
    assert all("softmax" in parts for parts in losses)
    assert losses[2]["softmax"] > 1.3 * losses[1]["softmax"]  # two passes over the batch, not one
    nets = build_networks(early, 3, make_accelerator(early))
    rates = []
    for done in (1.0, 2.0, 3.0):
        set_learning_rates(nets, early, done)
        rates.append(nets.optimizers["classifier"].param_groups[0]["lr"])
    assert rates == sorted(rates, reverse=True)
    batch, phase = batch_of(), phase_at(early, 1)
    faces = [torch.zeros_like(batch.image), torch.ones_like(batch.image)]
    totals = [joint_objective(nets, batch, face, early.changed(l1=0, gan=0), phase)[0] for face in faces]
    assert torch.equal(*totals)
