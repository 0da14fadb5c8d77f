"""A training step: learning rate, decay, clipping, accumulation, averages, order, precision."""

from __future__ import annotations

import dataclasses
import json
import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import smalti
from smalti.core.pictures import make_grid
from smalti.data.pictures import Pictures
from smalti.data.shuffle import ShuffledBatches
from smalti.training import Training, run
from smalti.training.device import build_fabric
from smalti.training.ema import EMA
from smalti.training.events import Event, Saved
from smalti.training.loop import Loop
from smalti.training.recovery import DivergenceError
from smalti.training.rng_state import read_rng_state
from smalti.training.run_record import RunRecord, find_last_step, read_trainer_state
from smalti.training.saving import compute_validation_loss
from smalti.training.start import start_loop
from smalti.training.step import build_optimizer, make_flipped_batch, schedule_learning_rate
from tests.toys import NO_PICTURES, TINY, EventRecorder, ToyConfig, are_equal, make_pictures

TRAIN, VALID = make_pictures(24), make_pictures(6, seed=1)
PLAN = Training(steps=6, batch_size=8, warmup=2, precision="32", save_every=2)
CPU = torch.device("cpu")


def read_curve(out: Path, name: str = "loss") -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def read_raw_weights(out: Path) -> dict[str, torch.Tensor]:
    directory = find_last_step(out)
    assert directory
    return read_trainer_state(directory)["model"]


def build_loop(plan: Training, model: Any = TINY) -> Loop:
    return start_loop(build_fabric(plan), RunRecord(model, plan, Path("nowhere"), {}), TRAIN)


# ---------------------------------------------------------------------------- the averaged weights


def test_an_average_by_hand():
    module = nn.Linear(1, 1, bias=False)
    nn.init.constant_(module.weight, 1.0)
    average, expected = EMA(module, decay=0.15), 1.0
    for k, weight in enumerate((2.0, -3.0, 5.0)):
        nn.init.constant_(module.weight, weight)
        average.update(module, k)
        decay = (0.1, 0.15, 0.15)[k]  # (1 + k) / (10 + k), at most 0.15
        expected = decay * expected + (1 - decay) * weight
        assert float(average.module.weight) == pytest.approx(expected, rel=1e-6)
    assert not average.module.weight.requires_grad


def test_an_average_copies_buffers():
    module = nn.BatchNorm1d(3)
    average = EMA(module, decay=0.9)
    module(torch.randn(5, 3) + 7)
    average.update(module, 0)
    torch.testing.assert_close(average.module.running_mean, module.running_mean, rtol=0, atol=0)
    assert float(average.module.running_mean.min()) > 0.5
    assert not average.module.training


class Weights(EventRecorder):
    """Keeps the raw weights of every saved step."""

    def __call__(self, event: Event) -> None:
        if isinstance(event, Saved):
            self.events.append(read_trainer_state(event.checkpoint)["model"])


def test_the_average_is_saved_as_the_model(tmp_path: Path):
    plan = Training(
        steps=3, batch_size=8, warmup=0, learning_rate=0.1, precision="32", save_every=1
    )
    torch.manual_seed(plan.seed)
    expected, raw = ToyConfig().build().state_dict(), Weights()
    last = run(ToyConfig(), TRAIN, NO_PICTURES, plan, tmp_path / "run", on_event=raw)
    for k, weights in enumerate(raw.events):
        decay = (1 + k) / (10 + k)
        expected = {n: decay * w + (1 - decay) * weights[n] for n, w in expected.items()}
    saved = load_file(last / "model.safetensors")
    torch.testing.assert_close(saved, expected)
    assert not are_equal(saved, raw.events[-1])
    loaded = smalti.load(tmp_path / "run")
    assert are_equal(loaded.state_dict(), saved) and not loaded.training


def test_the_average_is_what_is_sampled(tmp_path: Path):
    notebook = EventRecorder()
    run(
        TINY,
        TRAIN,
        NO_PICTURES,
        dataclasses.replace(PLAN, learning_rate=0.05),
        tmp_path,
        on_event=notebook,
    )
    model = smalti.load(tmp_path)

    def shown() -> np.ndarray:
        samples = smalti.sample(model, 64)
        assert isinstance(samples, torch.Tensor)
        return np.asarray(make_grid(samples))

    shown_by_run = np.asarray(Image.open(notebook.select_events(Saved)[-1].preview))
    assert np.array_equal(shown_by_run, shown())
    model.load_state_dict(read_raw_weights(tmp_path))
    assert not np.array_equal(shown_by_run, shown())


