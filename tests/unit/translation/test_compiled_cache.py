"""The compiled cache against PyTorch's, and what a batch must not change."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import Tensor

from smalti.convert import from_reference, read_weights
from smalti.core.int8 import dequantize_weights, quantize_weights
from smalti.kernels import threads
from smalti.kernels.ranking import rank_continuations
from smalti.kernels.weight_rows import HAS_PAIR_SUMS
from smalti.translation import Beam, Transformer, TransformerConfig, beam_search, kv_cache
from smalti.translation.compiled_cache import CompiledCache, can_compile, group_sentences
from smalti.translation.kv_cache import KVCache, make_cache
from smalti.translation.packed_network import pack_network
from smalti.translation.tokenizer import BOS, EOS, PAD, UNK, pad_sequences

GOLDEN = Path(__file__).parents[2] / "golden" / "dldemos_transformer.safetensors"
SIZES = [
    {},
    {"width": 24, "heads": 3, "feed_forward_width": 40},
    {"width": 64, "heads": 1, "decoder_layers": 3, "encoder_layers": 1, "tied_embeddings": False},
]


@pytest.fixture(autouse=True)
def compiled_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_cache, "FEW", 0)


def make_network(dtype: torch.dtype = torch.float64, **changes: Any) -> Transformer:
    """Large random weights, so that every token matters."""
    torch.manual_seed(1)
    sizes = {"width": 16, "heads": 2, "encoder_layers": 2, "feed_forward_width": 24}
    network = TransformerConfig(30, 26, **{**sizes, **changes}).build()
    with torch.no_grad():
        for p in network.parameters():
            p.mul_(2).add_(torch.randn_like(p) / 20)
    return network.to(dtype).eval()


def make_rows(lengths: list[int], seed: int = 0) -> list[list[int]]:
    draw = np.random.default_rng(seed)
    return [[*draw.integers(4, 26, n).tolist(), EOS] for n in lengths]


def walk_along(cache: Any, target: Tensor, choices: dict[int, list[int]]) -> Tensor:
    """Logits (T, K) of all rows after each symbol of target (n, T), choosing rows on the way."""
    found = []
    for t in range(target.shape[1]):
        if t in choices:
            rows = torch.tensor(choices[t])
            cache.select(rows)
            target = target[rows]
        found.append(cache.append(target[:, t]))
    return torch.cat(found)


@torch.no_grad()
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("size", SIZES)
def test_its_logits_are_those_of_pytorch(norm: str, size: dict[str, Any]) -> None:
    """But for rounding, which 40 symbols and large weights amplify; positions are float32."""
    for dtype, error in ((torch.float64, 1e-5), (torch.float32, 3e-4)):
        network = make_network(dtype, norm=norm, **size)
        source = pad_sequences(make_rows([1, 9, 4, 6, 2]))
        target = pad_sequences(make_rows([40] * 5, 2))
        choices = {0: [0, 1, 1, 4, 4, 2], 2: [1, 1, 0, 4, 3], 20: [2, 0]}
        quick = walk_along(CompiledCache(network, source), target[[0, 1, 2, 3, 4, 0]], choices)
        slow = walk_along(KVCache(network, source), target[[0, 1, 2, 3, 4, 0]], choices)
        torch.testing.assert_close(quick, slow, atol=error * float(slow.abs().max()), rtol=0)
        assert slow.std() > 1


def round_to_int8(network: Transformer) -> Transformer:
    network.load_state_dict(dequantize_weights(quantize_weights(network.state_dict())))
    return network


@pytest.mark.skipif(not HAS_PAIR_SUMS, reason="this processor multiplies int8 as float32")
@torch.no_grad()
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("size", SIZES)
def test_weights_that_are_int8_are_read_as_int8(norm: str, size: dict[str, Any]) -> None:
    network = make_network(torch.float32, norm=norm, **size)
    assert not pack_network(network).is_int8
    network = round_to_int8(network)
    assert pack_network(network).is_int8
    rows, target = make_rows([1, 9, 4, 6, 2]), pad_sequences(make_rows([12] * 5, 2))
    source = pad_sequences(rows)
    quick = walk_along(CompiledCache(network, source), target, {3: [0, 1, 1, 4, 2]})
    slow = walk_along(KVCache(network, source), target, {3: [0, 1, 1, 4, 2]})
    errors = (quick - slow).abs().flatten()  # a few are large where the network amplifies them
    assert errors.quantile(0.9) < 1e-3 * slow.abs().max()
    beam = Beam(2, max_length=9)
    apart = [beam_search(network, torch.tensor([row]), beam)[0] for row in rows]
    assert_same(beam_search(network, source, beam), apart)


@torch.no_grad()
def test_golden_weights_give_the_references_logits() -> None:
    weights, config = read_weights(GOLDEN)
    assert config is not None
    network: Any = from_reference("dldemos_transformer", config, weights)
    golden = load_file(GOLDEN)
    real = golden["dst"] != PAD
    cache = make_cache(network, golden["src"])
    assert isinstance(cache, CompiledCache)
    logits = torch.stack([cache.append(column) for column in golden["dst"].T], dim=1)
    torch.testing.assert_close(logits[real], golden["logits"][real], atol=1e-4, rtol=0)


def assert_same(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        assert [h.symbols for h in one] == [h.symbols for h in other]
        assert [h.score for h in one] == pytest.approx([h.score for h in other], abs=1e-5)


@pytest.fixture(scope="module")
def single() -> Transformer:
    return make_network(torch.float32)


@settings(max_examples=25, deadline=None)
@given(
    lengths=st.lists(st.integers(0, 12), min_size=1, max_size=7),
    width=st.integers(1, 4),
    seed=st.integers(0, 99),
)
def test_a_sentence_is_the_same_in_any_batch(
    single: Transformer, lengths: list[int], width: int, seed: int
) -> None:
    """Sums have the same order, so even the scores' last bits are, where Numba vectorizes alike."""
    rows, beam = make_rows(lengths, seed), Beam(width, max_length=9)
    apart = [beam_search(single, torch.tensor([row]), beam)[0] for row in rows]
    assert_same(beam_search(single, pad_sequences(rows), beam), apart)
    padded = [row + [PAD] * 3 for row in rows[::-1]]
    assert_same(beam_search(single, pad_sequences(padded), beam)[::-1], apart)


