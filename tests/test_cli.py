"""The command line: its names are frozen, wrong use is one sentence and status 2, and it ends quietly."""

import json
import os
import re
import runpy
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from PIL import Image

import ifgan
from drawn_faces import draw_face
from ifgan import cli
from ifgan.cli import COMMANDS, main
from ifgan.config import settings
from ifgan.data.readers import READERS, reader_options
from ifgan.data.sample import read_manifest
from ifgan.errors import InputError
from ifgan.models.checkpoint import save_trained
from tiny_model import tiny_trained

# What users' scripts rely on: positional arguments, then options. Add freely; removing or renaming one breaks them.
FROZEN = {
    "demo": "--out --subjects --epochs --seed --workers",
    "synthesize": "--out --subjects --seed --workers",
    "prepare": "set root --out --aligned --subjects-unknown --workers --levels --neutral --contempt --peak --images "
    "--landmarks",
    "check": "dir --folds-file --json",
    "train": "--data --out --extra --averages --fold --rule --folds --folds-file --leaks --resume --dry-run --preset "
    "--config",
    "crossval": "--data --out --extra --averages --methods --rule --folds --folds-file --only --leaks --measure "
    "--engine --cpus-per-fold --gpus-per-fold --threads --dry-run --preset --config",
    "evaluate": "run --data --split --json",
    "report": "runs --out --split --notes --against",
    "export": "model --out --format --full",
    "predict": "images --model --json --faces --aligned --one --workers",
}


def explained(command: str) -> dict[str, str | None]:
    """Positional arguments and options of a command, and their help."""
    actions = cli._command_parser(command, COMMANDS[command])._actions
    named = {max(action.option_strings, key=len, default=action.dest): action.help for action in actions}
    return {name: text for name, text in named.items() if name not in ("--help", "--print_config")}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    summary = (COMMANDS[command].__doc__ or "").strip().splitlines()[0]
    assert summary in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("command", FROZEN)
def test_names_and_options_are_frozen(command: str) -> None:
    configured = command in ("train", "crossval")
    named = {f"--{name.replace('_', '-')}" for name, _ in settings()} if configured else set()
    assert set(FROZEN[command].split()) | named <= set(explained(command))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_explained(command: str) -> None:
    assert [name for name, text in explained(command).items() if not text] == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["wonder"],
        ["check"],
        ["check", "somewhere", "--wrong"],
        ["predict"],
        ["predict", "a.png", "--model", "m", "--workers", "many"],
        ["prepare", "imaginary", "in", "--out", "out"],
        ["evaluate", "run", "--data", "set", "--split", "all"],
        ["train", "--data", "a", "--out", "b", "--epochs", "3"],
    ],
)
def test_wrong_use_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    (sentence,) = capsys.readouterr().err.splitlines()
    command = arguments[0] if arguments and arguments[0] in COMMANDS else ""
    assert sentence.startswith(f"ifgan {command}".rstrip()) and sentence.endswith(" --help")
    assert "class" not in sentence and "typing" not in sentence


def test_prepare_offers_every_set_and_every_option_of_its_reader() -> None:
    assert set(get_args(get_type_hints(COMMANDS["prepare"])["set"])) == set(READERS)
    options = {name for reader in READERS for name in reader_options(reader)}
    assert {f"--{name.replace('_', '-')}" for name in options} <= set(explained("prepare"))


def posed(root: Path) -> Path:
    """One subject of BU-3DFE's layout: every level of two expressions, and the neutral image."""
    root.mkdir()
    for kind in ("NE00", *(f"{name}{level:02d}" for name in ("AN", "HA") for level in range(1, 5))):
        Image.fromarray(draw_face(1, 32)[0]).save(root / f"F0001_{kind}WH_F2D.png")
    return root