# ---------------------------------------------------------------------------------------- one step


def test_accumulating_parts_is_the_same_step(tmp_path: Path):
    for accumulate in (1, 2, 4):
        plan = dataclasses.replace(PLAN, accumulate=accumulate)
        run(ToyConfig(), TRAIN, NO_PICTURES, plan, tmp_path / str(accumulate))
    for name in ("loss", "half", "norm"):
        assert read_curve(tmp_path / "2", name) == pytest.approx(
            read_curve(tmp_path / "1", name), rel=1e-4
        )
        assert read_curve(tmp_path / "4", name) == pytest.approx(
            read_curve(tmp_path / "1", name), rel=1e-4
        )
    for parts in ("2", "4"):
        torch.testing.assert_close(
            read_raw_weights(tmp_path / parts), read_raw_weights(tmp_path / "1")
        )


def test_gradients_are_clipped_and_their_norm_is_told():
    plan = dataclasses.replace(PLAN, max_grad_norm=1e-3, learning_rate=0.5, weight_decay=0.0)
    loop = build_loop(plan, ToyConfig())
    terms = loop.run_step()
    assert terms["norm"] > 0.1  # before clipping
    moments = loop.optimizer.state_dict()["state"]  # after one step 1 - beta_1 times the gradient
    norm = torch.cat([m["exp_avg"].flatten() for m in moments.values()]).norm() / 0.1
    assert float(norm) == pytest.approx(1e-3, rel=1e-3)


def test_the_rate_warms_up_and_falls_to_nothing():
    plan = Training(steps=100, warmup=10, learning_rate=0.5)
    rates = [schedule_learning_rate(step, plan) for step in range(100)]
    assert rates[:10] == pytest.approx([0.05 * k for k in range(1, 11)])
    assert max(rates) == rates[9] == rates[10] == 0.5
    assert rates[55] == pytest.approx(0.25)  # half way between warm-up and end
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert 0 < rates[99] < 0.001
    short = Training(steps=10, warmup=200, learning_rate=0.5)
    assert [schedule_learning_rate(s, short) for s in range(3)] == [
        0.25,
        0.5,
        0.5,
    ]  # a fifth at most is warm-up
    assert schedule_learning_rate(0, Training(steps=1, warmup=200, learning_rate=0.5)) == 0.5


def test_the_rate_begins_again_with_each_phase():
    plan = Training(steps=100, warmup=10, learning_rate=0.5)
    rates = [schedule_learning_rate(step, plan, phases=[40]) for step in range(100)]
    first, second = (dataclasses.replace(plan, steps=n) for n in (40, 60))
    assert rates[:40] == [schedule_learning_rate(step, first) for step in range(40)]
    assert rates[40:] == [schedule_learning_rate(step, second) for step in range(60)]


def test_the_optimizer_takes_that_rate():
    loop = build_loop(PLAN)
    for k in range(3):
        loop.run_step()
        rates = {group["lr"] for group in loop.optimizer.param_groups}
        assert rates == {schedule_learning_rate(k, PLAN)}


def test_norms_and_biases_do_not_decay():
    model = TINY.build()
    decayed, kept = build_optimizer(model, Training(weight_decay=0.3)).param_groups
    assert (decayed["weight_decay"], kept["weight_decay"]) == (0.3, 0.0)
    names = {id(p): name for name, p in model.named_parameters()}
    norms = {f"{n}.weight" for n, m in model.named_modules() if isinstance(m, nn.GroupNorm)}
    biases = {name for name in names.values() if name.endswith("bias")}
    assert norms and biases
    assert {names[id(p)] for p in kept["params"]} == norms | biases
    assert {names[id(p)] for p in decayed["params"]} == set(names.values()) - norms - biases


def test_frozen_weights_are_left_out():
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert [len(g["params"]) for g in build_optimizer(model, Training()).param_groups] == [1, 0]


