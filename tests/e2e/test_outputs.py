"""Output folders: no file of the user is lost, and a folder that cannot be written is an error."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.core.checkpoint import save
from smalti.core.drawing import draw_in_batches
from smalti.core.locks import lock_folder
from smalti.pixelcnn import GatedPixelCNNConfig, Levels, build_config
from tests.command import limit_file_size, list_contents, read_pixels, run_command
from tests.tiny import randomize_zeros

pytestmark = pytest.mark.usefixtures("at_home")


def shell(line: str) -> int:
    """The exit code of the first command of a shell line, which may contain `smalti`."""
    program = f'{sys.executable} -c "import sys; from smalti.cli import main; sys.exit(main())"'
    script = f'smalti() {{ {program} "$@"; }}\n{line}\nexit ${{PIPESTATUS[0]}}'
    return subprocess.run(["bash", "-c", script], check=False).returncode


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail if anything is drawn."""

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("drawn before the output folder was checked")

    monkeypatch.setattr("smalti.tasks._draw_samples.draw_in_batches", fail)


# ---- folders


def test_folders_called_like_temporary_ones_are_the_users():
    for name in ("r.tmp", "r.old", "p.tmp", "p.old"):
        Path(name).mkdir()
        Path(name, "mine.txt").write_text("mine")
    for _ in range(2):
        assert run_command("sample named -n 1 --out r") == 0
        assert run_command("pack photos p --size 8") == 0
    assert run_command("match photos/day/0.png photos/day/2.png --out r.match") == 0
    mine = [Path(name, "mine.txt") for name in ("r.tmp", "r.old", "p.tmp", "p.old")]
    assert all(path.read_text() == "mine" for path in mine)
    assert not [*Path().glob(".smalti-*")]


def test_samples_of_an_earlier_run_are_no_part_of_the_next():
    assert run_command("sample named -n 3 --out r") == 0
    assert run_command("sample named -n 1 --seed 7 --out r") == 0
    assert list_contents(Path("r")) == ["00007.png", "grid.png", "samples.json"]


def test_frames_that_are_called_as_samples_stay(capsys: pytest.CaptureFixture[str]):
    Path("film").mkdir()
    for k in range(3):
        shutil.copy("photos/day/0.png", f"film/{k:04d}.png")
    for words in ("sample named -n 1", "inpaint photos/day/0.png film/0000.png",
                  "reconstruct plain photos/day/0.png", "compare named named"):  # fmt: skip
        assert run_command(f"{words} --out film") == 2
        assert "film holds '0000.png', which is not ours" in capsys.readouterr().err
    assert list_contents(Path("film")) == ["0000.png", "0001.png", "0002.png"]


def test_the_working_folder_and_a_link(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "big").mkdir()
    (tmp_path / "link").symlink_to("big")
    for _ in range(2):
        assert run_command("sample named -n 1 --out link") == 0
    assert (tmp_path / "link").is_symlink()
    assert "grid.png" in list_contents(tmp_path / "big")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert run_command("sample ../named -n 1 --out .") == 0
    Path("after").write_text("the shell's folder is this one")
    assert (tmp_path / "here" / "after").exists()


@pytest.mark.usefixtures("undrawn")
def test_what_cannot_be_written_is_said_before_the_drawing(capsys: pytest.CaptureFixture[str]):
    Path("file").write_text("mine")
    Path("held").mkdir()
    with lock_folder("held"):
        for out, said in (
            ("file", "file is a file"),
            ("file/deeper", "Not a directory"),
            ("/proc/nowhere", "/proc/nowhere"),
            ("x" * 300, "name too long"),
            ("held", f"in use by another smalti (process {os.getpid()})"),
        ):
            assert run_command(f"sample named --out {out}") == 2
            assert said in capsys.readouterr().err
    assert not list_contents(Path("held"))


def test_of_two_runs_into_one_folder_one_is_refused(monkeypatch, capsys):
    """The second begins while the first draws."""
    begun, codes = threading.Event(), []

    def slowly(*args, **options):
        begun.set()
        second.join(60)
        return draw_in_batches(*args, **options)

    second = threading.Thread(
        target=lambda: begun.wait(60) and codes.append(run_command("sample named -n 2 --seed 100"))
    )
    monkeypatch.setattr("smalti.tasks._draw_samples.draw_in_batches", slowly)
    second.start()
    assert run_command("sample named -n 2") == 0
    assert codes == [2]
    assert "samples/named is in use by another smalti" in capsys.readouterr().err
    assert json.loads(Path("samples/named/samples.json").read_text())["seeds"] == [0, 1]
    assert list_contents(Path("samples/named")) == [
        "00000.png", "00001.png", "grid.png", "samples.json",
    ]  # fmt: skip


