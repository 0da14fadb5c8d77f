"""The docs site: its navigation, and docstrings as its API reference shows them."""

from __future__ import annotations

import re
from pathlib import Path

from docs.api_pages import MODULES, convert_inline, convert_text, list_public
from smalti import diffusion

ROOT = Path(__file__).parents[3]
NAMES = {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}


def test_the_sidebar_and_the_start_page_have_every_page():
    sidebar = set(re.findall(r'"([a-z-]+)"', (ROOT / "docs" / "conf.py").read_text()))
    start_page = set(re.findall(r"\]\(([a-z-]+)\.md\)", (ROOT / "docs" / "index.md").read_text()))
    assert len(NAMES) > 20
    assert NAMES - sidebar == set() and NAMES - start_page == set()


def test_parameters_become_a_list():
    text = ["Draws.", "", "n: number, 1 or", "more. model: a name.", "seed, x: two.", "Raises it."]
    assert [line for line in convert_text(text) if line] == [
        "Draws.",
        "* **n**: number, 1 or",
        "  more. model: a name.",
        "* **seed, x**: two.",
        "Raises it.",
    ]


def test_indented_lines_become_a_block():
    assert [line for line in convert_text(["As:", "", "    a * b_", "", "so."]) if line] == [
        "As:",
        "::",
        "        a * b_",
        "so.",
    ]


def test_code_stays_code_and_signs_stay_signs():
    assert convert_inline("x_ * `model`s") == r"x\_ \* \ ``model``\ s"


def test_the_reference_has_the_public_names():
    assert {"DDIM", "UNetConfig"} <= {name for name, _ in list_public(diffusion)}
    rooms = {
        f"smalti.{name}" for name in ("diffusion", "codecs", "patchmatch", "tasks", "training")
    }
    assert rooms <= set(MODULES)
