"""BU-3DFE: 100 people, six expressions at four levels, one neutral (§4.1; layout and counts: docs/data/bu3dfe.md).

Only the frontal textures ``<subject>_<EX><LL><ET>_F2D.bmp|png|jpg`` are read, wherever they lie below ROOT.
The paper takes the last two levels: 100 x 6 x 2 = 1,200 images. The synthetic set has the same names;
``synthesis.json`` marks it as ``synthetic`` and ``ground_truth.csv`` supplies age, gender and ethnicity.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path

from ifgan.data.readers.base import Reading, SourcePicture
from ifgan.errors import InputError, some_of
from ifgan.files import existing_folder, files_below, read_json
from ifgan.labels import BASIC, canonical

FILE_NAME = re.compile(
    r"(?P<subject>[FM]\d{4})_(?P<expression>AN|CO|DI|FE|HA|NE|SA|SU)(?P<level>0[0-4])(?P<ethnicity>[A-Z]{2})"
    r"_F2D\.(bmp|png|jpg)",
    re.IGNORECASE,
)
LEVELS = ("01", "02", "03", "04")
_MARK = "synthesis.json"  # what `ifgan synthesize` leaves
RENDERED = "synthetic"  # the data set's name in the manifests of all sets of rendered people
SUBJECTS = (*(f"F{i:04d}" for i in range(1, 57)), *(f"M{i:04d}" for i in range(1, 45)))
ETHNICITIES = {
    "WH": "White",
    "BL": "Black",
    "AE": "East-Asian",
    "AM": "Middle-east Asian",
    "IN": "Indian",
    "LA": "Hispanic Latino",
}
Kind = tuple[str, str]  # (expression, level), e.g. ("anger", "04")


def read_bu3dfe(root: Path, *, levels: str = "03,04", neutral: bool = False, contempt: bool = False) -> Reading:
    """The textures below ``root``. ``levels``: comma-separated, or ``all``; ``neutral`` adds the NE00 images,
    ``contempt`` that of rendered people.

    Raises InputError for an unknown level, when no texture is found, and for contempt, which BU-3DFE doesn't have.
    """
    root = existing_folder(root)
    synthetic = (root / _MARK).exists()
    if contempt and not (synthetic and read_json(root / _MARK).get("contempt")):
        raise InputError(f"{root}: holds no contempt; ifgan synthesize --contempt makes people who show it")
    expressions = (*BASIC, *(["contempt"] if contempt else []))
    wanted = [(expression, level) for expression in expressions for level in _levels(levels)]
    wanted += [("neutral", "00")] if neutral else []
    dataset = RENDERED if synthetic else "bu3dfe"
    pictures, notes = _pictures(root, dataset, wanted)
    subjects = sorted({picture.subject for picture in pictures}) if synthetic else SUBJECTS
    # A broken-off synthesis doesn't state its number of subjects yet.
    number = read_json(root / _MARK).get("subjects", len(subjects)) if synthetic else len(SUBJECTS)
    return Reading(
        dataset=dataset,
        items=pictures,
        total=len(pictures),
        expected=_expected(wanted, number),
        notes=(*notes, *_differences(pictures, wanted, subjects)),
    )


def _levels(levels: str) -> tuple[str, ...]:
    words = LEVELS if levels == "all" else [word.strip() for word in levels.split(",")]
    unknown = [word for word in words if word.zfill(2) not in LEVELS]
    if unknown:
        raise InputError(f"levels: {unknown[0]!r} is no BU-3DFE level; expected some of {','.join(LEVELS)}, or all")
    return tuple(sorted({word.zfill(2) for word in words}))


def _pictures(root: Path, dataset: str, wanted: Sequence[Kind]) -> tuple[list[SourcePicture], list[str]]:
    """The wanted textures, each once, in the order of their names; what was left aside."""
    people = _ground_truth(root / "ground_truth.csv")
    chosen: dict[str, SourcePicture] = {}
    twice, odd, seen = [], [], 0
    for path in sorted(files_below(root), key=lambda path: (path.name, path)):
        if path.name == _MARK and path.parent != root:
            raise InputError(f"{path.parent}: rendered people; prepare them by themselves, not with {root}")
        match = FILE_NAME.fullmatch(path.name)
        relative = path.relative_to(root).as_posix()
        if match is None:
            odd += [relative] if "_F2D." in path.name and not path.name.startswith(".") else []
            continue
        seen += 1
        picture = _picture(path, relative, match, dataset, people.get(path.name, {}))
        if (picture.expression, picture.intensity) not in wanted:
            continue
        if picture.name in chosen:
            twice.append(relative)
        chosen.setdefault(picture.name, picture)
    if not seen:
        raise InputError(f"{root}: no BU-3DFE texture below it; expected files such as F0001/F0001_AN04WH_F2D.bmp")
    notes = [f"left aside, the same texture again: {some_of(twice)}"] if twice else []
    return list(chosen.values()), notes + ([f"left aside, not a BU-3DFE name: {some_of(odd)}"] if odd else [])


def _picture(path: Path, relative: str, match: re.Match[str], dataset: str, person: dict[str, str]) -> SourcePicture:
    ethnicity = person.get("ethnicity") or match["ethnicity"].upper()
    return SourcePicture(
        image=path,
        name=f"{match['subject']}_{match['expression']}{match['level']}".upper(),
        source=relative,
        dataset=dataset,
        subject=match["subject"].upper(),
        sequence=match["expression"].upper(),
        frame=match["level"],
        expression=canonical(match["expression"]),
        intensity=match["level"],
        age=person.get("age", ""),
        gender=person.get("gender") or {"F": "female", "M": "male"}[match["subject"][0].upper()],
        ethnicity=ETHNICITIES.get(ethnicity, ethnicity),
    )


def _ground_truth(path: Path) -> dict[str, dict[str, str]]:
    """File name -> row of the synthetic set's table; empty for the real set, which has none."""
    if not path.exists():
        return {}
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = csv.DictReader(file)
        if "image" not in (rows.fieldnames or []):
            raise InputError(f"{path}: column 'image' is missing")
        return {Path(row["image"]).name: row for row in rows}


def _expected(wanted: Sequence[Kind], subjects: int) -> dict:
    per_expression = {name: subjects * sum(name == expression for expression, _ in wanted) for name, _ in wanted}
    return {"pictures": subjects * len(wanted), "subjects": subjects, "expressions": per_expression}


def _differences(pictures: list[SourcePicture], wanted: Sequence[Kind], subjects: Sequence[str]) -> list[str]:
    """Who is missing or not of the set, and whose textures are incomplete."""
    found: dict[str, set[Kind]] = {}
    for picture in pictures:
        found.setdefault(picture.subject, set()).add((picture.expression, picture.intensity))
    absent = [subject for subject in subjects if subject not in found]
    extra = [subject for subject in found if subject not in subjects]
    gaps = [
        f"{subject} {expression} {level}"
        for subject, kinds in found.items()
        for expression, level in wanted
        if (expression, level) not in kinds
    ]
    findings = (("missing subjects", absent), ("subjects that BU-3DFE doesn't have", extra), ("missing textures", gaps))
    return [f"{what}: {some_of(names)}" for what, names in findings if names]
