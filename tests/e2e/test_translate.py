"""`smalti translate`, as typed; and a model of text where pictures are wanted."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
from PIL import Image

from smalti.cli import main
from smalti.translation import fonts
from tests.command import run_command
from tests.toy_fonts import LATIN, write_font

PO = """msgid ""
msgstr ""
"Language: zh_CN\\n"
"Content-Type: text/plain; charset=UTF-8\\n"

#, c-format
msgid "Could not open <b>%s</b>."
msgstr ""

msgid "Copy one file"
msgid_plural "Copy %d files"
msgstr[0] ""

msgid "Cancel"
msgstr "不要"
"""


def lines_in(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))


def test_sentences_files_and_catalogs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["translate", "Click OK to save the document.", "&File", "--beam-size", "1"]) == 0
    saved, file = capsys.readouterr().out.splitlines()
    assert "保存文档" in saved and file == "文件(&F)"
    assert main(["translate", "Save the file.", "--n-best", "3"]) == 0
    scores, texts = zip(*(row.split() for row in capsys.readouterr().out.splitlines()), strict=True)
    assert len(set(texts)) == 3
    assert sorted(map(float, scores), reverse=True) == list(map(float, scores))

    Path("in.txt").write_text("Save the file.\n\n打开\n")
    assert run_command("translate --file in.txt --out out.txt") == 0
    first, *rest = Path("out.txt").read_text().splitlines()
    assert "保存" in first and rest == ["", "打开"]
    assert "1 line translated, 2 kept as they were" in capsys.readouterr().out
    lines_in(monkeypatch, b"Save the file.\n")
    assert run_command("translate") == 0
    assert capsys.readouterr().out.splitlines() == [first]

    Path("terms.tsv").write_text("document\t公文\n")
    sentence = "Click OK to save the document."
    assert main(["translate", sentence, "--glossary", "terms.tsv"]) == 0
    assert "公文" in capsys.readouterr().out

    Path("app.po").write_text(PO)
    assert run_command("translate --po app.po --out new.po") == 0
    found = Path("new.po").read_text()
    assert "2 entries filled and marked fuzzy" in capsys.readouterr().out
    assert Path("app.po").read_text() == PO
    filled = found[found.index("#, c-format, fuzzy") :]
    assert "<b>%s</b>" in filled.split('msgstr "')[1].split("\n")[0]
    assert "%d" in filled.split("msgstr[0]")[1].split("\n")[0]
    assert filled.endswith('msgid "Cancel"\nmsgstr "不要"\n')
    assert run_command("translate --po new.po") == 0
    assert Path("new.po").read_text() == found


def test_a_terminal_shows_translations_as_they_grow(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm")
    assert main(["translate", "Click OK to save the document."]) == 0
    out = capsys.readouterr().out
    assert "点击「确定」" in out.split("保存")[0] and out.endswith("保存文档。\n")
    assert out.count("点击") > 2


def test_attention_is_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(fonts, "FOLDERS", [str(tmp_path)])
    words = ["translate", "Save the file.", "--attention", "heat.png"]
    assert main(words) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no installed font" in line and "fonts-wqy-microhei" in line
    assert not Path("heat.png").exists()
    fonts.list_fonts.cache_clear()
    write_font(Path("own.ttf"), LATIN + "保存文件。")
    assert main(words) == 0
    assert "保存文件" in capsys.readouterr().out
    with Image.open("heat.png") as picture:
        assert picture.width > picture.height > 100
    fonts.list_fonts.cache_clear()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["点击"], "text 1 is not English: '点击'"),
        ([""], "text 1 is empty"),
        (["--file", "none.txt"], "none.txt: No such file"),
        (["--file", "."], ". is a folder"),
        (["--po", "in.txt"], "in.txt, line 1"),
        (["--file", "bad.txt", "--out", "new"], "bad.txt, line 1: byte 0xff is not UTF-8"),
        (["--file", "in.txt", "--out", "in.txt"], "in.txt is the input file"),
        (["hi", "--file", "in.txt"], "TEXT and --file are given"),
        (["hi", "--out", "new"], "--out new is given without --file"),
        (["hi", "--beam-size", "2", "--n-best", "3"], "n_best 3 needs a beam_size"),
        (["hi", "--beam-size", "0"], "--beam-size is 0"),
        (["hi", "--length-penalty", "nan"], "--length-penalty is nan"),
        (["hi", "--model", "vqvae-digits"], "vqvae-digits does not translate"),
        (["hi", "--glossary", "bad.txt"], "bad.txt: byte 0xff is not UTF-8"),
        (["hi", "--glossary", "in.txt"], "in.txt, line 1: 'Hello.' is not two terms"),
        (["--file", "in.txt", "--out", "new", "--glossary", "."], ". is a folder"),
        (["hi", "ho", "--attention", "a.png"], "--attention a.png is given with 2 texts"),
        (["--file", "in.txt", "--attention", "a.png"], "--attention a.png is given with 0 texts"),
        (["--n-best", "2", "--file", "in.txt"], "--n-best 2 is given without a text"),
        ([], "standard input is empty"),
    ],
)
def test_refusals(
    words: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    lines_in(monkeypatch, b"")
    Path("in.txt").write_text("Hello.\n")
    Path("bad.txt").write_bytes(b"\xff\xfeh\0")
    assert main(["translate", *words]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"smalti: {said}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.txt", "in.txt"]


@pytest.mark.parametrize(
    "words",
    [
        "sample en-zh-help -n 1",
        "inpaint a.png b.png --model en-zh-help --out c.png",
        "reconstruct en-zh-help a.png",
        "interpolate en-zh-help",
        "complete en-zh-help a.png",
        "compress a.png out.smalti --model en-zh-help",
        "evaluate en-zh-help",
        "compare en-zh-help ddpm-digits",
        "train ddpm --start en-zh-help --data .",
    ],
)
def test_verbs_of_pictures_refuse_a_model_of_text(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("a.png", "b.png"):
        Image.new("L", (28, 28)).save(name)
    assert run_command(words) == 2
    error = capsys.readouterr().err.splitlines()
    assert len(error) == 1, error
    assert "en-zh-help" in error[0], error


def test_the_list_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command("list") == 0
    assert "en-zh-help" in capsys.readouterr().out
