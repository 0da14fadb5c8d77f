"""One writer to a folder at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from smalti.core.errors import UserError
from smalti.core.locks import lock_folder, release_lock, take_lock

HOLD = """
import sys, time
from smalti.core.locks import lock_folder
with lock_folder(sys.argv[1]):
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_lock_is_refused_and_names_the_process(tmp_path: Path):
    with (
        lock_folder(tmp_path),
        pytest.raises(UserError, match=rf"in use by another smalti \(process {os.getpid()}\)"),
        lock_folder(tmp_path),
    ):
        pass
    assert not list(tmp_path.iterdir())


def test_lock_is_free_again_after_an_error(tmp_path: Path):
    with pytest.raises(ZeroDivisionError), lock_folder(tmp_path):
        raise ZeroDivisionError
    with lock_folder(tmp_path):
        pass


def test_threads_lock_each_other_out(tmp_path: Path):
    said: list[str] = []

    def second() -> None:
        try:
            with lock_folder(tmp_path):
                said.append("both")
        except UserError:
            said.append("refused")

    with lock_folder(tmp_path):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert said == ["refused"]


def test_kill_releases_the_lock_and_another_path_is_the_same_folder(tmp_path: Path):
    folder, link = tmp_path / "folder", tmp_path / "link"
    folder.mkdir()
    link.symlink_to(folder)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout and process.stdout.readline() == "held\n"
        with pytest.raises(UserError, match=f"process {process.pid}"), lock_folder(link):
            pass
        process.send_signal(signal.SIGKILL)
        process.wait()
    with lock_folder(folder):
        pass


def test_release_reaches_copies_of_the_descriptor(tmp_path: Path):
    """Workers of a data loader are forked with one, and may outlive what they were forked in."""
    descriptor = take_lock(tmp_path)
    copy = os.dup(descriptor)
    release_lock(descriptor)
    with lock_folder(tmp_path):
        pass
    os.close(copy)


def test_file_system_without_locks_is_written_unlocked(tmp_path: Path, monkeypatch):
    def flock(*_: object) -> None:
        raise OSError(9, "Bad file descriptor")  # NFS, for a folder

    monkeypatch.setattr("smalti.core.locks.fcntl.flock", flock)
    with lock_folder(tmp_path), lock_folder(tmp_path):
        pass


def test_missing_folder_is_said(tmp_path: Path):
    with pytest.raises(FileNotFoundError), lock_folder(tmp_path / "none"):
        pass
