"""A model as an ONNX file says what the checkpoint says, and needs no torch to be used."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from copy import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from drawn_faces import draw_face, on_canvas
from ifgan import Recognizer
from ifgan.cli import main
from ifgan.engines import Engine, load_engine
from ifgan.errors import InputError
from ifgan.header import drawing_file
from ifgan.models.checkpoint import Trained, load_trained, save_trained
from ifgan.models.export import export_onnx
from ifgan.models.torch_engine import TorchEngine
from ifgan.training.adopted import adopt
from ifgan.weights import packaged_model
from tiny_model import tiny_trained

NOT_INSTALLED = ("torch", "torchvision", "timm", "accelerate", "safetensors", "huggingface_hub", "onnx", "onnxscript")
NOT_INSTALLED += ("sklearn", "scipy", "pandas", "pyarrow", "matplotlib", "jinja2", "facenet_pytorch")


def mixing() -> Trained:
    trained = tiny_trained(tta_inputs=("pair", "image"), tta_flip=True)
    trained.system.mixture.averages.copy_(torch.rand(4, 3, 32, 32) * 2 - 1)
    return trained


MODELS: dict[str, Callable[[], Trained]] = {
    "ifgan": mixing,
    "image": lambda: tiny_trained(tta_inputs=("image",)),
    "baseline": lambda: tiny_trained("baseline"),
}


@pytest.fixture(scope="module", params=MODELS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Trained, Path]:
    """A trained system and its ONNX file."""
    trained = MODELS[request.param]()
    path = tmp_path_factory.mktemp("onnx") / "model.onnx"
    export_onnx(path, trained)
    return trained, path


def images(count: int) -> np.ndarray:
    return np.random.default_rng(count).uniform(-1, 1, (count, 3, 32, 32)).astype(np.float32)


@pytest.mark.parametrize("file", [packaged_model(), drawing_file(packaged_model())], ids=lambda path: path.name)
def test_each_convolution_of_the_packaged_model_is_joined_with_its_normalisation(file: Path, tmp_path: Path) -> None:
    """Which onnxruntime does when it loads a file whose constants are computed, and no answer shows."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    operators = {node.op_type for node in onnx.load(tmp_path / "loaded.onnx").graph.node}
    assert "Conv" in operators and not operators & {"BatchNormalization", "CastLike"}


def test_it_says_what_the_checkpoint_says_for_any_number_of_images(pair: tuple[Trained, Path]) -> None:
    trained, path = pair
    ours, theirs = load_engine(path), TorchEngine(trained)
    assert (ours.labels, ours.form, ours.size_px, ours.redraws) == (
        theirs.labels, theirs.form, theirs.size_px, theirs.redraws,
    )  # fmt: skip
    for count in (1, 3, 9):
        np.testing.assert_allclose(ours.read(images(count))[0], theirs.read(images(count))[0], atol=1e-4)
        if ours.redraws:
            np.testing.assert_allclose(ours.draw(images(count)), theirs.draw(images(count)), atol=1e-4)


def test_an_image_gives_the_same_bits_alone_and_among_others(pair: tuple[Trained, Path]) -> None:
    engine, many = load_engine(pair[1]), images(9)
    for work in (lambda some: engine.read(some)[0], *([engine.draw] if engine.redraws else [])):
        assert np.array_equal(work(many), np.concatenate([work(one[None]) for one in many]))


def test_reading_alone_draws_nothing(pair: tuple[Trained, Path]) -> None:
    trained, path = pair
    drawn = load_engine(path).read(images(2))[1]
    assert (drawn is not None) == ("pair" in trained.config.classifier.tta_inputs and trained.system.plain == "pair")


def test_a_checkpoint_can_be_made_of_it(pair: tuple[Trained, Path], tmp_path: Path) -> None:
    trained, path = pair
    again = load_trained(path)
    assert (again.labels, again.config, again.temperature) == (trained.labels, trained.config, trained.temperature)
    before, after = trained.system.state_dict(), again.system.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before if not name.endswith("num_batches_tracked"))


def test_the_mixture_is_the_checkpoint_s(pair: tuple[Trained, Path]) -> None:
    trained, path = pair
    if trained.system.plain != "pair" or not trained.system.mixture.averages.any():
        with pytest.raises(InputError, match="redraw mixture: the model holds no average faces"):
            load_engine(path, redraw="mixture")
        return
    theirs = TorchEngine(replace(trained, system=copy(trained.system)))
    theirs._trained.system.redraw = "mixture"
    np.testing.assert_allclose(load_engine(path, redraw="mixture").draw(images(3)), theirs.draw(images(3)), atol=1e-4)


def test_half_precision_is_half_the_size_and_says_nearly_the_same(pair: tuple[Trained, Path], tmp_path: Path) -> None:
    trained, path = pair
    if trained.system.plain == "pair":  # one is enough, exporting takes seconds
        return
    export_onnx(tmp_path / "half.onnx", trained, half=True)
    assert (tmp_path / "half.onnx").stat().st_size < 0.8 * path.stat().st_size  # the graph itself stays
    ours = load_engine(tmp_path / "half.onnx").read(images(3))[0]
    np.testing.assert_allclose(ours, load_engine(path).read(images(3))[0], atol=0.01)


def test_it_holds_no_path_of_the_machine_that_made_it(pair: tuple[Trained, Path]) -> None:
    files = (*pair[1].parent.glob("*.onnx"), *packaged_model().parent.glob("*.onnx"))
    assert not any(
        word in path.read_bytes()
        for path in files
        for word in (b"site-packages", b"/home/", b"/torch/nn/", b"forward(")
    )


