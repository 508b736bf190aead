"""What the documents say is so: names exist, options have the stated defaults, links lead somewhere; and the code
keeps the habits that make it readable.
"""

import ast
import importlib
import importlib.util
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import get_args

import pytest
import yaml

import ifgan
from ifgan import config
from ifgan.cli import COMMANDS, main
from ifgan.config import Config, from_dict, to_dict
from ifgan.data.readers import READERS
from ifgan.labels import EXPRESSIONS
from ifgan.presets import make_config, preset_names, preset_values
from ifgan.training.fit import make_accelerator
from ifgan.training.networks import build_networks
from ifgan.training.schedule import learning_rate_factor

ROOT, SOURCE = Path(__file__).parents[1], Path(ifgan.__file__).parent
MAP, CHOICES = ((ROOT / "docs" / name).read_text() for name in ("paper_map.md", "choices.md"))
CPU_SECTION, COMPUTING_SECTION = "preset `cpu`", "Where precision and memory options"
FLAG = re.compile(r"(?<![\w-])--[a-z][\w-]*")


def spans(text: str) -> list[str]:
    """What stands in backticks."""
    return re.findall(r"`([^`]+)`", text)


KNOWN = dict(config.settings())


def whole(values: dict[str, dict]) -> dict[str, object]:
    """Settings by section as whole names."""
    return {f"{section}.{name}": value for section, own in values.items() for name, value in own.items()}


def rows(document: str, column: int = -1) -> Iterator[tuple[str, str]]:
    """(heading, cell of one column) of every table row, its header and its rule left out."""
    heading = ""
    for line in document.splitlines():
        heading = line if line.startswith("#") else heading
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if cells and not set("".join(cells)) <= {"-"} and cells[column] not in ("option", "code", "tests", "command"):
            yield heading, cells[column]


def named(reference: str) -> object:
    """``data/folds.py::make_folds`` as the thing itself."""
    file, _, name = reference.partition("::")
    found: object = importlib.import_module("ifgan." + file.removesuffix(".py").replace("/", "."))
    for part in name.split("."):
        found = getattr(found, part)
    return found


@cache
def names_of_tests(file: str) -> set[str]:
    tree = ast.parse((ROOT / "tests" / file).read_text())
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def flags_of(command: str, capsys: pytest.CaptureFixture[str]) -> set[str]:
    with pytest.raises(SystemExit):
        main([command, "--help"])
    return set(FLAG.findall(capsys.readouterr().out))


# The paper map


@pytest.mark.parametrize("reference", sorted({span for span in spans(MAP) if ".py::" in span}))
def test_the_map_leads_to_what_exists(reference: str):
    file, _, name = reference.partition("::")
    if name.startswith("test_"):
        assert name in names_of_tests(file)
    else:
        assert named(reference) is not None
        assert re.search(r"§\d|Eq\. \d|Fig\. \d", ast.get_docstring(ast.parse((SOURCE / file).read_text())) or "") or (
            file in ("models/build.py", "models/checkpoint.py", "predict.py")
        ), f"{file} doesn't say which part of the paper it is"


@pytest.mark.parametrize(
    "part",
    [*(f"§{number}" for number in ("3.1", "3.2", "4.1", "4.2", "4.3", "4.4", "4.5", "4.6")),
     *(f"Eq. {number}" for number in range(1, 6)), *(f"Fig. {number}" for number in range(1, 7)), "Table 1", "Table 2"],
)  # fmt: skip
def test_the_map_knows_every_part_of_the_paper(part: str):
    assert part in MAP


@pytest.mark.parametrize("document", ["paper_map.md", "choices.md"])
def test_commands_and_flags_exist(document: str, capsys: pytest.CaptureFixture[str]):
    for span in spans((ROOT / "docs" / document).read_text()):
        if span.startswith("ifgan "):
            assert set(FLAG.findall(span)) <= flags_of(span.split()[1], capsys), span


def test_what_is_said_to_be_missing_is_missing():
    section = MAP.split("## Not there yet")[1].split("\n## ")[0]
    for name in (span for span in spans(section) if " " not in span):
        assert name not in READERS, f"{name} can be read: say where in docs/paper_map.md"
        assert name not in COMMANDS, f"{name} is a command: say what it reaches in docs/paper_map.md"


# The choices


def settings(cell: str) -> Iterator[tuple[str, object]]:
    """(field, value) of each ``name=value`` in a cell."""
    for span in spans(cell):
        if re.match(r"[\w.]+=", span):
            name, _, value = span.partition("=")
            yield name, yaml.safe_load(value)


