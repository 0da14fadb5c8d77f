"""Training from Python is what `smalti train` does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

import smalti
from smalti.core.progress import Progress
from smalti.data import Pictures, read_splits
from smalti.recipes import find_recipe
from smalti.recipes.pictures import read_digits_or_data
from smalti.recipes.recipe import Recipe
from smalti.training import Training
from smalti.training.events import Ended, Started, Stepped
from tests.command import TINY_RUN, list_contents, run_command
from tests.expect import expect_user_error
from tests.tiny import diffusion_config

TINY = {"network.widths": (8,), "network.attention": (True,)}
PLAN = {"batch_size": 4, "precision": "32", "save_every": 2}
TIMES = ("minutes", "hardware", "name")


CLOCKED = ("trainer.pt", "SHA256SUMS", "tensorboard")
"""Files with seconds in them, or with sums of those."""


def files(run: str) -> list[str]:
    found = [name for name in list_contents(Path(run)) if (Path(run) / name).is_file()]
    return [name for name in found if not set(Path(name).parts) & set(CLOCKED)]


def without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in TIMES}
    return value


def plain(path: Path) -> Any:
    """A file's content, without what differs from run to run."""
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text()))
    if path.suffix == ".jsonl":
        return [without_times(json.loads(line)) for line in path.read_text().splitlines()]
    return path.read_bytes()


def test_python_writes_what_the_command_line_writes(at_home: Path):
    assert run_command(f"train ddpm --data photos --out cli {' '.join(TINY_RUN)}") == 0
    heard: list[Any] = []
    recipe = find_recipe("ddpm").change(training=PLAN, model=TINY)
    ended = smalti.train(
        recipe, data="photos", out="python", steps=3, size=8, on_event=heard.append
    )
    made = files("cli")
    assert made == files("python") and "step-3/model.safetensors" in made
    for name in made:
        assert plain(Path("cli") / name) == plain(Path("python") / name), name
    assert (ended.step, ended.checkpoint, ended.interrupted) == (3, Path("python/step-3"), False)
    kinds = [type(event) for event in heard]
    assert kinds[0] is Progress and kinds[-1] is Ended and kinds.count(Stepped) == 3
    assert kinds.index(Started) > kinds.index(Progress)


def test_pictures_that_are_loaded_can_be_trained_on(at_home: Path):
    splits = read_splits("photos", size=8)
    recipe = find_recipe("ddpm").change(training=PLAN, model=TINY)
    smalti.train(recipe, data=splits, out="run", steps=2)
    assert smalti.resume("run", data=splits).steps_taken == 0
    with expect_user_error("is a run of ddpm, not of vqvae"):
        smalti.resume("run", "vqvae")


def test_a_recipe_of_ones_own(at_home: Path):
    training = Training(batch_size=4, precision="32")
    mine = Recipe(
        read_digits_or_data,
        lambda p: diffusion_config(shape=p.shape),
        training,
        size=8,
        name="mine",
    )
    assert smalti.train(mine, data="photos", steps=1).checkpoint == Path("runs/mine/step-1")
    assert smalti.resume("runs/mine", mine).step == 1
    with expect_user_error("minutes and steps are both given"):
        smalti.train("ddpm", minutes=1, steps=1)


def test_fields_are_changed_by_their_names():
    with expect_user_error("model.network.wdths is given, but model.network is unet, which has"):
        find_recipe("ddpm-digits").change(model={"network.wdths": (8,)}).make_config(
            find_recipe("ddpm-digits").read(None, size=28).train
        )
    with expect_user_error("rat is given, but training is training, which has"):
        find_recipe("ddpm").change(training={"rat": 1.0})


def test_large_pictures_are_predicted_instead_of_their_noise():
    """Where 32 channels stand for 4x4 pixels of three colors, they cannot carry their noise."""
    for side, prediction in ((32, "v"), (64, "v"), (128, "x0")):
        pictures = Pictures(torch.zeros(2, 3, side, side, dtype=torch.uint8), None, (), "toy")
        assert find_recipe("ddpm").make_config(pictures).prediction == prediction
