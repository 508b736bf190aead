"""Commands that measure finished runs, and show what they found."""

from pathlib import Path
from typing import Literal

from ifgan.errors import InputError


def evaluate(
    run: Path,
    data: Path,
    split: Literal["train", "validation", "test"] = "test",
    people: Literal["split", "all"] = "split",
    json_file: Path | None = None,
) -> int:
    """Measure a run on a split of its own fold, or on a whole set that it has not seen.

    Args:
        run: run folder
        data: the prepared set that it was trained on, or with --people all one that it has not seen
        split: which part of its own set
        people: split: those of that part; all: everybody in a set that it was not trained on
        json_file: also write results.json's content here
    """
    from ifgan.experiments.evaluation import evaluate_run, evaluate_unseen
    from ifgan.experiments.outcome import results

    _refuse_a_part_of_all(people, split)
    outcome = evaluate_run(run, data, split) if people == "split" else evaluate_unseen(run, data)
    for name, value in outcome.predictions.summary().items():
        if value is not None:
            print(f"{name}: {value:.4g}")
    if json_file is not None:
        from ifgan.files import write_json

        write_json(json_file, results([outcome], split if people == "split" else data.resolve().name))
    return 0


def report(
    runs: Path,
    *,
    out: Path,
    split: Literal["validation", "test"] | None = None,
    notes: Path | None = None,
    against: list[str] | None = None,
) -> int:
    """Tables (text, Markdown, LaTeX, JSON), figures and one self-contained page about run folders.

    Args:
        runs: folder of run folders, or one of them, or a study's
        out: folder for report.html and the rest; of a study, report.md
        split: which part's outcomes; unset: those that the cross-validation measured, or the test's
        notes: text file whose paragraphs are put on the page, such as why a result is as it is
        against: compare all others with these methods, as the tables name them; unset: every one with every other
    """
    from ifgan.experiments.report import write_report

    if (runs / "study.yaml").exists():
        from ifgan.experiments.study_report import write_study_report

        print(write_study_report(runs, out))
        return 0
    written = write_report(runs, out, split=split, notes=notes, against=against or ())
    print(written.text())
    print(f"{written.page}: open it in a browser")
    return 0


def figure(
    kind: Literal["transfer", "attention"],
    run: Path,
    *,
    data: Path,
    out: Path,
    split: Literal["train", "validation", "test"] = "test",
    subjects: list[str] | None = None,
    count: int = 4,
    people: Literal["split", "all"] = "split",
    without_inputs: bool = False,
    place: Literal["encoder", "skip", "decoder"] | None = None,
    points: list[str] | None = None,
) -> int:
    """Draw what a generator makes of faces (the paper's Fig. 5), or where it looks (Fig. 6).

    Args:
        kind: transfer: input, generated and average face; attention: maps of a self-attention module
        run: run folder
        data: the prepared set that it was trained on, or another one with --people all
        out: .png, .pdf or .svg file
        split: which part of its own set
        subjects: transfer: these, not some drawn at random
        count: how many subjects (transfer) or images (attention)
        people: split: those of that part; all: everybody in a set that it was not trained on
        without_inputs: transfer: leave the input faces out, where they are nobody's to show
        place: attention: which of the three modules; unset: decoder
        points: attention: query points as x,y shares of the image's side, e.g. 0.35,0.32; unset: eye, mouth, cheek
    """
    from ifgan.experiments.attention_figure import QUERIES, attention_figure, parse_points
    from ifgan.experiments.evaluation import open_run, open_unseen, refuse_oracle
    from ifgan.experiments.transfer_figure import transfer_figure

    if count < 1:
        raise InputError(f"count {count}: expected at least 1")
    _refuse_a_part_of_all(people, split)
    others = {"subjects": subjects, "without_inputs": without_inputs} if kind == "attention" else {
        "place": place, "points": points}  # fmt: skip
    if given := [name for name, value in others.items() if value]:
        raise InputError(f"{given[0].replace('_', '-')}: does nothing in a figure of {kind}; leave it out")
    opened = open_run(run, data, split) if people == "split" else open_unseen(run, data)[0]
    refuse_oracle(opened.run, opened.trained)
    generator = opened.trained.with_generator(run).generator
    if kind == "transfer":
        chosen = tuple(subjects or ()) or None
        transfer_figure(generator, opened.pairs, out, subjects=chosen, count=count, inputs=not without_inputs)
    else:
        attention_figure(
            generator,
            opened.pairs,
            out,
            queries=parse_points(points or []) or QUERIES,
            place=place or "decoder",
            count=count,
        )
    print(out)
    return 0


def _refuse_a_part_of_all(people: str, split: str) -> None:
    if people == "all" and split != "test":
        raise InputError(f"split {split}: --people all takes all of a set, which has no parts then")


def audit(
    runs: Path,
    *,
    data: Path,
    out: Path | None = None,
    split: Literal["train", "validation", "test"] = "test",
) -> int:
    """Compare groups of people: accuracy, F1 and calibration by gender, age band and ethnicity of kept predictions.

    Args:
        runs: run folder, or a folder of them, whose folds are pooled; evaluated already
        data: the prepared set, whose manifest knows the groups
        out: folder for audit.json, the table and the reliability diagram; unset: audit in the folder of runs
        split: which part
    """
    from ifgan.experiments.audit import audit as run
    from ifgan.experiments.audit import write_audit

    print(write_audit(*run(runs, data, split), runs / "audit" if out is None else out).text())
    return 0


def leakage(
    run: Path,
    *,
    data: Path,
    out: Path | None = None,
    baseline: Path | None = None,
    people: Literal["test", "all"] = "test",
    groups: Literal["expression", "picture"] = "expression",
    blur: float = 1 / 16,
    blocks: int = 12,
) -> int:
    """Measure how many people can be re-identified from the faces that a generator drew, and from plain anonymisers'.

    Args:
        run: run folder
        data: the prepared set that it was trained on, or with --people all one that it has not seen
        out: folder for leakage.json, the table and a row an image; unset: leakage in the run folder
        baseline: the run of method baseline on the same fold, whose features are measured too
        people: the run's own test people, or all of another set
        groups: what of a person a probe must not have seen before it is asked: the expression, or only the image
        blur: to compare with: the blur's standard deviation as a share of the image's side
        blocks: to compare with: how many squares a side of the pixelated image has
    """
    from ifgan.experiments.anonymisers import PlainAnonymizers
    from ifgan.experiments.leakage import measure_leakage
    from ifgan.experiments.leakage_report import write_leakage

    found = measure_leakage(
        run, data, baseline=baseline, people=people, groups=groups, plain=PlainAnonymizers(blur=blur, blocks=blocks)
    )
    write_leakage(found, run / "leakage" if out is None else out)
    print(found.table().text())
    return 0
