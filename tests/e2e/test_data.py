"""`smalti data`, `pack` and `fetch`, as a user runs them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.data import read_splits
from smalti.tasks._forecast import Forecast
from smalti.training import read_run
from tests import albums, packages
from tests.command import TINY_RUN, list_contents, read_pixels, run_command

Said = pytest.CaptureFixture[str]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time is spent on measuring beyond its four steps."""
    monkeypatch.setattr("smalti.tasks._forecast.TIMING_SECONDS", 0.0)
    monkeypatch.setattr("smalti.tasks._forecast.MAX_TIMED_PIXELS", 4 * 8 * 8)


@pytest.fixture
def holiday(at_home: Path) -> Path:
    """A zip of two classes, with two broken pictures and a copy."""
    files = albums.make_two_classes(6) | {"cats/x.png": b"x", "dogs/y.jpg": b"y"}
    files["dogs/copy.png"] = files["cats/1.png"]
    return albums.write_zip(at_home / "holiday.zip", files)


# ---- data


def test_an_audit_names_what_is_wrong_and_what_to_type(quick: None, holiday: Path, capsys: Said):
    assert run_command("data holiday.zip --size 8 --epochs 7") == 0
    out = capsys.readouterr().out
    assert re.search(r"^pictures +13 readable$", out, re.M)
    assert re.search(r"^broken +2 unreadable$", out, re.M)
    assert "holiday.zip/cats/x.png is not a readable picture" in out
    assert "1 exact copy in 1 group (1 across classes), 0 pairs nearly identical" in out
    assert "holiday.zip/cats/1.png = holiday.zip/dogs/copy.png" in out
    assert re.search(r"^classes +2, from 6 to 7 pictures: dogs 7, cats 6$", out, re.M)
    assert "7 epochs of 12 pictures with `ddpm`: 3 steps" in out
    assert "timed on 4 pictures of 8 x 8 on" in out
    assert out.splitlines()[-1].split(maxsplit=1)[1] == (
        "smalti pack holiday.zip packs/holiday --size 8 --skip-bad"
    )
    assert list_contents(Path("looks")) == [
        "holiday", "holiday/contact.png", "holiday/duplicates.png", "holiday/report.json",
    ]  # fmt: skip
    report = json.loads(Path("looks/holiday/report.json").read_text())
    assert report["pictures"] == 13
    assert len(report["broken"]) == 2
    assert report["exact"] == [["holiday.zip/cats/1.png", "holiday.zip/dogs/copy.png"]]
    assert report["training"]["steps"] == 3
    assert read_pixels("looks/holiday/contact.png").shape == (234, 234, 3)  # 13 in rows of 4


def test_an_audit_of_good_pictures_says_how_to_train(quick: None, at_home: Path, capsys: Said):
    assert run_command("data photos --size 8 --out r") == 0
    out = capsys.readouterr().out
    assert re.search(r"^broken +none$", out, re.M)
    assert re.search(r"^leakage +none", out, re.M)
    assert out.splitlines()[-1].split(maxsplit=1)[1] == "smalti train ddpm --data photos --size 8"
    assert list_contents(at_home / "r") == ["contact.png", "report.json"]
    assert (
        run_command("data photos --size 8 --out r --stretch --background #fff") == 0
    )  # over its own
    assert capsys.readouterr().out.splitlines()[-1].split(maxsplit=1)[1] == (
        "smalti pack photos packs/photos --size 8 --background '#fff' --stretch"  # as it was seen
    )


def test_an_audit_of_a_pack_is_in_its_size(quick: None, at_home: Path, capsys: Said):
    assert run_command("pack photos p --size 8 --test 0.2") == 0
    assert run_command("data p") == 0
    out = capsys.readouterr().out
    assert "train 9, valid 1, test 2 (predefined)" in out
    assert "pictures of 8 x 8 on" in out


@pytest.mark.parametrize("value", [0, 200])
def test_one_plain_picture_is_audited(value: int, quick: None, at_home: Path, capsys: Said):
    """A picture of one color is not a duplicate."""
    (at_home / "one").mkdir()
    picture = np.full((8, 8, 3), value, np.uint8)
    picture[0, 0] = 0
    Image.fromarray(picture).save("one/a.png")
    assert run_command("data one --size 8") == 0
    out = capsys.readouterr().out
    assert re.search(r"^pictures +1 ", out, re.M)
    assert re.search(r"^training +100 epochs of 1 picture", out, re.M)


def test_a_forecast_is_plain_arithmetic():
    found = Forecast(0.5, batch_size=64, timed_batch_size=16, n_parameters=1, device="cpu")
    assert found.count_steps(640, 3) == 30
    assert found.count_steps(641, 1) == 11
    assert found.estimate_minutes(640, 12) == 1.0
    assert found.estimate_epochs(640, 1.0) == 12.0


# ---- pack


def test_a_pack_is_written_told_and_trained_on(at_home: Path, capsys: Said):
    assert run_command("pack photos p --size 8 --valid 0.25") == 0
    out = capsys.readouterr().out
    assert out.splitlines()[0] == "12 pictures of 8 x 8, RGB, 0.0 MB: p"
    assert re.search(r"classes +2: day, night", out)
    assert re.search(r"splits +train 9, valid 3", out)
    assert re.search(r"next +smalti train ddpm --data p", out)
    words = " ".join(TINY_RUN).replace("--size 8 ", "")
    assert run_command(f"train ddpm --data p {words} --out r") == 0
    job = read_run("r")
    assert job.about["size"] == 8  # the pack's
    assert job.model.shape == (3, 8, 8)


