"""The Transformer, its decoding, tokenizers and cleaning."""

from __future__ import annotations

import random
from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from smalti.core.config import from_json, to_json
from smalti.layers.attention import attend
from smalti.translation import (
    Beam,
    SentencePair,
    SubwordTokenizer,
    Transformer,
    TransformerConfig,
    beam_search,
    clean_pairs,
    fold_text,
    hash_folded_text,
    make_cleaning_steps,
    read_held_out,
    train_tokenizer,
)
from smalti.translation.cleaning import extract_ngrams
from smalti.translation.kv_cache import KVCache
from smalti.translation.tokenizer import BOS, EOS, PAD, UNK, pad_sequences
from tests.expect import expect_user_error

CONFIG = TransformerConfig(30, 26, width=16, heads=2, encoder_layers=2, feed_forward_width=24)


def assert_close(one: Tensor, other: Tensor) -> None:
    """But for the rounding of sums of 16 to 24 float32 numbers, in another order."""
    torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def make_network(**changes: object) -> Transformer:
    torch.manual_seed(1)
    network = Transformer(TransformerConfig(**{**vars(CONFIG), **changes}))
    for p in network.parameters():  # sharper than a fresh network, so that no two symbols tie
        p.data *= 2
    return network.eval()


def make_rows(lengths: list[int], seed: int = 0) -> list[list[int]]:
    draw = random.Random(seed)
    return [[*(draw.randrange(4, 26) for _ in range(n)), EOS] for n in lengths]


# ---- the network


@pytest.mark.parametrize("norm", ["pre", "post"])
@torch.no_grad()
def test_padding_and_the_future_have_no_say(norm: str) -> None:
    network = make_network(norm=norm)
    source, target = pad_sequences(make_rows([3, 7])), pad_sequences(make_rows([4, 6], 1))
    both = network(source, target)
    alone = network(source[:1, :4], target[:1, :5])
    assert_close(both[:1, :5], alone)
    target[:, 3:] = 5
    assert_close(network(source, target)[:, :3], both[:, :3])


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=1, max_size=4))
def test_who_sees_nothing_gets_zeros(shown: list[list[bool]]) -> None:
    mask = torch.tensor(shown)[:, None, None, :]
    q, k, v = (torch.randn(len(shown), 2, 5, 4, requires_grad=True) for _ in range(3))
    y = attend(q, k, v, mask=mask)
    y.square().sum().backward()
    assert y.isfinite().all()
    assert all(x.grad is not None and x.grad.isfinite().all() for x in (q, k, v))
    for row, visible in zip(y, shown, strict=True):
        assert any(visible) or not row.any()


@torch.no_grad()
def test_positions_are_the_papers() -> None:
    from smalti.translation.transformer import encode_positions

    table = encode_positions(torch.arange(50), 16)
    for position, k in [(0, 0), (7, 4), (49, 14)]:
        angle = torch.tensor(position / 10000 ** (k / 16))
        expected = torch.stack([angle.sin(), angle.cos()])
        torch.testing.assert_close(table[position, k : k + 2], expected, atol=1e-5, rtol=0)


def test_a_batch_is_overfitted() -> None:
    torch.manual_seed(0)
    network = Transformer(TransformerConfig(30, 26, 32, 2, 1, 1, 64, dropout=0.0))
    source, gold = pad_sequences(make_rows([5, 6, 7, 8])), pad_sequences(make_rows([6, 3, 5, 4], 2))
    target = torch.cat([torch.full((4, 1), BOS), gold[:, :-1]], dim=1)
    optimizer = torch.optim.Adam(network.parameters(), 5e-3)
    for _ in range(60):
        optimizer.zero_grad()
        logits = network(source, target)
        loss = torch.nn.functional.cross_entropy(logits.mT, gold, ignore_index=PAD)
        loss.backward()
        optimizer.step()
    found = beam_search(network.eval(), source, Beam(width=1))
    assert [one[0].symbols for one in found] == [row[:-1] for row in make_rows([6, 3, 5, 4], 2)]


