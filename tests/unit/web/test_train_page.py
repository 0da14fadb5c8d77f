"""Training over HTTP: audit, run, report, resume, on a server for this machine alone."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.core.progress import Cancelled, Progress
from smalti.tasks import _forecast
from smalti.training.events import Note, Stepped
from smalti.training.interrupt import Interrupt
from smalti.web.registry import find_pages
from smalti.web.worker import Reporter
from tests.unit.web.studios import ask, open_studio, wait_until


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for k in range(24):
        Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(folder / f"{k}.png")
    return folder


def test_a_folder_is_audited(tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_forecast, "TIMING_SECONDS", 0.0)
    monkeypatch.setattr(_forecast, "MAX_TIMED_PIXELS", 4 * 8 * 8)
    with open_studio(tmp_path / "studio", pages=find_pages()) as client:
        job = wait_until(client, ask(client, "audit", pictures=str(pictures)), seconds=60)
        assert job["state"] == "done", job["error"]
        assert job["result"]["training"]["minutes"] > 0
        assert "contact.png" in {file["name"] for file in job["files"]}


def test_a_run_is_the_command_lines_and_is_kept(tmp_path: Path, pictures: Path):
    run = tmp_path / "run"
    with open_studio(tmp_path / "studio", pages=find_pages()) as client:
        asked = {"recipe": "vqvae", "data": str(pictures), "minutes": 0.01, "out": str(run)}
        job = wait_until(client, ask(client, "train", **asked), seconds=120)
        assert job["state"] == "done", job["error"]
        assert job["lines"]["command"].startswith("smalti train vqvae --data ")
        assert (run / "run.json").is_file()
        report = wait_until(client, ask(client, "report", run=str(run)), seconds=60)
        assert report["state"] == "done", report["error"]
        assert report["result"]["curves"]["loss"][-1][0] == job["result"]["step"]
        assert report["result"]["grids"]
        again = wait_until(client, ask(client, "train", **asked), seconds=60)
        assert (again["state"], run.is_dir()) == ("failed", True)
        resumed = wait_until(client, ask(client, "resume", out=str(run)), seconds=60)
        assert resumed["state"] == "done", resumed["error"]


def test_recipes_of_text_are_not_offered(tmp_path: Path):
    with open_studio(tmp_path, pages=find_pages()) as client:
        fields = {one["name"]: one for one in client.get("/api/forms/train").json()["fields"]}
        assert "ddpm" in fields["recipe"]["choices"]
        assert "translate" not in fields["recipe"]["choices"]


def test_training_is_interrupted_as_by_ctrl_c():
    ours, theirs = multiprocessing.Pipe()
    server, cancels = multiprocessing.Pipe()
    reporter = Reporter(theirs, cancels, 7)  # type: ignore[arg-type]
    reporter(Note("text"))
    reporter(Stepped(1, 4, {"loss": 0.5}, 1.0))
    progress = ours.recv().progress
    assert (progress.done, progress.total, progress.detail) == (1, 4, "loss 0.5")
    assert not ours.poll()
    server.send(7)
    with Interrupt() as interrupt:
        reporter(Stepped(2, 4, {"loss": 0.5}, 1.0))
        assert interrupt.requested
        reporter(Stepped(3, 4, {"loss": 0.5}, 1.0))  # only once: a second one would end it at once


def test_training_is_saved_when_its_server_ends():
    ours, theirs = multiprocessing.Pipe()
    server, cancels = multiprocessing.Pipe()
    reporter = Reporter(theirs, cancels, 7)  # type: ignore[arg-type]
    ours.close()
    server.close()
    with Interrupt() as interrupt:
        for step in (1, 2, 3):  # until it has saved; more than one interrupt would end it at once
            reporter(Stepped(step, 4, {"loss": 0.5}, 1.0))
        assert interrupt.requested
    with pytest.raises(Cancelled):
        reporter(Progress("drawing", 0, 1))
