"""Walkers and kernels of PixelCNN and Gated PixelCNN against their naive twins."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from smalti.autoregressive.naive_walker import NaiveWalker
from smalti.autoregressive.pixelcnn.raster_walker import copy_windows
from smalti.autoregressive.pixelcnn.walkers import build_walker
from smalti.convert import from_reference, read_weights
from smalti.core.errors import UserError
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.kernels import threads
from smalti.kernels.loops import fast_exp
from smalti.kernels.panels import pack_panels, round_up_to_panels
from smalti.kernels.softmax_draw import draw_softmax
from smalti.kernels.tape import Tape, record_column_tapes, record_tapes
from smalti.pixelcnn import (
    Ancestral,
    Autoregressive,
    AutoregressiveConfig,
    Choice,
    GatedPixelCNNConfig,
    Levels,
    PixelCNNConfig,
)
from tests.naive import kernels as naive

GOLDEN = Path(__file__).parents[2] / "golden"
PRIOR = GOLDEN / "dldemos_pixelcnn_prior.safetensors"
KINDS = [GatedPixelCNNConfig, PixelCNNConfig]
VALUES = torch.linspace(0, 1, 70).double()


def network(kind: Any, seed: int = 0, dtype: torch.dtype = torch.float64, **changes: Any) -> Any:
    torch.manual_seed(seed)
    small = {"width": 12, "head_width": 9, "outputs": 5, "blocks": 2, "first_kernel_size": 5}
    return naive.perturb_weights(kind(**{**small, **changes}).build()).to(dtype)


@torch.no_grad()
def walk_along(walkers: list[Any], x: Tensor) -> list[Tensor]:
    """Each walker's parameters along the symbols x (N, C, H, W): (H W C, N, P)."""
    found = [[] for _ in walkers]
    for k, symbols in enumerate(x.permute(2, 3, 1, 0).flatten(0, 2)):
        for each, numbers in zip(walkers, found, strict=True):
            numbers.append(each.predict(k))
            each.set_symbols(k, symbols)
    return [torch.stack(numbers) for numbers in found]


