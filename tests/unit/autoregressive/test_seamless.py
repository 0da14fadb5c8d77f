"""Pictures that tile: codes near the borders drawn again, and the decoder around the borders."""

from __future__ import annotations

import torch

import smalti
from smalti import sliding
from smalti.autoregressive.windows import Sliding, WindowLayout
from smalti.autoregressive.windows.seamless import SWEEPS, decode_wrapped, list_border_places
from smalti.core.rng import Rng
from smalti.layers.symbol_sampling import Ancestral, draw_symbols
from tests.expect import expect_user_error
from tests.tiny import prior_config
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
        for i in range(H):
            for j in range(W):
                if 2 <= i < H - 2 and 1 <= j < W - 1:
                    continue
                turned = [x.roll((2 - i, 1 - j), (1, 2))[:, :h, :w] for x in (cond, codes)]
                tokens = torch.cat([x.flatten(1) for x in turned], 1)[:, : h * w + 2 * w + 1]
                codes[:, i, j] = draw_symbols(NETWORK(tokens)[:, -1], u[:, i, j], sampler)
    NETWORK.train()
    seamless = sliding.sample(NETWORK, cond, (h, w), 4, seeds=[5, 6], seamless=True)
    assert seamless.tolist() == codes.tolist()


def test_the_middle_stays() -> None:
    places = list_border_places(WindowLayout((8, 9), (4, 4)))
    assert len(places) == 8 * 9 - 4 * 5 and (2, 2) not in places and (5, 6) not in places


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
