"""`smalti evaluate` and `smalti compare` as they are typed."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from smalti.core.checkpoint import save
from smalti.core.protocols import Card
from smalti.evaluation import read_report
from smalti.features.classifier import ClassifierConfig
from tests.command import list_contents, read_pixels, run_command

QUICK = "-n 6 --steps 2 --bootstraps 3 --features eyes"


@pytest.fixture
def ready(at_home: Path, trained: Path) -> Path:
    """The working folder with a run and a network to look through."""
    (at_home / "run").symlink_to(trained)
    torch.manual_seed(0)
    network = ClassifierConfig(channels=3, classes=2, widths=(4, 6)).build()
    save(network, at_home / "eyes", Card(facts={"classes": ["day", "night"]}))
    return at_home


def test_a_run_is_measured_on_its_own_pictures(ready: Path, capsys: pytest.CaptureFixture):
    assert run_command(f"evaluate run {QUICK}") == 0
    out = capsys.readouterr().out
    assert "run: 6 samples (seeds 0 to 5) and 1 real valid picture; reference: 11 of" in out
    for word in ("frechet", "copying z", "bits/dim", "forwards", "how to read it"):
        assert word in out
    assert "only 1 picture is held out, fewer than the samples" in out
    folder = ready / "reports" / "run"
    assert list_contents(folder) == ["distances.png", "neighbors.png", "report.json", "samples.png"]
    report = read_report(folder)
    assert report["forwards"].value == 4  # two steps, and the recipe's guidance doubles them
    assert report.sampler["steps"] == 2
    assert read_pixels(folder / "samples.png").ndim == 3


def test_other_data_are_named(ready: Path, capsys: pytest.CaptureFixture):
    words = "evaluate plain --data photos -n 4 --steps 1 --metrics memorization,cost --out r"
    assert run_command(words) == 0
    report = read_report(ready / "r")
    assert set(report.protocol.metrics) == {"memorization", "cost"}
    assert report.protocol.reference == 11
    assert run_command(f"{words} --seed 9") == 0  # an earlier report makes way
    assert read_report(ready / "r").protocol.seed == 9


def test_models_stand_side_by_side(ready: Path, capsys: pytest.CaptureFixture):
    assert run_command(f"evaluate run {QUICK}") == 0
    capsys.readouterr()
    assert run_command(f"compare reports/run run run/step-2 {QUICK} --out both") == 0
    out = capsys.readouterr().out
    header = next(line for line in out.splitlines() if "measure" in line)
    assert header.split() == ["measure", "run", "run", "(2)", "step-2", "real"]
    (row,) = (line for line in out.splitlines() if line.strip().startswith("sampler"))
    assert row.split() == ["sampler", *(3 * ["ddim", "2"])]
    (row,) = (line for line in out.splitlines() if line.strip().startswith("nearest"))
    first, second = row.split()[1:3]  # of one held-out picture, and so without an error
    assert row.rstrip().endswith("about 1 is good")  # nothing is cut off
    assert first == second  # the saved report and the same model measured anew
    assert list_contents(ready / "both") == ["run (2).json", "run.json", "step-2.json"]


def test_saved_reports_need_no_drawing(ready: Path, monkeypatch: pytest.MonkeyPatch):
    assert run_command(f"evaluate run {QUICK} --out a") == 0
    monkeypatch.setattr("smalti.tasks._compare.evaluate_opened_model", None)
    assert run_command("compare a a/report.json") == 0


def test_a_model_with_classes_does_not_compare_with_one_without(
    ready: Path, capsys: pytest.CaptureFixture
):
    assert run_command("compare run plain --data photos -n 4 --steps 1 --metrics cost") == 2
    assert "classes is in turn: sample i is asked to be" in capsys.readouterr().err


def test_a_run_with_a_page_about_its_training_is_still_a_model(
    ready: Path, trained: Path, capsys: pytest.CaptureFixture
):
    shutil.copytree(trained, ready / "mine")
    (ready / "mine" / "report.json").write_text("{}")  # as `smalti report mine` leaves it
    assert run_command("compare mine plain --data photos -n 4 --steps 1 --metrics cost") == 2
    assert "mine and plain cannot be compared: classes is" in capsys.readouterr().err
    shutil.copytree(ready / "mine", ready / "page", ignore=lambda *_: ["run.json"])
    assert run_command("compare page plain") == 2
    assert "page/report.json: it is no report of `smalti evaluate`" in capsys.readouterr().err


def test_other_protocols_are_refused_before_anything_is_drawn(
    ready: Path, capsys: pytest.CaptureFixture
):
    assert run_command(f"evaluate run {QUICK} --out a") == 0
    content = json.loads((ready / "a" / "report.json").read_text())
    content["protocol"]["n"] = 5000
    (ready / "b.json").write_text(json.dumps(content))
    capsys.readouterr()
    assert run_command("compare a b.json run") == 2
    assert capsys.readouterr().err == (
        "smalti: run and run cannot be compared: n is 6 for one and 5000 for the other; "
        "evaluate both with the same options\n"
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("evaluate", "MODEL is missing"),
        ("evaluate nothing", "no model 'nothing'"),
        ("evaluate plain", "plain: data are missing: its training pictures are unknown"),
        ("evaluate digits-classifier", "does not draw pictures"),
        ("evaluate plain --data nowhere", "nowhere does not exist"),
        ("evaluate plain --data photos --metrics fid", "no metric 'fid'"),
        ("evaluate plain --data photos -n 0", "-n is 0"),
        ("evaluate plain --data photos --split test", "no test split"),
        ("evaluate plain --data photos --features nothing", "no features 'nothing'"),
        ("evaluate plain --data photos --features plain", "has no features(x)"),
        ("evaluate plain --data photos --steps 0", "steps is 0"),
        (
            "evaluate named --data photos",
            "pictures of (3, 8, 8), but the model draws (1, 8, 8)",
        ),
        ("evaluate plain --data photos --out photos", "photos holds 'day', which is not ours"),
        ("compare plain", "1 model is given; compare takes two or more"),
        ("compare plain gone.json", "gone.json cannot be read"),
        ("compare plain named", "(3, 8, 8) and named of (1, 8, 8); compare models"),
    ],
)
def test_what_cannot_be_is_refused(
    ready: Path, words: str, said: str, capsys: pytest.CaptureFixture
):
    before = list_contents(ready)
    assert run_command(words) == 2
    error = capsys.readouterr().err
    assert error.startswith("smalti: ") and error.count("\n") == 1
    assert said in error
    assert list_contents(ready) == before


def test_pictures_that_came_since_are_refused(ready: Path, trained: Path, capsys: Any):
    """Others would be held out now, and some of them were trained on."""
    shutil.copytree("photos/", "grown")
    told = json.loads((trained / "run.json").read_text())
    shutil.copytree(trained, ready / "older")
    told["about"]["data"] = str(ready / "grown")
    (ready / "older" / "run.json").write_text(json.dumps(told))
    assert run_command(f"evaluate older {QUICK} --metrics cost") == 0
    for number in range(5):
        shutil.copy("photos/day/0.png", f"grown/day/aa{number}.png")
    for words in ("evaluate older", "compare older older"):
        assert run_command(f"{words} {QUICK} --metrics cost --out r") == 2
        err = capsys.readouterr().err
        assert "the train pictures changed since the run began: pictures 11 then, 16 now" in err
        assert err.count("\n") == 1 and not (ready / "r").exists()
    assert run_command(f"evaluate older --data grown {QUICK} --metrics cost --out r") == 0
    (note, *_) = read_report("r").notes
    assert note.startswith("--data names other pictures than the run's (the train pictures changed")