def test_every_parameter_has_a_gradient_and_ties_hold() -> None:
    network = make_network()
    network(pad_sequences(make_rows([3])), pad_sequences(make_rows([4]))).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in network.parameters())
    assert network.out.weight is network.target.weight
    assert make_network(tied_embeddings=False).out.weight.shape == (26, 16)


def test_configs_come_back_and_refuse() -> None:
    assert from_json(to_json(CONFIG)) == CONFIG
    assert from_json(to_json(Beam(3, 0.6))) == Beam(3, 0.6)
    with expect_user_error("width 30", "4 heads", "multiple of 8"):
        TransformerConfig(9, 9, width=30)
    with expect_user_error("encoder_layers is 0"):
        TransformerConfig(9, 9, encoder_layers=0)
    with expect_user_error("dropout is 1"):
        TransformerConfig(9, 9, dropout=1)
    with expect_user_error("width is 0"):
        Beam(width=0)


# ---- decoding


def naive_greedy(network: Transformer, source: Tensor, longest: int) -> list[int]:
    """Run the whole network for every symbol."""
    written = [BOS]
    for _ in range(longest):
        logits = network(source[None], torch.tensor([written]))[0, -1]
        logits[[PAD, UNK, BOS]] = -torch.inf
        written.append(int(logits.argmax()))
        if written[-1] == EOS:
            break
    return [symbol for symbol in written[1:] if symbol != EOS]


def naive_beam(network: Transformer, source: Tensor, k: int, longest: int) -> list[int]:
    """Beam search over Python lists; scores are means."""
    alive, done = [(0.0, [BOS])], []
    for _ in range(longest):
        options = []
        for total, written in alive:
            logits = network(source[None], torch.tensor([written]))[0, -1]
            logits[[PAD, UNK, BOS]] = -torch.inf
            log_p = logits.log_softmax(-1).tolist()
            options += [(total + p, [*written, s]) for s, p in enumerate(log_p)]
        options.sort(key=lambda one: -one[0])
        done += [(p / (len(w) - 1), w[1:-1]) for p, w in options[:k] if w[-1] == EOS]
        alive = [one for one in options if one[1][-1] != EOS][:k]
        if len(done) >= k:
            break
    return max(done)[1] if done else alive[0][1][1:]


@torch.no_grad()
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_cached_greedy_is_the_naive_one_in_any_batch(norm: str) -> None:
    network, rows = make_network(norm=norm), make_rows([1, 9, 4, 6, 2])
    source = pad_sequences(rows)
    found = [one[0].symbols for one in beam_search(network, source, Beam(width=1, max_length=12))]
    assert found == [naive_greedy(network, torch.tensor(row), 12) for row in rows]
    reverse = beam_search(network, source.flip(0), Beam(width=1, max_length=12))
    assert [one[0].symbols for one in reversed(reverse)] == found


@torch.no_grad()
def test_beams_are_the_naive_ones() -> None:
    network, rows = make_network(), make_rows([1, 9, 4, 6, 2, 12, 3])
    network.out.bias[EOS] = 3  # so that some end early
    found = beam_search(network, pad_sequences(rows), Beam(width=3, max_length=9))
    expected = [naive_beam(network, torch.tensor(row), 3, 9) for row in rows]
    assert [one[0].symbols for one in found] == expected
    assert {len(one) for one in expected} != {9}
    assert all(one == sorted(one, key=lambda h: -h.score) for one in found)


@torch.no_grad()
def test_the_caches_rows_can_be_chosen_anew() -> None:
    network, target = make_network(), pad_sequences(make_rows([3, 5]))
    source = pad_sequences(make_rows([2, 4], 3))
    cache = KVCache(network, source)
    cache.append(target[:, 0])
    cache.select(torch.tensor([1, 1, 0]))
    logits = cache.append(target[[1, 1, 0], 1])
    whole = network(source[[1, 1, 0]], target[[1, 1, 0], :2])[:, -1]
    assert_close(logits, whole)


