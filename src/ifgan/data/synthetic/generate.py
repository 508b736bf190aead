"""Makes the synthetic posed set (§4.1 stands on BU-3DFE, whose layout and file names this one has).

``OUT/F0001/F0001_AN04WH_F2D.png`` and so on: per subject six expressions at levels 01 to 04 and one neutral; with
``contempt`` a seventh, ``CO``, which BU-3DFE doesn't have.
Beside the images: ``ground_truth.csv`` (a row per image), ``identities.json`` (a shape vector per subject),
``synthesis.json`` (seed, counts, versions), and ``truth/``, one file per finished subject, by which a run that
was broken off goes on.
"""

import csv
import io
import json
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ifgan.data.synthetic.colour import Painter, fold_shadow
from ifgan.data.synthetic.expression import LEVELS, NEUTRAL, Pose, draw_pose
from ifgan.data.synthetic.identity import Identity, draw_identity, subject_name
from ifgan.data.synthetic.mesh import Head, hollowness, load_head, neighbour_mean, vertex_normals
from ifgan.data.synthetic.render import render
from ifgan.data.synthetic.scene import Scene, camera_for, draw_scene, gaze_actions, paint_background, turn_head
from ifgan.errors import InputError
from ifgan.faces.picture import to_png
from ifgan.files import read_json, read_object, write_bytes, write_json, write_text
from ifgan.labels import BASIC
from ifgan.progress import track
from ifgan.seeds import numpy_rng
from ifgan.versions import versions_of
from ifgan.workers import Work, map_in_processes, worker_count

RECIPE = 1  # raised whenever the same seed gives other images
_CODES = {"anger": "AN", "disgust": "DI", "fear": "FE", "happiness": "HA", "sadness": "SA", "surprise": "SU"}
_CODES |= {"contempt": "CO"}


@dataclass(frozen=True)
class SynthesisReport:
    """What a run did: ``subjects`` and ``pictures`` in the folder now, ``made`` subjects of them in this run."""

    folder: Path
    subjects: int
    pictures: int
    made: int
    seconds: float


def synthesize(
    out: Path,
    subjects: int = 100,
    seed: int = 0,
    workers: int | None = None,
    *,
    contempt: bool = False,
) -> SynthesisReport:
    """Make the images of subjects 0 to ``subjects`` - 1; those already finished in ``out`` are kept.

    Subject k of a seed is the same, byte for byte, whatever the number of subjects or ``workers`` (None: one per
    core), and with ``contempt`` or without. Raises InputError when anny is missing, when the folder can't be written or
    holds another set, or for fewer than one subject.
    """
    out, started = Path(out), time.monotonic()
    if subjects < 1:
        raise InputError(f"subjects: {subjects} given; expected at least 1")
    load_head()  # a missing package is found here, before anything is written
    _claim(out, seed, contempt)
    todo = [number for number in range(subjects) if not _truth_path(out, number).exists()]
    _make_all(out, todo, partial(_make_subject, out, seed, contempt), workers)
    truths = [read_json(path) for path in sorted((out / "truth").glob("*.json"))]
    rows = [row for truth in truths for row in truth["pictures"]]
    _write_tables(out, truths, rows)
    write_json(out / "synthesis.json", _about(seed, contempt) | {"subjects": len(truths), "pictures": len(rows)})
    return SynthesisReport(out, len(truths), len(rows), len(todo), time.monotonic() - started)


def _about(seed: int, contempt: bool) -> dict[str, Any]:
    return {
        "seed": seed,
        "recipe": RECIPE,
        "contempt": contempt,
        "versions": versions_of(("anny", "numpy", "Pillow", "scipy")),
    }


def _claim(out: Path, seed: int, contempt: bool) -> None:
    """Mark the folder as this seed's, or refuse it when it is another's."""
    path, asked = out / "synthesis.json", _about(seed, contempt)
    if path.exists():
        found = read_object(path)
        for name in ("seed", "recipe", "contempt"):
            if found.get(name, False) != asked[name]:
                raise InputError(
                    f"{path}: the folder holds a set of {name} {found.get(name)}; expected {asked[name]}, "
                    "or another folder"
                )
        return
    write_json(path, asked)


def _truth_path(out: Path, number: int) -> Path:
    return out / "truth" / f"{subject_name(number)}.json"


def _make_all(out: Path, todo: list[int], make: Callable[[int], None], workers: int | None) -> None:
    workers = min(worker_count(workers), len(todo))
    if workers <= 1:  # in this process, so that a script needs no __main__ guard
        _open_studio()
        for number in track(todo, "rendering", len(todo), "people"):
            make(number)
        return
    work = Work(make, _open_studio, (), partial(_died, out), preload=(__name__,))
    deque(track(map_in_processes(work, todo, workers), "rendering", len(todo), "people"), maxlen=0)


def _died(out: Path, number: int) -> None:
    told = f"the process that drew {subject_name(number)} was killed; run again to go on, with fewer workers"
    raise InputError(f"{out}: {told}")


_studio: list["Studio"] = []  # one a process: reading the head takes longer than drawing it


def _open_studio() -> None:
    if not _studio:
        _studio.append(Studio(load_head()))


