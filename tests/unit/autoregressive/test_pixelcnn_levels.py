"""Levels: round trips between floats and integers."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalti.core.errors import UserError
from smalti.pixelcnn import Levels

COUNTS = range(2, 257)


def test_levels_come_back() -> None:
    for count in COUNTS:
        codec, levels = Levels(count), torch.arange(count)
        for x in (codec.decode(levels), codec.symbol_values):
            assert x[0] == 0
            assert x[-1] == 1
            assert torch.equal(codec.encode(x), levels)
        assert torch.equal(codec.symbol_values.float(), codec.decode(levels))


def test_levels_come_back_from_8_bit_pixels() -> None:
    for count in COUNTS:
        levels = torch.arange(count)
        pixels = (Levels(count).decode(levels) * 255).round()
        assert torch.equal(Levels(count).encode(pixels / 255), levels)


def test_8_bit_pixels_are_their_own_levels_at_256() -> None:
    pixels = torch.arange(256)
    assert torch.equal(Levels(256).encode(pixels / 255), pixels)


@given(st.sampled_from(COUNTS), st.floats(0, 1, width=32))
def test_floats_stay_in_their_cell(count: int, x: float) -> None:
    levels = Levels(count)
    level = levels.encode(torch.tensor(x))
    assert 0 <= level < count
    assert abs(levels.symbol_values[level] - x) <= 0.5 / (count - 1) + 1e-6
    assert levels.encode(levels.decode(level)) == level


@pytest.mark.parametrize("count", [1, 257])
def test_other_counts_are_refused(count: int) -> None:
    with pytest.raises(UserError, match="2 or more, 256 at most"):
        Levels(count)
