"""`smalti distill`: of one's own diffusion model, resumed, and what it refuses."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

import smalti
from smalti.cli import main
from smalti.diffusion import Consistency
from smalti.tasks import distill, resume, train
from smalti.training.events import Stepped
from tests.expect import expect_user_error
from tests.tiny import draw_pictures

TINY = ("--model.network.widths", "8", "--model.network.groups", "4", "--batch-size", "4")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a small DDPM on two classes of pictures."""
    folder = tmp_path_factory.mktemp("distill")
    for k in range(24):
        place = folder / "pictures" / ("dark", "light")[k % 2]
        place.mkdir(parents=True, exist_ok=True)
        level = 40 + 150 * (k % 2) + k
        Image.new("L", (8, 8), level).save(place / f"{k}.png")
    data = str(folder / "pictures")
    line = ["train", "ddpm", "--data", data, "--size", "8", "--steps", "4", *TINY]
    attention = ["--model.network.attention", "no", "--out", str(folder / "ddpm")]
    assert main([*line, *attention]) == 0
    return folder / "ddpm"


def test_it_draws_in_few_evaluations_from_the_same_pictures(trained: Path, tmp_path: Path):
    out = tmp_path / "few"
    assert main(["distill", str(trained), "--steps", "4", "--out", str(out)]) == 0
    model = smalti.load(out)
    assert model.config.sampler == Consistency(2)
    assert model.config.objective.teacher_guidance == smalti.load(trained).config.sampler.guidance
    network = smalti.load(trained).config.network  # it is told of augmentation, 10 numbers
    width = network.condition_width - 10
    assert model.config.network == replace(network, condition_width=width, dropout=0.0)
    pictures = draw_pictures(model, 3, cond="light")
    assert pictures.shape == (3, 1, 8, 8)
    out_1 = str(tmp_path / "drawn")
    assert main(["sample", str(out), "-n", "2", "--steps", "1", "--out", out_1]) == 0


def test_minutes_are_timed_with_the_teacher(trained: Path, tmp_path: Path):
    out = tmp_path / "timed"
    assert main(["distill", str(trained), "--minutes", "0.02", "--out", str(out)]) == 0
    assert smalti.load(out).config.sampler == Consistency(2)


def test_a_resumed_run_has_its_teacher_again(trained: Path, tmp_path: Path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    distill(trained, steps=6, out=whole)

    def stop(event: object) -> None:
        if isinstance(event, Stepped) and event.step == 3:
            signal.raise_signal(signal.SIGINT)

    assert distill(trained, steps=6, out=parts, on_event=stop).interrupted
    assert resume(parts).step == 6
    ours, theirs = (smalti.load(run).state_dict() for run in (parts, whole))
    assert all(torch.equal(ours[name], w) for name, w in theirs.items())


def test_it_says_what_it_cannot_do(trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture):
    with expect_user_error("vqvae-digits is no diffusion model"):
        distill("vqvae-digits", out=tmp_path / "out")
    lone = tmp_path / "alone"
    smalti.save(smalti.load(trained), lone)
    with expect_user_error("training pictures of", "are unknown", "--data"):
        distill(lone, out=tmp_path / "out")
    with expect_user_error("teacher_guidance", "no start is given"):
        train("consistency", steps=2, out=tmp_path / "out")
    distill(trained, steps=1, out=tmp_path / "few")
    with expect_user_error("is distilled already"):
        distill(tmp_path / "few", out=tmp_path / "out")
    assert main(["distill", str(trained), "--evaluations", "9"]) == 2
    assert "9" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
