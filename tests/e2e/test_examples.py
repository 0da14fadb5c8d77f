"""The scripts and notebooks of examples/ run, each in a fresh folder."""

from __future__ import annotations

import ast
import json
import re
import runpy
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SCRIPTS = sorted(EXAMPLES.glob("*.py"))
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def read_cells(notebook: Path, kind: str) -> list[str]:
    content: dict[str, Any] = json.loads(notebook.read_text())
    assert content["nbformat"] == 4
    return ["".join(cell["source"]) for cell in content["cells"] if cell["cell_type"] == kind]


def run_cell(code: str, name: str, module: ModuleType) -> object:
    """Run a cell; returns the value of its last line if that is an expression, as Jupyter does."""
    tree = ast.parse(code, name)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, name, "exec"), module.__dict__)
    if not isinstance(last, ast.Expr):
        return None
    return eval(compile(ast.Expression(last.value), name, "eval"), module.__dict__)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_runs(script: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(script), run_name="__main__")
    saved = set(re.findall(r'"([\w-]+\.(?:png|gif))"', script.read_text()))
    assert saved <= {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.name)
def test_a_notebook_runs(notebook: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    module = ModuleType(f"notebook_{notebook.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    shown = [
        run_cell(code, f"{notebook.name}, cell {k}", module)
        for k, code in enumerate(read_cells(notebook, "code"))
    ]
    assert any(value is not None for value in shown) or notebook.stem == "translation"


def test_every_family_has_a_script_and_a_lesson():
    names = [path.stem for path in SCRIPTS]
    assert names == [path.stem for path in NOTEBOOKS]
    table = (EXAMPLES / "README.md").read_text()
    assert all(f"({name}.py)" in table and f"({name}.ipynb)" in table for name in names)


def test_scripts_are_short_and_notebooks_are_lessons_without_outputs():
    assert all(len(script.read_text().splitlines()) < 40 for script in SCRIPTS)
    for notebook in NOTEBOOKS:
        content = json.loads(notebook.read_text())
        assert not any(cell.get("outputs") for cell in content["cells"])
        text = read_cells(notebook, "markdown")
        assert text[0].startswith("# ") and len(text) >= 4
