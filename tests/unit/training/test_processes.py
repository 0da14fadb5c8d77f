"""Several processes train as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric

import smalti
from smalti.training import Training, _run, read_run, resume, run
from smalti.training.device import build_fabric
from smalti.training.events import Event
from smalti.training.recovery import DivergenceError
from smalti.training.run_record import find_last_step, read_trainer_state
from tests.processes import fork_processes
from tests.toys import NO_PICTURES, TINY, EventLog, ToyConfig, make_pictures

TRAIN, VALID = make_pictures(24), make_pictures(6, seed=1)


def build_training(
    steps: int | None, devices: int = 2, accumulate: int = 1, save_every: int = 100
) -> Training:
    return Training(
        steps=steps,
        batch_size=8,
        warmup=0,
        precision="32",
        devices=devices,
        accumulate=accumulate,
        save_every=save_every,
    )


def read_losses(out: Path) -> dict[int, float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    steps = [line for line in lines if "loss" in line]
    assert len({line["step"] for line in steps}) == len(steps)  # every step is written once
    return {line["step"]: line["loss"] for line in steps}


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Gradients are averaged; stopped and resumed, both end with the weights of one process."""
    for folder in ("one", "two"):
        (tmp_path / f"trace-{folder}").mkdir()
    one = ToyConfig(trace_folder=str(tmp_path / "trace-one"))
    two = ToyConfig(trace_folder=str(tmp_path / "trace-two"))
    run(one, TRAIN, VALID, build_training(6, devices=1), tmp_path / "one")

    out, journal = tmp_path / "two", EventLog(tmp_path / "journal", stop=3)
    assert (
        run(two, TRAIN, VALID, build_training(6, accumulate=2), out, on_event=journal)
        == out / "step-3"
    )
    expected = ["Started 0", "Stepped 1", "Stepped 2", "Stepped 3"]
    assert journal.read_lines() == [*expected, "Note", "Saved 3", "Validated 3", "Ended 3"]
    fork_processes(monkeypatch)
    journal = EventLog(tmp_path / "journal-2")
    assert resume(out, TRAIN, VALID, on_event=journal) == out / "step-6"
    expected = ["Started 3", "Stepped 4", "Stepped 5", "Stepped 6"]
    assert journal.read_lines() == [*expected, "Saved 6", "Validated 6", "Ended 6"]

    assert read_losses(out) == pytest.approx(read_losses(tmp_path / "one"), rel=1e-4)
    for step in range(6):
        ranks = [np.load(tmp_path / "trace-two" / f"{rank}-{step}.npy") for rank in (0, 1)]
        assert np.array_equal(*ranks)
        alone = np.load(tmp_path / "trace-one" / f"0-{step}.npy")
        np.testing.assert_allclose(ranks[0], alone, rtol=1e-4, atol=1e-6)
    states = [
        read_trainer_state(last)
        for name in ("one", "two")
        if (last := find_last_step(tmp_path / name))
    ]
    torch.testing.assert_close(states[0]["model"], states[1]["model"], rtol=1e-4, atol=1e-6)
    noises = [rng[0] for rng in states[1]["rng"]]
    assert len(noises) == 2 and not torch.equal(*noises)  # each process has noise of its own


@pytest.mark.slow
def test_a_budget_on_two_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """All processes time equally many steps, else one would wait forever."""
    fork_processes(monkeypatch)
    out = tmp_path / "run"
    run(TINY, TRAIN, NO_PICTURES, build_training(None), out, minutes=0.01)
    steps = read_run(out).training.steps
    assert steps and list(read_losses(out)) == list(range(1, steps + 1))
    assert (out / "grids" / f"step-{steps}.png").is_file()
    assert smalti.load(out).config == TINY


class SameProcessFabric:
    """Does in this process what Fabric does in spawned ones."""

    def __init__(self, training: Training):
        self.training = replace(training, devices=1)

    def launch(self, work: Callable[[Fabric], Any]) -> Any:
        return work(build_fabric(self.training))


def test_what_breaks_a_process_is_told_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(_run, "build_fabric", SameProcessFabric)
    with pytest.raises(DivergenceError, match=r"\Athe loss is nan at step 3; [^\n]*\Z"):
        run(
            ToyConfig(nan_loss=2),
            TRAIN,
            NO_PICTURES,
            build_training(6, save_every=2),
            tmp_path / "run",
        )
    assert find_last_step(tmp_path / "run") == tmp_path / "run" / "step-2"

    def impatient(event: Event) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        resume(tmp_path / "run", TRAIN, NO_PICTURES, on_event=impatient)