@pytest.mark.parametrize(("flip", "low", "high"), [(False, 0, 0), (True, 0.4, 0.6)])
def test_flip_mirrors_half_of_the_pictures(flip: bool, low: float, high: float):
    pixels = torch.tensor([[0, 51], [102, 255]], dtype=torch.uint8).expand(1000, 1, 2, 2)
    make_batch = make_flipped_batch if flip else Pictures.make_batch
    batch = make_batch(Pictures(pixels, None, (), "slopes"), torch.arange(1000), CPU)
    x = batch.require_pictures()
    upright = torch.tensor([[0.0, 0.2], [0.4, 1.0]])
    mirrored = (x == upright.flip(1)).all(dim=(1, 2, 3))
    assert torch.equal(x[~mirrored], upright.expand_as(x[~mirrored]))
    assert low <= float(mirrored.float().mean()) <= high


def test_a_batch_has_its_labels():
    pixels = torch.arange(12, dtype=torch.uint8).reshape(3, 1, 2, 2)
    labeled = Pictures(pixels, torch.tensor([1, 0, 1]), ("a", "b"), "labeled")
    batch = labeled.make_batch(torch.tensor([2, 1]), CPU)
    assert batch.labels is not None and batch.labels.tolist() == [1, 0]
    torch.testing.assert_close(
        batch.require_pictures()[0, 0], torch.tensor([[8, 9], [10, 11]]) / 255
    )


# --------------------------------------------------------------------------- order of the pictures


@given(n=st.integers(1, 20), batch=st.integers(1, 30), seed=st.integers(0, 2**60))
def test_every_epoch_shows_every_picture_once(n: int, batch: int, seed: int):
    order = ShuffledBatches(n, batch, seed)
    steps = math.ceil(3 * n / batch)
    seen = np.concatenate([order.select_indices(step) for step in range(steps)])
    for epoch in range(3):
        assert sorted(seen[epoch * n : (epoch + 1) * n]) == list(range(n))
    assert np.array_equal(ShuffledBatches(n, batch, seed).select_indices(steps - 1), seen[-batch:])


def test_seeds_and_epochs_have_orders_of_their_own():
    orders = [
        ShuffledBatches(50, 50, seed).select_indices(step).tolist()
        for seed in (0, 1)
        for step in (0, 1)
    ]
    assert len({tuple(order) for order in orders}) == 4


# --------------------------------------------------------------------------- not a number any more


def test_a_loss_that_is_no_number_ends_the_run(tmp_path: Path):
    message = r"\Athe loss is nan at step 6; the last checkpoint is kept: .* below 0.002 .*\Z"
    with pytest.raises(DivergenceError, match=message):
        run(ToyConfig(nan_loss=5), TRAIN, NO_PICTURES, PLAN, tmp_path / "run")
    assert find_last_step(tmp_path / "run") == tmp_path / "run" / "step-4"
    assert all(w.isfinite().all() for w in smalti.load(tmp_path / "run").state_dict().values())
    assert len(read_curve(tmp_path / "run")) == 5


def test_weights_that_a_bad_gradient_spoilt_are_not_saved(tmp_path: Path):
    with pytest.raises(DivergenceError, match="the gradient norm is nan at step 4;"):
        run(ToyConfig(nan_gradient=3), TRAIN, NO_PICTURES, PLAN, tmp_path / "run")
    assert find_last_step(tmp_path / "run") == tmp_path / "run" / "step-2"
    assert all(w.isfinite().all() for w in read_raw_weights(tmp_path / "run").values())


# ------------------------------------------------------------------------------- held-out pictures


def test_validation_always_draws_the_same_noise():
    loop = build_loop(PLAN)
    before = read_rng_state()
    losses = {compute_validation_loss(loop, VALID) for _ in range(3)}
    assert len(losses) == 1
    assert all(torch.equal(a, b) for a, b in zip(before, read_rng_state(), strict=True))
    torch.manual_seed(17)
    assert losses == {compute_validation_loss(loop, VALID)}


def test_validation_is_a_mean_over_pictures():
    loop = build_loop(dataclasses.replace(PLAN, batch_size=4), ToyConfig())
    everything = VALID.make_batch(torch.arange(6), CPU)  # 6 are batches of 4 and 2
    expected = float(loop.ema.module.loss(everything, 0).total)
    assert compute_validation_loss(loop, VALID) == pytest.approx(expected, rel=1e-5)
