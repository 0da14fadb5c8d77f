"""Uploads: pictures are kept, anything else is a line, and quotas hold."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from smalti.web.limits import Limits
from tests.unit.web.studios import URL, ask, open_studio, wait_until


def make_png(width: int = 6, height: int = 5) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.arange(height * width, dtype=np.uint8).reshape(height, width)).save(
        file, "PNG"
    )
    return file.getvalue()


def make_bomb() -> bytes:
    """A PNG of 60,000 x 60,000 pixels in a few bytes."""
    head = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(b"\0" * 1000)), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


def upload(client: TestClient, content: bytes, name: str = "a.png") -> dict:
    answer = client.post("/api/uploads", params={"name": name}, content=content)
    return answer.json() | {"status": answer.status_code}


def test_a_picture_is_uploaded_and_used(tmp_path: Path):
    with open_studio(tmp_path) as client:
        found = upload(client, make_png())
        assert (found["height"], found["width"], found["name"]) == (5, 6, "a.png")
        job = ask(client, "measure", picture={"upload": found["upload"]})
        assert wait_until(client, job)["result"] == {"result": [1, 1, 5, 6]}


def test_another_client_cannot_use_an_upload(tmp_path: Path):
    with open_studio(tmp_path) as client:
        found = upload(client, make_png())
        other = TestClient(client.app, base_url=URL)
        body = {"task": "measure", "arguments": {"picture": {"upload": found["upload"]}}}
        assert other.post("/api/jobs", json=body).status_code == 404
        assert other.get(f"/api/uploads/{found['upload']}").status_code == 404


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a picture",
        make_png()[:40],
        make_bomb(),
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"GIF89a" + b"\xff" * 20,
        b"\x80\x04\x95pickle.",
        b"RIFF\xff\xff\xff\xffWEBPVP8 ",
        make_png(2000, 3),
    ],
    ids=["empty", "text", "cut", "bomb", "svg", "eps", "gif", "pickle", "webp", "thin"],
)
def test_what_is_no_picture_gets_a_line(tmp_path: Path, content: bytes):
    with open_studio(tmp_path) as client:
        found = upload(client, content, "../../evil name.png")
        assert found["status"] == 400
        assert "\n" not in found["error"]
        assert str(tmp_path) not in found["error"]
        assert not [*(tmp_path / "uploads").iterdir()]


def test_quotas_hold(tmp_path: Path):
    limits = Limits(uploads_kept=2, upload_pixels=100)
    with open_studio(tmp_path, limits=limits) as client:
        assert upload(client, make_png(11, 10))["status"] == 400
        ids = [upload(client, make_png())["upload"] for _ in range(3)]
        assert client.get(f"/api/uploads/{ids[0]}").status_code == 404
        assert client.get(f"/api/uploads/{ids[2]}").status_code == 200
        assert len([*(tmp_path / "uploads").iterdir()]) == 2
