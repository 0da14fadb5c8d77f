"""Result folders: atomic, and never overwriting files that are not ours."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smalti.core.files import stage_file, write_atomically, write_text
from smalti.core.folders import (
    ResultFiles,
    check_replaceable,
    check_writable,
    stage_folder,
    write_record,
)
from smalti.core.locks import lock_folder
from smalti.core.pictures import save_gif, save_png
from smalti.core.staging import HOST, PREFIX, temporary_folder
from tests.command import limit_file_size, list_contents
from tests.expect import expect_user_error

SAMPLES = ResultFiles(r"grid\.png|samples\.json|\d+\.png", "samples.json")
SELF = ResultFiles(r"[^/]+\.json", record_keys=("format",))
TREE = ResultFiles(r"record\.json|run/.+", "record.json")


def write_result(
    out: Path, *names: str, results: ResultFiles = SAMPLES, text: str = "ours"
) -> None:
    """A result of these files and its record."""
    with stage_folder(out, results) as folder:
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        assert results.record_name
        write_record(folder / results.record_name, {"smalti": "0"})


def list_leftovers(*folders: Path) -> list[Path]:
    return [p for folder in folders for p in folder.glob(f"{PREFIX}*")]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "out"


# ---- folders


def test_a_new_folder_appears_as_a_whole_and_the_next_takes_its_place(out: Path):
    with stage_folder(out, SAMPLES) as folder:
        (folder / "grid.png").write_text("half")
        assert not list_contents(out)
    assert list_contents(out) == ["grid.png"]
    (out / "grid.png").unlink()
    write_result(out, "00000.png", "00001.png")
    write_result(out, "00000.png", text="new")
    assert list_contents(out) == ["00000.png", "samples.json"]
    assert (out / "00000.png").read_text() == "new"
    assert json.loads((out / "samples.json").read_text())["files"] == ["00000.png"]
    assert not list_leftovers(out, out.parent)


def test_what_fails_leaves_what_was_there(out: Path):
    for before in ([], ["00000.png", "samples.json"]):
        with pytest.raises(ZeroDivisionError), stage_folder(out, SAMPLES) as folder:
            (folder / "00000.png").write_text("half")
            raise ZeroDivisionError
        assert (list_contents(out) if before else out.parent.exists()) == (before or False)
        write_result(out, "00000.png")
    assert (out / "00000.png").read_text() == "ours"


def test_names_like_ours_without_our_record_are_not_ours(out: Path):
    """Frames of a film are called as samples are."""
    out.mkdir(parents=True)
    (out / "0001.png").write_text("mine")
    with expect_user_error("out holds '0001.png', which is not ours"), stage_folder(out, SAMPLES):
        pass
    (out / "samples.json").write_text('{"mine": 1}')
    with expect_user_error("which is not ours"):
        check_replaceable(out, SAMPLES)
    assert list_contents(out) == ["0001.png", "samples.json"]


def test_what_the_record_does_not_list_is_not_ours(out: Path):
    write_result(out, "00000.png")
    (out / "00007.png").write_text("mine")
    with expect_user_error("out holds '00007.png'"):
        check_replaceable(out, SAMPLES)
    record = json.loads((out / "samples.json").read_text())
    del record["files"]  # as earlier versions wrote it
    (out / "samples.json").write_text(json.dumps(record))
    write_result(out, "00001.png")
    assert list_contents(out) == ["00001.png", "samples.json"]


def test_a_forged_record_removes_nothing_elsewhere(out: Path):
    write_result(out, "00000.png")
    (out.parent / "mine.png").write_text("mine")
    listed = {"smalti": "0", "files": ["../mine.png", "00000.png", "/etc/passwd"]}
    (out / "samples.json").write_text(json.dumps(listed))
    write_result(out, "00001.png")
    assert list_contents(out.parent) == ["mine.png", "out", "out/00001.png", "out/samples.json"]


def test_reports_stand_for_themselves(out: Path):
    with stage_folder(out, SELF) as folder:
        (folder / "a.json").write_text('{"format": 1}')
    with stage_folder(out, SELF) as folder:
        (folder / "b.json").write_text('{"format": 1}')
    assert list_contents(out) == ["b.json"]
    (out / "mine.json").write_text('{"other": 1}')
    with expect_user_error("'mine.json', which is not ours"):
        check_replaceable(out, SELF)


def test_folders_in_a_result_are_replaced_file_by_file(out: Path):
    write_result(out, "run/a", "run/b", results=TREE)
    write_result(out, "run/b", "run/c", results=TREE, text="new")
    assert list_contents(out) == ["record.json", "run", "run/b", "run/c"]
    (out / "run" / "mine").write_text("mine")
    with expect_user_error("holds 'run', which is not ours"):
        check_replaceable(out, TREE)


@pytest.mark.parametrize("name", ["lost+found", ".DS_Store", "Thumbs.db"])
def test_what_systems_put_there_stays(out: Path, name: str):
    write_result(out, "00000.png")
    (out / name).write_text("the system's")
    write_result(out, "00001.png")
    assert list_contents(out) == sorted([name, "00001.png", "samples.json"])


def test_the_working_folder_and_a_link_stay_what_they_are(out: Path, monkeypatch):
    out.mkdir(parents=True)
    monkeypatch.chdir(out)
    write_result(Path(), "00000.png")
    Path("after").write_text("the folder is still this one")
    assert (out / "after").exists()
    (out.parent / "link").symlink_to("target")  # of a folder that is not there yet
    for text in ("first", "second"):
        write_result(out.parent / "link", "00000.png", text=text)
        assert (out.parent / "link").is_symlink()
        assert (out.parent / "target" / "00000.png").read_text() == text


def test_what_came_meanwhile_stays(out: Path):
    with (
        expect_user_error("holds '00000.png', which is not ours"),
        stage_folder(out, SAMPLES) as folder,
    ):
        (folder / "00000.png").write_text("ours")
        (out / "00000.png").write_text("mine")
    assert (out / "00000.png").read_text() == "mine"
    assert not list_leftovers(out, out.parent)


def test_a_folder_is_locked_while_it_is_made(out: Path):
    with (
        stage_folder(out, SAMPLES) as folder,
        expect_user_error(f"out is in use by another smalti (process {os.getpid()})"),
        stage_folder(out, SAMPLES),
    ):
        pass
    assert not folder.exists()


def test_folders_of_the_users_next_to_it_stay(out: Path):
    for end in (".tmp", ".old", ""):
        (out.parent / f"out{end}").mkdir(parents=True)
    (out.parent / "out.tmp" / "mine").write_text("mine")
    (out.parent / f"{PREFIX}mine").mkdir()
    (out.parent / f"{PREFIX}{'0' * 16}").mkdir()  # of another machine
    write_result(out, "00000.png")
    assert list_contents(out.parent) == [
        f"{PREFIX}{'0' * 16}", f"{PREFIX}mine", "out", "out.old", "out.tmp", "out.tmp/mine",
        "out/00000.png", "out/samples.json",
    ]  # fmt: skip


KILLED = """
import os, signal, sys
from pathlib import Path
from smalti.core.folders import ResultFiles, stage_folder
with stage_folder(sys.argv[1], ResultFiles(r".+", "samples.json")) as folder:
    (folder / "half").write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("there", [False, True])
