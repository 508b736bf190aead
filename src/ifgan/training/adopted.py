"""Models put together: one from a file as a run folder, so that what measures runs measures it too, on people whom it
hasn't seen; and a baseline's E with a G that learnt elsewhere. What a file doesn't tell stays open: whom it was trained
and validated on is recorded as unknown.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from PIL import Image

from ifgan.data.averages import write_averages
from ifgan.data.pairs import FacePairs
from ifgan.data.sample import SPLITS
from ifgan.errors import InputError
from ifgan.faces.align import ALIGNED_SHAPE, ALIGNED_SIZE
from ifgan.faces.model_input import to_picture, working_side
from ifgan.models.build import build_system
from ifgan.models.checkpoint import Trained, save_trained
from ifgan.models.ifgan import IFGAN
from ifgan.training.run_folder import RunFolder


def adopt(trained: Trained, out: Path, command: list[str]) -> RunFolder:
    """Write ``trained`` as a finished run without a history. Raises InputError for a folder that holds anything."""
    run = RunFolder(Path(out))
    run.start(trained.config, _record(), command, resume=False)
    save_trained(run.best, trained)
    write_averages(run.path / "average_faces", _averages(trained))
    (run.path / "done").touch()
    return run


def _record() -> dict[str, Any]:
    nobody_knows: dict[str, Any] = {"subjects": {part: [""] for part in SPLITS}, "pictures": dict.fromkeys(SPLITS, 0)}
    names = {"data": "", "dataset": "", "extra": [], "averages_from": [], "left_out": [], "validation_dropped": []}
    choice = dict.fromkeys(("fold", "rule", "folds", "file", "train_subjects"))
    return names | {"choice": choice, "fold": None, "sources": dict.fromkeys(SPLITS, "")} | nobody_knows


def _averages(trained: Trained) -> dict[str, np.ndarray]:
    """Those that the model keeps to mix faces from, which is what networks see of them, as (256, 256, 3) uint8; grey
    ones of a baseline, which keeps none.
    """
    if not isinstance(trained.system, IFGAN):
        return {name: np.full(ALIGNED_SHAPE, 128, np.uint8) for name in trained.labels}
    kept = trained.system.mixture.averages  # (N, 3, S, S)
    size = kept.shape[-1]
    # What networks see of an aligned face is its middle.
    side = round(ALIGNED_SIZE * size / working_side(size) / trained.form.center_crop_zoom)
    before = (ALIGNED_SIZE - side) // 2
    border = (before, ALIGNED_SIZE - side - before)
    faces = (np.asarray(Image.fromarray(to_picture(face.numpy())).resize((side, side))) for face in kept)
    padded = (np.pad(face, (border, border, (0, 0)), mode="edge") for face in faces)
    return dict(zip(trained.labels, padded, strict=True))


def with_generator(reader: Trained, drawer: Trained, averages: dict[str, np.ndarray]) -> Trained:
    """A baseline that draws too: E of ``reader`` reads the image alone, as before, and G of ``drawer`` redraws it.
    ``averages``: (256, 256, 3) uint8 of each expression that E knows, for mixtures.

    Raises InputError where the one is no baseline, the other has no generator, or they see faces in other forms.
    """
    if isinstance(reader.system, IFGAN):
        raise InputError("the model has a generator already; give a run of method baseline")
    drawing = drawer.with_generator("--generator")
    size = reader.config.preprocess.image_size
    if (reader.form, size) != (drawer.form, drawer.config.preprocess.image_size):
        raise InputError("classifier and generator see faces in other forms (see preprocess)")
    config = reader.config.changed(
        method=drawer.config.method,
        generator=drawer.config.generator.model_dump(),
        classifier={"tta_inputs": ("image",)},
        losses={"gan": 0.0},  # E never met a discriminator
    )
    system = cast(IFGAN, build_system(config, len(reader.labels), pretrained="none")).eval()
    system.generator.load_state_dict(drawing.generator.state_dict())
    own = reader.system.classifier.state_dict()
    for name, fresh in system.classifier.state_dict().items():
        if name in ("mean", "std"):
            own[name] = fresh
        elif own[name].shape != fresh.shape:  # the stem, which gets three channels for a half that it doesn't see
            own[name] = torch.cat([own[name], torch.zeros_like(own[name])], dim=1)
    system.classifier.load_state_dict(own)
    pairs = FacePairs([], reader.labels, averages, size, form=reader.form)
    system.mixture.averages.copy_(pairs.average_inputs())
    return replace(reader, system=system, config=config)
