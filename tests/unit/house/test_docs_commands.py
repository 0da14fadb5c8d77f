"""The commands in the docs parse: verbs, arguments and options are those of the command line."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smalti.cli import main

ROOT = Path(__file__).parents[3]
PAGES = [*sorted(ROOT.glob("README*.md")), *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^ *```\w*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"^ *(?:\$ )?(?:\.venv/bin/)?smalti (.+)\n(?!smalti: )", re.MULTILINE)
"""A line of a block that no error follows."""
INLINE = re.compile(r"`smalti ([a-z]+ [^`]*)`")  # a verb alone is a name
END = re.compile(r"\s#\s.*$|\s#$|\s(?:&&|[<|>]).*$")
"""Where a command ends: a comment, or what a shell does with it."""
PARTIAL = ("is missing;", "needs a value;")
"""Errors of what stands in a sentence, which may be a part of a command."""
STAND_INS = {"runs/translate": "en-zh-help", "RECIPE": "ddpm", "mixer": "ddpm"}
"""What has the options of a run, of a capital word, and of the recipe that extending.md adds."""
ATTRIBUTE = re.compile(r" --(?:style|country|category) (?:\"[^\"]*\"|\S+)")
"""Options that a run has by the attributes of its training pictures."""


def read_commands(text: str) -> Iterator[tuple[str, bool]]:
    """Read the `smalti` commands of a page, and whether each stands in a sentence."""
    for block in BLOCK.findall(text):
        for line in COMMAND.findall(block.replace("\\\n", " ")):
            yield END.sub("", line).strip(), False
    for line in INLINE.findall(BLOCK.sub("", text)):
        yield END.sub("", line.replace("\n", " ")).strip(), True


def list_commands() -> list[tuple[str, bool]]:
    found = {pair for page in PAGES for pair in read_commands(page.read_text())}
    return sorted((line, inline) for line, inline in found if "..." not in line)


def parse_only(app: Any, tokens: list[str]) -> int:
    """Do what `call_app` does but for running the command."""
    from smalti.cli.options import check_numbers

    command, bound, _ = app.parse_args(tokens, print_error=False, exit_on_error=False)
    check_numbers(command, bound, tokens)
    return command(*bound.args) if hasattr(command, "choose") else 0


@pytest.fixture
def parse(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    monkeypatch.setattr("smalti.cli.call_app", parse_only)
    monkeypatch.chdir(tmp_path)

    def parse_command(line: str, inline: bool = False) -> str:
        """Parse a command; returns its error, or nothing."""
        words = shlex.split(ATTRIBUTE.sub("", line))
        code = main([STAND_INS.get(word, word) for word in words])
        said = capsys.readouterr().err.strip()
        forgiven = inline and any(part in said for part in PARTIAL)
        return f"smalti {line}: {said}" if code and not forgiven else ""

    return parse_command


def test_every_command_in_the_docs_parses(parse: Any):
    commands = list_commands()
    assert len(commands) > 200
    assert "\n".join(error for pair in commands if (error := parse(*pair))) == ""


@pytest.mark.parametrize(
    "line", ["sampel ddpm-digits", "sample ddpm-digits --stepps 4", "train ddpm --size x"]
)
def test_a_wrong_command_would_be_found(parse: Any, line: str):
    assert parse(line)


def test_commands_are_read_without_comments_pipes_and_errors():
    text = "`smalti list x` `smalti list`\n```\n$ smalti sample x -n 4  # 4\nsmalti list | head\n"
    text += "$ smalti saple\nsmalti: no verb\n```\n"
    expected = [("sample x -n 4", False), ("list", False), ("list x", True)]
    assert list(read_commands(text)) == expected


def test_every_section_of_numbers_with_a_table_has_its_command():
    text = (ROOT / "docs" / "numbers.md").read_text()
    sections = re.split(r"^#{2,3} ", text, flags=re.MULTILINE)[1:]
    tables = [section for section in sections if re.search(r"^\|[-:| ]+\|$", section, re.MULTILINE)]
    command = re.compile(r"python\s+-m benchmarks\.\w+|smalti [a-z]+ |python\s+scripts/\w+")
    assert len(tables) > 30
    assert [section.splitlines()[0] for section in tables if not command.search(section)] == []
