"""The model in the package: it is there, small, complete, and says offline what it said when it was put in."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import ifgan.weights
from drawn_faces import draw_face, on_canvas
from ifgan import Recognizer
from ifgan.cli import build_parser
from ifgan.engines import find_checkpoint
from ifgan.errors import InputError
from ifgan.header import drawing_file
from ifgan.labels import EXPRESSIONS
from ifgan.models.build import build_system
from ifgan.models.checkpoint import load_trained
from ifgan.models.ifgan import Classifier
from ifgan.models.tensor_file import read_tensors
from ifgan.presets import make_config
from ifgan.weights import PACKAGED_MODEL, packaged_model

# Probabilities of drawn faces (seed, expression) when the model was put in. A change of the crop, the form, the
# temperature or the weights moves them; rounding does not.
GOLDEN: dict[tuple[int, str], dict[str, float]] = {
    (1, "happiness"): {
        "anger": 0.017,
        "disgust": 0.019,
        "fear": 0.034,
        "happiness": 0.322,
        "sadness": 0.007,
        "surprise": 0.080,
        "neutral": 0.243,
        "contempt": 0.277,
    },
    (2, "surprise"): {
        "anger": 0.000,
        "disgust": 0.000,
        "fear": 0.029,
        "happiness": 0.000,
        "sadness": 0.000,
        "surprise": 0.970,
        "neutral": 0.001,
        "contempt": 0.000,
    },
    (3, "anger"): {
        "anger": 0.065,
        "disgust": 0.001,
        "fear": 0.049,
        "happiness": 0.000,
        "sadness": 0.063,
        "surprise": 0.051,
        "neutral": 0.743,
        "contempt": 0.029,
    },
}


@pytest.fixture(scope="module")
def recognizer() -> Recognizer:
    return Recognizer.from_pretrained()


def test_it_is_small_and_complete(recognizer: Recognizer):
    assert sum(file.stat().st_size for file in (packaged_model(), drawing_file(packaged_model()))) <= 25e6
    tensors, header = read_tensors(packaged_model())
    assert recognizer.labels == EXPRESSIONS
    assert header["temperature"] != 1.0 and recognizer.redraws
    assert any(name.startswith("generator.attention") for name in tensors) and tensors["mixture.averages"].any()


def test_it_is_what_names_and_defaults_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    assert build_parser().parse_args(["predict", "photo.jpg"]).predict.model == PACKAGED_MODEL
    (tmp_path / PACKAGED_MODEL).mkdir()  # somebody's folder of that name is not taken in its place
    monkeypatch.chdir(tmp_path)
    assert find_checkpoint(PACKAGED_MODEL) == packaged_model()


def test_a_run_may_start_from_it():
    config = make_config("cpu", classifier_weights=PACKAGED_MODEL, generator_weights=PACKAGED_MODEL)
    started, learnt = build_system(config, 5), load_trained(packaged_model()).system
    taken = learnt.classifier.backbone.state_dict()
    for name, found in started.classifier.backbone.state_dict().items():
        assert name == "conv_stem.weight" or torch.equal(found, taken[name])
    alone = Classifier(backbone="tf_efficientnet_lite0", images=1, pretrained=PACKAGED_MODEL).backbone.state_dict()
    assert torch.equal(alone["conv_stem.weight"], taken["conv_stem.weight"][:, :3])
    drawing = learnt.generator.state_dict()
    assert all(torch.equal(found, drawing[name]) for name, found in started.generator.state_dict().items())


def test_an_installation_without_it_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ifgan.weights, "files", lambda name: tmp_path)
    with pytest.raises(InputError, match=r"ifgan-wild\.onnx: is missing in this installation"):
        Recognizer.from_pretrained()


def test_it_needs_no_network_and_no_home(tmp_path: Path):
    """Any socket to another machine fails in that process, and nothing is written to its home."""
    np.save(tmp_path / "photo.npy", on_canvas([draw_face(1, 200, "happiness")], 400, 400, [(100, 100)])[0])
    home = tmp_path / "home"
    home.mkdir()
    code = """
import json, socket, numpy
def refuse(*args, **options): raise AssertionError("a connection was tried")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from ifgan import Recognizer
faces = Recognizer.from_pretrained()(numpy.load("photo.npy"))
print(json.dumps([face.to_dict() for face in faces]))
"""
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True, capture_output=True, text=True
    )
    (face,) = json.loads(done.stdout)
    assert sum(face["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert list(home.rglob("*")) == []


@pytest.mark.parametrize(("seed", "expression"), GOLDEN)
def test_it_says_what_it_said(recognizer: Recognizer, seed: int, expression: str):
    (face,) = recognizer.read([draw_face(seed, 256, expression)[0]])
    assert face.probabilities == pytest.approx(GOLDEN[seed, expression], abs=0.01)
    assert face.average_face is not None and np.asarray(face.average_face).std() > 10
