"""Pictures that tile: codes near the borders drawn again, and the decoder around the borders."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

import smalti
from smalti import sliding
from smalti.autoregressive import CoordinateCodec, FrozenCodec, PictureCondition, build_config
from smalti.autoregressive.windows import Sliding, WindowLayout
from smalti.autoregressive.windows.picture_maps import encode_prefix
from smalti.autoregressive.windows.seamless import SWEEPS, decode_wrapped
from smalti.autoregressive.windows.sweep import list_border_places, plan_sweep
from smalti.core.rng import Rng
from smalti.layers.pixel_levels import Levels
from smalti.layers.symbol_sampling import Ancestral, draw_symbols
from tests.expect import expect_user_error
from tests.tiny import GPT, prior_config
from tests.unit.autoregressive.test_windows import NETWORK, K


@torch.no_grad()
def test_border_codes_see_around_the_border() -> None:
    H, W, h, w = 7, 6, 4, 3
    cond = torch.randint(0, K, (2, H, W))
    sampler = Ancestral(1, 4)
    rng = Rng([5, 6])
    codes = sliding.sample(NETWORK, cond, (h, w), 4, seeds=[5, 6])
    rng.uniform(H, W)
    NETWORK.eval()
    for _ in range(SWEEPS):
        u = rng.uniform(H, W)
        for i, j in list_border_places(WindowLayout((H, W), (h, w))):  # one after the other
            turned = [x.roll((2 - i, 1 - j), (1, 2))[:, :h, :w] for x in (cond, codes)]
            tokens = torch.cat([x.flatten(1) for x in turned], 1)[:, : h * w + 2 * w + 1]
            codes[:, i, j] = draw_symbols(NETWORK(tokens)[:, -1], u[:, i, j], sampler)
    NETWORK.train()
    seamless = sliding.sample(NETWORK, cond, (h, w), 4, seeds=[5, 6], seamless=True)
    assert seamless.tolist() == codes.tolist()


def test_the_middle_stays() -> None:
    places = list_border_places(WindowLayout((8, 9), (4, 4)))
    assert len(places) == 8 * 9 - 4 * 5 and (2, 2) not in places and (5, 6) not in places
    assert (
        len(set(places)) == len(places) == sum(map(len, plan_sweep(WindowLayout((8, 9), (4, 4)))))
    )


def test_a_sweep_crosses_the_seams() -> None:
    """In a row that is drawn at the left and right borders alone, right comes first."""
    places = list_border_places(WindowLayout((12, 10), (4, 4)))
    assert [j for i, j in places if i == 5] == [8, 9, 0, 1]
    rows = list(dict.fromkeys(i for i, _ in places))
    assert rows == [6, 7, 8, 9, 10, 11, 0, 1, 2, 3, 4, 5]


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 11), st.integers(1, 11))
def test_codes_of_a_step_need_nothing_of_each_other(h: int, w: int, H: int, W: int) -> None:
    layout = WindowLayout((H, W), (h, w))
    order = {place: k for k, place in enumerate(list_border_places(layout))}
    steps = {place: k for k, step in enumerate(plan_sweep(layout)) for place in step}
    assert steps.keys() == order.keys()
    a, b = layout.height // 2, layout.width // 2
    columns = range(-b, layout.width - b)
    for (i, j), turn in order.items():
        window = [((i + r) % H, (j + c) % W) for r in range(-a, 1) for c in columns]
        for seen in window[: a * layout.width + b]:
            if seen in order and seen != (i, j):
                was_drawn = order[seen] < turn  # else its old value is read
                assert (steps[seen] < steps[i, j]) == was_drawn


def test_codes_are_drawn_together() -> None:
    layout = WindowLayout((64, 64), (16, 16))
    steps = plan_sweep(layout)
    assert sum(map(len, steps)) > 2.3 * len(steps)


@torch.no_grad()
def test_pictures_that_tile_are_conditions_that_tile() -> None:
    torch.manual_seed(0)
    own = PictureCondition(FrozenCodec("vqvae-digits", shape=(1, 16, 16)), "whole")
    edges = PictureCondition(FrozenCodec("vqvae-digits", shape=(1, 16, 16)), "lines", "edges")
    small = PictureCondition(Levels(5, (1, 4, 4)), "small")
    codec = FrozenCodec("vqvae-digits", shape=(1, 16, 16))
    model = build_config(codec, GPT, conditions=(own, edges, small)).build().eval()
    x, layout = torch.rand(1, 1, 32, 40), WindowLayout((8, 10), (4, 4))
    turned = x.roll((8, -12), (2, 3))  # by 2 and -3 codes
    prefixes = [
        encode_prefix(model, [dict.fromkeys(("whole", "lines", "small"), one)], 1, (32, 40), True)
        for one in (x, turned)
    ]
    for k in range(3):
        first, second = (p.parts[k] for p in prefixes)
        assert (first.roll((2, -3), (1, 2)) == second).float().mean() > 0.98  # but for rounding
    around = prefixes[0].cut_tokens(layout, (-2, -1), wraps=True)
    inside = [p.roll((2, 1), (1, 2))[:, :4, :4].flatten(1) for p in prefixes[0].parts]
    assert torch.equal(around, torch.cat(inside, dim=1))
    inputs = smalti.SamplingInputs(
        conditions=dict.fromkeys(("whole", "lines", "small"), x), size=(32, 40)
    )
    drawn = smalti.sample(model, 1, inputs=inputs, sampler=Sliding(top_k=9, seamless=True))
    assert torch.as_tensor(drawn).shape == (1, 1, 32, 40)


def test_coordinates_do_not_tile() -> None:
    place = PictureCondition(CoordinateCodec(9, (1, 16, 16), 4), "place", "coordinates")
    codec = FrozenCodec("vqvae-digits", shape=(1, 16, 16))
    model = build_config(codec, GPT, conditions=(place,)).build()
    with expect_user_error("seamless is set, but this model sees place, which have borders"):
        smalti.stream(model, 1, sampler=Sliding(seamless=True))


def test_a_seamless_picture_is_decoded_around_its_borders() -> None:
    model = prior_config((), (1, 16, 16)).build().eval()
    sampler = Sliding(top_k=9, seamless=True)
    *states, last = smalti.stream(
        model, 2, inputs=smalti.SamplingInputs(size=(24, 32)), sampler=sampler
    )
    assert (last.step, last.steps, len(states)) == (6 + SWEEPS, 6 + SWEEPS, 5 + SWEEPS)
    picture = model.render(last)
    assert picture.shape == (2, 1, 24, 32)
    turned = decode_wrapped(model.codec.decode, last.symbols[:, 0].roll((1, 2), (1, 2)), (24, 32))
    torch.testing.assert_close(turned, picture.roll((4, 8), (2, 3)), atol=1e-4, rtol=0)
    own = smalti.sample(model, 1, sampler=sampler)  # of the trained size
    assert isinstance(own, torch.Tensor) and own.shape == (1, 1, 16, 16)


def test_sides_that_cut_a_code_are_refused() -> None:
    model = prior_config((), (1, 16, 16)).build()
    inputs = smalti.SamplingInputs(size=(24, 30))
    with expect_user_error("a seamless picture of 24x30 has codes that are cut"):
        smalti.stream(model, 1, inputs=inputs, sampler=Sliding(seamless=True))
