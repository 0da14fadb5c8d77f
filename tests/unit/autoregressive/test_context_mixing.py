"""Context mixing: counts, their storage, exact mixtures, walks and the fit of the weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import smalti
from smalti.autoregressive.mixing.base_model import BaseModel
from smalti.autoregressive.mixing.config import ContextMixingConfig
from smalti.autoregressive.mixing.contexts import HASH_BITS, NEIGHBORS, hash_all_contexts
from smalti.autoregressive.mixing.count_tables import (
    COUNT_EDGES,
    N_COUNTS,
    N_STATES,
    count_contexts,
    join_tables,
    pack_tables,
    unpack_tables,
)
from smalti.autoregressive.mixing.model import ContextMixing
from smalti.coding import compress, decompress
from smalti.core.fingerprint import hash_model
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data.pictures import Pictures, Splits
from smalti.layers.condition_encoder import make_choices
from smalti.layers.symbol_sampling import Ancestral
from smalti.pixelcnn import GatedPixelCNNConfig, Levels, build_config
from tests.command import read_pixels, run_command
from tests.expect import expect_user_error
from tests.naive.contexts import count_naively, find_context
from tests.tiny import draw_pictures, pixelcnn_config, plusplus_config, randomize_zeros

ORDERS = (1, 3)
AB = ("a", "b")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def save_base(config: Any, name: str = "base") -> Any:
    """A small model with random weights, in a folder."""
    torch.manual_seed(0)
    base = randomize_zeros(config.build()).eval()
    smalti.save(base, name)
    return base


def draw_stripes(n: int, shape: tuple[int, int, int], levels: int) -> Tensor:
    """Pictures (n, C, H, W) of few contexts: each row repeats two levels."""
    C, H, W = shape
    two = torch.randint(0, levels, (n, C, H, 2))
    return two.repeat(1, 1, 1, W // 2 + 1)[..., :W]


def build_mixed(base: Any, orders: tuple[int, ...] = ORDERS, min_count: int = 1) -> ContextMixing:
    """The model in "base" with counts of stripes, and large random weights."""
    z = draw_stripes(60, base.requirements.grid, base.requirements.n_symbols)
    packed = pack_tables(count_contexts(z.byte().numpy(), orders, min_count, 8))
    mixed = ContextMixingConfig(BaseModel("base").pin_hash(), orders, len(packed)).build()
    mixed.counts.copy_(torch.from_numpy(packed))
    with torch.no_grad():
        mixed.weights.normal_(0, 2)
        mixed.scales.uniform_(0.5, 1.5)
    return mixed.eval()


def list_all_pictures(levels: int, shape: tuple[int, int, int]) -> Tensor:
    """Every picture of these levels: floats (levels^T, C, H, W)."""
    T = shape[0] * shape[1] * shape[2]
    digits = torch.cartesian_prod(*[torch.arange(levels)] * T)
    return digits.view(-1, *shape) / (levels - 1)


@pytest.mark.parametrize("shape", [(1, 6, 5), (3, 4, 5)])
def test_counts_equal_those_of_a_dictionary(shape: tuple[int, int, int]) -> None:
    z = draw_stripes(12, shape, 4).byte().numpy()
    hashes = np.empty((z[0].size, 12, 2), np.uint32)
    hash_all_contexts(z, np.array(ORDERS), NEIGHBORS, hashes)
    tables = count_contexts(z, ORDERS, 2, 3)
    for o, order in enumerate(ORDERS):
        counts, keys = count_naively(z, order), {}
        for n, k in np.ndindex(12, z[0].size):
            keys.setdefault(find_context(z[n], k, order), set()).add(int(hashes[k, n, o]))
        assert all(len(found) == 1 for found in keys.values())  # equal contexts, equal hashes
        assert len({*map(tuple, keys.values())}) == len(keys)  # and others differ
        kept = {
            keys[context].copy().pop(): sorted(
                ((s, n) for s, n in followers.most_common() if n >= 2), key=lambda x: (-x[1], x[0])
            )[:3]
            for context, followers in counts.items()
        }
        kept = {key: pairs for key, pairs in kept.items() if pairs}
        table, at = tables[o], 0
        assert table.keys.tolist() == sorted(kept)
        for key, length in zip(table.keys.tolist(), table.lengths.tolist(), strict=True):
            rows = slice(at, at + length + 1)
            found = [*zip(table.symbols[rows].tolist(), table.counts[rows].tolist(), strict=True)]
            assert found == [(s, np.digitize(n, COUNT_EDGES)) for s, n in kept[key]]
            at = rows.stop


def test_packed_counts_come_back_or_are_refused() -> None:
    z = draw_stripes(30, (1, 6, 6), 5).byte().numpy()
    tables = count_contexts(z, ORDERS, 1, 4)
    packed, joined = pack_tables(tables), join_tables(tables)
    again = unpack_tables(packed, 2, 5)
    assert all(np.array_equal(a, b) for a, b in zip(again, joined, strict=True))
    assert again.cells.max() < 2 * N_STATES * N_COUNTS and again.keys.max() < 1 << HASH_BITS
    with expect_user_error("damaged"):
        unpack_tables(packed, 2, 4)  # a symbol is too large
    with expect_user_error("damaged"):
        unpack_tables(packed, 3, 5)
    for at in (40, len(packed) // 2):
        broken = packed.copy()
        broken[at] ^= 255
        with expect_user_error("damaged"):
            unpack_tables(broken, 2, 5)
    with expect_user_error("damaged"):
        unpack_tables(packed[:-20], 2, 5)


@pytest.mark.parametrize("shape", [(1, 2, 3), (3, 1, 2)])
def test_the_probabilities_of_all_pictures_sum_to_one(shape: tuple[int, int, int]) -> None:
    base = save_base(pixelcnn_config(shape, AB, levels=3, width=24))
    mixed, x = build_mixed(base), list_all_pictures(3, shape)
    labels = torch.ones(len(x), dtype=torch.int64)
    p = [m.score(Batch(x, labels), Rng([0] * len(x))).nats.neg().exp() for m in (mixed, base)]
    assert abs(float(p[0].sum()) - 1) < 1e-5
    assert float((p[0] - p[1]).abs().max()) > 1e-3  # the counts matter
    marginal = mixed.score(Batch(x), Rng([0] * len(x))).nats.neg().exp()
    assert abs(float(marginal.sum()) - 1) < 1e-5


CONFIGS = {
    "gray": lambda: pixelcnn_config((1, 5, 4), AB, levels=7),
    "rgb": lambda: pixelcnn_config((3, 4, 5), levels=16, width=24),
    "mixture of logistics": lambda: plusplus_config((3, 7, 5), AB),
}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_the_walk_the_score_and_pytorch_agree(config: Any) -> None:
    base = save_base(config())
    mixed = build_mixed(base)
    r = base.requirements
    z = draw_stripes(3, r.grid, r.n_symbols)
    labels = torch.tensor([0, 1, 1]) if mixed.spec.classes else None
    batch, flat, nats = (
        Batch(base.codec.decode(z), labels),
        r.to_sequence(z),
        torch.zeros(3).double(),
    )

    def choose(k: int, symbols: Any) -> Tensor:
        torch.testing.assert_close(symbols.logits.exp().sum(1), torch.ones(3).double())
        nats.sub_(symbols.logits[torch.arange(3), flat[:, k]])
        return flat[:, k]

    *_, last = mixed.walk(choose, 3, SamplingInputs(labels=labels))
    assert torch.equal(last.symbols, z)
    score = mixed.score(batch, Rng([0] * 3))
    assert score.kind == "exact"
    torch.testing.assert_close(score.nats, nats, rtol=1e-4, atol=1e-3)
    mean = mixed.loss(batch, 0).total.item()
    assert mean == pytest.approx(float(score.nats.sum()) / flat.numel(), rel=1e-4)
    assert not torch.allclose(score.nats, base.score(batch, Rng([0] * 3)).nats, rtol=1e-2)


def test_a_round_trip_is_exact_and_takes_the_bits_of_the_score() -> None:
    base = save_base(pixelcnn_config((3, 6, 6), AB, levels=256, width=24))
    mixed = build_mixed(base)
    pixels = draw_stripes(5, (3, 6, 6), 256).byte()
    bits: list[Tensor] = []
    data = compress(mixed, pixels, [0, 1, 0, 1, 1], batch_size=3, on_bits=bits.append)
    assert torch.equal(decompress(mixed, data), pixels)
    each = torch.cat(bits)
    assert each.shape == pixels.shape
    score = mixed.score(Batch(pixels / 255, torch.tensor([0, 1, 0, 1, 1])), Rng([0] * 5))
    expected = score.bits_per_dim * score.dims
    torch.testing.assert_close(each.flatten(1).sum(1), expected, rtol=2e-3, atol=0.1)


def test_known_pixels_are_contexts_of_what_is_completed() -> None:
    base = save_base(pixelcnn_config((1, 6, 6), AB, levels=4))
    mixed = build_mixed(base)
    known = base.codec.decode(draw_stripes(2, (1, 6, 6), 4))
    mask = torch.zeros(6, 6, dtype=torch.bool)
    mask[3:, ::2] = True
    inputs = SamplingInputs(known=known, mask=mask)  # the class is drawn from its posterior
    done = draw_pictures(mixed, 2, inputs=inputs)
    assert torch.equal(done[..., ~mask], known[..., ~mask])
    z, seen = mixed.encode(done), []

    def choose(k: int, symbols: Any) -> Tensor:
        seen.append((k, symbols.logits))
        return z.flatten(1)[:, k]

    labels = torch.tensor([0, 1])
    list(mixed.walk(choose, 2, SamplingInputs(known=known, mask=mask, labels=labels)))
    partly, seen = seen, []
    list(mixed.walk(choose, 2, SamplingInputs(labels=labels)))
    whole = dict(seen)
    assert len(partly) == int(mask.sum())
    for k, logits in partly:
        torch.testing.assert_close(logits, whole[k], rtol=1e-4, atol=1e-4)


def test_guidance_mixes_the_guided_distribution() -> None:
    network = GatedPixelCNNConfig(width=12, blocks=1, head_width=12, first_kernel_size=3)
    conditions = make_choices(AB)
    base = save_base(
        build_config(Levels(4, (1, 5, 4)), network, conditions=conditions, condition_dropout=0.1)
    )
    mixed = build_mixed(base)
    seen: list[Tensor] = []

    def choose(k: int, symbols: Any) -> Tensor:
        seen.append(symbols.logits)
        return torch.tensor([k % 4, k % 3])

    inputs = SamplingInputs(labels=torch.tensor([0, 1]))
    for model in (mixed, base):
        for guidance in (1.0, 9.0):
            list(model.walk(choose, 2, inputs, guidance))
    plain, guided, _, base_guided = torch.stack(seen).view(4, -1, 2, 4)
    assert not torch.allclose(plain, guided, atol=1e-3)
    assert not torch.allclose(base_guided, guided, atol=1e-3)
    mixed.weights.data.zero_()
    mixed.scales.data.fill_(1)
    seen.clear()
    list(mixed.walk(choose, 2, inputs, 9.0))
    torch.testing.assert_close(torch.stack(seen), base_guided)
    assert len(draw_pictures(mixed, 2, cond=[0, 1], sampler=Ancestral(guidance=2.0))) == 2


def make_splits(shape: tuple[int, int, int] = (1, 8, 8)) -> Splits:
    def make(n: int) -> Pictures:
        pixels = (draw_stripes(n, shape, 4) * 85).byte()
        return Pictures(pixels, torch.arange(n) % 2, AB, "stripes")

    return Splits(make(200), make(24), make(40))


def test_fitted_counts_save_bits_of_other_pictures() -> None:
    base = save_base(pixelcnn_config((1, 8, 8), AB, levels=4))
    splits = make_splits()
    mixed = smalti.mix_counts("base", "mixed", data=splits, orders=(2, 5)).model
    test = splits.test
    assert test is not None
    batch = Batch(test.take_floats(torch.arange(40)), test.labels)
    before, after = (m.score(batch, Rng([0] * 40)).bits_per_dim.mean() for m in (base, mixed))
    assert after < 0.8 * before
    again = smalti.load("mixed")
    assert hash_model(again) == hash_model(mixed)
    assert torch.equal(
        again.score(batch, Rng([0] * 40)).nats, mixed.score(batch, Rng([0] * 40)).nats
    )


def test_the_model_refers_to_its_base_by_hash(tmp_path: Path) -> None:
    save_base(pixelcnn_config((1, 8, 8), AB, levels=4))
    mixed = smalti.mix_counts("base", "mixed", data=make_splits(), orders=(1,)).model
    smalti.export_model("mixed", "moved")
    save_base(pixelcnn_config((1, 8, 8), AB, levels=4, width=16))
    with expect_user_error("not the model that was mixed with counts"):
        smalti.load("mixed")
    assert hash_model(smalti.load("moved")) == hash_model(mixed)  # has a copy


def test_models_without_exact_pixels_and_bad_orders_are_refused() -> None:
    with expect_user_error("no exact likelihood of pixels"):
        smalti.mix_counts("vqvae-digits-gpt")
    with expect_user_error("no exact likelihood of pixels"):
        smalti.mix_counts("ddpm-digits")
    for orders in ((), (3, 2), (2, 2), (1, 99)):
        with expect_user_error("orders"):
            ContextMixingConfig(orders=orders)
    save_base(pixelcnn_config((1, 8, 8), AB, levels=4))
    model: Any = smalti.load("base")
    with expect_user_error("give its name or folder"):
        smalti.mix_counts(model)


def test_the_command_mixes_with_counts_of_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    save_base(pixelcnn_config((1, 8, 8), levels=4))
    pixels = (draw_stripes(40, (1, 8, 8), 4) * 85).byte()
    Path("set").mkdir()
    for k, picture in enumerate(pixels[:, 0]):
        Image.fromarray(picture.numpy()).save(f"set/{k}.png")
    assert run_command("mix base mixed --data set --orders 2 5") == 0
    printed = capsys.readouterr().out
    assert "38 pictures counted" in printed and "of 5 neighbors" in printed
    assert run_command("compress set o.smalti --model mixed") == 0
    assert run_command("decompress o.smalti again") == 0
    assert np.array_equal(read_pixels("again/7.png"), pixels[7, 0].numpy())
    assert run_command("mix base set") == 2  # not a checkpoint
    assert run_command("mix base other") == 2  # its training pictures are unknown
    assert capsys.readouterr().err.count("\n") == 2
    assert not Path("other").exists()
