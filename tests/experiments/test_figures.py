"""The paper's Fig. 5 and Fig. 6 from a run folder, through the command line."""

from pathlib import Path

import pytest
import torch
from PIL import Image

from ifgan.cli import main
from ifgan.experiments.attention_figure import QUERIES, attention_maps
from ifgan.experiments.evaluation import open_run


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
        pytest.param("ifgan", ["attention", "--points", "0.3,1.3"], "outside the picture", id="a point outside"),
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
    maps = attention_maps(generator, image)
    assert list(maps) == list(QUERIES)
    side = 32 // 4
    x, y = QUERIES["mouth"]
    row = generator.attention_rows(image[None], torch.tensor([int(y * side) * side + int(x * side)])).detach()
    assert row.sum() == pytest.approx(1, abs=1e-5)
    assert maps["mouth"].shape == (32, 32)
    assert maps["mouth"].mean() == pytest.approx(row.mean().item(), rel=0.05)  # enlarging keeps the mean
