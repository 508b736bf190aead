"""Inputs, the faces that G draws of them, and the average faces they should equal. Paper Fig. 1 and Fig. 5.

One row an expression; two columns a subject (input, generated), or the generated alone where inputs are nobody's to
show; the average face of the training subjects last.
"""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from ifgan.data.pairs import FacePairs
from ifgan.errors import InputError
from ifgan.experiments.picture_files import new_figure, write_figure
from ifgan.faces.model_input import to_model_input, to_picture
from ifgan.models.device import device_of
from ifgan.models.generator import Generator
from ifgan.seeds import numpy_rng

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES = 1.15  # of one image


def transfer_figure(
    generator: Generator,
    pairs: FacePairs,
    out: Path,
    *,
    subjects: tuple[str, ...] | None = None,
    count: int = 3,
    inputs: bool = True,
) -> None:
    """Write the figure for the named subjects, or for ``count`` of them drawn by the data's seed, without names where
    ``inputs`` are left out.

    Of each subject and expression the last image (the strongest, where intensities are known) is shown; a gap where
    there is none. Sets without subjects show images drawn at random in their place, as does a figure without inputs
    unless ``subjects`` are named. Raises InputError for a subject who is not there, an ending that is no
    figure's, and where it can't be written.
    """
    groups = _groups(pairs, subjects, count, by_subject=inputs)
    each = 2 if inputs else 1
    figure = new_figure((each * len(groups) + 1) * _INCHES, len(pairs.labels) * _INCHES + 0.3, layout=None)
    axes = figure.subplots(len(pairs.labels), each * len(groups) + 1, squeeze=False)
    for row, label in enumerate(pairs.labels):
        for column, (_, chosen) in enumerate(groups):
            if label in chosen:
                image = pairs[0, chosen[label]].image
                if inputs:
                    _show(axes[row, each * column], image)
                _show(axes[row, each * (column + 1) - 1], drawn(generator, image))
        _show(axes[row, -1], to_model_input(pairs.averages[label], pairs.size_px))
        axes[row, 0].set_ylabel(label, fontsize=8)
    _name_columns(axes, [f"{name} input".strip() for name, _ in groups] if inputs else [], each)
    figure.subplots_adjust(0.05, 0.005, 0.995, 0.95, wspace=0.03, hspace=0.03)
    write_figure(figure, out)


@torch.inference_mode()
def drawn(generator: Generator, image: Tensor) -> Tensor:
    """G in evaluation mode on one image, (3, S, S) in [-1, 1] -> the same."""
    device = device_of(generator)
    return generator(image[None].to(device))[0].float().cpu()


def _groups(
    pairs: FacePairs, subjects: tuple[str, ...] | None, count: int, *, by_subject: bool
) -> list[tuple[str, dict[str, int]]]:
    """Column headings, and of each the index of one image an expression."""
    rng = numpy_rng("transfer figure", pairs.seed)
    samples = [located.sample for located in pairs.samples]
    everybody = sorted({sample.subject for sample in samples} - {""})
    if not everybody or not (by_subject or subjects):
        order = rng.permutation(len(samples))
        ranked = {label: [int(i) for i in order if samples[i].expression == label] for label in pairs.labels}
        return [("", {label: found[k] for label, found in ranked.items() if k < len(found)}) for k in range(count)]
    drawn_at_random = sorted(rng.permutation(everybody)[:count].tolist())
    chosen = subjects or tuple(drawn_at_random)
    of = {who: {s.expression: i for i, s in enumerate(samples) if s.subject == who} for who in chosen}
    if unknown := [who for who, found in of.items() if not found]:
        raise InputError(f"subject {unknown[0]!r} is not in this split; it has {', '.join(everybody)}")
    return [(who, of[who]) for who in chosen]


def _show(axis: "Axes", picture: Tensor | np.ndarray) -> None:
    axis.imshow(to_picture(np.asarray(picture)))


def _name_columns(axes: np.ndarray, inputs: list[str], each: int) -> None:
    for axis in axes.flat:
        axis.set_xticks([])
        axis.set_yticks([])
        for side in axis.spines.values():
            side.set_visible(False)
    for column, name in enumerate(inputs):
        axes[0, each * column].set_title(name, fontsize=7, pad=3)
    for axis in axes[0, each - 1 : -1 : each]:
        axis.set_title("generated", fontsize=7, pad=3)
    axes[0, -1].set_title("average", fontsize=7, pad=3)
