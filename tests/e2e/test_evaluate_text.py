"""`smalti evaluate` and `smalti compare` of translators, as typed."""

from __future__ import annotations

from pathlib import Path

import pytest

from smalti.evaluation import read_report
from tests.command import list_contents, run_command

ROWS = """source\ttarget\tdocument\tcorpus
Save the file.\t保存文件。\tone\thelp
Click OK to save the document and close the window.\t单击“确定”保存文档并关闭窗口。\tone\thelp
Could not open %s\t无法打开 %s\ttwo\tmessages
"""


def test_a_translator_is_measured_and_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.chdir(tmp_path)
    Path("test.tsv").write_text(ROWS, encoding="utf-8")
    words = "evaluate en-zh-help --corpus test.tsv --bootstraps 5"
    assert run_command(f"{words} --memory test.tsv") == 0
    out = capsys.readouterr().out
    assert "en-zh-help: 3 test sentences of test.tsv\n" in out
    assert "memory: of 3 training pairs" in out
    lines = [line.split() for line in out.splitlines()]
    (head,) = (line for line in lines if line[:1] == ["BLEU"])
    assert head == ["BLEU", "sentences", "/", "documents", "greedy", "beam", "4", "copy", "memory"]
    everything = next(line for line in lines if line[:1] == ["all"])
    assert everything[1:4] == ["3", "/", "2"] and everything[-1] == "100.0"
    assert next(line for line in lines if line[:3] == ["placeholders", "kept", "greedy"])[3] == (
        "100.0%"
    )
    assert "BLEU: nrefs:1|case:mixed|eff:no|tok:zh|smooth:exp|version:" in out
    folder = Path("reports/en-zh-help")
    assert list_contents(folder) == ["examples.md", "report.json", "translations.jsonl"]
    value = read_report(folder)["bleu beam 4"].value
    assert value is not None and value > 20

    assert run_command(f"{words} --width 1 --metrics bleu --out greedy") == 0
    capsys.readouterr()
    assert run_command("compare reports/en-zh-help greedy") == 0
    out = capsys.readouterr().out
    assert "en-zh-help (2) beyond en-zh-help: BLEU " in out and "3 test sentences of" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("evaluate en-zh-help", "en-zh-help: data are missing"),
        ("evaluate en-zh-help --data test.en", "test.en"),
        ("evaluate en-zh-help --data test.tsv --seed 1", "seed is 1, an option for models of pic"),
        ("evaluate en-zh-help --data test.tsv --sampler ancestral", "measured with beam search"),
        ("evaluate ddpm-digits --data a b", "give one folder or file of pictures"),
        ("compare en-zh-help ddpm-digits --data test.tsv", "en-zh-help translates and ddpm-digits"),
    ],
)
def test_mistakes_are_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: str,
    said: str,
):
    monkeypatch.chdir(tmp_path)
    Path("test.tsv").write_text(ROWS, encoding="utf-8")
    Path("test.en").write_text("a\n")
    assert run_command(words) == 2
    assert said in (error := capsys.readouterr().err) and error.count("\n") == 1
    assert not Path("reports").exists()
