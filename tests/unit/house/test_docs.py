"""The Python examples in the docs run."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image

from smalti.cli import VERBS
from smalti.core.config import TAGS
from smalti.recipes import RECIPES

ROOT = Path(__file__).parents[3]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
LISTS = {"design.md"}  # names with their parameters, not to be run


def read_blocks(page: Path) -> list[str]:
    """Read the page's Python blocks, with empty lines before them to keep line numbers."""
    text = page.read_text()
    return ["\n" * text[: m.start(1)].count("\n") + m[1] for m in BLOCK.finditer(text)]


@pytest.fixture
def working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with pictures in FOLDER: two classes, many sizes."""
    rng = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (tmp_path / "FOLDER" / name).mkdir(parents=True)
        for k in range(12):
            levels = rng.integers(0, 256, (30 + k, 40, 3), dtype=np.uint8)
            Image.fromarray(levels).save(tmp_path / "FOLDER" / name / f"{k}.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("smalti.tasks._forecast.TIMING_SECONDS", 0.0)
    return tmp_path


@pytest.fixture
def tables() -> Iterator[None]:
    """What a page adds to tables is gone after it."""
    before = [(table, dict(table)) for table in (TAGS, RECIPES, VERBS)]
    yield
    for table, content in before:
        table.clear()
        table.update(content)  # pyright: ignore[reportCallIssue, reportArgumentType]


@pytest.mark.parametrize("page", [p for p in PAGES if p.name not in LISTS], ids=lambda p: p.name)
def test_the_python_of_a_page_runs(
    page: Path, working_folder: Path, tables: None, monkeypatch: pytest.MonkeyPatch
):
    module = ModuleType(f"page_{page.stem}")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    for block in read_blocks(page):
        exec(compile(block, str(page), "exec", dont_inherit=True), module.__dict__)


def test_there_is_python_in_the_docs():
    assert sum(len(read_blocks(page)) for page in PAGES) >= 4
    assert read_blocks(ROOT / "docs" / "training.md")


def test_a_wrong_line_would_be_found(tmp_path: Path):
    (tmp_path / "page.md").write_text(
        "# a page\n```python\nraise KeyError\n```\n```\nnot this\n```\n"
    )
    (code,) = read_blocks(tmp_path / "page.md")
    with pytest.raises(KeyError) as raised:
        exec(compile(code, "page.md", "exec"), {})
    assert raised.tb.tb_next is not None and raised.tb.tb_next.tb_lineno == 3
