"""The average face of every expression: the identity-free target. Paper §4.3 ("averaging all same-label images").

The plain mean, pixel by pixel, of the aligned 256x256 training images. Which images train is the caller's
business: only those are opened, so nothing of a validation or test image can reach an average.
"""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from ifgan.data.sample import Sample
from ifgan.errors import InputError, PictureError
from ifgan.faces.align import ALIGNED_SHAPE
from ifgan.faces.picture import open_picture, to_png
from ifgan.files import write_bytes
from ifgan.labels import in_order
from ifgan.workers import map_in_order


def average_faces(located: Iterable[tuple[Path, Sample]], workers: int | None = None) -> dict[str, np.ndarray]:
    """Expression -> (256, 256, 3) uint8 mean of the given samples, each with its prepared folder; canonical order.

    Sums of whole numbers in float64 are exact, so the result depends on no order and no number of ``workers``.
    Memory: one sum an expression and a few open images. Raises InputError when there are no samples, PictureError
    that names an image which is unreadable or not 256x256.
    """
    sums: dict[str, np.ndarray] = {}
    numbers: Counter[str] = Counter()
    for expression, image in map_in_order(_open_aligned, located, workers):
        total = sums.setdefault(expression, np.zeros(ALIGNED_SHAPE))  # float64
        total += image
        numbers[expression] += 1
    if not sums:
        raise InputError("average faces: no training image was given")
    return {name: np.rint(sums[name] / numbers[name]).astype(np.uint8) for name in in_order(set(sums))}


def _open_aligned(located: tuple[Path, Sample]) -> tuple[str, np.ndarray]:
    folder, sample = located
    path = folder / sample.image
    image = open_picture(path)
    if image.shape != ALIGNED_SHAPE:
        raise PictureError(f"{path}: is {image.shape[1]}x{image.shape[0]}; an aligned face is 256x256")
    return sample.expression, image


def write_averages(folder: Path, averages: dict[str, np.ndarray]) -> None:
    """One lossless ``<expression>.png`` each."""
    for expression, image in averages.items():
        write_bytes(Path(folder) / f"{expression}.png", to_png(image))


def read_averages(folder: Path) -> dict[str, np.ndarray]:
    """What `write_averages` wrote, in the canonical order. Raises InputError when there is none."""
    names = in_order([path.stem for path in Path(folder).glob("*.png")])
    if not names:
        raise InputError(f"{folder}: holds no average face; expected files such as happiness.png")
    return {name: open_picture(Path(folder) / f"{name}.png") for name in names}
