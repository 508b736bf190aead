"""How much of who somebody is remains in an image: people re-identified from it, before and after G redrew it.

Views of the same images are turned into vectors (pixels, features of networks), and probes name the person; beside
it, whether the expression can still be read off the same vectors. The paper claims that identity goes (§1, §4.5) and
gives no number.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from ifgan.data.pairs import FacePairs
from ifgan.data.sample import Sample
from ifgan.errors import InputError
from ifgan.experiments.anonymisers import PlainAnonymizers, views_of
from ifgan.experiments.evaluation import open_run, open_unseen, refuse_oracle
from ifgan.experiments.leakage_report import Groups, Leakage, Row
from ifgan.experiments.reidentification import PROBES, read_from, reidentified
from ifgan.models.checkpoint import Trained, load_trained
from ifgan.models.device import device_of, fastest_device
from ifgan.models.ifgan import IFGAN, Classifier, predict
from ifgan.models.packaged_weights import PACKAGED
from ifgan.training.run_folder import RunFolder

People = Literal["test", "all"]
VectorsOf = Callable[[Tensor], np.ndarray]  # images (M, 3, S, S) -> (M, F)
_BATCH = 64


def measure_leakage(
    run: Path,
    data: Path,
    *,
    baseline: Path | None = None,
    people: People = "test",
    groups: Groups = "expression",
    plain: PlainAnonymizers | None = None,
) -> Leakage:
    """Measure it on a run's own test people, or on everybody in a set that the run has not seen (``people`` all).

    ``baseline``: a run whose features are one more kind of vector. ``groups``: what a probe must not have seen of a
    person, the expression or just the image. Raises InputError for a run without generator, one whose epoch was not
    chosen on validation, a set that the run trained on, a baseline of another fold, and where nobody can be
    re-identified: one person, one image each.
    """
    trained = load_trained(RunFolder(run).best, fastest_device())
    refuse_oracle(RunFolder(run), trained)
    system = trained.with_generator(run)
    other = None if baseline is None else _baseline(Path(baseline), Path(run), trained)
    kinds = _kinds(other)
    found, unknown = _pairs(Path(run), Path(data), people)
    pairs, left_out = _with_enough_images(found, groups, Path(data))
    left_out |= {"images of expressions that the run doesn't know": unknown} if unknown else {}
    samples = [located.sample for located in pairs.samples]
    subjects, expressions = (np.array([getattr(s, name) for s in samples]) for name in ("subject", "expression"))
    group_of = expressions if groups == "expression" else picture_groups(subjects, [_taken(s) for s in samples])
    system.mixture.averages.copy_(pairs.average_inputs())
    views = views_of(pairs, system.generator, system.mixture, plain or PlainAnonymizers())
    vectors = {
        (view, kind): vectors_of(pictures) for view, pictures in views.items() for kind, vectors_of in kinds.items()
    }
    decided, vectors["as E sees it", "E's features"] = _decided(trained, views["input"])
    classifiers = {"this run": float((decided == expressions).mean())}
    if other is not None:
        classifiers["the baseline"] = float((_decided(other, views["input"])[0] == expressions).mean())
    rows = tuple(
        Row(
            *place,
            {name: reidentified(values, subjects, group_of, probe) for name, probe in PROBES.items()},
            read_from(values, expressions, subjects),
        )
        for place, values in vectors.items()
    )
    return Leakage(rows, subjects, groups, left_out, classifiers)


def picture_groups(subjects: np.ndarray, taken: list[str]) -> np.ndarray:
    """(M,): each person's images dealt to two groups in turn; what was ``taken`` together, and looks it, stays so."""
    seen: dict[str, dict[str, int]] = {}
    groups = []
    for subject, together in zip(subjects, taken, strict=True):
        of = seen.setdefault(subject, {})
        groups.append("even" if of.setdefault(together, len(of)) % 2 else "odd")
    return np.array(groups)


def _taken(sample: Sample) -> str:
    """Frames of one film are nearly the same image; BU-3DFE's levels of one expression are scans of their own."""
    return f"{sample.sequence} {sample.intensity}" if sample.sequence else sample.image


def _baseline(path: Path, run: Path, trained: Trained) -> Trained:
    other = load_trained(RunFolder(path).best, fastest_device())
    refuse_oracle(RunFolder(path), other)
    size = trained.config.preprocess.image_size
    if isinstance(other.system, IFGAN) or other.config.preprocess.image_size != size:
        raise InputError(f"{path}: expected a run of method baseline with image_size {size}")
    if other.form != trained.form:
        raise InputError(f"{path}: sees faces in another form than {run} (see preprocess)")
    theirs, ours = (RunFolder(folder).split for folder in (path, run))
    if any(theirs.get(name) != ours.get(name) for name in ("data", "subjects", "choice", "extra", "pictures")):
        raise InputError(f"{path}: was trained on other people than {run}; give the baseline of the same fold")
    return other


def _pairs(run: Path, data: Path, people: People) -> tuple[FacePairs, int]:
    """The images, and how many of expressions that the run doesn't know are not among them."""
    if people == "test":
        return open_run(run, data, "test").pairs, 0
    opened, unknown = open_unseen(run, data)
    return opened.pairs, len(unknown)


def _with_enough_images(pairs: FacePairs, groups: Groups, data: Path) -> tuple[FacePairs, dict[str, int]]:
    """Without people who would be missing from the probe's training part; who is left out, and how many that are."""
    of: dict[str, set[str]] = {}
    for located in pairs.samples:
        sample = located.sample
        of.setdefault(sample.subject, set()).add(sample.expression if groups == "expression" else _taken(sample))
    kept = {subject for subject, found in of.items() if subject and len(found) > 1}
    if len(kept) < 2:
        wanted = "images of two expressions" if groups == "expression" else "two images"
        raise InputError(f"{data}: re-identification needs at least two subjects with {wanted} each; found {len(kept)}")
    samples = [located for located in pairs.samples if located.sample.subject in kept]
    chosen = pairs.only(samples)
    nameless = sum(not located.sample.subject for located in pairs.samples)
    missing = len(set(of) - kept - {""})
    what = "a single expression" if groups == "expression" else "a single image or sequence"
    left_out = {f"people with {what}": missing, "images of nobody known": nameless}
    return chosen, {name: count for name, count in left_out.items() if count}


def _kinds(baseline: Trained | None) -> dict[str, VectorsOf]:
    """Kinds of vectors. ImageNet's network was never told about expressions, the baseline's about nothing else."""
    kinds: dict[str, VectorsOf] = {"pixels": lambda images: images.flatten(1).numpy()}
    networks = {"ImageNet features": Classifier(backbone=next(iter(PACKAGED)), images=1, pretrained="packaged")}
    if baseline is not None:
        networks["baseline's features"] = baseline.system.classifier
    return kinds | {name: _features_of(network.eval().to(fastest_device())) for name, network in networks.items()}


def _features_of(network: Classifier) -> VectorsOf:
    @torch.inference_mode()
    def features(images: Tensor) -> np.ndarray:
        device = device_of(network)
        return torch.cat([network(batch.to(device))[1].float().cpu() for batch in images.split(_BATCH)]).numpy()

    return features


@torch.inference_mode()
def _decided(trained: Trained, images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """(M,) names of the decided expressions and E's features (M, F)."""
    device = device_of(trained.system)
    outputs = [predict(trained.system, batch.to(device), trained.config) for batch in images.split(_BATCH)]
    logits, features = (
        torch.cat([getattr(output, name).float().cpu() for output in outputs]) for name in ("logits", "features")
    )
    return np.array(trained.labels)[logits.argmax(1).numpy()], features.numpy()
