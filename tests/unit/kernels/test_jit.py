"""Compiled kernels are cached where possible."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import smalti
from smalti.kernels.jit import can_write

SOURCE = Path(smalti.__file__).parent
PROGRAM = """
import numba
from smalti.kernels.jit import JIT_OPTIONS
from smalti.patchmatch.kernels import draw_integer
print(draw_integer(40, 42, 2**31), JIT_OPTIONS["cache"], numba.config.CACHE_DIR)
"""

FIRST_USE = """
import numpy
from smalti.cli import print_notices
with print_notices():
    from smalti.kernels.argmin import find_argmin
    for kind in ("float32", "float64"):
        found = numpy.empty(1, numpy.int64)
        find_argmin(numpy.zeros((1, 3), kind), numpy.array([2, 1, 3], kind), found)
print(found)
"""


@pytest.mark.parametrize("home", ["missing", "good"])
def test_a_read_only_package_is_left_alone(tmp_path: Path, home: str) -> None:
    """Another user's install, with and without a home folder to write into."""
    for name in ("core", "kernels", "patchmatch"):
        shutil.copytree(
            SOURCE / name, tmp_path / "smalti" / name, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(SOURCE / "__init__.py", tmp_path / "smalti")
    folders = [tmp_path / "smalti", *(tmp_path / "smalti").rglob("*")]
    for path in folders:
        path.chmod(path.stat().st_mode & ~0o222)
    home_folder = "/proc/nothing" if home == "missing" else str(tmp_path / "home")
    kept = {k: v for k, v in os.environ.items() if k not in ("NUMBA_CACHE_DIR", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-B", "-c", PROGRAM],
        env={**kept, "HOME": home_folder, "PYTHONPATH": str(tmp_path)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    for path in folders:
        path.chmod(path.stat().st_mode | 0o200)
    assert done.returncode == 0, done.stderr
    assert not list((tmp_path / "smalti").rglob("*.nb?"))
    if home == "missing":
        assert done.stdout.startswith("41 False")
        assert "compiled code cannot be cached" in done.stderr
        assert "NUMBA_CACHE_DIR" in done.stderr
    else:
        assert done.stdout.startswith(f"41 True {tmp_path / 'home'}")
        assert "cannot be cached" not in done.stderr


def test_compilation_is_logged_once(tmp_path: Path) -> None:
    for expected in (1, 0):  # the second process uses the first one's cache
        done = subprocess.run(
            [sys.executable, "-c", FIRST_USE],
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert done.stdout == "[1]\n"
        assert done.stderr.count("smalti: compiling for this machine, once") == expected
        assert len(done.stderr.splitlines()) == expected


def test_what_can_be_written(tmp_path: Path) -> None:
    assert can_write(tmp_path / "new" / "folder")
    assert not can_write(Path("/proc/nothing"))
    (tmp_path / "file").touch()
    assert not can_write(tmp_path / "file")
    (tmp_path / "new").chmod(0o555)
    assert not can_write(tmp_path / "new")  # for root, too
    (tmp_path / "new").chmod(0o755)
