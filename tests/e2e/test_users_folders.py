"""Folders of users: with results, thumbnails, odd names and broken captions."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.training import read_run
from tests import albums
from tests.command import run_command

Said = pytest.CaptureFixture[str]
OPTIONS = (
    "--batch-size 4 --precision 32 --save-every 1 "
    "--model.network.widths 8 --model.network.attention true"
)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is spent on measuring beyond its four steps."""
    monkeypatch.setattr("smalti.tasks._forecast.TIMING_SECONDS", 0.0)
    monkeypatch.setattr("smalti.tasks._forecast.MAX_TIMED_PIXELS", 4 * 8 * 8)


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder: twelve pictures."""
    files = {
        f"{k:02d}.png": albums.encode_picture(p)
        for k, p in enumerate(albums.make_noise(12, 8, 8, 3))
    }
    monkeypatch.chdir(albums.write_folder(tmp_path / "inside", files))
    return Path()


def heads(text: str, word: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in text.splitlines() if line.startswith(word)]


def test_a_look_and_a_run_never_see_their_own_pictures(quick: None, inside: Path, capsys: Said):
    for _ in range(2):
        assert run_command("data . --size 8") == 0
        assert heads(capsys.readouterr().out, "pictures") == ["12 readable"]
    assert run_command(f"train ddpm --data . {OPTIONS} --size 8 --steps 2") == 0
    assert "skipped: written by smalti in looks/inside 2" in capsys.readouterr().err
    assert Path("runs/ddpm/grids").is_dir()
    assert run_command("train ddpm --resume") == 0  # the pictures are those that it began with
    assert read_run("runs/ddpm").data["train"]["pictures"] == 11
    said = r"skipped: .*written by smalti in runs/ddpm \d+, looks/inside 2"
    assert re.search(said, capsys.readouterr().err)


def test_a_broken_caption_stops_no_recipe_without_captions(quick: None, inside: Path, capsys: Said):
    for k in range(12):
        Path(f"{k:02d}.txt").write_bytes(b"a child\x92s drawing" if k else b"0 0.5 0.5 0.2 0.3")
    assert run_command(f"train ddpm --data . {OPTIONS} --size 8 --steps 1") == 0
    assert "captions that cannot be read: 11, the first: 01.txt" in capsys.readouterr().err
    assert run_command("data . --size 8") == 0
    out = capsys.readouterr().out
    assert heads(out, "captions") == ["of 1 picture: '0 0.5 0.5 0.2 0.3'"]
    assert "11 unreadable" in out


def test_any_height_and_width_is_trained_and_drawn(inside: Path, capsys: Said):
    assert run_command(f"train ddpm --data . {OPTIONS} --steps 1 --size 8x16") == 0
    assert read_run("runs/ddpm").model.shape == (3, 8, 16)
    assert read_run("runs/ddpm").about["size"] == [8, 16]
    assert run_command("train ddpm --resume") == 0
    assert run_command("sample runs/ddpm -n 1 --steps 2") == 0
    with Image.open("samples/ddpm/00000.png") as image:
        assert image.size == (16, 8)
    assert run_command("pack . ../packed --size 8x16") == 0
    assert run_command("pack ../packed ../again --size 4x8 --crop 8") == 0
    capsys.readouterr()
    assert run_command(f"train ddpm --data ../packed {OPTIONS} --out r --size 16x8") == 2
    assert "packed at 8 x 16 pixels, but 16 x 8 is requested; give --size 8x16" in (
        capsys.readouterr().err
    )
    assert run_command("train ddpm --steps 1 --size 8x16 --out r2") == 2
    assert "size 8x16 is given, but these pictures are 28 x 28" in capsys.readouterr().err


@pytest.mark.parametrize("words", ["data PIPE", "inpaint PIPE a.png", "match PIPE a.png"])
def test_a_pipe_is_refused_at_once(inside: Path, capsys: Said, words: str):
    os.mkfifo("PIPE")
    assert run_command(words) == 2
    assert "PIPE is not a regular file" in capsys.readouterr().err


def test_names_that_no_terminal_can_show(tmp_path: Path):
    """A name that is not UTF-8, printed on an ASCII terminal."""
    for k, name in enumerate(["gr\u00f6\u00dfe", "caf\udce9"]):
        folder = tmp_path / "set" / name
        folder.mkdir(parents=True)
        for j, pixels in enumerate(albums.make_noise(2, 8, 8, seed=k)):
            Image.fromarray(np.asarray(pixels)).save(folder / f"{j}\udcff.png")
    code = "import sys; from smalti.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "pack", "set", "packed", "--size", "8"]
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("LC_", "LANG"))}
    env = {**kept, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert rb"classes  2: caf\xe9, gr\xf6\xdfe" in done.stdout
