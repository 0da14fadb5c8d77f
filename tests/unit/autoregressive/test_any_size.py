"""Pictures of any size from a model of codes, in windows as large as its grid."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import smalti
from smalti.autoregressive import Ancestral, FrozenCodec, build_config
from smalti.autoregressive.orders import Spiral
from smalti.autoregressive.windows import Sliding, WindowLayout, WindowPrefix, WindowWalker, stream
from smalti.core.rng import Rng
from smalti.pixelcnn import GatedPixelCNNConfig
from tests.expect import expect_user_error
from tests.naive.windows import draw_in_windows
from tests.tiny import draw_pictures, prior_config

SIDE = 16  # pixels: 4 x 4 codes of 4 x 4 pixels


@pytest.fixture(scope="module")
def model() -> Any:
    """In float64, with weights so large that every token matters."""
    torch.manual_seed(0)
    model = prior_config(("a", "b"), (1, SIDE, SIDE)).build()
    model.network.double()
    with torch.no_grad():
        for weight in model.network.parameters():
            weight.add_(0.5 * torch.randn_like(weight))
    return model.eval()


def draw_codes(model: Any, size: tuple[int, int], sampler: Any = None, **arguments: Any) -> Any:
    *_, last = smalti.stream(
        model, inputs=smalti.SamplingInputs(size=size), sampler=sampler, **arguments
    )
    return last.symbols


@pytest.mark.parametrize("stride", [1, 2])
def test_windows_of_the_trained_grid_slide_over_the_canvas(model: Any, stride: int) -> None:
    assert model.spec.free_size
    sampler = Sliding(top_k=9, stride=stride)
    codes = draw_codes(model, (23, 40), sampler, cond=[0, 1], seeds=[4, 5])
    rng = Rng([4, 5])
    rng.uniform()  # for the class
    front = model.encode_conditions({"class": torch.tensor([0, 1])}, 2)
    u = rng.uniform(6, 10)
    K = model.codec.vocab_size

    def predict(tokens: torch.Tensor) -> torch.Tensor:
        return model.network(tokens)[..., :K]

    expected = draw_in_windows(predict, [], front, (6, 10), (4, 4), u, sampler, stride)
    assert codes[:, 0].tolist() == expected.tolist()


def test_the_trained_size_gives_the_pictures_it_always_gave(model: Any) -> None:
    expected = draw_pictures(model, 3)
    own = draw_pictures(model, 3, inputs=smalti.SamplingInputs(size=(SIDE, SIDE)))
    torch.testing.assert_close(own, expected, atol=0, rtol=0)
    cut = draw_pictures(model, 3, inputs=smalti.SamplingInputs(size=(SIDE - 1, SIDE - 3)))
    assert cut.shape == (3, 1, SIDE - 1, SIDE - 3)
    torch.testing.assert_close(cut, expected[..., :-1, :-3], atol=1e-5, rtol=0)


def test_guidance_is_that_of_the_trained_size() -> None:
    torch.manual_seed(0)
    model = prior_config(("a", "b"), (1, SIDE, SIDE), condition_dropout=0.1).build().eval()
    sampler = Ancestral(guidance=3, top_k=9)
    own = draw_codes(model, (SIDE, SIDE), sampler, cond=[0, 1])
    cut = draw_codes(model, (SIDE - 1, SIDE), sampler, cond=[0, 1])  # by windows: one of them
    assert cut.tolist() == own.tolist()
    unguided = draw_codes(model, (SIDE - 1, SIDE), Ancestral(top_k=9), cond=[0, 1])
    assert cut.tolist() != unguided.tolist()


@pytest.mark.parametrize("size", [(1, 1), (5, 30), (30, 7)])
def test_any_size_is_drawn_row_by_row_from_a_seed(model: Any, size: tuple[int, int]) -> None:
    inputs = smalti.SamplingInputs(size=size)
    states = [*smalti.stream(model, seeds=[9, 2**50], inputs=inputs)]
    assert [state.step for state in states] == [*range(1, -(-size[0] // 4) + 1)]
    assert not states[0].symbols[:, :, 1:].any()
    picture = model.render(states[-1])
    assert picture.shape == (2, 1, *size)
    alone = draw_pictures(model, seeds=[2**50], inputs=inputs)
    torch.testing.assert_close(picture[1:], alone, atol=1e-5, rtol=0)


@torch.no_grad()
def test_codes_of_a_small_canvas_have_the_positions_of_the_grids_top_left(model: Any) -> None:
    network, front = model.network, torch.tensor([[64]])
    layout = WindowLayout((2, 3), (4, 4))
    walker = WindowWalker(network, WindowPrefix((front,)), layout, keeps_grid=True)
    for place in layout.list_places():
        predicted = walker.predict([place])
        walker.set_symbols([place], torch.tensor([[7]]))
    trained = network.positions.data
    network.positions.data = trained[[0, 1, 2, 3, 5, 6]]
    expected = network(torch.tensor([[64, 7, 7, 7, 7, 7]]))[:, -1]
    network.positions.data = trained
    torch.testing.assert_close(predicted[0], expected, atol=1e-12, rtol=0)


def test_large_pictures_are_decoded_in_tiles(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    codes = torch.randint(0, model.codec.vocab_size, (2, 40, 35))
    whole = model.codec.decode(codes, (158, 139))
    monkeypatch.setattr(stream, "MAX_WHOLE_CODES", 1_000)
    tiled = stream.decode_large(model.codec, codes, (158, 139))
    assert tiled.shape == whole.shape
    torch.testing.assert_close(tiled, whole, atol=2e-3, rtol=0)


def test_what_does_not_fit_is_refused_in_a_line(model: Any) -> None:
    with expect_user_error("size 3000 takes 750x750 codes; give one of 262,144 codes at most"):
        draw_codes(model, (3000, 3000), n=1)
    with expect_user_error("size is (0, 4)"):
        draw_codes(model, (0, 4), n=1)
    with expect_user_error("stride is 3; give 1 to 2, half a window of 4x4 codes"):
        draw_codes(model, (32, 32), Sliding(stride=3), n=1)
    codec = FrozenCodec("vqvae-digits", shape=(1, 8, 8))
    pixelcnn = build_config(codec, GatedPixelCNNConfig(width=8, blocks=1, head_width=8)).build()
    assert not pixelcnn.spec.free_size
    with expect_user_error("size is given, but this model takes known, mask"):
        draw_codes(pixelcnn, (16, 16), n=1)
    with expect_user_error("size 16 is given, but this model draws 8 alone"):
        pixelcnn.stream(Rng([0]), smalti.SamplingInputs(size=(16, 16)), Ancestral())
    known, mask = torch.zeros(1, 1, 32, 32), torch.ones(32, 32, dtype=torch.bool)
    with expect_user_error("size 32 and known pictures are given; leave one of them out"):
        inputs = smalti.SamplingInputs(size=(32, 32), known=known, mask=mask)
        smalti.stream(model, 1, inputs=inputs)
    assert not prior_config(order=Spiral()).build().spec.free_size
