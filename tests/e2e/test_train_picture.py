"""Priors conditioned on pictures: trained, resumed, sampled and evaluated by commands."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import smalti
from smalti.autoregressive import PictureCondition
from smalti.core.conditions import find_picture_condition
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.data import Splits, digit_pictures
from smalti.data.condition_folder import ConditionFolder
from smalti.evaluation.sample_set import choose_condition_pictures
from smalti.training.step import make_flipped_batch
from tests.command import read_pixels, run_command
from tests.expect import expect_user_error

TRAIN = (
    "train gpt --data photos --codec vqvae-digits --steps 2 --batch-size 4 --precision 32 "
    "--save-every 1 --model.network.layers 1 --model.network.width 16 --model.network.heads 2 "
)


def write_pictures() -> None:
    """photos/CLASS/K.png, and negatives of them in masks/CLASS/K.jpg, larger."""
    rng = np.random.default_rng(0)
    for k in range(12):
        pixels = np.kron(rng.integers(0, 256, (7, 7), dtype=np.uint8), np.ones((4, 4), np.uint8))
        for folder, suffix, picture in (
            ("photos", "png", pixels),
            ("masks", "jpg", np.kron(255 - pixels, np.ones((2, 2), np.uint8))),
        ):
            place = Path(folder, ("day", "night")[k % 2])
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(place / f"{k}.{suffix}", quality=100)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write_pictures()


def find_condition(run: str) -> PictureCondition:
    conditions = smalti.load(run).config.conditions
    assert [c.name for c in conditions] == ["class", "picture"]
    return conditions[1]


def test_given_pictures_are_matched_by_name(capsys: pytest.CaptureFixture) -> None:
    Image.new("L", (56, 56)).save("masks/day/more.png")
    assert run_command(f"{TRAIN} --picture given --picture-data masks --flip") == 0
    assert "1 picture in" in capsys.readouterr().err  # without a counterpart
    assert find_condition("runs/gpt").codec.shape == (1, 28, 28)
    about = json.loads(Path("runs/gpt/run.json").read_text())["about"]
    assert about["condition_folder"] == [str(Path("masks").absolute()), "picture", False]
    first = read_pixels("runs/gpt/grids/step-2.png")[2:30, 2:30]  # the condition, then its sample
    validated = json.loads(Path("runs/gpt/run.json").read_text())["data"]["valid"]
    assert validated["pictures"] == 1 and first.std() > 30
    command = "sample runs/gpt -n 2 --class night --picture masks/night/1.jpg --out drawn"
    assert run_command(command) == 0
    capsys.readouterr()
    assert run_command("evaluate runs/gpt -n 4 --metrics distance,bits --out report") == 2
    names = capsys.readouterr().err
    assert "metric" in names
    assert run_command("evaluate runs/gpt -n 4 --out report") == 0
    report = json.loads(Path("report/report.json").read_text())
    assert report["protocol"]["classes"].endswith("with their picture")
    score = next(row for row in report["rows"] if row["name"] == "nats/code")
    assert score["value"] > 0
    other = "evaluate runs/gpt -n 4 --data photos --out other"
    assert run_command(f"{other} --picture-data masks") == 0
    assert run_command("evaluate runs/gpt -n 4 --picture-data masks --out other") == 2
    assert "picture_data masks is given without data" in capsys.readouterr().err


def test_a_run_with_given_pictures_resumes(capsys: pytest.CaptureFixture) -> None:
    assert run_command(f"{TRAIN} --picture-data masks") == 0
    extend_run(3)
    assert run_command("train gpt --resume") == 0
    assert Path("runs/gpt/step-3").is_dir()
    Image.new("L", (28, 28), 9).save("masks/day/0.jpg")
    extend_run(4)
    capsys.readouterr()
    assert run_command("train gpt --resume") == 2
    assert "pictures changed since the run began" in capsys.readouterr().err
    assert run_command("train gpt --resume --picture edges") == 2
    assert "--picture cannot change when a run resumes" in capsys.readouterr().err


def extend_run(steps: int) -> None:
    record = Path("runs/gpt/run.json")
    content = json.loads(record.read_text())
    content["training"]["steps"] = steps
    record.write_text(json.dumps(content))


def test_condition_pictures_are_those_of_the_same_name() -> None:
    paired = ConditionFolder("masks").pair_splits(smalti.data.read_splits("photos", size=28))
    for part in (paired.train, paired.valid):
        found = part.conditions["picture"]
        assert (found.shape, len(found)) == ((1, 28, 28), len(part))
        assert (255 - part.pixels.float() - found.pixels.float()).abs().mean() < 8
    few = paired.train.select(torch.tensor([5, 2]), "few")
    assert torch.equal(
        few.conditions["picture"].pixels, paired.train.conditions["picture"].pixels[[5, 2]]
    )


def test_pictures_in_low_resolution_and_edges() -> None:
    assert run_command(f"{TRAIN} --picture low-resolution --out runs/low") == 0
    low = find_condition("runs/low")
    assert (low.codec.shape, low.source) == ((1, 7, 7), "low-resolution")
    edges = "--picture edges --picture-codec vqvae-digits --picture-size 12x16 --out runs/edges"
    assert run_command(f"{TRAIN} {edges}") == 0
    assert find_condition("runs/edges").codec.shape == (1, 12, 16)
    command = "sample runs/edges -n 1 --picture photos/day/0.png --class day --out"
    assert run_command(f"{command} drawn") == 0
    assert run_command("evaluate runs/low -n 4 --out report") == 0
    model = smalti.load("runs/low")
    assert find_picture_condition(model.spec.conditions) == "picture"
    held = smalti.data.read("photos", size=28)
    chosen = choose_condition_pictures(model.spec.conditions, held, 14)
    assert torch.equal(chosen["picture"][12:], held.take_floats(slice(0, 2)))
    x = held.take_floats(slice(0, 2))
    assert model.score(Batch(x), Rng([0, 1])).nats.shape == (2,)


def test_mirrored_pictures_have_mirrored_conditions() -> None:
    splits = smalti.data.read_splits("photos", size=28)
    part = ConditionFolder("masks").pair_splits(splits).train
    rows = torch.arange(len(part))
    batch = make_flipped_batch(part, rows, torch.device("cpu"))
    x, mask = batch.require_pictures(), torch.as_tensor(batch.conditions["picture"])
    assert (1 - x - mask).abs().mean() < 0.04 < (x - part.take_floats(rows)).abs().mean()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--picture given", "picture_data is missing, but picture is given"),
        ("--picture edges --picture-data masks", "masks is given, but picture is edges"),
        ("--picture-size 8", "picture_size is given without picture"),
        ("--picture edges --picture-codec ddpm-digits", "ddpm-digits is not a codec"),
        ("--picture-data nowhere", "nowhere does not exist"),
        ("--picture-data masks/day", "masks/day has no picture for"),
        ("--picture edges --picture-size 0", "is not a size"),
        ("--picture color", "color"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    options: str, said: str, capsys: pytest.CaptureFixture
) -> None:
    assert run_command(f"{TRAIN} {options}") == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert said in error and not Path("runs").exists()


def test_names_are_matched_exactly_then_by_stem() -> None:
    splits = smalti.data.read_splits("photos", size=28)
    shutil.copy("masks/day/0.jpg", "masks/day/0.jpeg")
    with expect_user_error("masks has day/0.jpeg and day/0.jpg for day/0.png", "leave one"):
        ConditionFolder("masks").pair_splits(splits)
    shutil.copy("masks/day/0.jpg", "masks/day/0.png")
    ConditionFolder("masks").pair_splits(splits)
    Path("masks/night/1.jpg").unlink()
    Path("masks/night/3.jpg").unlink()
    with expect_user_error("masks has no picture for night/", "and 1 more; add one of the same"):
        ConditionFolder("masks").pair_splits(splits)
    digits = Splits(digit_pictures("valid"), digit_pictures("test"))
    with expect_user_error("digits/valid has no file names to match", "--data"):
        ConditionFolder("masks").pair_splits(digits)
