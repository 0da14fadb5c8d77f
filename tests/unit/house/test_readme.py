"""The README in two languages: the same commands, which parse, and the same Python."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import smalti
from tests.command import parse_command

ROOT = Path(__file__).parents[3]
PAGES = ("README.md", "README.zh-CN.md")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def read_blocks(page: str, language: str = "") -> list[str]:
    return [text for kind, text in FENCE.findall((ROOT / page).read_text()) if kind == language]


def read_commands(page: str) -> list[str]:
    """The commands of a page, without comments."""
    lines = [line for text in read_blocks(page) for line in text.splitlines()]
    return [shlex.join(words) for line in lines if (words := shlex.split(line, comments=True))]


def strip_comments(code: str) -> list[str]:
    return [line.partition("#")[0].rstrip() for line in code.splitlines()]


def test_both_have_the_same_commands_and_python():
    english, chinese = map(read_commands, PAGES)
    assert english == chinese and len(english) > 15
    codes = [[strip_comments(code) for code in read_blocks(page, "python")] for page in PAGES]
    assert codes[0] == codes[1] != []
    extras = [re.findall(r"`(pip install [^`]+)`", (ROOT / page).read_text()) for page in PAGES]
    assert extras[0] == extras[1] != []


@pytest.mark.parametrize("line", [c for c in read_commands(PAGES[0]) if c.startswith("smalti")])
def test_a_command_parses(line: str):
    parse_command(line)


def test_other_commands_are_there():
    targets = {words[1] for c in read_commands(PAGES[0]) if (words := c.split())[0] == "make"}
    makefile = (ROOT / "Makefile").read_text()
    assert targets and all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets)


def test_the_wheel_is_called_by_its_name():
    assert f"pip install smalti-{smalti.__version__}-py3-none-any.whl" in read_commands(PAGES[0])


def test_the_picture_of_the_families_is_above_the_fold():
    for page in PAGES:
        head = (ROOT / page).read_text().partition("\n## ")[0]
        assert "](docs/pictures/families.png)" in head
    assert (ROOT / "docs" / "pictures" / "families.png").stat().st_size < 1_000_000