def _make_subject(out: Path, seed: int, contempt: bool, number: int) -> None:
    identity = draw_identity(seed, number, _studio[0].head)
    rows = []
    for row, image_hwc_uint8 in _studio[0].pictures(identity, seed, contempt=contempt):
        write_bytes(out / row["image"], to_png(image_hwc_uint8, compress_level=4))
        rows.append(row)
    write_json(
        _truth_path(out, number), {"identity": asdict(identity), "pictures": rows}
    )  # last: says that all are there


class Studio:
    """Draws people; keeps what all of them share."""

    def __init__(self, head: Head) -> None:
        self.head, self.painter = head, Painter(head)
        self._mean = neighbour_mean(self.painter.triangles, len(head.vertices))
        self._offsets: dict[str, np.ndarray] = {}  # parsing a target takes longer than adding it

    def pictures(
        self, identity: Identity, seed: int, *, contempt: bool = False
    ) -> Iterator[tuple[dict[str, Any], np.ndarray]]:
        """Yield (ground truth row, HWC uint8 image) of one subject, neutral first."""
        neutral, action = self._neutral(identity), self.head.action
        surface = self.painter.surface(identity.paint, numpy_rng("synthetic skin", seed, identity.subject))
        resting = hollowness(neutral, vertex_normals(neutral, surface.triangles), self._mean)
        for level, pose in _poses(identity.subject, seed, contempt):
            name = f"{identity.subject}_{_CODES.get(pose.expression, 'NE')}{level:02d}{identity.ethnicity}_F2D.png"
            rng = numpy_rng("synthetic scene", seed, name)
            scene = draw_scene(rng)
            vertices = neutral + self._moved(pose.actions(), action) + self._moved(gaze_actions(scene), action)
            vertices = turn_head(vertices, self.head.vertices[:, 1], scene)
            eyes = self._eyes(vertices)
            vertices -= eyes.mean(axis=0)
            camera = camera_for(scene, float(np.linalg.norm(eyes[0] - eyes[1])))
            normals = vertex_normals(vertices, surface.triangles)
            folded = fold_shadow(surface, hollowness(vertices, normals, self._mean) - resting)
            image = render(
                vertices, normals, folded, light=scene.light, camera=camera, background=paint_background(scene, rng)
            )
            yield _row(f"{identity.subject}/{name}", identity, level, pose, scene, seed=seed), image

    def _neutral(self, identity: Identity) -> np.ndarray:
        vertices = self.head.vertices + self._moved(identity.shapes, self.head.target)
        return vertices + self.painter.hair_offsets(identity.paint, vertex_normals(vertices, self.painter.triangles))

    def _moved(self, weights: dict[str, float], read: Callable[[str], np.ndarray]) -> np.ndarray:
        """(V, 3) dm: the weighted sum of targets or actions."""
        total = np.zeros_like(self.head.vertices)
        for name, weight in weights.items():
            if name not in self._offsets:
                self._offsets[name] = read(name)
            total += weight * self._offsets[name]
        return total

    def _eyes(self, vertices: np.ndarray) -> np.ndarray:
        """(2, 3): the centres of the left and the right eyeball."""
        return np.stack([vertices[self.painter.part[part]].mean(axis=0) for part in ("left eye", "right eye")])


def _poses(subject: str, seed: int, contempt: bool) -> list[tuple[int, Pose]]:
    """(level, pose) of the 25 images, 29 with contempt: the four levels of an expression scale one sample."""
    poses = [(0, NEUTRAL)]
    for expression in (*BASIC, *(["contempt"] if contempt else [])):
        strongest = draw_pose(expression, numpy_rng("synthetic pose", seed, subject, expression))
        poses += [(level, strongest.at_level(level)) for level in LEVELS]
    return poses


def _row(image: str, identity: Identity, level: int, pose: Pose, scene: Scene, *, seed: int) -> dict[str, Any]:
    def rounded(values: dict | list) -> str:
        return json.dumps(values, separators=(",", ":"))

    return {
        "image": image,
        "subject": identity.subject,
        "expression": pose.expression,
        "level": f"{level:02d}",
        "prototype": pose.prototype,
        "action_units": rounded({unit: [round(side, 4) for side in sides] for unit, sides in pose.units.items()}),
        "letters": rounded(pose.letters),
        "coefficients": rounded({name: round(value, 4) for name, value in pose.actions().items()}),
        "age": identity.age,
        "gender": identity.gender,
        "ethnicity": identity.ethnicity,
        "yaw_deg": round(scene.yaw_deg, 3),
        "pitch_deg": round(scene.pitch_deg, 3),
        "roll_deg": round(scene.roll_deg, 3),
        "gaze": rounded([round(value, 3) for value in scene.gaze]),
        "light": rounded({name: np.round(value, 4).tolist() for name, value in asdict(scene.light).items()}),
        "seed": seed,
    }


def _write_tables(out: Path, truths: list[dict], rows: list[dict]) -> None:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(out / "ground_truth.csv", text.getvalue())
    write_json(out / "identities.json", {truth["identity"]["subject"]: truth["identity"] for truth in truths})
