"""Training on a server for others: an uploaded folder, runs by name, quotas, hostile archives."""

from __future__ import annotations

import io
import stat
import zipfile
from pathlib import Path
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from smalti.web.limits import Limits
from smalti.web.registry import find_pages
from tests import albums
from tests.fuzz.zips import encode_zip
from tests.unit.web.studios import URL, ask, open_studio, wait_until

NOISE = albums.make_noise(24, 8, 8)
PICTURES = {f"{k}.png": albums.encode_picture(one) for k, one in enumerate(NOISE)}
LONG = "x" * 60_000


def upload(client: TestClient, content: bytes, name: str = "photos.zip") -> dict:
    answer = client.post("/api/archives", params={"name": name}, content=content)
    return answer.json() | {"status": answer.status_code}


def open_others(folder: Path, limits: Limits = Limits()):
    return open_studio(folder, pages=find_pages(), is_local=False, limits=limits)


def refuse(client: TestClient, task: str, **arguments: object) -> str:
    """The line of a job that is refused."""
    answer = client.post("/api/jobs", json={"task": task, "arguments": arguments})
    assert answer.status_code == 400, answer.text
    return answer.json()["error"]


def test_an_uploaded_folder_is_trained_on_and_drawn_from(tmp_path: Path):
    with open_others(tmp_path) as client:
        sent = upload(client, encode_zip(PICTURES), "../my photos.zip")
        assert sent["name"] == ".._my photos.zip"
        data = {"upload": sent["upload"]}
        asked = {"recipe": "vqvae", "data": data, "minutes": 0.01, "out": "mine"}
        job = wait_until(client, ask(client, "train", **asked), seconds=120)
        assert job["state"] == "done", job["error"]
        assert job["result"]["run"] == "mine"
        assert job["lines"]["command"].endswith("--out mine --minutes 0.01")
        assert "archives" not in str(job)
        report = wait_until(client, ask(client, "report", run="mine"), seconds=60)
        assert report["result"]["run"] == "mine"
        again = wait_until(client, ask(client, "train", **asked))
        assert again["state"] == "failed"
        assert str(tmp_path) not in again["error"]
        models = {one["name"]: one for one in client.get("/api/models").json()}
        assert models["mine"]["is_run"]
        codes = ask(client, "decode_codes", model="mine", codes=[[0, 1], [1, 0]])
        assert wait_until(client, codes)["state"] == "done"
        other = TestClient(client.app, base_url=URL)
        assert "mine" not in {one["name"] for one in other.get("/api/models").json()}
        assert "no model" in refuse(other, "decode_codes", model="mine", codes=[[0]])
        assert (
            "no such upload"
            in other.post("/api/jobs", json={"task": "audit", "arguments": {"pictures": data}}).text
        )
        assert client.delete("/api/runs/mine").status_code == 200
        assert not [*(tmp_path / "runs").glob("*/*")]
        assert client.delete("/api/runs/mine").status_code == 404


def test_paths_are_no_data_and_no_runs_there(tmp_path: Path):
    with open_others(tmp_path, Limits(runs=0)) as client:
        assert "upload a folder" in refuse(client, "audit", pictures=str(tmp_path))
        upload_id = upload(client, encode_zip(PICTURES))["upload"]
        asked = {"recipe": "vqvae", "data": {"upload": upload_id}, "minutes": 1}
        for name in ("../up", "/tmp/x", "a/b", "", ".", "..", "runs/../x", "x" * 60, "a\n"):
            assert "the run is" in refuse(client, "train", **asked, out=name)
            path = f"/api/runs/{quote(name, safe='')}"
            assert client.delete(path).status_code in (400, 404, 405)
        assert "you have 0 runs" in refuse(client, "train", **asked, out="mine")
        assert "minutes is not given" in refuse(client, "train", **{**asked, "minutes": None})
        assert "minutes is 61" in refuse(client, "train", **{**asked, "minutes": 61})
        assert "no such run" in client.delete("/api/runs/mine").json()["error"]


def make_link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("a.png")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    return file.getvalue()


def make_encrypted() -> bytes:
    data = bytearray(encode_zip(PICTURES))
    data[data.index(b"PK\1\2") + 8] |= 1
    return bytes(data)


HOSTILE = {
    "empty": (b"", "not a readable zip"),
    "no zip": (b"x" * 1000, "not a readable zip"),
    "cut": (encode_zip(PICTURES)[:-30], "not a readable zip"),
    "no pictures": (encode_zip({"a.txt": b"x"}), "no pictures"),
    "above": (encode_zip({"../a.png": b"x"}), "outside itself"),
    "backslashes": (encode_zip({"a\\..\\..\\b.png": b"x"}), "outside itself"),
    "absolute": (encode_zip({"/a.png": b"x"}), "outside itself"),
    "drive": (encode_zip({"C:\\a.png": b"x"}), "outside itself"),
    "link": (make_link(), "has a link"),
    "encrypted": (make_encrypted(), "is encrypted"),
    "bomb": (encode_zip({**PICTURES, "b.png": bytes(20 << 20)}), "unpacks to 20 MB"),
    "many": (encode_zip({f"{k}.png": b"" for k in range(200)}), "has 200 files"),
    "a huge directory": (encode_zip({f"{LONG}{k}.png": b"" for k in range(2)}), "too many"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_gets_a_line_and_leaves_nothing(tmp_path: Path, name: str):
    content, words = HOSTILE[name]
    with open_others(tmp_path, Limits(archive_files=100, archive_unpacked=10 << 20)) as client:
        answer = upload(client, content, f"{name}.zip")
        assert answer["status"] == 400
        assert words in answer["error"]
        assert "\n" not in answer["error"]
        assert str(tmp_path) not in answer["error"]
        assert not [*(tmp_path / "archives").glob("*/*")]


def test_archives_have_a_quota_and_outlive_the_server(tmp_path: Path):
    content = encode_zip(PICTURES)
    limits = Limits(archive_quota=2 * len(content), archive_bytes=len(content))
    with open_others(tmp_path, limits) as client:
        assert upload(client, content + b"x")["status"] == 413
        ids = [upload(client, content)["upload"] for _ in range(3)]
        kept = [one["upload"] for one in client.get("/api/archives").json()]
        assert kept == ids[1:]
        cookies = dict(client.cookies)
    with open_others(tmp_path, limits) as client:
        client.cookies.update(cookies)
        assert [one["upload"] for one in client.get("/api/archives").json()] == ids[1:]
