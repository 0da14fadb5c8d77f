"""Help: every verb's, and the one of every recipe's training, reads without being wrapped."""

from __future__ import annotations

import re

import pytest

from smalti.cli import VERBS, main
from smalti.recipes import RECIPES

WIDTH = 80
COMMANDS = [*VERBS, "bench patchmatch", *(f"train {recipe}" for recipe in RECIPES)]
OPTION = re.compile(r"^  (?=\S)")


def read_help(command: str, capsys: pytest.CaptureFixture[str]) -> list[str]:
    assert main([*command.split(), "--help"]) == 0
    return capsys.readouterr().out.rstrip().split("\n")


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_has_one_line_of_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    lines = read_help(command, capsys)
    start, end = lines.index(""), lines.index("Examples")
    options = lines[start + 1 : end]
    assert [line for line in lines if len(line) > WIDTH and not line.startswith("  --")] == []
    below = [bool(line) and not OPTION.match(line) for line in options]
    starts = [k for k, line in enumerate(options) if OPTION.match(line)]
    for k in starts:  # at most one line of text below a long name
        assert below[k + 1 : k + 3] != [True, True], options[k : k + 3]


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_says_what_it_does_and_has_examples(
    verb: str, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = read_help(verb, capsys)
    assert lines[0].startswith(f"Usage: smalti {verb}")
    assert re.fullmatch(r"[A-Z].*\.", lines[2])
    examples = lines[lines.index("Examples") + 2 :]
    assert len(examples) >= (1 if verb == "list" else 2)
    assert all(line.startswith("  smalti ") for line in examples)


def test_the_first_page_lists_every_verb_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    lines = read_help("", capsys)
    for verb, (_, summary) in VERBS.items():
        assert any(line.split() == [verb, *summary.split()] for line in lines)
        assert summary[0].isupper() and summary.endswith(".")
