"""The guided tour of docs/one_image.md with a drawn face: the same stops, and what holds at each.

Small where the paper is large: 96 pixels for 224, four people for a hundred, one epoch for a hundred.
"""

import csv
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType, SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import ifgan
from drawn_faces import draw_face, on_canvas
from ifgan import losses
from ifgan.data.averages import average_faces
from ifgan.data.pairs import Batch, FacePairs
from ifgan.data.prepare import prepare
from ifgan.data.sample import COLUMNS, read_manifest
from ifgan.data.splits import folds_of, split_samples
from ifgan.experiments.batch_predict import Outputs, predict_files
from ifgan.faces.align import TEMPLATE_XY_PX, align_face, similarity_from_landmarks, transform_points
from ifgan.faces.model_input import to_model_input
from ifgan.faces.picture import open_picture
from ifgan.faces.pipeline import find_faces
from ifgan.models.checkpoint import load_trained, save_trained
from ifgan.models.discriminator import Discriminator
from ifgan.models.generator import Generator
from ifgan.models.ifgan import Classifier, predict
from ifgan.predict import Prediction, Recognizer
from ifgan.presets import make_config
from ifgan.training.fit import fit, make_accelerator
from ifgan.training.networks import build_networks
from ifgan.training.run_data import SplitChoice, load_run_data
from ifgan.training.run_folder import RunFolder
from ifgan.training.step import discriminator_objective, joint_objective, train_step