def with_header(path: Path, out: Path, header: str | None) -> Path:
    model = onnx.load(path)
    del model.metadata_props[:]
    if header is not None:
        onnx.helper.set_model_props(model, {"ifgan": header})
    onnx.save(model, out)
    return out


def test_files_that_cannot_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = packaged_model()
    (tmp_path / "cut.onnx").write_bytes(whole.read_bytes()[:100_000])
    (tmp_path / "text.onnx").write_text("weights")
    expected = {
        tmp_path / "cut.onnx": "broken or cut off",
        tmp_path / "text.onnx": "broken or cut off",
        with_header(whole, tmp_path / "foreign.onnx", None): "not written by ifgan",
        with_header(
            whole, tmp_path / "newer.onnx", '{"format": 99}'
        ): "has format 99, this version of ifgan reads format 1",
        with_header(whole, tmp_path / "odd.onnx", "{"): "no JSON",
    }
    for path, words in expected.items():
        for read in (load_engine, load_trained):
            with pytest.raises(InputError, match=words) as error:
                read(path)
            assert str(path) in str(error.value) and "\n" not in str(error.value)
        assert main(["predict", "a.png", "--model", str(path)]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("kind", ["packaged", "checkpoint"])
def test_a_process_that_forks_after_loading_goes_on(kind: str) -> None:
    """As servers that load first and fork then, and multiprocessing's pools on Linux up to Python 3.13."""
    photo = on_canvas([draw_face(1, 200, "happiness")], 300, 300, [(40, 50)])[0]
    recognizer = Recognizer.from_pretrained() if kind == "packaged" else Recognizer(TorchEngine(tiny_trained()))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)  # OpenMP's, which a child would wait for
    try:
        torch.ones(1000, 1000).sum()
        before = recognizer(photo)
        child = os.fork()
        if not child:
            signal.alarm(20)
            torch.ones(1000, 1000).sum()
            os._exit(0 if recognizer(photo)[0].expression == before[0].expression else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        torch.set_num_threads(threads)


def without_torch(code: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run ``code`` where only what `pip install ifgan` brings can be imported."""
    preamble = f"""
import sys
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {NOT_INSTALLED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Absent())
"""
    return subprocess.run([sys.executable, "-c", preamble + code], cwd=cwd, check=False, capture_output=True, text=True)


def test_predictions_need_no_torch(tmp_path: Path) -> None:
    np.save(tmp_path / "photo.npy", on_canvas([draw_face(1, 200, "happiness")], 300, 300, [(40, 50)])[0])
    (tmp_path / "run.safetensors").write_bytes(b"")
    done = without_torch(
        """
import numpy, PIL.Image
from ifgan import Recognizer
from ifgan.cli import main
photo = numpy.load("photo.npy")
PIL.Image.fromarray(photo).save("photo.png")
found = Recognizer.from_pretrained()(photo)
found.plot().save("plot.png")
try:
    found.to_pandas()
except ValueError as error:
    assert str(error).endswith("needs pandas, which is not installed; pip install pandas")
(face,) = found
face.average_face.save("redrawn.png")
outputs = ["--json", "out.jsonl", "--csv", "out.csv", "--faces", "faces"]
print([main(["predict", "photo.png", *outputs, "--redraw", "mixture"]),
       main(["predict", "photo.png", "--model", "run.safetensors"]), main(["train", "--data", "a", "--out", "b"])])
""",
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[0, 2, 2]"
    assert (
        len(json.loads((tmp_path / "out.jsonl").read_text())["faces"]) == 1 and len(list(tmp_path.glob("faces/*"))) == 1
    )
    said = [line for line in done.stderr.splitlines() if line.startswith("ifgan")]
    assert all('pip install "ifgan[train]"' in line for line in said) and len(said) == 2


def test_importing_the_package_and_its_help_import_no_torch(tmp_path: Path) -> None:
    code = "import ifgan, ifgan.predict; from ifgan.cli import main; main(['--help'])"
    assert without_torch(code, tmp_path).returncode == 0


def test_both_engines_are_engines() -> None:
    engines: list[Engine] = [load_engine(packaged_model()), TorchEngine(tiny_trained())]
    assert all(engine.labels for engine in engines)


def test_a_baseline_goes_on_reading_while_another_generator_draws(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, drawer = tiny_trained("baseline", seed=1), tiny_trained(seed=2)
    adopt(reader, tmp_path / "run", [])
    save_trained(tmp_path / "drawer.safetensors", drawer)
    out, words = tmp_path / "both.onnx", ["--generator", str(tmp_path / "drawer.safetensors"), "--full"]
    assert main(["export", str(tmp_path / "run"), "--out", str(out), *words]) == 0
    assert str(out.with_suffix(".draw.onnx")) in capsys.readouterr().out
    engine = load_engine(out)
    probabilities, drawn = engine.read(images(3))
    assert drawn is None
    np.testing.assert_allclose(probabilities, TorchEngine(reader).read(images(3))[0], atol=1e-5)
    np.testing.assert_allclose(engine.draw(images(3)), TorchEngine(drawer).draw(images(3)), atol=1e-5)
    assert main(["export", str(tmp_path / "drawer.safetensors"), "--out", str(out), *words]) == 2
    out.with_suffix(".draw.onnx").unlink()
    with pytest.raises(InputError, match=r"both\.draw\.onnx: no such model"):
        load_engine(out).draw(images(1))
