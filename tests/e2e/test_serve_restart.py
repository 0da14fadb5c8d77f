"""Training survives its server: killed or interrupted, and resumed by another."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from smalti.core.saved_steps import list_steps
from tests import albums
from tests.e2e.test_serve import Browser
from tests.studio_process import run_studio


def wait_for(read: Callable[[], object], seconds: float = 120) -> None:
    """Read until there is something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if read():
            return
        time.sleep(0.05)
    raise AssertionError(f"nothing after {seconds} s")


def count_steps(browser: Browser, job_id: str) -> int:
    """Steps of training of a job that runs."""
    job = browser.read_json(f"api/jobs/{job_id}")
    assert job["state"] in ("waiting", "running"), job["error"]
    progress = job["progress"] or {"activity": ""}
    return int(progress["done"]) if progress["activity"] == "training" else 0


def find_saved_step(run: Path) -> int:
    """The newest step on disk, once the run is left by the process that trained it; 0 for none."""
    steps = [int(re.sub(r"\D", "", step.name)) for step in list_steps(run)]
    return max(steps, default=0)


@pytest.mark.slow
def test_a_run_is_saved_and_resumed_whatever_ends_the_server(tmp_path: Path):
    noise = albums.make_noise(24, 8, 8)
    photos = {f"{k}.png": albums.encode_picture(one) for k, one in enumerate(noise)}
    data = albums.write_folder(tmp_path / "photos", photos)
    run, folder = tmp_path / "run", tmp_path / "studio"
    folder.mkdir()
    with run_studio(folder, "--models", "ddpm-digits") as running:
        browser = Browser(running.address)
        asked = {"recipe": "vqvae", "data": str(data), "minutes": 60, "out": str(run)}
        job_id = browser.ask("train", **asked)
        wait_for(lambda: count_steps(browser, job_id) > 2)
        running.process.kill()
        running.process.wait(60)
    wait_for(lambda: find_saved_step(run) > 2)  # its worker saves before it ends
    saved = find_saved_step(run)
    with run_studio(folder, "--models", "ddpm-digits") as running:
        browser.address = running.address
        job = browser.read_json(f"api/jobs/{job_id}")
        assert (job["state"], job["arguments"]["out"]) == ("failed", str(run))
        assert "the server was stopped" in job["error"]

        def resume() -> str:
            """Ask until the first server's worker has let the run go."""
            resumed = browser.ask("resume", out=str(run))
            try:
                wait_for(lambda: count_steps(browser, resumed) > saved)
            except AssertionError as error:
                assert "in use" in str(error) or "another process" in str(error), error
                return ""
            return resumed

        wait_for(resume)
    assert find_saved_step(run) > saved  # Ctrl-C saves, too
    assert os.path.isfile(run / "latest")
