"""The article's Transformer, converted, gives the reference's logits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from smalti.convert import from_reference, infer_config, read_weights
from smalti.convert.model import model_from_reference
from smalti.translation import Beam, Transformer, beam_search
from smalti.translation.kv_cache import KVCache
from smalti.translation.tokenizer import BOS, EOS, PAD, UNK
from tests.expect import expect_user_error

KIND = "dldemos_transformer"
FILE = Path(__file__).parent / f"{KIND}.safetensors"


def network() -> Transformer:
    weights, config = read_weights(FILE)
    assert config is not None
    built = from_reference(KIND, config, weights)
    assert isinstance(built, Transformer)
    return built


@torch.no_grad()
def test_logits_are_the_references() -> None:
    golden = load_file(FILE)
    real = golden["dst"] != 0
    logits = network()(golden["src"], golden["dst"])
    torch.testing.assert_close(logits[real], golden["logits"][real], atol=1e-4, rtol=0)


@torch.no_grad()
def test_cached_logits_are_the_references() -> None:
    golden = load_file(FILE)
    real = golden["dst"] != 0
    cache = KVCache(network(), golden["src"])
    logits = torch.stack([cache.append(column) for column in golden["dst"].T], dim=1)
    torch.testing.assert_close(logits[real], golden["logits"][real], atol=1e-4, rtol=0)


@torch.no_grad()
def test_greedy_symbols_are_the_largest_of_the_whole_network() -> None:
    source = load_file(FILE)["src"]
    found = beam_search(network(), source, Beam(width=1, max_length=12))
    for row, (best,) in zip(source, found, strict=True):
        logits = network()(row[None], torch.tensor([[BOS, *best.symbols]]))[0]
        logits[:, [PAD, UNK, BOS]] = -torch.inf
        largest = logits.argmax(-1).tolist()
        assert largest[: len(best.symbols)] == best.symbols
        assert len(best.symbols) == 12 or largest[-1] == EOS


def test_what_a_file_lacks_is_said() -> None:
    weights, config = read_weights(FILE)
    assert config is not None
    with expect_user_error(KIND, "heads"):
        infer_config(KIND, weights)
    with expect_user_error("no vocabulary"):
        model_from_reference(KIND, config, weights)
    with expect_user_error(KIND, "pad_idx is 3"):
        from_reference(KIND, {**config, "pad_idx": 3}, weights)
    del weights["decoder.layers.0.attention.k.weight"]
    with expect_user_error(KIND, "missing", "decoder.0.cross.kv.weight"):
        from_reference(KIND, config, weights)


@pytest.mark.parametrize("batch", [1, 3])
def test_empty_rows_give_numbers(batch: int) -> None:
    logits = network()(torch.zeros(batch, 4, dtype=torch.int64), torch.ones(batch, 2).long())
    assert logits.isfinite().all()