@torch.no_grad()
def test_a_beam_of_one_is_greedy(single: Transformer) -> None:
    source = pad_sequences(make_rows([1, 9, 4, 6, 2]))
    found = beam_search(single, source, Beam(1, max_length=20))
    for row, (best,) in zip(source, found, strict=True):
        logits = single(row[None], torch.tensor([[BOS, *best.symbols]]))[0]
        logits[:, [PAD, UNK, BOS]] = -torch.inf
        expected = [*best.symbols, EOS][:20]
        assert logits.argmax(1).tolist()[: len(expected)] == expected
        assert best.score == pytest.approx(
            sum(logits.log_softmax(1)[range(len(expected)), expected].tolist())
            / len([*best.symbols, EOS]),
            abs=1e-5,
        )


@torch.no_grad()
def test_new_weights_are_seen(single: Transformer) -> None:
    network, source = copy.deepcopy(single), torch.tensor(make_rows([4]))
    before = CompiledCache(network, source).append(torch.tensor([BOS]))
    network.out.bias.add_(1)
    after = CompiledCache(network, source).append(torch.tensor([BOS]))
    torch.testing.assert_close(after, before + 1, atol=1e-4, rtol=0)
    torch.testing.assert_close(CompiledCache(single, source).append(torch.tensor([BOS])), before)


@pytest.fixture
def three_threads(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Threads that work at small sizes, too."""
    monkeypatch.setattr(threads, "MIN_COST_PER_THREAD", 0)
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


def test_threads_share_the_work(single: Transformer, request: pytest.FixtureRequest) -> None:
    source, beam = pad_sequences(make_rows([100, 3, 150, 4, 60, 90])), Beam(3, max_length=40)
    alone = beam_search(single, source, beam)
    request.getfixturevalue("three_threads")
    assert_same(beam_search(single, source, beam), alone)


def test_sentences_are_grouped_whole() -> None:
    assert group_sentences(np.array([100, 92, 1, 300, 0, 5])) == [
        (0, 192), (192, 193), (193, 493), (493, 498),
    ]  # fmt: skip
    assert group_sentences(np.array([0, 0])) == [(0, 0)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("count", [1, 2, 6])
def test_continuations_are_ranked_as_by_sorting(dtype: Any, count: int) -> None:
    draw = np.random.default_rng(count)
    logits = (draw.normal(size=(6, 23)) * 3).astype(dtype)
    scores = draw.normal(size=(2, 3))
    scores[1, 1:] = -np.inf
    best, parents = np.empty((2, count)), np.empty((2, count), np.int64)
    symbols = np.empty((2, count), np.int64)
    rank_continuations(logits, scores, 3, 20, best, parents, symbols)
    for i in range(2):
        z = torch.from_numpy(logits[3 * i : 3 * i + 3]).double()[:, 3:20].log_softmax(1).numpy()
        totals = (scores[i][:, None] + z).ravel()
        order = np.argsort(-totals, kind="stable")[:count]
        np.testing.assert_allclose(best[i], totals[order], atol=1e-5)
        assert parents[i].tolist() == (order // 17).tolist()
        assert symbols[i].tolist() == (order % 17 + 3).tolist()


def test_fewer_continuations_than_asked() -> None:
    best, parents, symbols = (
        np.empty((1, 3)),
        np.empty((1, 3), np.int64),
        np.empty((1, 3), np.int64),
    )
    rank_continuations(np.zeros((1, 5)), np.zeros((1, 1)), 3, 5, best, parents, symbols)
    assert best[0].tolist() == pytest.approx([-np.log(2)] * 2 + [-np.inf])
    assert symbols[0, :2].tolist() == [3, 4]


def test_only_many_sentences_are_worth_compiling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kv_cache, "FEW", 2)
    network, source = make_network(), torch.tensor(make_rows([4]))
    kinds = [type(make_cache(network, source)) for _ in range(4)]
    assert kinds == [KVCache, KVCache, CompiledCache, CompiledCache]
    assert not can_compile(make_network(torch.bfloat16))
