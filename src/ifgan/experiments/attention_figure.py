"""Where the generator looks when it draws a point of the face. Paper Fig. 6: the last attention module's maps for three
query points.

One row an image: the input with its query points, the face that G draws of it, then one map a point, over the input.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ifgan.data.pairs import FacePairs
from ifgan.errors import InputError
from ifgan.experiments.picture_files import new_figure, write_figure
from ifgan.experiments.transfer_figure import drawn
from ifgan.faces.model_input import to_picture
from ifgan.models.device import device_of
from ifgan.models.generator import Generator, Place
from ifgan.seeds import numpy_rng

# As (x, y) shares of the model's input, on an aligned face: the eye to the left, the mouth, the cheek to the right.
QUERIES: dict[str, tuple[float, float]] = {"eye": (0.348, 0.321), "mouth": (0.5, 0.63), "cheek": (0.66, 0.5)}
_INCHES = 1.5
Points = dict[str, tuple[float, float]]


def parse_points(words: Sequence[str]) -> Points:
    """``("0.3,0.4",)`` -> {"0.3,0.4": (0.3, 0.4)}. Raises InputError for a word that is no x,y in the image."""
    try:
        return {word: (float(word.split(",")[0]), float(word.split(",")[1])) for word in words}
    except (ValueError, IndexError) as error:
        raise InputError(f"query points {' '.join(words)}: expected x,y shares of the side, e.g. 0.35,0.32") from error


def attention_figure(
    generator: Generator,
    pairs: FacePairs,
    out: Path,
    *,
    queries: Points = QUERIES,
    place: Place = "decoder",
    count: int = 4,
) -> None:
    """Write the figure for ``count`` images of different expressions, drawn by the data's seed.

    ``queries``: name -> (x, y) as shares of the image's side; ``place``: which of the three modules.
    Raises InputError for a generator without that module or a point outside the image.
    """
    if place not in generator.attention:
        raise InputError(f"this generator has no attention module on its {place} path; use a run of method ifgan")
    if outside := [name for name, point in queries.items() if not all(0 <= share < 1 for share in point)]:
        raise InputError(f"query point {outside[0]!r} lies outside the image; expected shares of its side, 0 to 1")
    chosen = _chosen(pairs, count)
    figure = new_figure((2 + len(queries)) * _INCHES, len(chosen) * _INCHES + 0.3, layout=None)
    axes = figure.subplots(len(chosen), 2 + len(queries), squeeze=False)
    for row, index in enumerate(chosen):
        image = pairs[0, index].image
        picture = to_picture(image.numpy())
        axes[row, 0].imshow(picture)
        axes[row, 1].imshow(to_picture(drawn(generator, image).numpy()))
        axes[row, 0].set_ylabel(pairs.samples[index].sample.expression, fontsize=8)
        for column, (name, attention) in enumerate(attention_maps(generator, image, queries, place).items(), start=2):
            x, y = np.array(queries[name]) * pairs.size_px
            axes[row, 0].plot(x, y, "+", color="white", markersize=9, markeredgewidth=2)
            axes[row, column].imshow(picture)
            axes[row, column].imshow(attention.numpy(), cmap="inferno", alpha=0.65)
            axes[row, column].plot(x, y, "+", color="white", markersize=9, markeredgewidth=2)
            axes[0, column].set_title(name, fontsize=8)
    for column, title in enumerate(("input", "generated")):
        axes[0, column].set_title(title, fontsize=8)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    figure.subplots_adjust(0.06, 0.01, 0.99, 0.94, wspace=0.03, hspace=0.03)
    write_figure(figure, out)


@torch.inference_mode()
def attention_maps(
    generator: Generator, image: Tensor, queries: Points = QUERIES, place: Place = "decoder"
) -> dict[str, Tensor]:
    """Name -> (S, S) map of a point, enlarged to the image; it sums to 1 before that.

    image: (3, S, S) in [-1, 1].
    """
    size = image.shape[-1]
    side = size // 2**generator.attention_level
    cells = [int(y * side) * side + int(x * side) for x, y in queries.values()]
    device = device_of(generator)
    maps = generator.attention_rows(image[None].to(device), torch.tensor(cells, device=device), place=place)
    large = F.interpolate(maps.float().cpu(), size=(size, size), mode="bilinear")[0]  # (1, Q, H, W) -> (Q, S, S)
    return dict(zip(queries, large, strict=True))


def _chosen(pairs: FacePairs, count: int) -> list[int]:
    """Images of as many different expressions as there are, at random."""
    order = numpy_rng("attention figure", pairs.seed).permutation(len(pairs)).tolist()
    expressions = [located.sample.expression for located in pairs.samples]
    first = {expressions[index]: index for index in reversed(order)}
    ranked = [first[label] for label in pairs.labels if label in first]
    return (ranked + [index for index in order if index not in ranked])[:count]
