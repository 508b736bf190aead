"""Commands that use a finished run: to read images, or as a file to hand on."""

import sys
from pathlib import Path
from typing import Literal

from ifgan.errors import FAILED, InputError
from ifgan.weights import PACKAGED_MODEL


def predict(
    images: list[Path],
    *,
    model: str = PACKAGED_MODEL,
    json_out: str | None = None,
    csv: str | None = None,
    faces: Path | None = None,
    annotate: Path | None = None,
    aligned: bool = False,
    one: bool = False,
    min_detection: float = 0.0,
    min_face: float = 0.0,
    redraw: Literal["free", "mixture"] | None = None,
    workers: int | None = None,
    device: str = "auto",
) -> int:
    """Read the expressions of every face in images or folders of them: one JSON object an image, or a table.

    Args:
        images: files and folders
        model: ifgan-wild (the one in the package), run folder, checkpoint file or Hugging Face id
        json_out: file to write, or - for standard output, which it is without --csv
        csv: file for a table, a row a face, or - for standard output
        faces: folder for the redrawn faces; they are not anonymous, see docs/privacy.md
        annotate: folder for copies of the images with box, expression, drawing and probabilities at every face
        aligned: images are aligned faces already
        one: only the largest, most central face of each image
        min_detection: leave out faces that the face finder is less sure of, 0 to 1
        min_face: leave out faces whose box is narrower or lower, in pixels of the image; much smaller ones aren't
            looked for, which saves time
        redraw: faces as G draws them (free), or the nearest mixture of average faces; unset: as the model was made
        workers: processes that look for faces; unset: one a core
        device: where the networks work: cpu, cuda, or auto for a GPU where there is one
    """
    from ifgan.experiments.batch_predict import Outputs, predict_files

    if workers is not None and workers < 0:
        raise InputError(f"workers {workers}: expected at least 0")
    failed = predict_files(
        images, model, Outputs(json_out, csv, faces, annotate), aligned=aligned, every_face=not one, redraw=redraw,
        workers=workers, device=device, min_detection=min_detection, min_face=min_face,
    )  # fmt: skip
    return FAILED if failed else 0


def export(
    model: str,
    *,
    out: Path,
    format: Literal["onnx", "safetensors", "run"] | None = None,
    full: bool = False,
    generator: str | None = None,
) -> int:
    """Write a model as one file to hand on, without what only its training needs, or as a run folder to be measured.

    Args:
        model: ifgan-wild (the one in the package), run folder, checkpoint file or Hugging Face id
        out: file to write, or with --format run folder to make
        format: onnx, a file that is read without torch; safetensors; run, a folder to measure; unset: as out is called
        full: weights in full precision; unset: in half precision, half the size
        generator: for the run folder of a baseline: the model whose generator draws, while the baseline goes on reading
    """
    from ifgan.data.averages import read_averages
    from ifgan.engines import find_checkpoint
    from ifgan.models.checkpoint import load_trained, save_trained
    from ifgan.models.export import export_onnx
    from ifgan.training.adopted import adopt, with_generator

    source = find_checkpoint(model)
    if format == "run":
        adopt(load_trained(source).for_release(), out, sys.argv)
        print(f"{out}: whom the model has seen is not known; measure it with --people all")
        return 0
    if out.suffix not in ([f".{format}"] if format else [".onnx", ".safetensors"]):
        raise InputError(f"{out}: expected a name that ends in .{format or 'onnx or .safetensors'}")
    if out.exists() and out.samefile(source):
        raise InputError(f"{out}: is the model itself; choose another name")
    trained = load_trained(source)
    if generator is not None:
        averages = read_averages(Path(model) / "average_faces")
        trained = with_generator(trained, load_trained(find_checkpoint(generator)), averages)
    trained = trained.for_release()
    if out.suffix == ".onnx":
        files = export_onnx(out, trained, half=not full)
    else:
        save_trained(out, trained, half=not full)
        files = [out]
    for file in files:
        print(f"{file}: {file.stat().st_size / 1e6:.1f} MB")
    return 0
