"""`smalti data` of corpora, as a user runs it."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

import smalti
from tests.command import run_command
from tests.expect import expect_user_error

Said = pytest.CaptureFixture[str]
WORDS = [
    "open",
    "save",
    "close",
    "file",
    "page",
    "dialog",
    "button",
    "document",
    "folder",
    "window",
    "table",
    "column",
]
GERMAN = [
    "öffnen",
    "sichern",
    "schließen",
    "Datei",
    "Seite",
    "Dialog",
    "Knopf",
    "Dokument",
    "Ordner",
    "Fenster",
]


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two aligned files of 300 lines, with a few faults."""
    rng = random.Random(0)
    rows = [(" ".join(rng.choices(WORDS, k=8)), "字" * 12) for _ in range(300)]
    rows[3] = (rows[3][1], rows[3][0])
    rows[5:8] = [("Open %s", "打开"), ("Same", "Same"), ("one two three four five six", "一")]
    for side, name in enumerate(("a.en", "a.zh")):
        text = "".join(f"{row[side]}\n" for row in rows)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_audit_says_what_is_dropped(corpus: Path, capsys: Said) -> None:
    assert run_command("data a.en a.zh") == 0
    said = capsys.readouterr().out
    lines = [" ".join(line.split()) for line in said.splitlines()]
    assert lines[0] == "pairs 300, en to zh"
    assert lines[1] == "dropped 3 of them (1.0%)"
    assert {"1 markup Open %s | 打开", "1 untranslated Same | Same"} < {*lines}
    assert any(line.startswith("changed 1 swapped languages 字字") for line in lines)
    assert "splits train " in "\n".join(lines)
    assert lines[-2:] == [
        "report looks/a/report.json",
        "next smalti train translate --corpus a.en a.zh",
    ]
    record = json.loads(Path("looks/a/report.json").read_text())
    assert record["pairs"] == 300
    assert sum(record["splits"].values()) == 297 - sum(record["overlaps"].values())
    assert record["steps"] == {
        "a": {"swapped languages": 1, "untranslated": 1, "markup": 1, "length ratio": 1}
    }
    assert run_command("data a.en a.zh") == 0  # our own report is replaced


def test_audit_from_python(corpus: Path) -> None:
    found = smalti.audit_corpus("a.en", "a.zh")
    assert found.files == () and not Path("looks").exists()
    assert found.n_dropped == 3 + sum(found.report.overlaps.values())
    assert (found.source.unit, found.target.unit) == ("words", "characters")
    assert found.target.median == 12


def test_other_languages(corpus: Path, capsys: Said) -> None:
    rng = random.Random(1)
    for name, words in (("b.de", GERMAN), ("b.en", WORDS)):
        text = "".join(f"{' '.join(rng.choices(words, k=7))}\n" for _ in range(100))
        Path(name).write_text(text, encoding="utf-8")
    assert run_command("data b.de b.en") == 0
    assert "100, de to en" in capsys.readouterr().out
    assert run_command("data b.de b.en --languages fr-it") == 0
    assert "100, fr to it" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("data a.en", "a.en holds one language; give the file of the other language after it"),
        ("data a.en b.zh", "b.zh does not exist"),
        ("data a.tsv", "a.tsv does not exist"),
        ("data a.en a.zh --languages en", "--languages 'en' is no pair of codes"),
        ("data a.en a.zh --ratio 0", "ratio"),
        ("data cut.en a.zh", "cut.en has 2 lines and a.zh 300"),
        ("data gb.en gb.en", "gb.en, line 2: byte 0xce is not UTF-8"),
        ("data empty.en empty.en", "empty.en is empty"),
        ("data bad.tmx", "bad.tmx, line 2: "),
        ("data bad.po", "bad.po, line 3: "),
        ("data bad.jsonl", "bad.jsonl, line 2: "),
        ("data help-corpus", "help-corpus is not downloaded yet; run `smalti fetch help-corpus`"),
    ],
)
def test_bad_corpora(
    corpus: Path, words: str, message: str, capsys: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALTI_DATA", str(corpus / "home"))
    Path("cut.en").write_text("one\ntwo\n")
    Path("gb.en").write_bytes(b"one\n" + "文".encode("gb18030") + b"\n")
    Path("empty.en").write_text("")
    Path("bad.tmx").write_text("<tmx>\n<body></tmx>")
    Path("bad.po").write_text('msgid "a"\nmsgstr "b"\nnonsense\n')
    Path("bad.jsonl").write_text('{"en": "a", "zh": "b"}\n{"en": "a"}\n')
    assert run_command(words) == 2
    error = capsys.readouterr().err
    assert message in error and error.count("\n") == 1 and "Traceback" not in error
    assert not Path("looks").exists()


def test_a_corpus_of_one_pair_is_refused(corpus: Path) -> None:
    Path("one.tsv").write_text("Same\tSame\n")
    with expect_user_error("none of 1 pairs is left for training"):
        smalti.audit_corpus("one.tsv")
