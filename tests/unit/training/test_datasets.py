"""Training on pictures, codes and sentence pairs: batches, parts, resume."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalti.core.protocols import Dataset
from smalti.data.code_cache import encode_with_cache
from smalti.data.sentence_pairs import SentencePairs, join_sentences
from smalti.data.shuffle import ShuffledTokenBatches
from smalti.training import Training, resume, run
from smalti.training.device import build_fabric
from smalti.training.loop import Loop, split_rows
from smalti.training.run_record import RunRecord, find_last_step, read_trainer_state
from smalti.training.saving import compute_validation_loss
from smalti.training.start import start_loop
from tests.expect import expect_user_error
from tests.processes import fork_processes
from tests.toys import (
    KillAfterStep,
    MeanCodec,
    PowerCut,
    TokenToyConfig,
    ToyConfig,
    are_equal,
    make_codes,
    make_pairs,
    make_pictures,
)

CPU = torch.device("cpu")
KINDS: dict[str, tuple[Any, Dataset, Dataset, int]] = {
    "pictures": (ToyConfig(), make_pictures(24), make_pictures(6, seed=1), 8),
    "codes": (TokenToyConfig(), make_codes(24), make_codes(6, seed=1), 8),
    "pairs": (TokenToyConfig(), make_pairs(40), make_pairs(9, seed=1), 64),
}
"""A model, training data, held-out data, and the batch size."""


def build_training(size: int, steps: int = 6, **more: Any) -> Training:
    more = {"warmup": 0, "learning_rate": 0.1, "save_every": 2, **more}
    return Training(steps=steps, batch_size=size, precision="32", **more)


def read_weights(out: Path) -> dict[str, torch.Tensor]:
    step = find_last_step(out)
    assert step
    return read_trainer_state(step)["model"]


def build_loop(model: Any, data: Dataset, training: Training) -> Loop:
    return start_loop(build_fabric(training), RunRecord(model, training, Path("nowhere"), {}), data)


# ------------------------------------------------------------------------------- every kind of data


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_learns_and_goes_on_as_if_it_never_stopped(tmp_path: Path, kind: str) -> None:
    model, train, valid, size = KINDS[kind]
    run(model, train, valid, build_training(size), tmp_path / "whole")
    with pytest.raises(PowerCut):
        run(model, train, valid, build_training(size), tmp_path / "cut", on_event=KillAfterStep(3))
    resume(tmp_path / "cut", train, valid)
    assert are_equal(read_weights(tmp_path / "whole"), read_weights(tmp_path / "cut"))
    loop = build_loop(model, train, build_training(size, steps=60))
    losses = [done.terms["loss"] for done in loop.run_steps()]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


@pytest.mark.parametrize("kind", KINDS)
def test_other_data_are_noticed_by_a_resume(tmp_path: Path, kind: str) -> None:
    model, train, valid, size = KINDS[kind]
    run(model, train, valid, build_training(size), tmp_path / "run")
    others = {
        "pictures": make_pictures(24, seed=5),
        "codes": make_codes(24, seed=5),
        "pairs": make_pairs(40, 5),
    }
    with expect_user_error(f"train {train.item_name}s changed", "checksum"):
        resume(tmp_path / "run", others[kind], valid)


@pytest.mark.parametrize("kind", KINDS)
def test_its_parts_are_all_items_once(kind: str) -> None:
    _, train, _, size = KINDS[kind]
    rows = torch.cat(list(train.split_indices(size))).tolist()
    assert sorted(rows) == list(range(len(train)))


def test_other_codecs_make_other_data(tmp_path: Path) -> None:
    train, other = make_codes(), replace(make_codes(), codec_sha256="another")
    run(TokenToyConfig(), train, make_codes(0), build_training(8), tmp_path / "run")
    with expect_user_error("codec means then", "another now"):
        resume(tmp_path / "run", other, make_codes(0))
    assert train.compute_fingerprint() != other.compute_fingerprint()


def test_codes_are_those_of_the_pictures() -> None:
    train = make_codes(24)
    batch = train.make_batch(torch.tensor([3, 1]), CPU)
    assert batch.codes is not None and batch.codes.dtype == torch.int64
    pixels = make_pictures(24).take_floats([3, 1])
    means = torch.nn.functional.avg_pool2d(pixels, 2)
    assert torch.equal(batch.codes, (means * 31).round().long())
    assert train.stored_codes.dtype == torch.uint8 and train.stored_codes.shape == (24, 1, 4, 4)
    assert batch.pictures is None and len(train) == 24


def test_what_has_no_pictures_is_not_mirrored(tmp_path: Path) -> None:
    with expect_user_error("training.flip mirrors pictures", "pairs-0"):
        run(
            TokenToyConfig(),
            make_pairs(),
            make_pairs(2),
            build_training(64, flip=True),
            tmp_path / "run",
        )
    assert not (tmp_path / "run").exists()
    with expect_user_error("the batch has no pictures"):
        ToyConfig().build().loss(make_pairs().make_batch(torch.arange(2), CPU), 0)
    with expect_user_error("pairs-0", "holds no sentence pairs"):
        run(TokenToyConfig(), make_pairs(0), make_pairs(2), build_training(64), tmp_path / "run")


# ---------------------------------------------------------------------------------- sentence pairs


def test_pairs_are_padded_to_the_longest() -> None:
    sides = [join_sentences([[5], [6, 7, 8], [9, 4]]), join_sentences([[1, 2], [3], [4, 5, 6]])]
    batch = SentencePairs(sides[0], sides[1], "three").make_batch(torch.tensor([2, 0]), CPU)
    assert batch.pairs is not None
    source, target = batch.pairs
    assert source.tolist() == [[9, 4], [5, 0]]
    assert target.tolist() == [[4, 5, 6], [1, 2, 0]]
    with expect_user_error("three: 3 sentences and 1 translations"):
        SentencePairs(sides[0], join_sentences([[1]]), "three")


@given(
    lengths=st.lists(st.integers(1, 40), min_size=1, max_size=60),
    size=st.integers(1, 100),
    seed=st.integers(0, 2**60),
)
def test_every_epoch_has_every_sentence_once_in_batches_of_so_many_tokens(
    lengths: list[int], size: int, seed: int
) -> None:
    order = ShuffledTokenBatches(np.array(lengths), size, seed)
    steps = len(order.bounds) + 1
    for epoch in range(2):
        batches = [order.select_indices(epoch * steps + k) for k in range(steps)]
        assert sorted(torch.cat(batches).tolist()) == list(range(len(lengths)))
        for batch in batches:
            longest = max(lengths[k] for k in batch.tolist())
            assert len(batch) == 1 or len(batch) * longest <= size
    again = ShuffledTokenBatches(np.array(lengths), size, seed)
    assert torch.equal(again.select_indices(2 * steps - 1), batches[-1])


def test_batches_are_about_equally_full_and_differ_from_epoch_to_epoch() -> None:
    data = make_pairs(4000)
    order = data.plan_batches(seed=3, batch_size=240)
    steps = len(order.bounds) + 1
    epochs = [[order.select_indices(e * steps + k).tolist() for k in range(steps)] for e in (0, 1)]
    full = [len(rows) * data.max_lengths[rows].max() for rows in epochs[0]]
    assert np.median(full) == 240 and np.mean(np.array(full) > 200) > 0.95
    assert epochs[0] != epochs[1] != data.plan_batches(seed=4, batch_size=240)
    assert {frozenset(rows) for rows in epochs[0]} != {frozenset(rows) for rows in epochs[1]}
    sizes = [len(rows) for rows in epochs[0]]
    assert sizes != sorted(sizes) and sizes != sorted(sizes, reverse=True)


# ------------------------------------------------------------------------------- means over tokens


def test_parts_of_unequal_tokens_give_the_gradient_of_the_whole(tmp_path: Path) -> None:
    model, train, valid, size = KINDS["pairs"]
    for accumulate in (1, 2, 4):
        run(
            model,
            train,
            valid,
            build_training(size, accumulate=accumulate),
            tmp_path / str(accumulate),
        )
        loop = build_loop(model, train, build_training(size, accumulate=accumulate))
        targets = [part.batch.pairs[1] for part in loop.split_batch() if part.batch.pairs]
        tokens = {int(target.count_nonzero()) for target in targets}
        assert len(targets) == accumulate and (accumulate == 1 or len(tokens) > 1)
    for parts in ("2", "4"):
        torch.testing.assert_close(read_weights(tmp_path / parts), read_weights(tmp_path / "1"))


@pytest.mark.slow
def test_two_processes_with_unequal_tokens_train_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fork_processes(monkeypatch)
    model, train, valid, size = KINDS["pairs"]
    sizes = {len(train.plan_batches(0, size).select_indices(step)) % 2 for step in range(6)}
    assert sizes == {0, 1}  # even batches and uneven ones
    run(model, train, valid, build_training(size), tmp_path / "one")
    run(model, train, valid, build_training(size, devices=2, accumulate=2), tmp_path / "two")
    torch.testing.assert_close(read_weights(tmp_path / "two"), read_weights(tmp_path / "one"))


def test_parts_of_equal_size_are_what_a_plain_mean_makes_bit_for_bit() -> None:
    loop = build_loop(ToyConfig(), make_pictures(24), build_training(12, accumulate=3))
    model: Any = loop.model.module
    total = torch.zeros(())
    for part in loop.split_batch():
        loss = model.loss(part.batch, 0).total / 3
        loss.backward()
        total = total + loss.detach()
    expected = {name: p.grad.clone() for name, p in model.named_parameters()}
    loop.optimizer.zero_grad()
    sums = loop.compute_gradients()
    assert sums is not None and sums["loss"].weight == 1.0
    assert torch.equal(sums["loss"].value, total)
    assert all(torch.equal(expected[name], p.grad) for name, p in model.named_parameters())


def test_a_batch_is_cut_for_any_number_of_processes() -> None:
    rows = torch.arange(7)
    assert [len(part) for part in split_rows(rows, 4)] == [2, 2, 2, 1]
    assert [part.tolist() for part in split_rows(rows[:1], 2)] == [[0], [0]]  # of equal weight


def test_held_out_pairs_are_a_mean_over_tokens() -> None:
    model, train, valid, size = KINDS["pairs"]
    loop = build_loop(model, train, build_training(size))
    everything = valid.make_batch(torch.arange(len(valid)), CPU)
    expected = float(loop.ema.module.loss(everything, 0).total)
    assert len(list(valid.split_indices(size))) > 1
    assert math.isclose(compute_validation_loss(loop, valid), expected, rel_tol=1e-5)


def test_flipped_codes_are_those_of_mirrored_pictures(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMALTI_DATA", str(tmp_path))
    pictures, indices = make_pictures(), torch.tensor([3, 0, 9])
    codes = encode_with_cache(pictures, MeanCodec(), "means", CPU, mirrored=True)
    flipped = torch.tensor([True, False, True])
    x = pictures.take_floats(indices)
    wanted = MeanCodec().encode(torch.where(flipped[:, None, None, None], x.flip(3), x))
    found = codes.make_flipped_batch(indices, flipped, CPU).codes
    assert found is not None and torch.equal(found[:, 0], wanted)
    assert torch.equal(codes.stored_codes, make_codes().stored_codes)
    with expect_user_error("is encoded without"):
        make_codes().make_flipped_batch(indices, flipped, CPU)


def test_an_unwritable_cache_costs_time_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SMALTI_DATA", str(tmp_path / "file"))
    codes = encode_with_cache(make_pictures(), MeanCodec(), "means", CPU)
    assert torch.equal(codes.stored_codes, make_codes().stored_codes)
    assert "codes are not cached" in caplog.text
