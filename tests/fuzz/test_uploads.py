"""Malformed pictures, clips and archives as uploads to the studio, in process.

Each is taken, or refused with a status from 400 to 499 and one line; nothing of a refused one is
left. `make test` uploads some, `make soak` all.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.fuzz import pictures, zips
from tests.fuzz.cases import Case, pick_evenly
from tests.fuzz.kit import Kit
from tests.fuzz.test_fuzz import SEED, SOAK
from tests.unit.web.studios import ask, open_studio, wait_until

FORMATS: dict[str, tuple[Callable[[Kit], Iterator[Case]], int]] = {
    "pictures": (pictures.cases, 60),
    "zips": (zips.cases, 20),
}
"""Inputs by format, and how many of them `make test` uploads."""


@pytest.mark.parametrize("name", FORMATS)
def test_uploads_are_taken_or_get_a_line(name: str, tmp_path: Path) -> None:
    make_cases, few = FORMATS[name]
    cases = list(make_cases(Kit(tmp_path / "kit")))
    chosen = cases if SOAK else pick_evenly(cases, few, SEED)
    seen: set[bytes] = set()
    refused = 0
    with open_studio(tmp_path / "studio") as client:
        for case in chosen:
            for file in make_files(case, tmp_path / "here"):
                content = file.read_bytes()
                digest = hashlib.sha256(content).digest()
                if digest not in seen:
                    seen.add(digest)
                    refused += upload(client, file.name, content, tmp_path / "studio", case.name)
            shutil.rmtree(tmp_path / "here")
    assert few // 4 < refused < len(seen)


def make_files(case: Case, workdir: Path) -> list[Path]:
    """The regular files of a case: a browser sends no links, pipes or devices."""
    workdir.mkdir()
    case.make(workdir)
    found = [Path(folder) / name for folder, _, names in os.walk(workdir) for name in names]
    return [file for file in found if is_small_file(file)]


def is_small_file(file: Path) -> bool:
    status = file.lstat()
    return stat.S_ISREG(status.st_mode) and status.st_size < 100 << 20


def upload(client: TestClient, name: str, content: bytes, studio: Path, title: str) -> bool:
    """Upload a file; whether it is refused."""
    is_archive = name.endswith(".zip")
    address, kept = ("archives", "archives/*/*") if is_archive else ("uploads", "uploads/*")
    before = {*studio.glob(kept)}
    name = name.encode("utf-8", "replace").decode()
    answer = client.post(f"/api/{address}", params={"name": name}, content=content)
    facts = answer.json()
    if answer.status_code != 201:
        assert 400 <= answer.status_code < 500, title
        assert facts["error"].isprintable(), f"{title}: {facts['error']!r}"
        assert str(studio) not in facts["error"], title
        assert {*studio.glob(kept)} == before, title
        return True
    if not is_archive:  # what is taken is decoded by tasks
        job = wait_until(client, ask(client, "measure", picture={"upload": facts["upload"]}))
        assert job["state"] == "done" or job["error"].isprintable(), title
        assert "the server met an error" not in job["error"], title
    return False
