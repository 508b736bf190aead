"""Imports point left only (docs/one_image.md), and importing does nothing."""

import ast
import os
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest

import ifgan

SOURCE = Path(ifgan.__file__).parent
LAYERS = [
    {
        "labels",
        "config",
        "seeds",
        "errors",
        "files",
        "workers",
        "progress",
        "presets",
        "versions",
        "weights",
        "header",
        "onnx_session",
    },
    {"faces", "models", "losses", "metrics"},
    {"data", "engines", "predict"},
    {"training"},
    {"experiments"},
    {"commands"},
    {"cli"},
    {"__main__"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}


def imported(path: Path) -> set[str]:
    """Top-level parts of ifgan that a file imports, type-checking imports included."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = [f"{node.module}.{alias.name}" for alias in node.names] if node.module == "ifgan" else [node.module]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        found |= {name.split(".")[1] for name in names if name and name.startswith("ifgan.")}
    return found


def test_imports_point_left_only() -> None:
    wrong = []
    for path in SOURCE.rglob("*.py"):
        part = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        if part == "__init__":
            continue
        wrong += [f"{path.name} -> {other}" for other in imported(path) if RANK[other] > RANK[part]]
    assert wrong == []


def test_what_reads_images_needs_no_torch() -> None:
    """What `pip install ifgan` brings is enough for it; a checkpoint's engine is imported where one is loaded."""
    parts = {"labels", "errors", "files", "workers", "progress", "versions", "weights", "header", "onnx_session"}
    parts |= {"faces", "engines", "predict"}
    for path in SOURCE.rglob("*.py"):
        if path.relative_to(SOURCE).parts[0].removesuffix(".py") in parts:
            asked_for = re.sub(r"with needing\(.*\n +import pandas", "", path.read_text())
            assert not re.search(r"^\s*(import|from) (torch|timm|scipy|pandas)\b", asked_for, re.M), path
            assert path.name == "engines.py" or "models" not in imported(path), path


def test_data_and_predict_do_not_know_each_other() -> None:
    assert "data" not in imported(SOURCE / "predict.py")
    assert all("predict" not in imported(path) for path in (SOURCE / "data").rglob("*.py"))


@pytest.mark.slow
def test_importing_every_module_leaves_an_empty_home_empty(tmp_path: Path) -> None:
    modules = [module.name for module in pkgutil.walk_packages([str(SOURCE)], "ifgan.")]
    code = "import importlib\n" + "\n".join(f"importlib.import_module({name!r})" for name in modules)
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"}
    subprocess.run([sys.executable, "-c", code], env=environment, cwd=tmp_path, check=True)
    assert list(tmp_path.rglob("*")) == []