def test_a_sentence_ends_at_its_own_limit() -> None:
    network = make_network()
    network.out.bias.data[EOS] = -99
    found = beam_search(network, pad_sequences(make_rows([1, 8])), Beam(width=2, max_length=30))
    assert [len(one[0].symbols) for one in found] == [24, 30]


# ---- sub-words


ENGLISH = ["Click OK to save the document.", "The document has no name.", "Open a file"] * 9
CHINESE = ["单击“确定”保存文档。", "该文档没有名称。", "打开 %s 文件"] * 9


@pytest.fixture(scope="module")
def codecs() -> tuple[SubwordTokenizer, SubwordTokenizer]:
    return train_tokenizer(ENGLISH, 60), train_tokenizer(CHINESE, 48, add_dummy_prefix=False)


def test_text_comes_back(codecs: tuple[SubwordTokenizer, SubwordTokenizer]) -> None:
    for codec, text in zip(codecs, (ENGLISH, CHINESE), strict=True):
        symbols = codec.encode(text)
        assert all(row[-1] == EOS and UNK not in row for row in symbols)
        assert codec.decode(symbols) == text
        assert codec.decode([[BOS, *symbols[0], PAD, 7]]) == text[:1]
        assert codec.decode(codec.encode(text, dropout=0.5)) == text
        again = SubwordTokenizer(codec.model)
        assert again.encode(text) == symbols
        assert again.size == codec.size


def test_dropout_splits_otherwise(codecs: tuple[SubwordTokenizer, SubwordTokenizer]) -> None:
    whole, split = codecs[0].encode(ENGLISH), codecs[0].encode(ENGLISH, dropout=0.5)
    assert sum(map(len, split)) > sum(map(len, whole))


def test_what_is_no_vocabulary_is_refused() -> None:
    with expect_user_error("not a sentencepiece model"):
        SubwordTokenizer(b"nothing")
    with expect_user_error("900 symbols"):
        train_tokenizer(ENGLISH, 900)


# ---- cleaning


GOOD = SentencePair("Click “OK” to save the document.", "单击“确定”保存文档。")


@pytest.mark.parametrize(
    ("name", "pair"),
    [
        ("empty", SentencePair(" ", "文档")),
        ("untranslated", SentencePair("Save As", "save as")),
        ("untranslated", SentencePair("Run the job", "Run the job now 现")),
        ("wrong script", SentencePair("3 + 4", "三加四")),
        ("wrong script", SentencePair("Save the document", "Enregistrer")),
        ("wrong script", SentencePair("Save the document", "儲存這個檔案")),
        ("markup", SentencePair("Open %s in <b>bold</b>", "打开 %s 文件")),
        ("too long", SentencePair("word " * 200, "字" * 300)),
        ("length ratio", SentencePair("one two three four five six", "一")),
        ("held out", SentencePair("Keep me, please!", "请保留我")),
        ("repeated", SentencePair("click ok to SAVE the document", "点确定来保存")),
    ],
)
def test_each_step_drops_its_kind(name: str, pair: SentencePair) -> None:
    counts: Counter[str] = Counter()
    steps = make_cleaning_steps(held_out={hash_folded_text("keep me please")})
    assert list(clean_pairs([GOOD, pair], steps, counts)) == [GOOD]
    assert {step: n for step, n in counts.items() if n} == {name: 1}


def test_swapped_languages_are_turned_back() -> None:
    counts: Counter[str] = Counter()
    assert list(clean_pairs([SentencePair(*GOOD[1::-1])], make_cleaning_steps(), counts)) == [GOOD]
    assert counts["swapped languages"] == 1


def test_folding_keeps_letters_and_digits() -> None:
    assert fold_text("“Straße” No. 5!") == "strasseno5"
    assert (
        hash_folded_text("Click OK!") == hash_folded_text("click, ok") != hash_folded_text("click")
    )
    assert extract_ngrams("A-b c.d,e f") == {"abcde", "bcdef"}


def test_the_list_of_held_out_sentences_is_there() -> None:
    hashes = read_held_out()
    assert len(hashes) == 1049
    assert all(len(one) == 16 and int(one, 16) >= 0 for one in hashes)
