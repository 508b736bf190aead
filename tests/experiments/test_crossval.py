"""Cross-validation of tiny runs: every fold tested once, kept, resumed, and the same from another engine."""

import json
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from ifgan.cli import main
from ifgan.config import Config
from ifgan.data.folds import Fold, read_folds, write_folds
from ifgan.data.sample import read_manifest
from ifgan.errors import InputError
from ifgan.experiments.crossval import Protocol, Resources, crossval, jobs_of
from ifgan.experiments.differences import comparisons
from ifgan.experiments.jobs import JobEnd, told_by_ray
from ifgan.experiments.plots import subjects_trained_figure
from ifgan.experiments.report import write_report
from ifgan.experiments.run_records import read_plan, read_runs
from ifgan.experiments.table import DASH
from ifgan.experiments.tables import fold_table, method_table
from tiny_runs import make_prepared, tiny

FOLDS = 3


@pytest.fixture(scope="module")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("colours")
    return make_prepared(folder / "raw", folder / "colours", subjects=6)


def config(**changes: object) -> Config:
    return tiny(**{"epochs": 1, "batch_size": 6, "precision": "fp32"} | changes)


def protocol(data: Path, **changes: object) -> Protocol:
    return replace(Protocol((data,), ("baseline", "ifgan"), folds=FOLDS), **changes)


def run(data: Path, out: Path, **changes: object) -> list[JobEnd]:
    return list(crossval(protocol(data, **changes), config(), out, ["test"], Resources(threads=1)))