@pytest.mark.parametrize(("heading", "cell"), sorted(set(rows(CHOICES))))
def test_an_option_exists_and_has_the_stated_default(heading: str, cell: str):
    stated = whole(preset_values("cpu")) if CPU_SECTION in heading else Config().flat()
    assert "`" in cell or "not there yet" in cell
    for name, value in settings(cell):
        assert (name, value) == (name, stated.get(name, f"{name} is no setting here"))
    last = ""
    for span in spans(cell):
        if re.match(r"[\w.]+=", span):
            last = span.partition("=")[0]
        elif ".py::" in span:
            assert named(span) is not None
        elif not span.startswith("ifgan "):
            assert span in get_args(KNOWN[last].annotation), f"{span} is no value of {last}"


def test_every_setting_is_explained():
    cells = [cell for heading, cell in rows(CHOICES) if CPU_SECTION not in heading]
    explained = {name for cell in cells for name, _ in settings(cell)}
    assert explained == set(KNOWN)


def test_every_difference_of_preset_cpu_is_explained():
    cells = [cell for heading, cell in rows(CHOICES) if CPU_SECTION in heading]
    assert {name for cell in cells for name, _ in settings(cell)} == set(whole(preset_values("cpu")))


def test_settings_that_only_round_are_those_that_the_code_lists():
    said = {name for heading, cell in rows(CHOICES) if COMPUTING_SECTION in heading for name, _ in settings(cell)}
    assert said == {name for name in KNOWN if name.startswith("run.")} - {"run.seed"}


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_round_trip(name: str):
    assert from_dict(to_dict(make_config(name))) == make_config(name)


def test_preset_paper_changes_nothing():
    assert preset_values("paper") == {}


def test_the_paper_s_schedule_and_optimiser():
    """§4.3: Adam at 1e-4, β 0.9 and 0.99, weight decay 1e-4; times 0.9 every 10 epochs."""
    factors = [learning_rate_factor(Config(), epoch) for epoch in (0, 9.99, 10, 99)]
    assert factors == pytest.approx([1, 1, 0.9, 0.9**9])
    small = Config().changed(backbone="resnet18", classifier_weights="none", generator_width=4, discriminator_width=4)
    nets = build_networks(small, 6, make_accelerator(small))
    for optimizer in nets.optimizers.values():
        (group,) = optimizer.param_groups
        assert (group["lr"], group["betas"], group["weight_decay"]) == (1e-4, (0.9, 0.99), 1e-4)


# Links, pages, versions


@pytest.mark.parametrize("path", [*sorted((ROOT / "docs").rglob("*.md")), ROOT / "CHANGELOG.md"], ids=lambda p: p.name)
def test_links_lead_somewhere(path: Path):
    for target in re.findall(r"\]\(([^)#]+)\)", path.read_text()):
        assert target.startswith("http") or (path.parent / target).exists(), target


def test_every_reader_has_its_page():
    for name in READERS:
        assert f"`{name}`" in (ROOT / "docs" / "data" / f"{name}.md").read_text().splitlines()[0]


def test_citation_and_changelog_are_of_this_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors"} <= citation.keys()  # what the format requires
    assert (citation["version"], citation["license"]) == (project["version"], project["license"])
    assert citation["references"][0]["title"].startswith("Identity-Free Facial Expression Recognition")
    assert f"## [{project['version']}]" in (ROOT / "CHANGELOG.md").read_text()


# Habits

FILES = sorted(path for path in SOURCE.rglob("*.py") if path.read_text().strip())
TREES = {path: ast.parse(path.read_text()) for path in FILES}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_a_module_says_what_it_is(path: Path):
    assert ast.get_docstring(TREES[path])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_names_in_docstrings_lead_somewhere(path: Path):
    for name in re.findall(r"`(ifgan(?:\.\w+)+)`", path.read_text()):
        module, _, last = name.rpartition(".")
        found = importlib.util.find_spec(name) if importlib.util.find_spec(module).submodule_search_locations else None
        assert found or hasattr(importlib.import_module(module), last), name


def test_every_forward_states_its_shapes():
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "forward":
                assert re.search(r"\(B, .*(S|W|C)", ast.get_docstring(node) or ""), path


def test_the_order_of_expressions_is_written_once():
    """A list of names elsewhere would be a second order; tables that are keyed by name are no order."""
    found = set()
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                names = {item.value for item in node.elts if isinstance(item, ast.Constant)}
                found |= {path.name} if len(names & set(EXPRESSIONS)) > 4 else set()
    assert found == {"labels.py", "ferplus.py"}  # the latter are the columns of somebody else's table


def test_no_draw_comes_from_numpy_s_global_state():
    for path, tree in TREES.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("np.random", "numpy.random"):
                assert node.attr == "Generator" or (path.name, node.attr) == ("seeds.py", "default_rng"), path
