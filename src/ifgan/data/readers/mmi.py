"""MMI: 208 clips of 31 people, six expressions, three peak frames of each (§4.1; layout, counts: docs/data/mmi.md).

A clip is ``<session>/S001-100.avi`` with ``S001-100.xml`` and ``session.xml`` beside it, wherever the session's folder
lies below ROOT. Labels are judged first (mmi_clips.py); videos are decoded one by one while the images are drawn
(mmi_video.py). The paper took "three peak frames in the middle" and doesn't say of what: see ``peak``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from ifgan.data.readers.base import Reading, Rejected, SourcePicture
from ifgan.data.readers.mmi_clips import FRONTAL, Clip, Listing, list_clips
from ifgan.data.readers.mmi_sequences import SEQUENCES, SUBJECTS
from ifgan.data.readers.mmi_video import FrontalView, check_pyav, count_frames, read_frames
from ifgan.data.readers.mmi_xml import middle_of_apex
from ifgan.errors import InputError, PictureError, some_of
from ifgan.labels import BASIC

PEAK_FRAMES = 3
CLIPS = dict(zip(BASIC, (33, 32, 28, 42, 32, 41), strict=True))  # of the 208
Peak = Literal["apex", "middle"]


def read_mmi(root: Path, *, peak: Peak = "apex", neutral: bool = False) -> Reading:
    """Three frames of each clip: around the ``apex`` of its action units where annotated, else around its ``middle``.

    ``neutral`` adds each clip's first frame. Raises InputError for another peak, without PyAV, and without any clip.
    """
    if peak not in get_args(Peak):
        raise InputError(f"peak: {peak!r}; expected {' or '.join(get_args(Peak))}")
    check_pyav()
    listing = list_clips(root)
    return Reading(
        dataset="mmi",
        items=_items(listing, peak, neutral),
        total=len(listing.clips) * (PEAK_FRAMES + neutral) + len(listing.rejected),
        expected=_expected(neutral),
        notes=tuple([*_aside(listing), *_without_apex(listing, peak), *_differences(listing)]),
    )


def _items(listing: Listing, peak: Peak, neutral: bool) -> Iterator[SourcePicture | Rejected]:
    yield from listing.rejected
    frontal = FrontalView()
    for clip in listing.clips:
        try:
            yield from _pictures(clip, frontal, peak, neutral)
        except PictureError as error:
            yield Rejected(clip.source, str(error))


def _pictures(clip: Clip, frontal: FrontalView, peak: Peak, neutral: bool) -> list[SourcePicture | Rejected]:
    """The clip's frames, all turned or halved as its middle peak frame needs it."""
    peaks = peak_frames(clip, count_frames(clip.video), peak)
    expressions = dict.fromkeys(peaks, clip.expression)
    taken: list[SourcePicture | Rejected] = []
    if neutral and 1 in expressions:
        taken.append(Rejected(f"{clip.source} frame 1", "is a peak frame, so the clip has no neutral one"))
    elif neutral:
        expressions = {1: "neutral"} | expressions
    frames = read_frames(clip.video, expressions)
    decide = frontal.turn if clip.view == FRONTAL else frontal.half
    turn = decide(frames[peaks[PEAK_FRAMES // 2]])
    return taken + [_picture(clip, number, turn(frames[number]), name) for number, name in expressions.items()]


def peak_frames(clip: Clip, frames: int, peak: Peak) -> range:
    """Three neighbours, counted from 1, within the clip. Raises PictureError for a clip of fewer than three."""
    if frames < PEAK_FRAMES:
        raise PictureError(f"has {frames} frames; expected {PEAK_FRAMES} or more")
    middle = middle_of_apex(clip.apexes or (), frames) if peak == "apex" else None
    first = (middle or (frames + 1) // 2) - PEAK_FRAMES // 2
    first = min(max(first, 1), frames - PEAK_FRAMES + 1)
    return range(first, first + PEAK_FRAMES)


def _picture(clip: Clip, number: int, frame: np.ndarray, expression: str) -> SourcePicture:
    return SourcePicture(
        image=np.ascontiguousarray(frame),
        name=f"{clip.subject}_{clip.number}_{number:03d}",
        source=f"{clip.source} frame {number}",
        dataset="mmi",
        subject=clip.subject,
        sequence=clip.number,
        frame=f"{number:03d}",
        expression=expression,
    )


def _expected(neutral: bool) -> dict[str, Any]:
    pictures = {name: PEAK_FRAMES * clips for name, clips in CLIPS.items()}
    pictures |= {"neutral": len(SEQUENCES)} if neutral else {}
    return {"pictures": sum(pictures.values()), "subjects": len(SUBJECTS), "expressions": pictures}


def _aside(listing: Listing) -> list[str]:
    kinds: dict[str, list[str]] = {}
    for item in listing.aside:
        kinds.setdefault(item.kind, []).append(item.name)
    return [f"left aside, {len(names)} {kind}: {some_of(names)}" for kind, names in sorted(kinds.items())]


def _without_apex(listing: Listing, peak: Peak) -> list[str]:
    """Clips whose middle is taken although the apex is asked for."""
    if peak != "apex":
        return []
    bare = [clip.name for clip in listing.clips if clip.apexes == ()]
    broken = [clip.name for clip in listing.clips if clip.apexes is None]
    reasons = (("no apex of action units is annotated", bare), ("the file of action units can't be read", broken))
    return [f"{reason}, the clip's middle is taken: {some_of(names)}" for reason, names in reasons if names]


def _differences(listing: Listing) -> list[str]:
    """Against the public list: who and what is missing or not on it. A rejected clip is there, it says its reason."""
    names = [clip.name for clip in listing.clips]
    there = {*names, *(Path(item.file).stem.upper() for item in listing.rejected)}
    missing = [name for name in SEQUENCES if name not in there]
    absent = [subject for subject in SUBJECTS if not any(name.startswith(subject) for name in there)]
    extra = [name for name in names if name not in SEQUENCES]
    findings = (
        ("missing subjects", absent),
        ("missing clips", missing),
        ("clips beyond the public list of 208", extra),
    )
    return [f"{what}: {some_of(found)}" for what, found in findings if found]
