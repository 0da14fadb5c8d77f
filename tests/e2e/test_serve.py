"""`smalti serve` as people start it: a process, its workers, the pictures of the command line."""

from __future__ import annotations

import http.cookiejar
import json
import shlex
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from smalti.cli import main
from tests.studio_process import RunningStudio, run_studio


class Browser:
    """A client of a server, which keeps its cookies."""

    def __init__(self, address: str):
        self.address = address
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)

    def read(self, path: str, body: Any = None, method: str | None = None) -> bytes:
        data = None if body is None else json.dumps(body).encode()
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(self.address + path, data, headers, method=method)
        with self.opener.open(request, timeout=120) as answer:
            return answer.read()

    def read_json(self, path: str, body: Any = None, method: str | None = None) -> Any:
        return json.loads(self.read(path, body, method))

    def ask(self, task: str, **arguments: Any) -> str:
        return self.read_json("api/jobs", {"task": task, "arguments": arguments})["id"]

    def wait(self, job_id: str) -> dict[str, Any]:
        self.read(f"api/jobs/{job_id}/events")  # until it is over
        return self.read_json(f"api/jobs/{job_id}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStudio]:
    with run_studio(tmp_path_factory.mktemp("studio"), "--models", "ddpm-digits") as running:
        yield running


@pytest.mark.slow
def test_pictures_are_those_of_the_line_beside_them(
    server: RunningStudio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    browser = Browser(server.address)
    sampler = {"sampler": "ddim", "steps": 2, "clip": False}
    job_id = browser.ask(
        "draw_samples", model="ddpm-digits", n=2, seed=3, classes=[7, "none"], sampler=sampler
    )
    job = browser.wait(job_id)
    assert job["state"] == "done", job["error"]
    assert [one["seed"] for one in job["result"]["pictures"]] == [3, 4]
    monkeypatch.chdir(tmp_path)
    assert main([*shlex.split(job["lines"]["command"])[1:], "--out", "typed"]) == 0
    exec(job["lines"]["python"])
    for name in ("00003.png", "00004.png", "grid.png"):
        content = browser.read(f"api/jobs/{job_id}/files/{name}")
        assert content == (tmp_path / "typed" / name).read_bytes()
        assert content == (tmp_path / "result" / name).read_bytes()


@pytest.mark.slow
def test_a_long_job_stops_between_two_steps_and_the_next_one_runs(
    server: RunningStudio,
):
    browser = Browser(server.address)
    job_id = browser.ask("draw_samples", model="ddpm-digits", n=2, sampler={"sampler": "ddpm"})
    while browser.read_json(f"api/jobs/{job_id}")["progress"] is None:
        time.sleep(0.05)
    browser.read_json(f"api/jobs/{job_id}", method="DELETE")
    assert browser.wait(job_id)["state"] == "cancelled"
    again = browser.ask("draw_samples", model="ddpm-digits", n=1, sampler={"steps": 1})
    assert browser.wait(again)["state"] == "done"


@pytest.mark.slow
def test_a_worker_that_ends_is_started_again(server: RunningStudio):
    process, address = server
    browser = Browser(address)
    job_id = browser.ask("draw_samples", model="ddpm-digits", n=2, sampler={"sampler": "ddpm"})
    while browser.read_json(f"api/jobs/{job_id}")["progress"] is None:
        time.sleep(0.05)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    threads = Path(f"/proc/{process.pid}/task").glob("*/children")
    pids = [int(pid) for file in (children, *threads) for pid in file.read_text().split()]
    workers = [pid for pid in pids if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    subprocess.run(["kill", "-KILL", *map(str, {*workers})], check=True)
    job = browser.wait(job_id)
    assert job["state"] == "failed"
    assert "its process ended" in job["error"]
    again = browser.ask("draw_samples", model="ddpm-digits", n=1, sampler={"steps": 1})
    assert browser.wait(again)["state"] == "done"


def test_an_address_that_is_taken_gets_a_line(capfd: pytest.CaptureFixture[str], tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["serve", "--port", str(port), "--folder", str(tmp_path / "studio")]) == 2
    assert f"port {port}" in capfd.readouterr().err
    assert not (tmp_path / "studio").exists()


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["--port", "70000"], "--port is 70000"),
        (["--models", "no-such-model"], "no-such-model"),
        (["--host", "256.1.1.1"], "cannot listen at 256.1.1.1"),
        (["--slots", "0"], "--slots is 0"),
    ],
)
def test_wrong_options_get_a_line(
    words: list[str], line: str, capfd: pytest.CaptureFixture[str], tmp_path: Path
):
    assert main(["serve", "--folder", str(tmp_path / "s"), *words]) == 2
    assert line in capfd.readouterr().err