@pytest.mark.parametrize(
    ("flags", "kinds"),
    [
        ([], {"03", "04"}),
        (["--levels", "04"], {"04"}),
        (["--levels", "1", "03"], {"01", "03"}),
        (["--levels", "all", "--neutral"], {"00", "01", "02", "03", "04"}),
    ],
)
def test_levels_and_neutral(tmp_path: Path, flags: list[str], kinds: set[str]) -> None:
    root = posed(tmp_path / "in")
    assert main(["prepare", "bu3dfe", str(root), "--out", str(tmp_path / "out"), "--aligned", *flags]) == 0
    assert {sample.intensity for sample in read_manifest(tmp_path / "out")} == kinds


@pytest.mark.parametrize(
    ("set_name", "flags", "said"),
    [
        ("folder", ["--levels", "03"], "levels: the set folder has no such option; it belongs to bu3dfe"),
        (
            "fer2013",
            ["--neutral"],
            "neutral: the set fer2013 has no such option; it belongs to bu3dfe, ckplus, jaffe, mmi",
        ),
        ("bu3dfe", ["--levels", "05"], "levels: '05' is no BU-3DFE level; expected some of 01,02,03,04, or all"),
    ],
)
def test_an_option_of_another_set_is_refused(
    tmp_path: Path, set_name: str, flags: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root = posed(tmp_path / "in")
    assert main(["prepare", set_name, str(root), "--out", str(tmp_path / "out"), *flags]) == 2
    assert capsys.readouterr().err == f"ifgan prepare: {said}\n"
    assert not (tmp_path / "out").exists()


def test_some_inputs_failed_is_status_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = posed(tmp_path / "in")
    (root / "F0001_AN04WH_F2D.png").write_text("broken")
    assert main(["prepare", "bu3dfe", str(root), "--out", str(tmp_path / "out"), "--aligned"]) == 1
    assert "F0001_AN04WH_F2D.png: is not an image" in capsys.readouterr().out


def failing(error: BaseException) -> Callable[..., int]:
    def command(dir: Path) -> int:
        """Fail."""
        print("begun")
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (InputError("a.csv: no such file"), 2, "ifgan check: a.csv: no such file\n"),
        (OSError(28, "No space left on device", "out.png"), 2, "ifgan check: out.png: No space left on device\n"),
        (OSError(30, "Read-only file system"), 2, "ifgan check: Read-only file system\n"),
        (PermissionError(13, "Permission denied", "x"), 2, "ifgan check: x: Permission denied\n"),
        (KeyboardInterrupt(), 130, "ifgan: interrupted\n"),
        (BrokenPipeError(32, "Broken pipe"), 141, ""),
    ],
)
def test_what_stops_a_command_is_one_sentence(
    error: BaseException, status: int, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(COMMANDS, "check", failing(error))
    assert main(["check", "x"]) == status
    assert capsys.readouterr() == ("begun\n", said)


@pytest.mark.parametrize("error", [InputError("x"), OSError(28, "full")])
def test_debug_shows_the_traceback(
    error: Exception, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before the sentence and the status, which stay."""
    monkeypatch.setitem(COMMANDS, "check", failing(error))
    assert main(["--debug", "check", "x"]) == 2
    said = capsys.readouterr().err
    assert said.startswith("Traceback") and said.splitlines()[-1].startswith("ifgan check: ")


def test_a_preset_beside_a_file_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Which of them says what differs would be anybody's guess."""
    options = ["--preset=cpu", f"--config={tmp_path / 'config.yaml'}", "--data=x", f"--out={tmp_path / 'run'}"]
    assert main(["train", *options]) == 2
    assert "both say what differs" in capsys.readouterr().err


def test_help_tells_the_paper_s_settings_as_defaults(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    told = " ".join(capsys.readouterr().out.split())
    for name, value in (
        ("optimizer.epochs", "100"),
        ("losses.l1", "20.0"),
        ("classifier.backbone", "resnet101.tv_in1k"),
    ):
        assert re.search(rf"--{re.escape(name)} [A-Z]+ [^-].*?default: {re.escape(value)}\)", told)
    assert "class '" not in told and "(type:" not in told


@pytest.mark.parametrize(
    ("option", "sentence"),
    [
        ("--optimizer.epochs=soon", "optimizer.epochs: expected a whole number, got 'soon'"),
        ("--optimizer.epochs=0", "optimizer.epochs: expected at least 1, got 0"),
        ("--classifier.tta-inputs=[pair", "classifier.tta_inputs [pair: expected a value as in YAML"),
        ("--classifier.tta-inputs=pair", "classifier.tta_inputs: expected a list, got 'pair'"),
    ],
)
def test_a_setting_out_of_type_or_range_is_one_sentence(
    option: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "--data=a", "--out=b", option]) == 2
    assert capsys.readouterr().err.startswith(f"ifgan train: {sentence}")


def test_a_mistake_of_ours_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(COMMANDS, "check", failing(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        main(["check", "x"])


def shell(script: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """``script`` with "$ifgan" as the command and $1, $2 as arguments."""
    program = f'ifgan() {{ {sys.executable} -m ifgan.cli "$@"; }}; set -o pipefail; {script}'
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": ""}
    command = ["bash", "-c", program, "bash", *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_closed_pipe_ends_quietly(tmp_path: Path) -> None:
    save_trained(tmp_path / "m.safetensors", tiny_trained())
    (tmp_path / "in").mkdir()
    for index in range(300):
        (tmp_path / "in" / f"{index}.png").write_text("broken")
    done = shell('ifgan predict "$1" --model "$2" --workers 1 | head -1', tmp_path / "in", tmp_path / "m.safetensors")
    assert done.returncode == 141 and done.stdout.count("\n") == 1
    assert done.stderr == ""


def test_output_that_never_arrives_is_no_success(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["prepare", "bu3dfe", str(posed(tmp_path / "in")), "--out", str(tmp_path / "out"), "--aligned"]
    with open("/dev/full", "w") as full, pytest.raises(SystemExit) as end:
        monkeypatch.setattr(sys, "stdout", full)
        main(words)
    assert end.value.code == 2
    assert capsys.readouterr().err.splitlines()[-1] == "ifgan: standard output: No space left on device"


def test_the_version_and_the_module(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    said = subprocess.run([sys.executable, "-m", "ifgan", "--version"], capture_output=True, text=True, check=True)
    assert capsys.readouterr().out == said.stdout == f"ifgan {ifgan.__version__}\n"


def test_records_call_the_module_as_they_call_the_command(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["export", str(model), "--format=run", f"--out={tmp_path / 'run'}"]
    monkeypatch.setattr(sys, "argv", ["ifgan", *words])
    with pytest.raises(SystemExit) as end:
        runpy.run_module("ifgan", run_name="__main__")
    assert not end.value.code
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["command"] == ["ifgan", *words]


@pytest.mark.parametrize(
    ("options", "value"),
    [
        pytest.param(["--preset=cpu"], 0.001, id="the preset's"),
        pytest.param(["--preset=cpu", "--optimizer.generator-learning-rate=null"], None, id="null is a value"),
        pytest.param(["--preset=cpu", "--optimizer.generator-learning-rate=1e-4"], 0.0001, id="a number"),
        pytest.param([], None, id="the paper's"),
    ],
)
def test_what_is_given_is_taken(options: list[str], value: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    taken = []

    def train(**values: object) -> int:
        """Takes note."""
        taken.append(values["config"])
        return 0

    monkeypatch.setitem(COMMANDS, "train", train)
    assert main(["train", "--data=x", "--out=y", *options]) == 0
    assert taken[0].optimizer.generator_learning_rate == value


@pytest.mark.parametrize("options", [["--device", "abacus"], ["--workers", "-1"]])
def test_what_predict_refuses_beforehand(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "absent.png", *options]) == 2
    assert capsys.readouterr().out == ""
