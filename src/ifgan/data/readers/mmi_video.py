"""Frames of an MMI clip, upright and frontal (§4.1, §4.2). Needs the extra ``video`` (PyAV).

A clip is decoded from its start: codecs differ in where they can be entered, and clips are short. Frontal clips are
mostly stored on their side, dual ones hold a frontal and a profile face side by side; no file says how, so MTCNN
decides on one frame, and all frames of the clip are treated alike.
"""

import math
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ifgan.errors import InputError, PictureError
from ifgan.faces.detect import Face, FaceDetector

Turn = Callable[[np.ndarray], np.ndarray]
_TURNS: dict[str, Turn] = {
    "upright": lambda frame: frame,
    "turned clockwise": lambda frame: np.rot90(frame, -1),
    "turned counter-clockwise": np.rot90,
}
_HALVES: dict[str, Turn] = {
    "left half": lambda frame: frame[:, : frame.shape[1] // 2],
    "right half": lambda frame: frame[:, frame.shape[1] // 2 :],
}
_WHOLE = 0.95  # of the frames that the header states: some are dropped in recording, a broken download lacks more
# MTCNN on eight rendered heads: 10 of 16 profiles pass for faces, with confidences up to 1. Eye distance to eyes-mouth
# distance tells them apart: 0.82 and more from the front, 0.59 and more turned by 45 degrees, up to 0.42 in profile.
_FRONTAL_FROM = 0.8
_LEAST = 0.65  # of confidence times frontality: above the profiles, below heads turned by 45 degrees


def check_pyav() -> None:
    """Raises InputError when PyAV isn't there: before any clip is judged."""
    try:
        import av  # noqa: F401
    except ImportError as error:
        raise InputError('videos need PyAV; install it with: pip install "ifgan[video]"') from error


def count_frames(path: Path) -> int:
    """Whole frames in the file, none decoded. Raises PictureError for an unreadable or cut-off file."""
    with _opened(path) as (container, stream):
        frames = sum(1 for packet in container.demux(stream) if packet.size and not packet.is_corrupt)
        stated = stream.frames  # 0 where the header doesn't say
    if frames < _WHOLE * stated:
        raise PictureError(f"is cut off: {frames} of its {stated} frames are there")
    if not frames:
        raise PictureError("holds no frame")
    return frames


def read_frames(path: Path, numbers: Collection[int]) -> dict[int, np.ndarray]:
    """Number (from 1) -> HWC uint8 RGB; only these frames are converted and kept. Raises PictureError."""
    frames = {}
    with _opened(path) as (container, stream):
        for number, frame in enumerate(_decoded(container, stream), start=1):
            if number in numbers:
                frames[number] = frame.to_ndarray(format="rgb24")
            if len(frames) == len(numbers):
                return frames
    raise PictureError(f"frame {min(set(numbers) - frames.keys())} can't be decoded")


class FrontalView:
    """Decides how the face of a clip comes upright and frontal. MTCNN is loaded at the first clip."""

    @cached_property
    def _detector(self) -> FaceDetector:
        return FaceDetector()

    def turn(self, frame: np.ndarray) -> Turn:
        """Upright, or turned by 90 degrees: where the most prominent face is the most confident one."""
        best = self._best(frame, _TURNS, lambda face: face.confidence)
        if best is None:
            raise PictureError(f"no face found {', '.join(_TURNS)}")
        return best

    def half(self, frame: np.ndarray) -> Turn:
        """The half with the more frontal and confident face: confidence alone doesn't tell a profile."""
        best = self._best(frame, _HALVES, lambda face: face.confidence * frontality(face), _LEAST)
        if best is None:
            raise PictureError("no frontal face found in its left or right half")
        return best

    def _best(
        self, frame: np.ndarray, turns: dict[str, Turn], score: Callable[[Face], float], least: float = 0.0
    ) -> Turn | None:
        found = self._detector([np.ascontiguousarray(turn(frame)) for turn in turns.values()])
        scored = [(score(faces[0]), turn) for faces, turn in zip(found, turns.values(), strict=True) if faces]
        best, turn = max(scored, key=lambda pair: pair[0], default=(-1.0, None))
        return turn if best >= least else None


def frontality(face: Face) -> float:
    """1 from the front, 0 in perfect profile: turning the head brings the eyes together, not eyes and mouth."""
    left_eye, right_eye, _, left_corner, right_corner = np.array(face.landmarks_xy_px)
    eyes_to_mouth = math.hypot(*((left_corner + right_corner - left_eye - right_eye) / 2))
    apart = math.hypot(*(right_eye - left_eye)) / max(eyes_to_mouth, 1e-6)
    return min(1.0, apart / _FRONTAL_FROM)


@contextmanager
def _opened(path: Path) -> Iterator[tuple[Any, Any]]:
    """The container and its video stream; PyAV's errors in the block become PictureError."""
    import av

    try:
        with av.open(str(path)) as container:
            if not container.streams.video:
                raise PictureError("holds no video")
            yield container, container.streams.video[0]
    except PictureError:
        raise
    except (av.FFmpegError, OSError, ValueError) as error:  # their text names the file by its whole path
        raise PictureError(f"can't be decoded ({getattr(error, 'strerror', None) or type(error).__name__})") from error


def _decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames in the order of showing. A packet cut in half is left out: it decodes to half a grey image."""
    for packet in container.demux(stream):
        if not packet.is_corrupt:
            yield from packet.decode()
