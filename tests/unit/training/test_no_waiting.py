"""What spares a GPU from waiting for the CPU at every step changes no result."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from smalti.autoregressive.pixelcnn.gated.gate import Gate, plain
from smalti.pixelcnn import PlusPlusConfig
from smalti.training import Training, resume, run
from smalti.training.events import Ended, Stepped
from smalti.training.loop import Loop
from tests.expect import refusal
from tests.toys import NONE, TINY, Notebook, Stop, ToyConfig, equal, pictures

TRAIN, VALID = pictures(24), pictures(6, seed=1)
PLAN = Training(steps=7, batch=8, warmup=2, precision="32", save=3)


def log(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [{k: v for k, v in line.items() if k != "minutes"} for line in lines]


@pytest.fixture
def ahead(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a GPU."""
    monkeypatch.setattr(Loop, "ahead", 1)


def test_reading_late_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plain_run = run(TINY, TRAIN, VALID, PLAN, tmp_path / "plain")
    monkeypatch.setattr(Loop, "ahead", 1)
    book = Notebook()
    late = run(TINY, TRAIN, VALID, PLAN, tmp_path / "late", watch=book)
    assert [event.step for event in book.of(Stepped)] == list(range(1, 8))
    assert log(tmp_path / "late") == log(tmp_path / "plain")
    weights = (load_file(path / "model.safetensors") for path in (plain_run, late))
    assert equal(*weights)
    assert sorted(p.name for p in (tmp_path / "late").glob("step-*")) == [
        "step-3",
        "step-6",
        "step-7",
    ]


def test_an_interrupt_saves_the_step_in_hand(tmp_path: Path, ahead: None) -> None:
    stop, whole = Stop(4), run(TINY, TRAIN, VALID, PLAN, tmp_path / "whole")
    run(TINY, TRAIN, VALID, PLAN, tmp_path / "cut", watch=stop)
    (ended,) = stop.of(Ended)
    assert ended.interrupted and ended.step == 5  # its fifth step was on the way
    assert [line["step"] for line in log(tmp_path / "cut") if "loss" in line] == [1, 2, 3, 4, 5]
    again = resume(tmp_path / "cut", TRAIN, VALID)
    assert equal(*(load_file(path / "model.safetensors") for path in (whole, again)))


def test_a_lost_step_is_named_and_stepped_back_from(tmp_path: Path, ahead: None) -> None:
    lost = ToyConfig(nan_loss=4)
    with refusal("the loss is nan at step 5"):
        run(lost, TRAIN, NONE, PLAN, tmp_path / "lost")
    lost = replace(lost, once=str(tmp_path / "once"))
    run(lost, TRAIN, NONE, replace(PLAN, recover=1), tmp_path / "recovered")
    (line,) = (line for line in log(tmp_path / "recovered") if "recovered_to" in line)
    assert line["diverged_at"] == 5 and line["recovered_to"] == 3
    weights = load_file(tmp_path / "recovered" / "step-7" / "model.safetensors")
    assert all(torch.isfinite(weight).all() for weight in weights.values())


def test_a_network_knows_whether_it_is_initialised() -> None:
    network = PlusPlusConfig(outputs=4, filters=8, blocks=1, scales=1).build()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    assert not network.is_initialised
    network.initialised.fill_(True)
    assert network.is_initialised
    network.load_state_dict(before)
    assert not network.is_initialised


@pytest.mark.parametrize("down", [False, True])
def test_the_gate_in_steps_of_pytorch_is_the_same(down: bool) -> None:
    g = torch.Generator().manual_seed(0)
    x, y = torch.randn(2, 8, 5, 4, generator=g), torch.randn(2, 8, generator=g)
    side = torch.randn(2, 8, 4, 4, generator=g)
    ours, theirs = ([t.clone().requires_grad_() for t in (x, side, y)] for _ in range(2))
    gate: Any = Gate.apply
    a, b = gate(*ours, down), plain(theirs[0], theirs[1], theirs[2], down)
    torch.testing.assert_close(a, b)
    a.square().sum().backward()
    b.square().sum().backward()
    for mine, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(mine.grad, other.grad, rtol=1e-4, atol=1e-5)  # sums' order
