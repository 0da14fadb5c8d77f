"""Reading step results late, as on a GPU, changes no result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from smalti.autoregressive.pixelcnn.gated.gate import Gate, apply_gate_eagerly
from smalti.pixelcnn import PixelCNNPlusPlusConfig
from smalti.training import Training, resume, run
from smalti.training.events import Ended, Stepped
from smalti.training.loop import Loop
from tests.expect import expect_user_error
from tests.toys import (
    NO_PICTURES,
    TINY,
    EventRecorder,
    InterruptAfterStep,
    ToyConfig,
    are_equal,
    make_pictures,
)

TRAIN, VALID = make_pictures(24), make_pictures(6, seed=1)
PLAN = Training(steps=7, batch_size=8, warmup=2, precision="32", save_every=3)


def read_lines(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "minutes"} for line in lines]


@pytest.fixture
def late_reading(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU."""
    monkeypatch.setattr(Loop, "steps_in_flight", 1)


def test_reading_late_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_run = run(TINY, TRAIN, VALID, PLAN, tmp_path / "plain")
    monkeypatch.setattr(Loop, "steps_in_flight", 1)
    book = EventRecorder()
    late = run(TINY, TRAIN, VALID, PLAN, tmp_path / "late", on_event=book)
    assert [event.step for event in book.select_events(Stepped)] == list(range(1, 8))
    assert read_lines(tmp_path / "late") == read_lines(tmp_path / "plain")
    weights = (load_file(path / "model.safetensors") for path in (plain_run, late))
    assert are_equal(*weights)
    assert sorted(p.name for p in (tmp_path / "late").glob("step-*")) == [
        "step-3",
        "step-6",
        "step-7",
    ]


def test_an_interrupt_saves_the_step_in_hand(tmp_path: Path, late_reading: None) -> None:
    stop, whole = InterruptAfterStep(4), run(TINY, TRAIN, VALID, PLAN, tmp_path / "whole")
    run(TINY, TRAIN, VALID, PLAN, tmp_path / "cut", on_event=stop)
    (ended,) = stop.select_events(Ended)
    assert ended.interrupted and ended.step == 5  # its fifth step was on the way
    assert [line["step"] for line in read_lines(tmp_path / "cut") if "loss" in line] == [
        1,
        2,
        3,
        4,
        5,
    ]
    again = resume(tmp_path / "cut", TRAIN, VALID)
    assert are_equal(*(load_file(path / "model.safetensors") for path in (whole, again)))


def test_a_lost_step_is_named_and_stepped_back_from(tmp_path: Path, late_reading: None) -> None:
    lost = ToyConfig(nan_loss=4)
    with expect_user_error("the loss is nan at step 5"):
        run(lost, TRAIN, NO_PICTURES, PLAN, tmp_path / "lost")
    lost = replace(lost, marker_file=str(tmp_path / "once"))
    run(lost, TRAIN, NO_PICTURES, replace(PLAN, max_recoveries=1), tmp_path / "recovered")
    (line,) = (line for line in read_lines(tmp_path / "recovered") if "recovered_to" in line)
    assert line["diverged_at"] == 5 and line["recovered_to"] == 3
    weights = load_file(tmp_path / "recovered" / "step-7" / "model.safetensors")
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_a_network_knows_whether_it_is_initialized() -> None:
    network = PixelCNNPlusPlusConfig(outputs=4, filters=8, blocks=1, scales=1).build()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not network.is_initialized
    network.initialized.fill_(True)
    assert network.is_initialized
    network.load_state_dict(before)
    assert not network.is_initialized


@pytest.mark.parametrize("down", [False, True])
def test_the_gate_in_steps_of_pytorch_is_the_same(down: bool) -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 8, 5, 4, generator=g), torch.randn(2, 8, generator=g)
    side = torch.randn(2, 8, 4, 4, generator=g)
    ours, theirs = ([t.clone().requires_grad_() for t in (x, side, y)] for _ in range(2))
    gate: Any = Gate.apply
    a, b = gate(*ours, down), apply_gate_eagerly(theirs[0], theirs[1], theirs[2], down)
    torch.testing.assert_close(a, b)
    a.square().sum().backward()
    b.square().sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-5)  # sums' order
