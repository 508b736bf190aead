"""Commands that make and check data sets."""

from pathlib import Path
from typing import Literal

from ifgan.errors import FAILED


def synthesize(
    out: Path, subjects: int = 100, seed: int = 0, contempt: bool = False, workers: int | None = None
) -> int:
    """Make a synthetic posed set in BU-3DFE's layout: people who do not exist, with known identity and action units.

    Args:
        out: folder to make
        subjects: how many people
        seed: everything derives from it
        contempt: a seventh expression, which BU-3DFE doesn't have
        workers: processes; unset: one a core
    """
    from ifgan.data.synthetic import synthesize as make

    report = make(out, subjects, seed, workers, contempt=contempt)
    print(f"{report.folder}: {report.pictures} images of {report.subjects} subjects in {report.seconds:.0f} s")
    return 0


def prepare(
    set: Literal["bu3dfe", "ckplus", "fer2013", "folder", "jaffe", "mmi", "rafdb"],
    root: Path,
    *,
    out: Path,
    aligned: bool = False,
    subjects_unknown: bool = False,
    workers: int | None = None,
    levels: list[str] | None = None,
    neutral: bool = False,
    contempt: bool = False,
    peak: Literal["apex", "middle"] | None = None,
    images: Literal["aligned", "original"] | None = None,
    landmarks: Literal["manual", "detect"] | None = None,
    align: bool = False,
    votes: Path | None = None,
    labels: Literal["original", "majority", "probabilistic"] | None = None,
    part: Literal["train", "validation", "test"] | None = None,
) -> int:
    """Find and align the faces of a data set, and list them in a manifest.

    Args:
        set: which data set
        root: its folder as the owners distribute it
        out: prepared folder to make
        aligned: faces are cropped already, skip detection
        subjects_unknown: accept images without subject ids
        workers: processes; unset: one a core
        levels: bu3dfe: which of 01 02 03 04, or all; unset: 03 04
        neutral: bu3dfe, ckplus, jaffe, mmi: the neutral images too
        contempt: ckplus, rendered people: contempt too
        peak: mmi: where the peak frames lie, apex of the action units or middle of the clip; unset: apex
        images: rafdb: cropped faces (aligned) or photographs (original); unset: aligned
        landmarks: rafdb: of photographs, the owner's (manual) or found ones (detect); unset: manual
        align: fer2013: seek the faces in the crops, so that they lie where a photograph's do
        votes: fer2013: FER+'s fer2013new.csv, ten voters' labels
        labels: fer2013: its own (original), FER+'s rule (majority) or the most voted (probabilistic); unset: majority
            where there are votes
        part: fer2013: only Training (train), PublicTest (validation) or PrivateTest (test)
    """
    from ifgan.data.prepare import prepare as run

    report = run(
        set,
        root,
        out,
        aligned=aligned,
        subjects_unknown=subjects_unknown,
        workers=workers,
        levels=",".join(levels) if levels else None,
        neutral=neutral,
        contempt=contempt,
        peak=peak,
        images=images,
        landmarks=landmarks,
        align=align,
        votes=votes,
        labels=labels,
        part=part,
    )
    print(report.text())
    return FAILED if report.failed else 0


def check(dir: Path, *, folds_file: Path | None = None, json_file: Path | None = None) -> int:
    """Count a prepared set per class, subject and split; find unreadable files and leaks.

    Args:
        dir: prepared folder
        folds_file: judge these folds too, e.g. somebody else's
        json_file: also write it here, with the count of every subject
    """
    from ifgan.data.check import check as run
    from ifgan.data.folds import read_folds
    from ifgan.files import write_json

    report = run(dir, None if folds_file is None else read_folds(folds_file))
    if json_file is not None:
        write_json(json_file, report.to_dict())
    print(report.text())
    return FAILED if report.failed else 0