def test_a_kill_leaves_the_earlier_result_and_the_next_run_cleans_up(out: Path, there: bool):
    if there:
        write_result(out, "00000.png")
    done = subprocess.run([sys.executable, "-c", KILLED, str(out)], check=False)
    assert done.returncode == -signal.SIGKILL
    (left,) = list_leftovers(out, out.parent)
    shown = [name for name in list_contents(out) if not name.startswith(PREFIX)]
    assert shown == (["00000.png", "samples.json"] if there else [])
    with temporary_folder(out.parent) as alive:  # of another run, at work
        write_result(out, "00001.png")
        assert list_leftovers(out, out.parent) == [alive]
    assert list_contents(out) == ["00001.png", "samples.json"]
    assert not left.exists()


MOUNTED = """
import os
from smalti.core.folders import ResultFiles, stage_folder
for name in "ab":
    with stage_folder("out", ResultFiles("a|b|record", "record")) as folder:
        (folder / name).write_text(name)
        (folder / "record").write_text('{"smalti": 1}')
os.symlink(" ".join(sorted(os.listdir("out"))), "files")
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_mounted_folder(out: Path):
    out.mkdir(parents=True)
    line = 'mount -t tmpfs none out || exit 77; "$0" -c "$1"'
    command = ["unshare", "-m", "bash", "-c", line, sys.executable, MOUNTED]
    done = subprocess.run(command, check=False, cwd=out.parent, capture_output=True, text=True)
    if done.returncode == 77 or "unshare" in done.stderr:
        pytest.skip("no mounts here")
    assert done.returncode == 0, done.stderr
    assert os.readlink(out.parent / "files") == "b record"
    assert list_contents(out.parent) == ["files", "out"]


def test_a_kill_before_the_record_leaves_a_folder_of_ours(out: Path):
    write_result(out, "00000.png", "00001.png")
    (out / "samples.json").unlink()
    (out / f"{PREFIX}{HOST}0123456789").mkdir()  # which shows that a kill came between
    write_result(out, "00002.png")
    assert list_contents(out) == ["00002.png", "samples.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_folder_in_one_that_cannot_be_written(out: Path):
    write_result(out, "00000.png")
    out.parent.chmod(0o555)
    try:
        write_result(out, "00001.png")
        with pytest.raises(PermissionError), stage_folder(out.parent / "other", SAMPLES):
            raise AssertionError("the work has begun")
    finally:
        out.parent.chmod(0o755)
    assert list_contents(out) == ["00001.png", "samples.json"]


def test_what_cannot_be_made_is_said_before_the_work(out: Path):
    out.parent.mkdir()
    out.write_text("mine")
    for place in (out, out / "deeper"):
        with pytest.raises((OSError, ValueError)), stage_folder(place, SAMPLES):
            raise AssertionError("the work has begun")
        with pytest.raises((OSError, ValueError)):
            check_writable(place)
    assert out.read_text() == "mine"
    check_writable(out.parent / "new" / "newer")
    assert list_contents(out.parent) == ["out"]


# ---- files


def save_tensors(path: Path) -> None:
    with path.open("wb") as file:
        torch.save(torch.zeros(99999), file)


PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
WRITERS: dict[str, Callable[[Path], object]] = {
    "text": lambda path: write_text(path, "word " * 9999),
    "png": lambda path: save_png(PICTURE, path),
    "gif": lambda path: save_gif([PICTURE] * 3, path),
    "torch": lambda path: write_atomically(path, save_tensors),
    "npy": lambda path: write_atomically(path, lambda new: np.save(new.open("wb"), np.zeros(9999))),
}


@pytest.mark.filterwarnings("ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("kind", WRITERS)
def test_a_full_disk_leaves_the_earlier_file(tmp_path: Path, kind: str):
    path = tmp_path / "file"
    path.write_text("earlier")
    with limit_file_size(), pytest.raises(OSError, match=r"File too large|written"):
        WRITERS[kind](path)
    assert (list_contents(tmp_path), path.read_text()) == (["file"], "earlier")


def test_a_file_keeps_its_link_and_its_neighbors(tmp_path: Path):
    (tmp_path / "real.txt").write_text("earlier")
    (tmp_path / "link.txt").symlink_to("real.txt")
    (tmp_path / "link.txt.tmp").write_text("mine")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink()
    assert [(tmp_path / n).read_text() for n in ("real.txt", "link.txt.tmp")] == ["new", "mine"]


def test_a_name_may_be_as_long_as_the_file_system_takes(tmp_path: Path):
    name = "\N{CJK UNIFIED IDEOGRAPH-56FE}" * 85  # 255 bytes
    write_text(tmp_path / name, "long")
    assert list_contents(tmp_path) == [name]


def test_no_file_goes_over_a_folder_a_pipe_or_a_device(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe")
    for place, words in ((tmp_path, "is a folder"), (tmp_path / "pipe", "is a device or a pipe"),
                         (Path("/dev/null"), "is a device or a pipe")):  # fmt: skip
        with expect_user_error(str(place), words), stage_file(place):
            raise AssertionError("the work has begun")
    with pytest.raises(NotADirectoryError), stage_file("/dev/null/deeper"):
        raise AssertionError("the work has begun")


def test_parents_of_a_file_that_fails_go_again(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), stage_file(tmp_path / "a" / "b" / "file"):
        raise ZeroDivisionError
    assert not list_contents(tmp_path)
    with lock_folder(tmp_path):  # files need no lock
        write_text(tmp_path / "a" / "b" / "file", "made")
    assert list_contents(tmp_path) == ["a", "a/b", "a/b/file"]