def test_broken_pictures_stop_a_pack_unless_they_are_skipped(holiday: Path, capsys: Said):
    before = list_contents(holiday.parent)
    assert run_command("pack holiday.zip p") == 2
    said = capsys.readouterr()
    assert "2 of 15 pictures cannot be used, the first: holiday.zip/cats/x.png" in said.err
    assert list_contents(holiday.parent) == before
    assert run_command("pack holiday.zip p --skip-bad --size 8") == 0
    out = capsys.readouterr().out
    assert out.startswith("skipped 2 unreadable pictures\n  holiday.zip/cats/x.png is")
    splits = read_splits("p", size=8)
    assert len(splits.train) + len(splits.valid) == 13


def test_options_of_a_pack(at_home: Path):
    assert (
        run_command("pack photos p --size 8 --color gray --stretch --background black --seed 5")
        == 0
    )
    made = json.loads((at_home / "p/pack.json").read_text())["made"]
    assert (made["color"], made["crop"], made["background"], made["seed"]) == (
        "gray", False, [0, 0, 0], 5,
    )  # fmt: skip
    assert str(at_home) not in (at_home / "p/pack.json").read_text()
    assert read_splits("p", size=8).train.shape == (1, 8, 8)


# ---- fetch


@pytest.fixture
def shop(at_home: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch):
    place = tmp_path_factory.mktemp("shop")
    archive = packages.write_tar(place / "emoji.tgz", packages.make_package())
    packages.fake_npm(place / "bin", monkeypatch, archive)
    monkeypatch.setenv("SMALTI_DATA", str(at_home / "home"))
    return place


def test_fetch_says_what_it_brought(shop: Path, at_home: Path, capsys: Said):
    assert run_command("fetch emoji") == 0
    out = capsys.readouterr().out
    assert "26 pictures of 32 x 32, train 18, valid 4, test 4: " in out
    assert "24 emoji with their variants; 26 distinct pictures" in out
    assert "Apache License 2.0" in out
    assert "next  smalti train ddpm --data emoji-32" in out
    assert run_command("pack emoji-32 p --size 8") == 0
    assert run_command("fetch emoji --out here") == 0
    (shop / "bin/npm").unlink()
    capsys.readouterr()
    assert run_command("fetch emoji") == 0  # no second download
    assert "emoji-64 (already present)" in capsys.readouterr().out
    assert list_contents(at_home / "here")[0] == "emoji-32"


# ---- what is refused


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("data", "DATA is missing"),
        ("data nowhere", "nowhere does not exist"),
        ("data photos --size 0", "--size 0 is not a size"),
        (
            "data photos --size 64x",
            "--size 64x is not a size; give pixels as one number or HEIGHTx",
        ),
        ("pack photos p --size 16385", "--size 16385 is not a size"),
        ("pack photos p --crop 12", "11 x 10 pixels, smaller than the crop of 12 x 12"),
        ("pack photos p --crop 8 --stretch", "--crop and --stretch are both given"),
        ("data photos --size 5000", "3 x 5000 x 5000; give 67,108,864 numbers at most"),
        ("data photos --epochs 0", "--epochs is 0.0; give more than 0"),
        ("data photos --out plain/config.json", "is a file"),
        ("data photos --out photos", "photos holds 'day', which is not ours"),
        ("data photos --background nocolor", "'nocolor' is not a color"),
        ("data photos --color sepia", 'Choose from: "keep"'),
        ("pack photos", "OUT"),
        ("pack photos photos", "photos holds 'day', which is not ours"),
        ("pack nowhere p", "nowhere does not exist"),
        ("pack photos p --size 0", "--size 0 is not a size"),
        ("pack photos p --valid 1", "valid is 1; give a fraction from 0"),
        ("pack photos p --valid 0.6 --test 0.6", "holds 12 training pictures, of which 14"),
        ("pack photos p --seed -1", "--seed is -1; give 0 or more"),
        ("pack photos p --background nocolor", "'nocolor' is not a color"),
        ("pack plain/config.json p", "config.json is not a supported dataset"),
        ("fetch", "NAME is missing"),
        ("fetch emojis", "no dataset 'emojis' to fetch; did you mean 'emoji'?"),
        ("train ddpm --data emoji-64", "emoji-64 is not downloaded yet; run `smalti fetch emoji`"),
    ],
)
def test_refusal(
    at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said, words: str, said: str
):
    monkeypatch.setenv("SMALTI_DATA", str(at_home / "home"))
    before = list_contents(at_home)
    assert run_command(words) == 2
    out = capsys.readouterr()
    assert said in out.err
    assert re.fullmatch(r"smalti: [^\n]+\n", out.err)
    assert out.out == ""
    assert list_contents(at_home) == before


def test_a_damaged_pack_and_one_of_another_size(at_home: Path, capsys: Said):
    assert run_command("pack photos p --size 8") == 0
    capsys.readouterr()
    assert run_command("train ddpm --data p --size 16 --steps 1") == 2
    assert "p is packed at 8 x 8 pixels, but 16 x 16 is requested; give --size 8" in (
        capsys.readouterr().err
    )
    whole = (at_home / "p/pixels.npy").read_bytes()
    (at_home / "p/pixels.npy").write_bytes(whole[:-9])
    for words in ("data p", "train ddpm --data p --steps 1", "pack p q"):
        assert run_command(words) == 2
        assert "pixels.npy is damaged" in capsys.readouterr().err
    assert not Path("runs").exists() and not Path("reports").exists()


def test_fetch_without_npm(at_home: Path, monkeypatch: pytest.MonkeyPatch, capsys: Said):
    monkeypatch.setenv("PATH", str(at_home))
    assert shutil.which("npm") is None
    assert run_command("fetch emoji --out here") == 2
    assert "npm is not installed" in capsys.readouterr().err
    assert not Path("here").exists()
