"""Conditions of priors from the command line."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import smalti
from smalti.autoregressive import (
    AutoregressiveConfig,
    FrozenCodec,
    Levels,
    PictureCondition,
    build_config,
)
from smalti.data.pictures import Pictures
from smalti.recipes import find_recipe
from smalti.training.config import Training
from tests.command import read_pixels, run_command
from tests.tiny import GPT


def test_guidance_is_an_option_of_priors(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    command = "sample vqvae-digits-gpt -n 3 --class 3,5,8 --out"
    for name, guidance in (("own", ""), ("same", " --guidance 1.25"), ("more", " --guidance 20")):
        assert run_command(f"{command} {tmp_path / name}{guidance}") == 0
    own, same, more = (read_pixels(tmp_path / n / "grid.png") for n in ("own", "same", "more"))
    assert (own == same).all() and (own != more).any()
    record = json.loads((tmp_path / "more" / "samples.json").read_text())
    assert record["sampler"]["guidance"] == 20
    capsys.readouterr()
    assert run_command(f"sample gated-pixelcnn-digits --guidance 2 --out {tmp_path / 'x'}") == 2
    error = capsys.readouterr().err.strip()
    assert error == (
        "smalti: guidance is 2, but this model was not trained without class; set guidance to 1"
    )


def make_enlarging_config(pictures: Pictures, codec: str = "vqvae-digits") -> AutoregressiveConfig:
    small = PictureCondition(Levels(16, (1, 2, 2)))
    return build_config(FrozenCodec(codec, shape=pictures.shape), GPT, conditions=(small,))


def test_a_prior_conditioned_on_small_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = replace(
        find_recipe("vqvae-digits-gpt"),
        name="enlarge",
        make_config=make_enlarging_config,
        training=Training(batch_size=4, precision="32"),
    )
    assert smalti.train(recipe, steps=2).step == 2
    for name, side in (("left", slice(0, 14)), ("right", slice(14, 28))):
        pixels = np.zeros((28, 28), np.uint8)
        pixels[:, side] = 255
        Image.fromarray(pixels).save(f"{name}.png")
    command = "sample runs/enlarge -n 2 --temperature 0 --seed 3"
    assert run_command(f"{command} --picture left.png --picture right.png --out both") == 0
    record = json.loads(Path("both/samples.json").read_text())
    assert record["pictures"] == ["left.png", "right.png"] and "strength" not in record
    assert run_command(f"{command} --picture right.png --out right") == 0
    again = [read_pixels(f"{folder}/00004.png") for folder in ("both", "right")]
    assert (again[0] == again[1]).all()
    capsys.readouterr()
    assert run_command(f"{command} --out none") == 2
    assert "not trained without picture; give one for each of 2" in capsys.readouterr().err
