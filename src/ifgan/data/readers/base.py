"""What a reader hands over: the images of a data set as its owner distributes it, one by one (§4.1).

A reader knows folder shapes, file names and label codes of one source, and nothing of faces: it streams
`SourcePicture`s (and `Rejected` ones with their reason) and states the counts that a full copy should give.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ifgan.data.sample import Sample

_SPLIT_WORDS = {
    "train": "train training",
    "validation": "validation valid val dev publictest",
    "test": "test testing privatetest",
}
_SPLITS = {word: split for split, words in _SPLIT_WORDS.items() for word in words.split()}


@dataclass(frozen=True)
class Rejected:
    """An image that can't be used: ``file`` as the user finds it (relative to the source), and why."""

    file: str
    reason: str


@dataclass(frozen=True, eq=False)
class SourcePicture:
    """One labelled image of a source, before any face is sought.

    ``image`` is a file or an HWC uint8 RGB array; ``name`` becomes the file name in ``images/`` and is unique
    inside the set; ``source`` tells the user where it came from. ``landmarks_xy_px``: (5, 2) eye centres
    (image left first), nose tip, mouth corners, where the owner supplies them; ``usual_landmarks_xy_px``: where they
    lie in such crops on average, for a crop in which no face is found. Strings are empty where unknown.
    """

    image: Path | np.ndarray
    name: str
    source: str
    dataset: str
    expression: str
    subject: str = ""
    sequence: str = ""
    frame: str = ""
    intensity: str = ""
    split: str = ""
    age: str = ""
    gender: str = ""
    ethnicity: str = ""
    votes: str = ""
    landmarks_xy_px: np.ndarray | None = None
    usual_landmarks_xy_px: np.ndarray | None = None

    def sample(self) -> Sample:
        """The manifest row of the prepared image."""
        return Sample(
            image=f"images/{self.name}.png",
            dataset=self.dataset,
            subject=self.subject,
            sequence=self.sequence,
            frame=self.frame,
            expression=self.expression,
            intensity=self.intensity,
            split=self.split,
            age=self.age,
            gender=self.gender,
            ethnicity=self.ethnicity,
            votes=self.votes,
        )


@dataclass(frozen=True)
class Reading:
    """A source, opened. ``items`` is read once and may be a generator, so that a big set never is in memory whole.

    ``expected`` holds the counts of a full copy, a subset of the keys of `ifgan.data.counts.count`;
    ``notes`` say what is missing, extra or was left aside; ``aligned``: faces are cropped already.
    """

    dataset: str
    items: Iterable[SourcePicture | Rejected]
    total: int | None = None
    expected: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    aligned: bool = False


def canonical_split(word: str) -> str:
    """``"Training"`` -> ``"train"``; nothing stays nothing. Raises ValueError that names the word."""
    split = split_named(word)
    if word.strip() and not split:
        raise ValueError(f"unknown split {word!r}; expected train, validation or test")
    return split


def split_named(word: str) -> str:
    """The part of a split that ``word`` names, in whatever spelling; "" where it names none."""
    return _SPLITS.get(re.sub(r"[^a-z]", "", word.lower()), "")
