"""`smalti report` as its user meets it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from smalti.cli import main
from tests.command import list_contents


@pytest.fixture
def run(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    return str(trained)


def test_a_report_tells_and_draws(run: str, capsys: pytest.CaptureFixture[str]):
    pytest.importorskip("matplotlib")
    assert main(["report", run, "--out", "notes"]) == 0
    out = capsys.readouterr().out.splitlines()
    assert out[0].startswith(f"{run}: ddpm, step 3 of 3, ")
    facts = {line.strip()[:13].strip(): line[16:] for line in out if line.startswith("  ")}
    validation = facts["validation"]
    assert validation.endswith("at step 3, the lowest") or "the lowest was" in validation
    assert facts["previews"] == f"2 in {run}/grids"
    assert facts["report"] == "notes/report.png, notes/report.json"
    assert facts["next"] == f"smalti sample {run} -n 64"
    assert "3 steps: too few for a verdict." in out
    assert list_contents(Path("notes")) == ["report.json", "report.png"]
    record = json.loads(Path("notes/report.json").read_text())
    assert (record["step"], record["steps"], record["recipe"]) == (3, 3, "ddpm")
    assert record["verdict"]["kind"] == "short" and record["pictures_per_second"] > 0
    assert record["processor"] in facts["trained by"]
    with Image.open("notes/report.png") as picture:
        assert picture.size == (1100, 1100)


def test_without_matplotlib_there_is_the_text(
    run: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr("smalti.tasks._report.find_spec", lambda name: None)
    assert main(["report", run, "--out", "notes"]) == 0
    assert "pip install matplotlib" in capsys.readouterr().out
    assert list_contents(Path("notes")) == ["report.json"]


def test_what_is_no_run_is_refused(run: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["report", f"{run}/step-3", "--out", "notes"]) == 2
    line = capsys.readouterr().err
    assert line.startswith("smalti: ") and "is no run" in line and line.count("\n") == 1
    assert list_contents(tmp_path) == []
