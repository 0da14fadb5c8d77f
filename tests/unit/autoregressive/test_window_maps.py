"""Conditions that are pictures, in windows: each sees its own cut."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import smalti
from smalti.autoregressive import CoordinateCodec, FrozenCodec, PictureCondition, build_config
from smalti.autoregressive.windows import Sliding, WindowLayout
from smalti.autoregressive.windows.picture_maps import encode_prefix
from smalti.core.rng import Rng
from smalti.layers.condition_encoder import make_choices
from smalti.pixelcnn import Levels
from tests.expect import expect_user_error
from tests.naive.windows import draw_in_windows
from tests.tiny import GPT

SIZE = (24, 32)  # of 6 x 8 codes, in windows of 4 x 4


@pytest.fixture(scope="module")
def model() -> Any:
    torch.manual_seed(0)
    small = PictureCondition(Levels(5, (1, 2, 4)), resize="nearest")
    place = PictureCondition(CoordinateCodec(9, (1, 16, 16), 4), "place", "coordinates")
    config = build_config(
        FrozenCodec("vqvae-digits", shape=(1, 16, 16)),
        GPT,
        conditions=(*make_choices(("a", "b")), small, place),
    )
    model = config.build()
    model.network.double()
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return model.eval()


def test_a_prefix_of_the_trained_size_is_the_models_own(model: Any) -> None:
    values: Any = {"class": torch.tensor([0, 1]), "picture": torch.rand(2, 1, 16, 16)}
    prefix = encode_prefix(model, [values], 2, (16, 16))
    tokens = prefix.cut_tokens(WindowLayout((4, 4), (4, 4)), (0, 0))
    assert tokens.tolist() == model.encode_conditions(values, 2).tolist()


def test_each_window_sees_its_cut_of_the_maps(model: Any) -> None:
    x, labels = torch.rand(2, 1, *SIZE), torch.tensor([0, 1])
    inputs = smalti.SamplingInputs(labels=labels, picture=x, size=SIZE)
    *_, last = smalti.stream(model, 2, inputs=inputs, sampler=Sliding(top_k=9))
    prefix = encode_prefix(model, [{"class": labels, "picture": x}], 2, SIZE)
    label, small, place = (part.squeeze(-1) if part.ndim == 4 else part for part in prefix.parts)
    assert (small.shape, place.shape) == ((2, 3, 8), (2, 6, 8))
    assert place[0].flatten().diff().min() >= 0 and place[0, :, 0].unique().numel() == 6

    def predict(tokens: torch.Tensor) -> torch.Tensor:
        """Without every second row of the small map, which has half as many."""
        rows = torch.arange(tokens.shape[1])
        kept = rows[(rows < 1) | (rows >= 17) | ((rows - 1) // 4 % 2 == 0)]
        return model.network(tokens[:, kept])[..., : model.codec.vocab_size]

    rng = Rng([0, 1])
    rng.uniform()  # for the class
    u = rng.uniform(6, 8)
    maps = [small.repeat_interleave(2, 1), place]
    expected = draw_in_windows(predict, maps, label, (6, 8), (4, 4), u, Sliding(top_k=9))
    assert last.symbols[:, 0].tolist() == expected.tolist()


def test_what_does_not_fit_is_refused_in_a_line(model: Any) -> None:
    x = torch.rand(1, 1, 8, 8)
    with expect_user_error("size 8x16 is smaller than the trained 16x16"):
        smalti.stream(model, 1, inputs=smalti.SamplingInputs(picture=x, size=(8, 16)))
    with expect_user_error("seamless is set, but this model sees place, which have borders"):
        inputs = smalti.SamplingInputs(picture=x, size=(32, 32))
        smalti.stream(model, 1, inputs=inputs, sampler=Sliding(seamless=True))