@pytest.fixture(scope="module")
def finished(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs")
    assert [end.error for end in run(colours, out)] == [None] * 2 * FOLDS
    return out


@pytest.mark.slow
def test_settings_are_chosen_without_a_look_at_test_pictures(colours: Path, tmp_path: Path):
    """Measured on validation: no test outcome exists anywhere, every form says on what, and a test later is a test."""
    runs = tmp_path / "runs"
    part: dict = {"only": (0, 1), "methods": ("baseline",)}
    assert [end.error for end in run(colours, runs, **part, measure="validation")] == [None] * 2
    assert not list(runs.rglob("*_test.*"))
    assert json.loads((runs / "results_validation.json").read_text())["split"] == "validation"
    assert not (runs / "results.json").exists()
    report = write_report(runs, tmp_path / "report")
    people = {record.split["subjects"]["validation"][0] for record in read_runs(runs, "validation")}
    outcomes = [record.outcome for record in read_runs(runs, "validation") if record.outcome]
    kept = {name for outcome in outcomes for name in outcome.predictions.table["subject"]}
    assert people <= kept and "2 of 3" in report.text()
    for form in ("txt", "md", "tex"):
        assert "all are flattered" in (report.folder / f"methods.{form}").read_text()
        assert "the fold's validation images" in (report.folder / f"folds.{form}").read_text()
    assert "flattered" in write_report(runs / "colours", tmp_path / "part").text()  # the plan is one folder up
    assert "No test image was looked at" in report.page.read_text()
    assert [end.kept for end in run(colours, runs, **part)] == [False] * 2
    assert "split" not in json.loads((runs / "results.json").read_text())
    assert "flattered" not in write_report(runs, tmp_path / "tested").text()
    again = write_report(runs, tmp_path / "again", split="validation")
    assert "flattered" in again.text() and "No test image" not in again.page.read_text()
    before = (runs / "results.json").read_bytes()
    run(colours, runs, **part, measure="validation")
    assert (runs / "results.json").read_bytes() == before  # once tested, a test it stays
    assert "flattered" not in write_report(runs, tmp_path / "still").text()


def test_a_finished_fold_of_other_settings_is_not_kept_for_this_ones(colours: Path, tmp_path: Path):
    run(colours, tmp_path, only=(0,), methods=("baseline",))
    (same,) = run(colours, tmp_path, only=(0,), methods=("baseline",))
    assert same.kept and same.error is None
    one = protocol(colours, only=(0,), methods=("baseline",))
    (other,) = crossval(one, config(learning_rate=2e-3), tmp_path, ["test"])
    assert other.error is not None and "other settings (optimizer.learning_rate)" in other.error


@pytest.mark.parametrize("content", ['{"sets": []}', '{"sets": [], "methods": [], "folds": 3, "measure": "oracle"}'])
def test_a_broken_plan_is_one_sentence(content: str, tmp_path: Path):
    (tmp_path / "crossval.json").write_text(content)
    with pytest.raises(InputError, match=r"crossval\.json: (expected a JSON object with sets|measure 'oracle')"):
        read_plan(tmp_path)


def without_time(path: Path) -> list[dict]:
    return [{**json.loads(line), "seconds": 0} for line in path.read_text().splitlines()]


def test_every_subject_is_tested_once_and_never_trained_on(finished: Path, colours: Path):
    everybody = {sample.subject for sample in read_manifest(colours)}
    for method in ("baseline", "ifgan"):
        splits = [
            json.loads((finished / "colours" / method / f"fold-{k}" / "split.json").read_text())["subjects"]
            for k in range(FOLDS)
        ]
        tested = [subject for split in splits for subject in split["test"]]
        assert sorted(tested) == sorted(everybody)
        assert all(not set(split["train"]) & {*split["test"], *split["validation"]} for split in splits)


def test_the_contract_s_results(finished: Path):
    answer = json.loads((finished / "results.json").read_text())
    assert answer["selection"] == "last epoch"
    for method in ("baseline", "ifgan"):
        values = answer["methods"][method]
        assert [fold["fold"] for fold in values["folds"]] == [0, 1, 2]
        assert sum(fold["n"] for fold in values["folds"]) == 18
        assert values["mean"] == pytest.approx(sum(fold["accuracy"] for fold in values["folds"]) / FOLDS)
    assert answer["comparisons"][0]["subjects"] == 6


def test_launched_again_it_keeps_what_is_finished(finished: Path, colours: Path):
    weights = sorted(finished.rglob("best.safetensors"))
    before = [path.stat().st_mtime_ns for path in weights]
    assert all(end.kept for end in run(colours, finished))
    assert [path.stat().st_mtime_ns for path in weights] == before


def test_a_broken_fold_loses_no_other_and_is_mended_by_another_launch(colours: Path, tmp_path: Path):
    (tmp_path / "colours" / "ifgan").mkdir(parents=True)
    (tmp_path / "colours" / "ifgan" / "fold-1").write_text("a file where the run's folder should be")
    ends = {end.name: end.error for end in run(colours, tmp_path, methods=("ifgan",))}
    assert [name for name, error in ends.items() if error] == ["colours/ifgan/fold-1"]
    assert "fold-1" in (ends["colours/ifgan/fold-1"] or "")
    assert (tmp_path / "colours" / "ifgan" / "fold-2" / "done").exists()
    (tmp_path / "colours" / "ifgan" / "fold-1").unlink()
    assert [end.name for end in run(colours, tmp_path, methods=("ifgan",)) if not end.kept] == ["colours/ifgan/fold-1"]


def test_the_table_shows_what_is_missing(finished: Path, tmp_path: Path):
    runs = tmp_path / "runs"
    shutil.copytree(finished, runs)
    shutil.rmtree(runs / "colours" / "ifgan")
    shutil.rmtree(runs / "colours" / "baseline" / "fold-1")
    write_report(runs, tmp_path / "report")
    rows = [
        line.split("|")[2:4] for line in (tmp_path / "report" / "methods.md").read_text().splitlines() if "|" in line
    ]
    assert [[cell.strip() for cell in row] for row in rows[2:]] == [["baseline", "2 of 3"], ["ifgan", "0 of 3"]]
    assert DASH in (tmp_path / "report" / "methods.tex").read_text().replace("---", DASH)
    shutil.rmtree(runs / "colours" / "baseline" / "fold-2")
    assert [row[1:] for row in fold_table(read_runs(runs), read_plan(runs)).rows][1:] == [("1", DASH), ("2", DASH)]


def test_a_launch_with_other_methods_forgets_none_of_the_first(colours: Path, tmp_path: Path):
    """The plan is that of all launches into a folder: no method drops out of a table for being launched first."""
    run(colours, tmp_path, methods=("baseline",), only=(0,))
    run(colours, tmp_path, methods=("ifgan", "ifgan-nogan"), only=())
    plan = read_plan(tmp_path)
    assert plan is not None
    assert plan.methods == ("baseline", "ifgan", "ifgan-nogan")
    assert [row[:3] for row in method_table(read_runs(tmp_path), plan).rows] == [
        ("colours", "baseline", "1 of 3"),
        ("colours", "ifgan", "0 of 3"),
        ("colours", "ifgan-nogan", "0 of 3"),
    ]


@pytest.mark.slow
def test_a_comparison_over_numbers_of_training_subjects(colours: Path, tmp_path: Path):
    ends = run(colours, tmp_path / "runs", only=(0, 1), methods=("baseline",), train_subjects=(1, None))
    assert [end.name for end in ends] == [
        f"colours/baseline/{place}" for k in (0, 1) for place in (f"subjects-1/fold-{k}", f"fold-{k}")
    ]
    records = read_runs(tmp_path / "runs")
    assert sorted({(record.method, record.train_subjects) for record in records}) == [
        ("baseline train_subjects=1", 1),
        ("baseline train_subjects=all", 2),
    ]
    table = method_table(records, read_plan(tmp_path / "runs"))
    assert [row[1] for row in table.rows] == ["baseline train_subjects=1", "baseline train_subjects=all"]
    assert comparisons(records) == {}  # other people trained: no pair
    figure = subjects_trained_figure(records)
    assert figure is not None
    (line, *_), *_ = figure.axes[0].containers
    assert line.get_xdata().tolist() == [1, 2]
    longer = [  # few people over more epochs, so that all are updated on as often
        replace(record, method=f"{record.method} epochs={epochs}", config=record.config.changed(epochs=epochs))
        for record in records
        for epochs in [4 // record.train_subjects]
    ]
    (line, *_), *_ = subjects_trained_figure(longer).axes[0].containers
    assert line.get_xdata().tolist() == [1, 2]
    assert len(subjects_trained_figure([*records, *longer]).axes[0].containers) > 1  # one number, two lengths: apart
    write_report(tmp_path / "runs", tmp_path / "report")
    assert (tmp_path / "report" / "accuracy_over_training_subjects.png").exists()


def test_somebody_else_s_folds(colours: Path, tmp_path: Path):
    ids = sorted({sample.subject for sample in read_manifest(colours)})
    folds = [Fold(tuple(ids[4:]), (ids[3],), tuple(ids[:3]), 0), Fold(tuple(ids[:2]), (ids[2],), tuple(ids[3:]), 1)]
    write_folds(tmp_path / "theirs.json", folds, "theirs", "colours")
    ends = run(colours, tmp_path / "runs", methods=("baseline",), files=(tmp_path / "theirs.json",))
    assert [(end.name, end.error) for end in ends] == [
        ("colours/baseline/fold-0", None),
        ("colours/baseline/fold-1", None),
    ]
    kept = [record.split["subjects"]["test"] for record in read_runs(tmp_path / "runs")]
    assert kept == [list(fold.test) for fold in folds]
    assert read_folds(tmp_path / "runs" / "colours" / "folds.json") == folds


def test_every_set_has_its_own_number_of_folds(colours: Path, tmp_path: Path):
    """Two of one, three of the other: both are whole."""
    ids = sorted({sample.subject for sample in read_manifest(colours)})
    halves, thirds = (
        [
            Fold(tuple(set(ids[k:] + ids[:k]) - {*ids[k : k + n], ids[k - 1]}), (ids[k - 1],), tuple(ids[k : k + n]), i)
            for i, k in enumerate(range(0, 6, n))
        ]
        for n in (3, 2)
    )
    other = Path(shutil.copytree(colours, tmp_path / "other"))
    files = (tmp_path / "halves.json", tmp_path / "thirds.json")
    for file, folds in zip(files, (halves, thirds), strict=True):
        write_folds(file, folds, "theirs", "colours")
    asked = replace(protocol(colours), data=(colours, other), methods=("baseline",), files=files)
    ends = list(crossval(asked, config(), tmp_path / "runs", ["test"], Resources(threads=1)))
    assert [end.error for end in ends] == [None] * 5
    plan = read_plan(tmp_path / "runs")
    assert plan is not None and plan.folds == {"colours": 2, "other": 3}
    rows = {row[0]: row[2] for row in method_table(read_runs(tmp_path / "runs"), plan).rows}
    assert rows == {"colours": "2", "other": "3"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        pytest.param({"methods": ("resnet",)}, "method 'resnet'", id="unknown method"),
        pytest.param({"folds": 7}, "6 subjects can't make 7 folds", id="fewer subjects than folds"),
        pytest.param({"train_subjects": (5,)}, "train-subjects 5; expected 1 to 2", id="more people than train"),
        pytest.param({"train_subjects": (0,)}, "train-subjects 0", id="nobody trains"),
        pytest.param({"only": (3,)}, "fold 3 of 3", id="fold out of range"),
        pytest.param({"files": (Path("absent.json"),)}, "absent.json: no such file", id="no fold file"),
        pytest.param({"files": (Path("a.json"), Path("b.json"))}, "2 for 1 set; expected one", id="files for no set"),
    ],
)
def test_what_can_not_be_run_is_refused_before_anything_runs(changes: dict, words: str, colours: Path, tmp_path: Path):
    with pytest.raises(InputError, match=words):
        run(colours, tmp_path / "runs", **changes)
    assert not list(tmp_path.rglob("config.yaml"))


def test_other_folds_than_before_are_refused(finished: Path, colours: Path):
    with pytest.raises(InputError, match="holds other folds"):
        jobs_of(protocol(colours, rule="block"), config(), finished, [])


def test_a_set_is_not_its_own_additional_data(colours: Path, tmp_path: Path):
    jobs = jobs_of(protocol(colours, extra=(colours, tmp_path)), config(), tmp_path / "runs", [])
    assert all(job.extra == (tmp_path.resolve(),) for job in jobs)


@pytest.fixture(scope="module")
def cluster(colours: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    pytest.importorskip("ray", reason="extra ray")
    out = tmp_path_factory.mktemp("ray")
    resources = Resources("ray", cpus=0.5, threads=1)
    ends = list(crossval(protocol(colours), config(), out, ["test"], resources))
    assert [end.error for end in ends] == [None] * 2 * FOLDS
    yield out


@pytest.mark.slow
def test_ray_gives_the_numbers_of_local(finished: Path, cluster: Path):
    for path in sorted(finished.rglob("metrics.jsonl")):
        assert without_time(path) == without_time(cluster / path.relative_to(finished))
    one, other = (json.loads((folder / "results.json").read_text()) for folder in (finished, cluster))
    assert one == other


@pytest.mark.slow
def test_ray_address_names_a_cluster_that_runs_already(colours: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The folds are done there, and it outlives them."""
    ray = pytest.importorskip("ray", reason="extra ray")
    from ray.cluster_utils import Cluster

    theirs = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        monkeypatch.setenv("RAY_ADDRESS", theirs.address)
        ends = crossval(
            protocol(colours, methods=("baseline",), only=(0, 1)), config(), tmp_path, [], Resources("ray", threads=1)
        )
        assert next(ends).error is None
        assert ray.get_runtime_context().gcs_address == theirs.address
        assert [end.error for end in ends] == [None]
        assert not ray.is_initialized()
        ray.init()
        assert ray.cluster_resources()["CPU"] == 1
    finally:
        ray.shutdown()
        theirs.shutdown()


@pytest.mark.slow
def test_a_killed_ray_worker_goes_on_where_it_was(colours: Path, tmp_path: Path):
    pytest.importorskip("ray", reason="extra ray")
    one_fold, longer = protocol(colours, methods=("ifgan",), only=(1,)), config(epochs=8)
    fold = Path("colours/ifgan/fold-1")
    with ThreadPoolExecutor() as aside:
        killed = aside.submit(kill_a_ray_worker, tmp_path / "ray" / fold / "metrics.jsonl")
        ends = list(crossval(one_fold, longer, tmp_path / "ray", [], Resources("ray", threads=1)))
    assert 0 < killed.result() < 8  # in the middle
    ends += crossval(one_fold, longer, tmp_path / "local", [], Resources(threads=1))
    assert [end.error for end in ends] == [None, None]
    ours, unbroken = (tmp_path / engine for engine in ("ray", "local"))
    assert json.loads((ours / "results.json").read_text()) == json.loads((unbroken / "results.json").read_text())
    assert without_time(ours / fold / "metrics.jsonl") == without_time(unbroken / fold / "metrics.jsonl")


def test_an_error_of_ray_s_is_its_last_sentence():
    exceptions = pytest.importorskip("ray", reason="extra ray").exceptions
    inside = exceptions.RayTaskError("do_job", "Traceback:\n  File ...\nOSError: no disk", OSError("no disk"))
    assert told_by_ray(inside) == "OSError: no disk"
    assert told_by_ray(exceptions.OutOfMemoryError("Task was killed.\nMemory on the node: ...")) == "Task was killed."


def kill_a_ray_worker(metrics: Path) -> int:
    """Kill the worker of this process's cluster once ``metrics`` has a line; how many it had."""
    for _ in range(1200):
        time.sleep(0.05)
        epochs = len(metrics.read_text().splitlines()) if metrics.exists() else 0
        workers = [process for process in psutil.Process().children(recursive=True) if is_at_work(process)]
        if epochs and workers:
            workers[0].kill()
            return epochs
    raise TimeoutError(f"{metrics}: no epoch was done")


def is_at_work(process: psutil.Process) -> bool:
    """Whether it is a Ray worker that does a job right now: Ray says so in its title."""
    try:
        return any(word.startswith("ray::do_job") for word in process.cmdline())
    except psutil.NoSuchProcess:
        return False


def test_the_command(colours: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    arguments = [
        "crossval",
        f"--data={colours}",
        f"--out={tmp_path}",
        "--methods=baseline",
        "--folds=3",
        "--preset=cpu",
    ]
    arguments += [
        "--optimizer.epochs=1",
        "--preprocess.image-size=32",
        "--optimizer.batch-size=6",
        "--classifier.backbone=test_resnet",
        "--classifier.weights=none",
        "--only",
        "2",
    ]
    assert main([*arguments, "--dry-run"]) == 0
    assert capsys.readouterr().out == "colours/baseline/fold-2: to do\n"
    assert main(arguments) == 0
    assert "1 of 3" in capsys.readouterr().out


@pytest.mark.parametrize("numbers", [{"threads": 0}, {"cpus": -1.0}, {"gpus": -0.5}])
def test_resources_that_nobody_has(numbers: dict):
    with pytest.raises(InputError, match="expected at least"):
        Resources(**numbers)