@settings(max_examples=15, deadline=None)
@given(
    kind=st.sampled_from(KINDS),
    channels=st.sampled_from([1, 3]),
    blocks=st.integers(0, 2),
    first_kernel_size=st.sampled_from([3, 5, 7]),
    thirds=st.integers(1, 12),
    batch_norm=st.booleans(),
    embeds_symbols=st.booleans(),
    condition_width=st.sampled_from([0, 4]),
    size=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    n=st.integers(1, 11),
)
def test_a_walker_gives_the_networks_parameters(
    kind: Any, size: tuple[int, int], n: int, thirds: int, **changes: Any
) -> None:
    width = {"width": 3 * thirds, "head_width": 3 * thirds + 3}
    net = network(kind, **width, **changes)
    D = changes["condition_width"]
    y = torch.randn(n, D).double() if D else None
    values = None if changes["embeds_symbols"] else torch.rand(5).double()
    x = torch.randint(5, (n, changes["channels"], *size))
    both = [make(net, n, size, y, values) for make in (NaiveWalker, build_walker)]
    whole, quick = walk_along(both, x)
    assert whole.std() > 0.01
    torch.testing.assert_close(quick, whole, atol=1e-10, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_is_accurate_to_rounding(kind: Any) -> None:
    net = network(kind, width=40, head_width=33, outputs=70, batch_norm=True, dtype=torch.float32)
    both = [make(net, 9, (4, 5), None, VALUES) for make in (NaiveWalker, build_walker)]
    whole, quick = walk_along(both, torch.randint(70, (9, 1, 4, 5)))
    assert quick.dtype == torch.float32
    # five layers of sums of a thousand terms: one unit in the last place of these is 1.5e-4
    torch.testing.assert_close(quick, whole, atol=5e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("count", [512, 1000])
@pytest.mark.parametrize("condition", [0, 3])
def test_codes_of_large_codebooks(kind: Any, count: int, condition: int) -> None:
    net = network(
        kind, outputs=count, embeds_symbols=True, condition_width=condition, batch_norm=True
    )
    y = torch.tensor([2, 0, 1]) if condition else None
    both = [make(net, 3, (3, 4), y) for make in (NaiveWalker, build_walker)]
    x = torch.randint(count, (3, 1, 3, 4))
    x[:, 0, 0, 0] = count - 1
    whole, quick = walk_along(both, x)
    assert whole.shape == (12, 3, count)
    torch.testing.assert_close(quick, whole, atol=1e-10, rtol=1e-10)


@torch.no_grad()
def test_the_articles_prior_walks() -> None:
    golden, (weights, config) = load_file(PRIOR), read_weights(PRIOR)
    assert config is not None
    net: Any = from_reference(PRIOR.stem, config, weights)
    codes = golden["codes"]
    N, h, w = codes.shape
    walker = build_walker(net, N, (h, w))
    (quick,) = walk_along([walker], codes[:, None])  # (h w, N, K)
    logits = golden["logits"].flatten(2).permute(2, 0, 1)
    torch.testing.assert_close(quick, logits, atol=1e-4, rtol=0)


@pytest.mark.parametrize("codes", [False, True])
def test_unsupported_input_is_refused(codes: bool) -> None:
    with pytest.raises(UserError, match="this network takes"):
        build_walker(
            network(GatedPixelCNNConfig, embeds_symbols=codes),
            1,
            (2, 2),
            None,
            VALUES if codes else None,
        )


def test_a_naive_walker_can_be_reordered() -> None:
    net, x = network(GatedPixelCNNConfig, condition_width=4), torch.randint(5, (4, 1, 2, 3))
    y, rows = torch.arange(4), torch.tensor([3, 0, 0])
    (alone,) = walk_along([NaiveWalker(net, 3, (2, 3), y[rows], VALUES)], x[rows])
    walker = NaiveWalker(net, 4, (2, 3), y, VALUES)
    walker.set_symbols(0, x[:, 0, 0, 0])
    walker.reorder(rows)
    torch.testing.assert_close(walker.predict(1), alone[1])


def build_twins(config: AutoregressiveConfig, net: Any) -> tuple[Autoregressive, naive.Naive]:
    quick, slow = Autoregressive(config), naive.Naive(config)
    quick.network = slow.network = net
    return quick, slow


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("channels", [1, 3])
def test_the_same_uniforms_give_the_same_pixels(kind: Any, channels: int) -> None:
    net = network(kind, channels=channels, condition_width=3, outputs=17, batch_norm=True)
    codec = Levels(17, (channels, 4, 5))
    config = AutoregressiveConfig(codec, net.config, conditions=(Choice(("a", "b", "c")),))
    for labels in (None, torch.tensor([2, 0, 0, 1])):
        inputs = SamplingInputs(labels=labels)
        quick, slow = (
            [state.symbols for state in model.stream(Rng(range(4)), inputs, Ancestral(3.0))]
            for model in build_twins(config, net)
        )
        assert len(quick) == 4
        assert torch.equal(torch.stack(quick), torch.stack(slow))
        assert len(quick[-1].unique()) > 3


@pytest.mark.parametrize("kind", ["dldemos_pixelcnn", "dldemos_gated_pixelcnn"])
def test_the_same_pixels_of_the_articles_weights(kind: str) -> None:
    weights, config = read_weights(GOLDEN / f"{kind}.safetensors")
    assert config is not None
    net: Any = from_reference(kind, config, weights).double().eval()
    model = AutoregressiveConfig(Levels(config["color_level"], (1, 12, 12)), net.config)
    quick, slow = (list(m.stream(Rng([5, 8])))[-1].symbols for m in build_twins(model, net))
    assert torch.equal(quick, slow)


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_does_not_depend_on_its_batch(kind: Any) -> None:
    """In float32, up to rounding: where PyTorch multiplies, a row's last bit may be its place's."""
    net = network(kind, dtype=torch.float32, condition_width=4)
    x, y = torch.randint(70, (19, 1, 3, 4)), torch.arange(19) % 4
    (many,) = walk_along([build_walker(net, 19, (3, 4), y, VALUES)], x)
    for part in (slice(0, 1), slice(7, 17)):
        n = part.stop - part.start
        (few,) = walk_along([build_walker(net, n, (3, 4), y[part], VALUES)], x[part])
        torch.testing.assert_close(few, many[:, part], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_threads_change_nothing(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    net, x = network(kind, dtype=torch.float32), torch.randint(70, (19, 1, 3, 4))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    (alone,) = walk_along([build_walker(net, 19, (3, 4), None, VALUES)], x)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    monkeypatch.setattr(threads, "MIN_COST_PER_THREAD", 0)
    together: Any = build_walker(net, 19, (3, 4), None, VALUES)
    assert len(together.slices) == 3
    assert torch.equal(walk_along([together], x)[0], alone)


@pytest.mark.parametrize(("n", "parts"), [(1, 2), (16, 2), (17, 2), (5, 3), (64, 7), (2, 2)])
def test_chunks_cover_all_pictures_once(n: int, parts: int) -> None:
    found = threads.split_batch(n, parts)
    assert len(found) <= parts
    assert [k for part in found for k in range(n)[part]] == list(range(n))


def test_an_error_in_a_thread_is_raised() -> None:
    def work(part: int) -> None:
        if part == 1:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        threads.run_in_threads(work, [0, 1], 10**9)


def play(record: Callable[..., None], *arrays: np.ndarray) -> None:
    """One step alone."""
    tape = Tape()
    record(tape, *arrays)
    tape.play()


@settings(max_examples=20, deadline=None)
@given(
    rows=st.integers(1, 19),
    k=st.integers(1, 9),
    o=st.integers(1, 40),
    dtype=st.sampled_from(["float32", "float64"]),
)
def test_products_are_the_slow_twins(rows: int, k: int, o: int, dtype: str) -> None:
    rng = np.random.default_rng(rows + 100 * k + 1000 * o)
    x, w = rng.standard_normal((rows, k)).astype(dtype), rng.standard_normal((k, o))
    wide = np.pad(w, [(0, 0), (0, round_up_to_panels(o, dtype) - o)]).astype(dtype)
    out = np.ones((rows, wide.shape[1]), dtype)
    play(Tape.add_product, x, pack_panels(wide), out)
    near = 1e-5 if dtype == "float32" else 1e-13
    np.testing.assert_allclose(out, 1 + naive.product(x, wide), rtol=near, atol=near)


@pytest.mark.parametrize(("dtype", "near"), [("float32", 3e-7), ("float64", 1e-15)])
def test_the_gate_is_the_slow_twins(dtype: str, near: float) -> None:
    x = np.concatenate([np.linspace(-90, 90, 512), np.linspace(-3, 3, 512)]).reshape(8, 128)
    x = np.random.default_rng(0).permuted(x).astype(dtype)
    out = np.empty((8, 64), dtype)
    play(Tape.gate, x, out)
    np.testing.assert_allclose(out, naive.gate(x), rtol=0, atol=near)


@pytest.mark.parametrize(("dtype", "near"), [("float32", 3e-7), ("float64", 1e-15)])
def test_the_other_steps_are_their_slow_twins(dtype: str, near: float) -> None:
    x = np.random.default_rng(0).permuted(np.linspace(-30, 30, 240)).reshape(3, 80).astype(dtype)
    row = x[0, :16].copy()
    for record, shown, begin, wanted in (
        (Tape.repeat, row, 0 * x, np.tile(row, (3, 5))),
        (Tape.add, row, x, x + np.tile(row, (3, 5))),
        (Tape.relu, x, 0 * x, np.maximum(x, 0)),
        (Tape.elu, x, 0 * x, naive.elu(x)),
        (Tape.concat_elu, x, np.zeros((3, 160), dtype), naive.concat_elu(x)),
        (Tape.add_gated, x, x[:, :40].copy(), x[:, :40] + naive.sigmoid_gate(x)),
    ):
        out = begin.copy()
        play(record, shown, out)
        np.testing.assert_allclose(out, wanted, rtol=near, atol=near)


def test_a_tape_plays_all_its_steps_again_on_what_stands_there() -> None:
    x, w, out = np.ones((3, 4)), np.eye(4, 16), np.zeros((3, 16))
    tape = Tape()
    tape.repeat(np.full(1, 2.0), out)
    tape.add_product(x, pack_panels(w), out)
    del w  # the tape keeps what it needs
    for value in (1.0, 5.0):
        x[:] = value
        tape.play()
        assert out[:, :4].tolist() == [[2 + value] * 4] * 3


@pytest.mark.parametrize("columns", [1, 4, 5, 11])
def test_columns_that_are_not_recorded_follow_from_those_that_are(columns: int) -> None:
    x, out = np.zeros((2, columns + 1, 3)), np.zeros((columns, 3))

    def record(tape: Tape, j: int) -> None:
        tape.add(x[j % 2, j + 1], out[j])
        tape.relu(x[1, j // 2], out[j])

    found, wanted = record_column_tapes(columns, record), record_tapes(range(columns), record)
    assert [t.encoded_steps[0].tolist() for t in found] == [
        t.encoded_steps[0].tolist() for t in wanted
    ]


def test_steps_that_do_not_fit_are_refused() -> None:
    tape, x = Tape(), np.zeros((3, 4))
    for record in (tape.gate, tape.concat_elu, tape.add_gated):
        with pytest.raises(AssertionError):
            record(x, x)
    with pytest.raises(AssertionError):
        tape.relu(x, x[:, ::2])
    with pytest.raises(AssertionError):
        tape.relu(x, x.astype(np.float32))
    with pytest.raises(AssertionError):
        tape.add_product(x, np.zeros((1, 5, 16)), np.zeros((3, 16)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n", [1, 3])
def test_a_draw_is_the_slow_twins(dtype: str, n: int) -> None:
    rng = np.random.default_rng(n)
    for temperature, L in itertools.product((0.5, 1.0, 2.0), (2, 3, 256)):
        logits = (5 * rng.standard_normal((n, L))).astype(dtype)
        u, out = rng.random(n), np.empty(n, np.int64)
        draw_softmax(logits, u, temperature, np.empty(L), out)
        assert out.tolist() == [naive.draw_softmax(logits[s], u[s], temperature) for s in range(n)]


def test_no_draw_is_of_a_level_that_cannot_be() -> None:
    logits = np.array([[-np.inf, -1e5, 0.0, -np.inf, 0.0, -1e5]])
    for u, level in ((0.0, 2), (0.4999, 2), (0.5001, 4), (1 - 2**-53, 4)):
        out = np.empty(1, np.int64)
        draw_softmax(logits, np.array([u]), 1.0, np.empty(6), out)
        assert out[0] == level


def test_fast_exp_is_exp() -> None:
    assert fast_exp(1.5) == pytest.approx(np.exp(1.5))


def test_windows_are_taken_in_their_order() -> None:
    x = np.arange(4 * 6 * 2 * 3, dtype=np.float32).reshape(4, 6, 2, 3)  # W 4, k 3
    window = np.empty((4, 2, 2 * 3 * 3), np.float32)
    copy_windows(x, 1, window)
    for j, s in itertools.product(range(4), range(2)):
        assert window[j, s].tolist() == x[1:3, j : j + 3, s].ravel().tolist()
