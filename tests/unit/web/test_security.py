"""Who is refused: other hosts and origins, no token, large and slow bodies, paths."""

from __future__ import annotations

from pathlib import Path

import pytest

from smalti.web.limits import Limits
from smalti.web.security import Access
from smalti.web.server import make_access
from tests.unit.web.studios import ask, open_studio

JOB = {"task": "count", "arguments": {}}


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8765", 200),
        ("localhost", 200),
        ("[::1]:8765", 200),
        ("evil.example", 421),
        ("127.0.0.1.evil.example", 421),
        ("192.168.1.5", 421),
        ("localhost@evil.example", 421),
        ("", 421),
    ],
)
def test_only_its_own_names_reach_a_local_server(tmp_path: Path, host: str, status: int):
    with open_studio(tmp_path) as client:
        assert client.get("/api/studio", headers={"host": host}).status_code == status


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 201),
        ({"origin": "http://127.0.0.1"}, 201),
        ({"origin": "http://127.0.0.1:1"}, 403),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site", "origin": "http://127.0.0.1"}, 403),
    ],
)
def test_other_sites_change_nothing(tmp_path: Path, headers: dict[str, str], status: int):
    with open_studio(tmp_path) as client:
        assert client.post("/api/jobs", json=JOB, headers=headers).status_code == status


def test_a_server_for_others_needs_its_token(tmp_path: Path):
    access = make_access("0.0.0.0", "secret")
    with open_studio(tmp_path, access=access, url="http://192.168.1.5:8765") as client:
        assert client.get("/api/studio").status_code == 401
        assert client.get("/static/main.js").status_code == 401
        assert client.get("/?token=wrong").status_code == 401
        assert client.get("/api/studio?token=secret").status_code == 401  # only the first address
        bearer = {"authorization": "Bearer secret"}
        assert client.get("/api/studio", headers=bearer).status_code == 200
        first = client.get("/?token=secret", follow_redirects=False)
        assert (first.status_code, first.headers["location"]) == (303, "/")
        assert "HttpOnly" in first.headers["set-cookie"]
        assert client.get("/api/studio").status_code == 200  # by the cookie
        assert client.get("/api/studio", headers={"host": "evil.example"}).status_code == 421


def test_a_token_is_made_wherever_others_can_connect():
    assert make_access("127.0.0.1").token == make_access("localhost").token == ""
    assert make_access("::1").token == ""
    tokens = {make_access(host).token for host in ("0.0.0.0", "::", "192.168.1.5", "my-machine")}
    assert len(tokens) == 4
    assert min(map(len, tokens)) >= 32


def test_large_bodies_are_refused(tmp_path: Path):
    limits = Limits(body_bytes=1000, upload_bytes=2000)
    with open_studio(tmp_path, limits=limits) as client:
        assert client.post("/api/jobs", content=b" " * 1001).status_code == 413
        assert client.post("/api/uploads", content=b" " * 2001).status_code == 413

        def send_parts():
            yield from [b" " * 700] * 2  # without a length

        kind = {"content-type": "application/json"}
        assert client.post("/api/jobs", content=send_parts(), headers=kind).status_code == 413
        ask(client, n=1)


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/strings/..%2f..%2fsecret.json",
        "/strings/xx.json",
        "/api/forms/os",
        "/api/uploads/..%2f..%2fjobs",
        "/nothing",
    ],
)
def test_paths_lead_nowhere_else(tmp_path: Path, path: str):
    with open_studio(tmp_path) as client:
        assert client.get(path).status_code in (400, 404)


def test_a_result_has_only_the_files_on_its_list(tmp_path: Path):
    from tests.unit.web.studios import wait_until

    with open_studio(tmp_path) as client:
        job = wait_until(client, ask(client, n=1))
        for name in ("../job.json", "..%2fjob.json", "/etc/passwd", "sum.txt/..", ""):
            assert client.get(f"/api/jobs/{job['id']}/files/{name}").status_code == 404


def test_pages_may_load_nothing_from_elsewhere(tmp_path: Path):
    with open_studio(tmp_path) as client:
        for path in ("/", "/static/main.js", "/api/studio", "/nothing"):
            headers = client.get(path).headers
            assert headers["content-security-policy"].startswith("default-src 'none'")
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
        cookie = client.get("/").headers.get("set-cookie", "") or str(client.cookies)
        assert cookie


def test_the_cookie_of_a_client_cannot_be_read_by_scripts_or_other_sites(tmp_path: Path):
    with open_studio(tmp_path) as client:
        cookie = client.get("/").headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie


def test_a_host_header_is_compared_as_a_name():
    access = Access()
    assert access.accepts_host("LOCALHOST:80")
    assert not access.accepts_host("localhost.evil:80")
