"""What users hold is shown in one short line."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import smalti
from smalti.core.protocols import Score
from smalti.diffusion import DDIM, DiffusionState, round_trip
from smalti.patchmatch import match
from tests.tiny import diffusion_config, randomize_zeros

PICTURES = smalti.data.digit_pictures("test")
TWO = torch.rand(2, 1, 28, 28)


def make_splits() -> Any:
    return smalti.data.Splits(PICTURES, PICTURES.select(slice(3), "few"))


def make_round_trip() -> Any:
    model = randomize_zeros(diffusion_config((1, 28, 28)).build()).eval()
    return round_trip(model, TWO, sampler=DDIM(steps=1))


EXPECTED_LINES = {
    "<Pictures digits/test: 1,000 of 1x28x28, 10 classes>": lambda: PICTURES,
    "<Splits digits/test: 1,000 train, 3 valid of 1x28x28>": make_splits,
    "DiffusionState(x=2x1x28x28 float32, x0=2x1x28x28 float32, t=9, step=1, steps=2)": (
        lambda: DiffusionState(TWO, TWO, 9, 1, 2)
    ),
    "SamplingInputs(labels=2 int64, picture=2x1x28x28 float32)": (
        lambda: smalti.SamplingInputs(torch.tensor([1, 2]), picture=TWO)
    ),
    "SamplingInputs(text=['red heart'])": lambda: smalti.SamplingInputs(text=["red heart"]),
    "SamplingInputs()": smalti.SamplingInputs,
    "Batch(pictures=2x1x28x28 float32)": lambda: smalti.Batch(TWO),
    "Batch(pictures=2x1x28x28 float32, text=100 entries)": (
        lambda: smalti.Batch(TWO, text=["heart"] * 100)
    ),
    "Score(nats=2 float32, dims=784, kind='exact')": (lambda: Score(torch.rand(2), 784, "exact")),
    "Match(field=9x9x2 int32, distance=9x9 float32)": lambda: match(
        np.zeros((9, 9)), np.zeros((9, 9))
    ),
    "RoundTrip(latents=2x1x28x28 float64, pictures=2x1x28x28 float32, psnr=2 float64)": (
        make_round_trip
    ),
}


@pytest.mark.parametrize("line", EXPECTED_LINES)
def test_a_line_tells_shapes_and_counts(line: str) -> None:
    assert repr(EXPECTED_LINES[line]()) == line
