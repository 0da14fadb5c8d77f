"""Sliding windows: equal to the network run anew for each code, at any size."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from smalti import sliding
from smalti.autoregressive import GPTConfig
from smalti.autoregressive.windows import WindowLayout, walker
from smalti.core.rng import Rng
from smalti.layers.symbol_sampling import Ancestral
from tests.expect import expect_user_error
from tests.naive.windows import draw_in_windows

K = 7


def build_network(layers: int = 2) -> Any:
    """In float64, with weights so large that every token matters."""
    torch.manual_seed(0)
    config = GPTConfig(
        vocab_size=K + 3, context_length=60, layers=layers, heads=2, width=8, dropout=0.1
    )
    network = config.build().double()  # in training mode: sampling must not drop anything
    with torch.no_grad():
        for weight in network.parameters():
            weight.add_(0.7 * torch.randn_like(weight))
    return network


NETWORK = build_network()


def draw_naively(
    parts: list[torch.Tensor],
    canvas: tuple[int, int],
    window: tuple[int, int],
    seeds: list[int],
    sampler: Ancestral,
    stride: int = 1,
) -> torch.Tensor:
    fronts = [part for part in parts if part.ndim == 2]
    front = torch.cat(fronts, 1) if fronts else None
    maps = [part for part in parts if part.ndim == 3]
    u = Rng(seeds).uniform(*canvas)
    NETWORK.eval()
    codes = draw_in_windows(NETWORK, maps, front, canvas, window, u, sampler, stride)
    NETWORK.train()
    return codes


@settings(max_examples=25, deadline=None)
@given(
    canvas=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    window=st.tuples(st.integers(1, 5), st.integers(1, 5)),
    kind=st.sampled_from(["class", "map", "both", "none"]),
    seeds=st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=3),
    sampler=st.sampled_from(
        [Ancestral(1, 1), Ancestral(0, 3), Ancestral(1, 4), Ancestral(0.8, K + 3, 0.7)]
    ),
    stride=st.integers(1, 3),
)
def test_codes_are_those_of_the_network_run_anew(
    canvas: tuple[int, int],
    window: tuple[int, int],
    kind: str,
    seeds: list[int],
    sampler: Ancestral,
    stride: int,
) -> None:
    n, stride = len(seeds), min(stride, -(-min(window) // 2))
    torch.manual_seed(len(seeds) + sum(canvas))
    label, own_map = torch.randint(0, K + 3, (n, 2)), torch.randint(0, K + 3, (n, *canvas))
    parts = {"class": [label], "map": [own_map], "both": [label, own_map], "none": []}[kind]
    naive_parts = parts or [torch.full((n, 1), K)]
    codes = sliding.sample(
        NETWORK,
        parts or None,
        window,
        sampler.top_k,
        top_p=sampler.top_p,
        temperature=sampler.temperature,
        size=canvas,
        seeds=seeds,
        start_token=K,
        stride=stride,
    )
    expected = draw_naively(naive_parts, canvas, window, seeds, sampler, stride)
    assert codes.tolist() == expected.tolist()
    assert NETWORK.training


@pytest.mark.parametrize("limit", ["MAX_TOKENS", "MAX_CACHE_BYTES"])
def test_with_little_memory_the_codes_are_the_same(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cond = torch.randint(0, K, (2, 8, 8))
    expected = sliding.sample(NETWORK, cond, 4, 5)
    for value in (1, 5_000):
        monkeypatch.setattr(walker, limit, value)
        assert sliding.sample(NETWORK, cond, 4, 5).tolist() == expected.tolist()


def test_a_canvas_depends_on_its_own_seed() -> None:
    alone = [sliding.sample(NETWORK, size=(6, 7), window=4, seeds=[s]) for s in (3, 2**40)]
    together = sliding.sample(NETWORK, size=(6, 7), window=4, seeds=[2**40, 8, 3])
    assert together[[2, 0]].tolist() == torch.cat(alone).tolist()
    assert together[0].tolist() != together[1].tolist()


def test_each_token_is_evaluated_once_while_the_window_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    evaluated = 0
    evaluate = walker.evaluate_pieces

    def count_tokens(network: Any, pieces: list[walker.Piece], positions: Any) -> Any:
        nonlocal evaluated
        evaluated += sum(piece.n_tokens for piece in pieces)
        return evaluate(network, pieces, positions)

    monkeypatch.setattr(walker, "evaluate_pieces", count_tokens)
    sliding.sample(NETWORK, size=(4, 4), window=4, seeds=[0])
    assert evaluated == 16  # one window: the start token and all codes but the last
    evaluated = 0
    sliding.sample(NETWORK, size=(8, 8), window=4, seeds=[0])
    layout = WindowLayout((8, 8), (4, 4))
    longest = {layout.find_window(p): layout.count_previous(p) for p in layout.list_places()}
    assert evaluated == sum(1 + length for length in longest.values())


def test_codes_that_do_not_see_each_other_are_drawn_together() -> None:
    layout = WindowLayout((12, 20), (4, 4))
    steps = layout.plan_steps()
    assert sorted(place for step in steps for place in step) == [*layout.list_places()]
    assert len(steps) == 20 + 11 * 4  # each row is a window behind the one above
    when = {place: k for k, step in enumerate(steps) for place in step}
    for (i, j), step in when.items():
        top, left = layout.find_window((i, j))
        before = [(r, c) for r in range(top, i) for c in range(left, left + 4)]
        assert all(when[place] < step for place in before + [(i, c) for c in range(left, j)])


def test_bad_input_is_refused_in_a_line() -> None:
    cond = torch.zeros(2, 6, 6, dtype=torch.int64)
    with expect_user_error("top_k is 0"):
        sliding.sample(NETWORK, cond, 4, 0)
    with expect_user_error("windows of 6x6 codes after 36 tokens take 71 positions"):
        sliding.sample(NETWORK, cond, 6, 1)
    with expect_user_error("maps and the canvas are of 6x6 and of 6x8 codes"):
        sliding.sample(NETWORK, cond, 4, size=(6, 8))
    with expect_user_error("no size is given"):
        sliding.sample(NETWORK, torch.zeros(2, 1, dtype=torch.int64), 4)
    with expect_user_error("cond has shape (6,)"):
        sliding.sample(NETWORK, cond[0, 0], 4)
    with expect_user_error("cond has tokens from 0 to 10; this network's are 0 to 9"):
        sliding.sample(NETWORK, cond + torch.eye(6).long() * 10, 4)
    with expect_user_error("cond is of torch.float32"):
        sliding.sample(NETWORK, cond.float(), 4)
    with expect_user_error("parts of 2 and of 1 canvases"):
        sliding.sample(NETWORK, [cond, cond[:1]], 4)
    with expect_user_error("3 seeds are given for 2 conditions"):
        sliding.sample(NETWORK, cond, 4, seeds=[1, 2, 3])
    with expect_user_error("window is 0"):
        sliding.sample(NETWORK, cond, 0)
    with expect_user_error("size is (0, 4)"):
        sliding.sample(NETWORK, None, 4, size=(0, 4))
    with expect_user_error("stride is 3; give 1 to 2, half a window of 4x4 codes"):
        sliding.sample(NETWORK, cond, 4, stride=3)
    with expect_user_error("gpt is Linear; give a GPT"):
        sliding.sample(torch.nn.Linear(2, 2), cond)  # pyright: ignore[reportArgumentType]
