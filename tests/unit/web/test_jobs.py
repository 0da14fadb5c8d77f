"""Jobs over HTTP: asked for, followed, cancelled, kept."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from smalti.web.limits import Limits
from tests.unit.web.studios import URL, ask, close_gate, open_studio, wait_until


def test_a_job_runs_and_has_a_result_files_and_lines(tmp_path: Path):
    with open_studio(tmp_path) as client:
        job = wait_until(client, ask(client, n=5))
        assert job["state"] == "done"
        assert job["result"] == {"result": 5}
        assert job["lines"]["command"] == "smalti count -n 5"
        assert [file["name"] for file in job["files"]] == ["sum.txt"]
        file = client.get(f"/api/jobs/{job['id']}/files/sum.txt")
        assert (file.text, file.headers["content-type"]) == ("5", "text/plain; charset=utf-8")


def test_a_stream_ends_with_the_job_and_carries_its_pictures(tmp_path: Path):
    with open_studio(tmp_path) as client:
        gate = close_gate(1)
        job = ask(client, n=2, seed=1)
        gate.set()
        text = client.get(f"/api/jobs/{job['id']}/events").text
        events = [part.splitlines() for part in text.split("\n\n") if "event: " in part]
        states = [json.loads(lines[2][6:]) for lines in events if "event: job" in lines]
        assert states[-1]["state"] == "done"
        versions = [int(lines[0][4:]) for lines in events if lines[0].startswith("id: ")]
        assert versions == sorted(versions)
        again = client.get(
            f"/api/jobs/{job['id']}/events", headers={"last-event-id": str(versions[-1])}
        )
        assert "event: job" not in again.text  # nothing has changed since


def test_a_running_job_stops_when_it_is_cancelled(tmp_path: Path):
    with open_studio(tmp_path) as client:
        close_gate(2)
        job = ask(client, seed=2)
        wait_until(client, job, "running")
        assert client.delete(f"/api/jobs/{job['id']}").json()["stopping"]
        job = wait_until(client, job)
        assert job["state"] == "cancelled"
        assert not [*(tmp_path / "jobs" / job["id"]).glob("files/*")]


def test_a_waiting_job_is_cancelled_at_once(tmp_path: Path):
    with open_studio(tmp_path) as client:
        gate = close_gate(3)
        ask(client, seed=3)
        second = ask(client)
        assert second["state"] == "waiting"
        assert client.delete(f"/api/jobs/{second['id']}").json()["state"] == "cancelled"
        gate.set()


def test_another_client_can_neither_see_nor_cancel_a_job(tmp_path: Path):
    with open_studio(tmp_path) as client:
        gate = close_gate(4)
        job = ask(client, seed=4)
        other = TestClient(client.app, base_url=URL)
        for path in ("", "/events", "/files/sum.txt", "/files.zip"):
            assert other.get(f"/api/jobs/{job['id']}{path}").status_code == 404
        assert other.delete(f"/api/jobs/{job['id']}").status_code == 404
        assert other.get("/api/jobs").json() == []
        gate.set()
        assert wait_until(client, job)["state"] == "done"


def test_clients_take_turns(tmp_path: Path):
    with open_studio(tmp_path) as client:
        gate = close_gate(5)
        jobs = [ask(client, seed=5), *(ask(client) for _ in range(3))]
        other = TestClient(client.app, base_url=URL)
        theirs = ask(other)
        assert theirs["position"] == 2  # behind the running one and one of the four
        assert client.get(f"/api/jobs/{jobs[3]['id']}").json()["position"] == 4
        gate.set()
        wait_until(client, jobs[3])
        theirs = other.get(f"/api/jobs/{theirs['id']}").json()
        assert theirs["ended"] <= client.get(f"/api/jobs/{jobs[2]['id']}").json()["begun"]


def test_a_client_may_have_only_so_many_jobs(tmp_path: Path):
    with open_studio(tmp_path, limits=Limits(jobs_waiting=2)) as client:
        gate = close_gate(6)
        ask(client, seed=6)
        ask(client)
        answer = client.post("/api/jobs", json={"task": "count", "arguments": {}})
        assert answer.status_code == 400
        assert "you have 2 jobs" in answer.json()["error"]
        assert len(client.get("/api/jobs").json()) == 2
        gate.set()


def test_a_job_that_takes_too_long_is_stopped_with_a_line(tmp_path: Path):
    with open_studio(tmp_path, limits=Limits(job_seconds=0.05)) as client:
        close_gate(7)
        job = wait_until(client, ask(client, seed=7))
        assert job["state"] == "failed"
        assert "more than 0.05 s" in job["error"]


def test_errors_of_tasks_are_lines_and_ours_do_not_end_the_server(tmp_path: Path):
    with open_studio(tmp_path) as client:
        assert wait_until(client, ask(client, n=13))["error"] == "n is 13; give another"
        assert "ZeroDivisionError" in wait_until(client, ask(client, n=14))["error"]
        assert wait_until(client, ask(client, n=1))["state"] == "done"


def test_jobs_survive_a_restart(tmp_path: Path):
    with open_studio(tmp_path) as client:
        done = wait_until(client, ask(client, n=1))
        close_gate(8)
        stopped = ask(client, seed=8)
        cookies = dict(client.cookies)
    with open_studio(tmp_path) as client:
        client.cookies.update(cookies)
        jobs = {job["id"]: job for job in client.get("/api/jobs").json()}
        assert jobs[done["id"]]["result"] == {"result": 1}
        assert client.get(f"/api/jobs/{done['id']}/files/sum.txt").text == "1"
        assert "the server was stopped" in jobs[stopped["id"]]["error"]


def test_the_oldest_results_are_removed(tmp_path: Path):
    with open_studio(tmp_path, limits=Limits(jobs_kept=2)) as client:
        jobs = [wait_until(client, ask(client, n=1)) for _ in range(4)]
        kept = [job["id"] for job in client.get("/api/jobs").json()]
        assert kept == [job["id"] for job in jobs[1:]]  # the last came after two were over
        assert not (tmp_path / "jobs" / jobs[0]["id"]).exists()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"task": "count", "arguments": {"n": 0}}, "n is 0"),
        ({"task": "count", "arguments": {"n": 1.5}}, "n is 1.5"),
        ({"task": "count", "arguments": {"n": True}}, "n is True"),
        ({"task": "count", "arguments": {"n": 65}}, "64 pictures at a time"),
        ({"task": "count", "arguments": {"out": "/etc"}}, "no argument 'out'"),
        ({"task": "count", "arguments": {"device": "cuda"}}, "no argument 'device'"),
        ({"task": "count", "arguments": []}, "arguments is []"),
        ({"task": "os:system", "arguments": {}}, "no task 'os:system'"),
        ({"task": 3}, "no task"),
        ({"task": "count", "arguments": {}, "folder": "/"}, "the body is"),
        ([], "the body is []"),
        ({"task": "measure", "arguments": {"picture": "/etc/passwd"}}, "upload a file"),
        ({"task": "measure", "arguments": {"picture": {"upload": "../../x"}}}, "no such upload"),
        ({"task": "measure", "arguments": {}}, "'picture' is missing"),
    ],
)
def test_a_request_that_is_wrong_gets_a_line(tmp_path: Path, body: object, words: str):
    with open_studio(tmp_path) as client:
        answer = client.post("/api/jobs", json=body)
        assert answer.status_code in (400, 404)
        assert words in answer.json()["error"]
        assert not [*(tmp_path / "jobs").iterdir()]


def test_a_body_that_is_not_json_gets_a_line(tmp_path: Path):
    with open_studio(tmp_path) as client:
        kind = {"content-type": "application/json"}
        for body in ("{", "[" * 100_000, b"\xff"):
            answer = client.post("/api/jobs", content=body, headers=kind)
            assert (answer.status_code, "JSON" in answer.json()["error"]) == (400, True)
        assert client.post("/api/jobs", content="{}").status_code == 400  # a form may send it
