"""Early stopping: when a run ends, which step it keeps, and that a resume decides the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import smalti
from smalti.core.checkpoint import find_checkpoint
from smalti.training import Training, read_run, resume, run
from smalti.training.early_stopping import BestStep, find_best_step
from smalti.training.events import Ended, Event, Note, Stepped
from tests.expect import expect_user_error
from tests.toys import NO_PICTURES, TINY, EventRecorder, make_pictures

TRAIN, VALID = make_pictures(8), make_pictures(4, seed=1)
PLAN = Training(steps=9, batch_size=4, warmup=0, precision="32", save_every=1, patience=2)
LOSSES = {1: 3.0, 2: 2.0, 3: 2.5, 4: 2.1, 5: 1.0, 6: 1.0, 7: 1.0, 8: 1.0, 9: 0.5}


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[int, float]]:
    """The held-out loss of each step, instead of the real one."""
    values = dict(LOSSES)
    monkeypatch.setattr(
        "smalti.training.saving.compute_validation_loss", lambda loop, valid: values[loop.step]
    )
    yield values


def test_the_best_step_of_a_log():
    lines = [{"step": 1, "valid": 3.0}, {"step": 2, "valid": 2.0}, {"step": 2, "loss": 1.0}]
    assert find_best_step(lines) == BestStep(2, 2.0, 0)
    assert find_best_step([*lines, {"step": 3, "valid": 2.0}]) == BestStep(2, 2.0, 1)
    assert find_best_step([{"step": 1, "valid": "?"}, {"step": 1}]) is None


def test_a_run_without_improvement_stops_and_keeps_its_best_step(
    losses: dict[int, float], tmp_path: Path
):
    seen = EventRecorder()
    out = run(TINY, TRAIN, VALID, PLAN, tmp_path / "run", on_event=seen)
    assert out.name == "step-2" == find_checkpoint(tmp_path / "run").name
    (ended,) = [e for e in seen.events if isinstance(e, Ended)]
    assert (ended.step, ended.checkpoint.name, ended.interrupted) == (4, "step-2", False)
    (told,) = [e.text for e in seen.events if isinstance(e, Note)]
    assert told == (
        "stopped: no improvement in 2 validations; the model is step 2, whose held-out loss was "
        "the lowest (2.0000)"
    )
    stored = json.loads((tmp_path / "run/run.json").read_text())
    assert (stored["best_step"], stored["stopped_at"]) == (2, 4)
    summary = smalti.report(tmp_path / "run").summary
    assert summary.best_step == 2


def test_a_finished_run_is_not_trained_further(losses: dict[int, float], tmp_path: Path):
    run(TINY, TRAIN, VALID, PLAN, tmp_path / "run")
    before = (tmp_path / "run/log.jsonl").read_bytes()
    seen = EventRecorder()
    assert resume(tmp_path / "run", TRAIN, VALID, on_event=seen).name == "step-2"
    (ended,) = seen.events
    assert isinstance(ended, Ended) and (ended.step, ended.steps_taken) == (4, 0)
    assert (tmp_path / "run/log.jsonl").read_bytes() == before


class CrashAfterStep:
    """Fails when a step is reported: the step before is saved, this one may be."""

    def __init__(self, step: int):
        self.step = step

    def __call__(self, event: Event) -> None:
        if isinstance(event, Stepped) and event.step == self.step:
            raise RuntimeError("power cut")


@pytest.mark.parametrize("step", [2, 3, 4])
def test_a_resumed_run_stops_where_it_would_have(
    losses: dict[int, float], tmp_path: Path, step: int
):
    with pytest.raises(RuntimeError, match="power cut"):
        run(TINY, TRAIN, VALID, PLAN, tmp_path / "run", on_event=CrashAfterStep(step))
    assert resume(tmp_path / "run", TRAIN, VALID).name == "step-2"
    assert read_run(tmp_path / "run").stopped_at == 4


def test_a_run_that_lost_patience_before_it_was_cut_takes_no_further_step(
    losses: dict[int, float], tmp_path: Path
):
    patient = replace(PLAN, steps=4, patience=5)
    run(TINY, TRAIN, VALID, patient, tmp_path / "run")
    path = tmp_path / "run/run.json"
    stored = json.loads(path.read_text())
    stored["training"] |= {"patience": 2, "steps": 9}
    path.write_text(json.dumps({k: v for k, v in stored.items() if k[:4] not in ("best", "stop")}))
    (tmp_path / "run/latest").write_text("step-4\n")
    assert resume(tmp_path / "run", TRAIN, VALID).name == "step-2"
    assert read_run(tmp_path / "run").stopped_at == 4


def test_a_run_to_its_last_step_keeps_the_best_one_too(losses: dict[int, float], tmp_path: Path):
    losses[9] = 1.5
    seen = EventRecorder()
    patient = replace(PLAN, patience=9)
    assert run(TINY, TRAIN, VALID, patient, tmp_path / "a", on_event=seen).name == "step-5"
    assert any(
        isinstance(e, Note) and e.text.startswith("the model is step 5") for e in seen.events
    )
    losses[9] = 0.5
    assert run(TINY, TRAIN, VALID, patient, tmp_path / "b").name == "step-9"
    assert run(TINY, TRAIN, VALID, replace(PLAN, patience=None), tmp_path / "c").name == "step-9"
    assert "best_step" not in json.loads((tmp_path / "c/run.json").read_text())


def test_patience_needs_held_out_pictures(tmp_path: Path):
    with expect_user_error("patience is 2", "no pictures are held out"):
        run(TINY, TRAIN, NO_PICTURES, PLAN, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    with expect_user_error("patience is 0", "1 or more"):
        Training(patience=0)