STOPS = (
    open_picture, find_faces, align_face, prepare, folds_of, average_faces, to_model_input, FacePairs, Generator,
    Discriminator, Classifier, losses.weighted_sum, train_step, fit, save_trained, load_trained, Recognizer, Prediction,
    predict_files,
)  # fmt: skip
DOCUMENT = Path(__file__).parents[1] / "docs" / "one_image.md"
EXPRESSIONS, PEOPLE, SIDE = ("happiness", "surprise"), 4, 96
CONFIG = make_config(
    "cpu", image_size=SIDE, generator_width=4, discriminator_width=4, backbone="resnet18", classifier_weights="none",
    epochs=1, batch_size=4, average_dropout=0.0,
)  # fmt: skip


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> SimpleNamespace:
    """The photographs (a drawn face on a grey wall, four people with two expressions), prepared, divided, averaged."""
    root = tmp_path_factory.mktemp("tour")
    rows = [(f"p{person}_{name}.png", f"p{person}", name) for person in range(PEOPLE) for name in EXPRESSIONS]
    photos, landmarks = root / "photos", {}
    photos.mkdir()
    for file, person, name in rows:
        canvas, (points,) = on_canvas([draw_face(int(person[1:]), 256, name)], 320, 400, [(100, 40)])
        Image.fromarray(canvas).save(photos / file)
        landmarks[file] = points
    with open(photos / "labels.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "subject", "expression"), *rows])
    prepare("folder", photos, root / "prepared")
    data = load_run_data(root / "prepared", SplitChoice(0, "step", PEOPLE))
    pairs = data.pairs("train", CONFIG)
    batch = Batch(*map(torch.stack, zip(*(pairs[0, index] for index in range(4)), strict=True)))
    return SimpleNamespace(
        root=root, photo=photos / rows[0][0], landmarks=landmarks[rows[0][0]], data=data, batch=batch
    )


def test_a_file_becomes_pixels(tour: SimpleNamespace):
    picture = open_picture(tour.photo)
    assert (picture.shape, picture.dtype) == ((320, 400, 3), np.uint8)


def test_the_face_is_found_where_it_was_drawn(tour: SimpleNamespace):
    found = next(find_faces([tour.photo]))
    assert len(found.faces) == 1
    assert np.abs(np.array(found.faces[0].landmarks_xy_px)[:3] - tour.landmarks[:3]).max() < 12  # of 400


def test_the_aligned_face_has_its_eyes_and_nose_on_the_template(tour: SimpleNamespace):
    aligned = align_face(open_picture(tour.photo), tour.landmarks)
    assert (aligned.shape, aligned.dtype) == ((256, 256, 3), np.uint8)
    placed = transform_points(similarity_from_landmarks(tour.landmarks), tour.landmarks[:3])
    assert np.abs(placed - TEMPLATE_XY_PX).max() < 6


def test_a_prepared_set_lists_every_picture(tour: SimpleNamespace):
    samples = read_manifest(tour.root / "prepared")
    assert len(samples) == PEOPLE * len(EXPRESSIONS)
    assert all(open_picture(tour.root / "prepared" / sample.image).shape == (256, 256, 3) for sample in samples)


def test_nobody_is_in_two_parts(tour: SimpleNamespace):
    for fold in folds_of(read_manifest(tour.root / "prepared"), number=PEOPLE):
        assert sorted(fold.train + fold.validation + fold.test) == [f"p{person}" for person in range(PEOPLE)]


def test_average_faces_are_the_means_of_those_who_train(tour: SimpleNamespace):
    samples = read_manifest(tour.root / "prepared")
    training = split_samples(samples, folds_of(samples, number=PEOPLE)[0])["train"]
    averages = average_faces((tour.root / "prepared", sample) for sample in training)
    for name in EXPRESSIONS:
        pictures = [open_picture(tour.root / "prepared" / s.image) for s in training if s.expression == name]
        assert np.abs(averages[name] - np.mean(pictures, axis=0)).max() <= 0.5  # rounded to uint8
        assert np.array_equal(averages[name], tour.data.averages[name])


def test_a_pair_is_the_picture_varied_and_its_average_face_flipped_alike(tour: SimpleNamespace):
    image, average, target = tour.data.pairs("train", CONFIG)[3, 0]
    straight = torch.from_numpy(to_model_input(tour.data.averages[tour.data.labels[target.argmax()]], SIDE))
    for tensor in (image, average):
        assert (tensor.shape, tensor.dtype) == ((3, SIDE, SIDE), torch.float32)
        assert tensor.abs().max() <= 1
    assert any(torch.equal(average, turned) for turned in (straight, straight.flip(-1)))
    tested = tour.data.pairs("test", CONFIG)
    assert torch.equal(tested[0, 0].image, tested[9, 0].image)  # not varied from epoch to epoch


def test_g_redraws_d_judges_e_reads(tour: SimpleNamespace):
    nets = build_networks(CONFIG, len(EXPRESSIONS), make_accelerator(CONFIG))
    nets.system.eval()
    fake = nets.generator(tour.batch.image)
    assert fake.shape == tour.batch.average.shape
    assert fake.abs().max() <= 1
    assert torch.equal(fake, nets.generator(tour.batch.image))  # no chance in it
    verdict = nets.discriminator(tour.batch.image, fake)
    assert verdict.shape == (4, 1, 10, 10)  # a number a patch; 26 x 26 at 224
    logits, features = nets.classifier(tour.batch.image, fake)
    assert (logits.shape, features.shape) == ((4, 2), (4, 512))  # ResNet-18; the paper's ResNet-101 has 2048


def test_every_loss_has_its_weight(tour: SimpleNamespace):
    nets = build_networks(CONFIG, len(EXPRESSIONS), make_accelerator(CONFIG))
    fake = nets.generator(tour.batch.image)
    total, parts, _, _ = joint_objective(nets, tour.batch, fake, CONFIG)
    assert parts.keys() == {"gan", "l1", "softmax", "island"}
    by_hand = sum(getattr(CONFIG.losses, name) * loss.item() for name, loss in parts.items())
    assert total.item() == pytest.approx(by_hand, rel=1e-5)
    assert parts["l1"].item() == pytest.approx((fake - tour.batch.average).abs().mean().item(), rel=1e-5)
    assert discriminator_objective(nets, tour.batch, fake.detach())[1].keys() == {"discriminator"}


def test_one_step_moves_g_d_e_and_the_centres(tour: SimpleNamespace):
    accelerator = make_accelerator(CONFIG)
    nets = build_networks(CONFIG, len(EXPRESSIONS), accelerator)
    parts = (nets.system.generator, nets.plain_discriminator, nets.system.classifier)
    before = [torch.cat([p.detach().flatten() for p in part.parameters()]) for part in parts]
    values = train_step(nets, tour.batch, CONFIG, accelerator, 0)
    assert values.keys() == {"discriminator", "gan", "l1", "softmax", "island"}
    after = [torch.cat([p.detach().flatten() for p in part.parameters()]) for part in parts]
    assert all((one - other).abs().max() > 0 for one, other in zip(before, after, strict=True))
    assert nets.centers.values.abs().max() > 0


@pytest.fixture(scope="module")
def run(tour: SimpleNamespace) -> RunFolder:
    """A whole training, of one epoch."""
    run = RunFolder(tour.root / "run")
    run.start(CONFIG, tour.data.record, ["tour"], resume=False)
    fit(CONFIG, run, tour.data.pairs("train", CONFIG), tour.data.pairs("validation", CONFIG), say=lambda line: None)
    return run


def test_a_checkpoint_needs_nothing_but_itself(run: RunFolder, tour: SimpleNamespace, tmp_path: Path):
    trained = load_trained(run.best)
    assert (trained.labels, trained.config) == (EXPRESSIONS, CONFIG)
    assert torch.equal(trained.system.mixture.averages, tour.data.pairs("train", CONFIG).average_inputs())
    save_trained(tmp_path / "copy.safetensors", trained)
    again = load_trained(tmp_path / "copy.safetensors")
    before, after = (predict(one.system, tour.batch.image, one.config).logits for one in (trained, again))
    assert torch.equal(before, after)


def test_the_recognizer_goes_the_same_way_and_answers_in_json(run: RunFolder, tour: SimpleNamespace):
    (face,) = Recognizer.from_pretrained(run.path)(tour.photo)
    assert sum(face.probabilities.values()) == pytest.approx(1, abs=1e-5)
    assert face.average_face.size == (SIDE, SIDE)
    trained = load_trained(run.best)
    image = torch.from_numpy(to_model_input(next(find_faces([tour.photo])).aligned[0], SIDE))[None]
    by_hand = predict(trained.system, image, trained.config)
    expected = (by_hand.logits / trained.temperature).softmax(1)[0].tolist()
    assert list(face.probabilities.values()) == pytest.approx(expected, abs=1e-5)
    assert predict_files([tour.photo], str(run.path), Outputs(str(tour.root / "out.jsonl"))) == 0
    line = json.loads((tour.root / "out.jsonl").read_text())
    assert line == {"image": str(tour.photo), "faces": [face.to_dict()], "error": None}


def files_of(work: Callable[[], object]) -> list[str]:
    """The files of the package whose functions run while ``work`` does, in the order in which they come in."""
    root, files = Path(ifgan.__file__).parent, {}

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and Path(frame.f_code.co_filename).is_relative_to(root):
            files[Path(frame.f_code.co_filename).relative_to(root).as_posix()] = None

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return list(files)


def test_the_document_names_the_files_that_an_image_and_a_batch_go_through(run: RunFolder, tour: SimpleNamespace):
    recognizer = Recognizer.from_pretrained()
    recognizer(tour.photo)  # which makes its detector
    accelerator = make_accelerator(CONFIG)
    nets = build_networks(CONFIG, len(EXPRESSIONS), accelerator)
    ways = {
        "Image": files_of(lambda: [face.average_face for face in recognizer(tour.photo)]),
        "Batch": files_of(lambda: train_step(nets, tour.batch, CONFIG, accelerator, 0)),
    }
    for what, files in ways.items():
        assert f"**{what}:** {', '.join(f'`{file}`' for file in files)}." in " ".join(DOCUMENT.read_text().split())
    assert len(ways["Image"]) <= 8 and len(ways["Batch"]) <= 6


@pytest.mark.parametrize("stop", STOPS, ids=lambda stop: stop.__name__)
def test_the_document_names_every_stop(stop: Callable):
    assert re.search(rf"\b{stop.__name__}[(.`]", DOCUMENT.read_text())


def test_the_document_gives_the_manifest_s_columns():
    assert f"`{','.join(COLUMNS)}`" in DOCUMENT.read_text()