def test_a_report_of_the_users_stays(trained: Path, capsys: pytest.CaptureFixture[str]):
    Path("notes").mkdir()
    Path("notes/report.json").write_text('{"mine": 1}')
    assert run_command(f"report {trained} --out notes") == 2
    assert "notes holds 'report.json', which is not ours" in capsys.readouterr().err
    Path("notes/report.json").unlink()
    Path("notes/mine.txt").write_text("mine")
    for _ in range(2):
        assert run_command(f"report {trained} --out notes") == 0
    assert Path("notes/mine.txt").read_text() == "mine"


# ---- a full disk


@pytest.mark.parametrize(
    "words",
    [
        "sample named -n 2 --out out",
        "pack photos out --size 16",
        "match photos/day/0.png photos/day/2.png --out out",
        "data photos --out out",
        "inpaint photos/day/0.png hole.png --out out",
    ],
)
def test_a_full_disk_leaves_the_earlier_result(words: str, capsys: pytest.CaptureFixture[str]):
    out = Path("out")
    hole = np.zeros(read_pixels("photos/day/0.png").shape[:2], np.uint8)
    hole[2:4, 2:4] = 255
    Image.fromarray(hole).save("hole.png")
    assert run_command(words) == 0
    before = {name: (out / name).read_bytes() for name in list_contents(out)}
    capsys.readouterr()
    with limit_file_size(64):
        assert run_command(words) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert {name: (out / name).read_bytes() for name in list_contents(out)} == before


# ---- compression


@pytest.fixture
def gray(at_home: Path) -> None:
    """`gray`: a PixelCNN of pictures of 8 x 6 in 256 levels."""
    network = GatedPixelCNNConfig(width=12, blocks=1, head_width=12, first_kernel_size=3)
    save(randomize_zeros(build_config(Levels(256, (1, 8, 6)), network).build()), at_home / "gray")


def noise(seed: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (8, 6), dtype=np.uint8))


@pytest.mark.usefixtures("gray")
def test_long_names_come_back():
    Path("set").mkdir()
    names = ["\u56fe" * 83, "a" * 251, "short"]  # 249, 251 and 5 bytes
    for k, name in enumerate(names):
        noise(k).save(f"set/{name}.png")
    assert run_command("compress set o.smalti --model gray") == 0
    assert run_command("decompress o.smalti again") == 0
    assert list_contents(Path("again")) == sorted(f"{name}.png" for name in names)
    for k, name in enumerate(names):
        assert np.array_equal(read_pixels(f"again/{name}.png"), np.asarray(noise(k)))
    with zipfile.ZipFile("long.zip", "w") as archive:  # whose names no file can have
        archive.write("set/short.png", "\u56fe" * 150 + ".png")
        archive.write("set/short.png", "\u753b" * 150 + ".png")
    assert run_command("compress long.zip l.smalti --model gray") == 0
    assert run_command("decompress l.smalti back") == 0
    assert list_contents(Path("back")) == ["\u56fe" * 83 + ".png", "\u753b" * 83 + ".png"]


@pytest.mark.usefixtures("gray")
def test_frames_and_depth_are_not_lost(capsys: pytest.CaptureFixture[str]):
    frames = [noise(k) for k in range(4)]
    for name in ("film.png", "film.gif", "pages.tif"):
        frames[0].save(name, save_all=True, append_images=frames[1:])
        assert run_command(f"compress {name} o.smalti --model gray") == 2
        assert f"{name} has 4 frames or pages" in capsys.readouterr().err
    assert not Path("o.smalti").exists()


@pytest.mark.usefixtures("gray")
def test_no_device_is_replaced(capsys: pytest.CaptureFixture[str]):
    noise(0).save("a.png")
    os.mkfifo("pipe")
    for out in ("/dev/null", "pipe"):
        assert run_command(f"compress a.png {out} --model gray") == 2
        assert f"{out} is a device or a pipe" in capsys.readouterr().err
    assert run_command("decompress pipe again") == 2
    assert "pipe: not a file" in capsys.readouterr().err


# ---- streams


@pytest.mark.parametrize("words", ["list", "--help"])
def test_a_reader_that_has_gone_is_no_error(words: str):
    assert shell(f"smalti {words} 2> said | true") == 0
    assert Path("said").read_text() == ""


def test_closed_streams():
    assert shell("smalti lsit >&- 2>&-") == 2
    assert shell("smalti list <&- >&- 2>&-") == 0


def test_a_full_terminal_is_said():
    assert shell("smalti list > /dev/full 2> said") == 2
    assert Path("said").read_text() == "smalti: No space left on device\n"
