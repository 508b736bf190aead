"""The paper's Fig. 5 and Fig. 6 from a run folder, through the command line."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from PIL import Image

import ifgan.experiments.attention_figure as attention_module
import ifgan.experiments.transfer_figure as transfer_module
from ifgan.cli import main
from ifgan.experiments.attention_figure import QUERIES, attention_maps
from ifgan.experiments.evaluation import open_run, open_unseen
from ifgan.experiments.transfer_figure import drawn
from ifgan.faces.model_input import to_picture
from ifgan.models.generator import Generator


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["transfer", "--count=1"], id="transfer"),
        pytest.param(["transfer", "--subjects", "s0"], id="a named subject"),
        pytest.param(["attention"], id="attention"),
        pytest.param(["attention", "--points", "0.35,0.32", "0.5,0.6", "--place=encoder"], id="own points"),
    ],
)
def test_a_figure_is_written(options: list[str], runs: Path, prepared: Path, tmp_path: Path):
    out = tmp_path / "figure.png"
    kind, *rest = options
    assert main(["figure", kind, str(runs / "ifgan"), f"--data={prepared}", f"--out={out}", *rest]) == 0
    with Image.open(out) as image:
        assert min(image.size) > 200


@pytest.mark.parametrize(
    ("run", "options", "words"),
    [
        pytest.param("baseline", ["transfer"], "no generator", id="baseline"),
        pytest.param("ifgan", ["transfer", "--subjects", "s1"], "'s1' is not in this split", id="a training subject"),
        pytest.param("ifgan", ["attention", "--points", "0.3"], "expected x,y shares", id="half a point"),
        pytest.param("ifgan", ["attention", "--points", "0.3,1.3"], "outside the image", id="a point outside"),
        pytest.param("ifgan", ["attention", "--without-inputs"], "without-inputs: does nothing", id="inputs stay"),
        pytest.param("ifgan", ["transfer", "--place", "skip"], "place: does nothing", id="no module"),
        pytest.param("ifgan", ["transfer", "--people=all", "--split=train"], "no parts", id="a part of all"),
        pytest.param("unevaluated", ["attention"], "no attention module", id="no attention"),
    ],
)
def test_what_can_not_be_drawn_is_one_sentence(
    run: str, options: list[str], words: str, runs: Path, prepared: Path, tmp_path: Path, capsys: pytest.CaptureFixture
):
    out = tmp_path / "figure.png"
    assert main(["figure", options[0], str(runs / run), f"--data={prepared}", f"--out={out}", *options[1:]]) == 2
    assert words in capsys.readouterr().err
    assert not out.exists()


def test_maps_are_the_module_s_rows_at_the_query_points(runs: Path, prepared: Path):
    opened = open_run(runs / "ifgan", prepared)
    generator, image = opened.trained.system.generator, opened.pairs[0, 0].image
    assert generator is not None
    with torch.no_grad():  # so that a hardly trained module looks somewhere
        for conv in (generator.attention["decoder"].query, generator.attention["decoder"].key):
            conv.weight.mul_(3000)
    maps = attention_maps(generator, image)
    assert list(maps) == list(QUERIES)
    side = 32 // 4
    with torch.no_grad():  # the whole N x N map, which training never builds, by hand
        seen = feature_map(generator, image)
        module = generator.attention["decoder"]
        query, key = (conv(seen).flatten(2)[0] for conv in (module.query, module.key))  # (K, N)
        whole = (query.T @ key).softmax(dim=1)  # (N, N)
    for name, (x, y) in QUERIES.items():
        row = whole[int(y * side) * side + int(x * side)].reshape(1, 1, side, side)
        large = torch.nn.functional.interpolate(row, size=(32, 32), mode="bilinear")[0, 0]
        torch.testing.assert_close(maps[name], large, atol=1e-6, rtol=1e-4)
    assert (maps["eye"] - maps["cheek"]).abs().max() > 1e-3  # other points, other maps


def feature_map(generator: Generator, image: torch.Tensor) -> torch.Tensor:
    """What reaches the decoder's module, (1, C, side, side)."""
    inputs = []
    hook = generator.attention["decoder"].register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    generator(image[None])
    hook.remove()
    return inputs[0]


def test_the_faces_of_both_figures_are_the_generator_s_own(
    runs: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    opened = open_run(runs / "ifgan", prepared)
    generator = opened.trained.system.generator
    assert generator is not None
    pictures = [opened.pairs[0, index].image for index in range(len(opened.pairs))]
    wanted = {to_picture(image.numpy()).tobytes(): to_picture(drawn(generator, image).numpy()) for image in pictures}
    figures: list[Figure] = []
    for module, name in ((transfer_module, "transfer_figure"), (attention_module, "attention_figure")):
        monkeypatch.setattr(module, "write_figure", lambda figure, out: figures.append(figure))
        getattr(module, name)(generator, opened.pairs, tmp_path / "figure.png", count=1)
    for figure in figures:  # the first row: input, generated, ...
        given, shown = (np.asarray(figure.axes[column].get_images()[0].get_array()) for column in (0, 1))
        assert np.array_equal(shown, wanted[given.tobytes()])


def test_without_inputs_no_picture_of_anybody_is_in_the_figure(
    runs: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Of a set that the run was not trained on: what G draws, and the average faces."""
    strangers = tmp_path / "strangers"
    shutil.copytree(prepared, strangers)
    figures: list[Figure] = []
    monkeypatch.setattr(transfer_module, "write_figure", lambda figure, out: figures.append(figure))
    options = ["--people=all", "--without-inputs", "--count=2", f"--out={tmp_path / 'figure.png'}"]
    assert main(["figure", "transfer", str(runs / "ifgan"), f"--data={strangers}", *options]) == 0
    opened, _ = open_unseen(runs / "ifgan", strangers)
    generator = opened.trained.system.generator
    assert generator is not None
    generated = {
        to_picture(drawn(generator, opened.pairs[0, i].image).numpy()).tobytes() for i in range(len(opened.pairs))
    }
    averages = {to_picture(face.numpy()).tobytes() for face in opened.pairs.average_inputs()}
    shown = [np.asarray(axis.get_images()[0].get_array()).tobytes() for axis in figures[0].axes if axis.get_images()]
    labels = len(opened.pairs.labels)
    assert len(shown) == 3 * labels
    assert sum(face in averages for face in shown) == labels and sum(face in generated for face in shown) == 2 * labels
