"""Running out of memory, and divergence."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from smalti.core.errors import UserError
from smalti.training import Training, read_run, resume, run
from smalti.training.device import build_fabric
from smalti.training.events import Event, Note, Saved
from smalti.training.oom import find_finer_split, is_out_of_memory
from smalti.training.recovery import DivergenceError, find_divergence
from smalti.training.rng_state import read_rng_state
from smalti.training.run_record import RunRecord, find_last_step, read_trainer_state
from smalti.training.start import start_loop
from smalti.training.timing import probe_step_time
from tests.expect import expect_user_error
from tests.processes import fork_processes
from tests.toys import (
    NO_PICTURES,
    TINY,
    EventLog,
    EventRecorder,
    PowerCut,
    ToyConfig,
    are_equal,
    make_pictures,
)

TRAIN, VALID = make_pictures(24), make_pictures(6, seed=1)
PLAN = Training(steps=6, batch_size=8, warmup=2, precision="32", save_every=2, flip=True)


def read_lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def read_loop_curve(out: Path) -> list[tuple[int, float, float]]:
    return [
        (line["step"], line["loss"], line["norm"]) for line in read_lines(out) if "loss" in line
    ]


def read_weights(out: Path) -> dict[str, torch.Tensor]:
    directory = find_last_step(out)
    assert directory
    return read_trainer_state(directory)["model"]


def read_notes(notebook: EventRecorder) -> list[str]:
    return [event.text for event in notebook.select_events(Note)]


# ------------------------------------------------------------------------------------ out of memory

SAYINGS = (
    "CUDA out of memory. Tried to allocate 2.00 GiB",
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
    "not enough memory: you tried to allocate 1 bytes.",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
)


@pytest.mark.parametrize("says", SAYINGS)
def test_running_out_of_memory_is_recognized(says: str):
    assert is_out_of_memory(RuntimeError(says))
    assert not is_out_of_memory(ValueError(says))


def test_other_ways_of_running_out_and_other_errors():
    assert is_out_of_memory(MemoryError()) and is_out_of_memory(torch.OutOfMemoryError("x"))
    assert not is_out_of_memory(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError) as raised:
        torch.empty(2**60)
    assert is_out_of_memory(raised.value)


@given(share=st.integers(1, 500), data=st.data())
def test_finer_parts_are_equal_and_at_least_halved(share: int, data: st.DataObject):
    parts = data.draw(st.sampled_from([n for n in range(1, share + 1) if share % n == 0]))
    finest = find_finer_split(parts, share)
    assert (finest is None) == (parts == share)
    if finest:
        assert share % finest == 0 and finest >= 2 * parts
        assert finest == 2 * parts or share % (2 * parts)


@pytest.mark.parametrize(("fits", "parts"), [(4, 2), (3, 4), (1, 8)])
def test_a_step_that_does_not_fit_is_taken_in_parts(tmp_path: Path, fits: int, parts: int):
    notebook = EventRecorder()
    run(ToyConfig(max_pictures=fits), TRAIN, NO_PICTURES, PLAN, tmp_path / "out", on_event=notebook)
    assert read_notes(notebook)[-1] == (
        f"out of memory at step 1: accumulating over {parts} parts of {8 // parts} now"
    )
    assert read_run(tmp_path / "out").training == replace(PLAN, accumulate=parts)
    run(ToyConfig(), TRAIN, NO_PICTURES, replace(PLAN, accumulate=parts), tmp_path / "planned")
    assert read_loop_curve(tmp_path / "out") == read_loop_curve(
        tmp_path / "planned"
    )  # flips are drawn again, the same
    assert are_equal(read_weights(tmp_path / "out"), read_weights(tmp_path / "planned"))


def test_a_resumed_run_begins_with_the_parts_found(tmp_path: Path):
    out, notebook = tmp_path / "run", EventRecorder()
    run(ToyConfig(max_pictures=4), TRAIN, NO_PICTURES, PLAN, out)
    (out / "latest").unlink()
    resume(out, TRAIN, NO_PICTURES, on_event=notebook)
    assert read_notes(notebook) == []
    assert len(read_loop_curve(out)) == 6


def test_the_probe_finds_the_parts_too(tmp_path: Path):
    job = RunRecord(ToyConfig(max_pictures=2), PLAN, Path("nowhere"), {})
    notes: list[str] = []
    before = read_rng_state()
    found = probe_step_time(build_fabric(PLAN), job, TRAIN, 0, notes.append)
    assert found.accumulate == 4 and len(notes) == 2
    assert all(map(torch.equal, before, read_rng_state()))
    run(job.model, TRAIN, NO_PICTURES, replace(PLAN, steps=None), tmp_path / "run", minutes=1e-4)
    assert read_run(tmp_path / "run").training.accumulate == 4


def test_one_picture_that_does_not_fit_ends_the_run(tmp_path: Path):
    with expect_user_error("step 1 does not fit", "one picture", "--size"):
        run(ToyConfig(max_pictures=-1), TRAIN, NO_PICTURES, PLAN, tmp_path / "run")


def test_an_optimizer_that_does_not_fit_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*arguments: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("smalti.training.loop.take_optimizer_step", full)
    with expect_user_error("out of memory at step 1", "smaller model"):
        run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, tmp_path / "run")


def test_an_error_of_another_kind_is_not_swallowed(tmp_path: Path):
    with pytest.raises(RuntimeError, match="broken"):
        run(
            ToyConfig(max_pictures=4, error_message="broken"),
            TRAIN,
            NO_PICTURES,
            PLAN,
            tmp_path / "run",
        )


def test_grids_are_drawn_in_parts_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from smalti.core import drawing

    sizes: list[int] = []
    real = drawing.stream

    def counted(model: Any, *, seeds: range, inputs: Any, sampler: Any) -> Any:
        sizes.append(len(seeds))
        return real(model, seeds=seeds, inputs=inputs, sampler=sampler)

    monkeypatch.setattr(drawing, "stream", counted)
    run(TINY, TRAIN, NO_PICTURES, replace(PLAN, steps=1, accumulate=4), tmp_path / "run")
    assert sizes == [16] * 4


@pytest.mark.slow
def test_all_processes_work_in_parts_when_one_must(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    fork_processes(monkeypatch)
    plan = replace(PLAN, devices=2, steps=3, flip=False)
    journal = EventLog(tmp_path / "journal")
    toy = ToyConfig(max_pictures=2, failing_rank="1")
    run(toy, TRAIN, NO_PICTURES, plan, tmp_path / "two", on_event=journal)
    assert journal.read_lines()[1:3] == ["Note", "Stepped 1"]
    assert read_run(tmp_path / "two").training.accumulate == 2
    run(ToyConfig(), TRAIN, NO_PICTURES, replace(plan, devices=1), tmp_path / "one")
    torch.testing.assert_close(read_weights(tmp_path / "two"), read_weights(tmp_path / "one"))


# ---------------------------------------------------------------------------------- runaway losses


@pytest.mark.parametrize("bad", [ToyConfig(nan_loss=4), ToyConfig(nan_gradient=4)])
def test_a_run_steps_back_once_and_goes_on(tmp_path: Path, bad: ToyConfig):
    toy, notebook = replace(bad, marker_file=str(tmp_path / "flag")), EventRecorder()
    plan = replace(PLAN, max_recoveries=2)
    run(toy, TRAIN, NO_PICTURES, plan, tmp_path / "run", on_event=notebook)
    (note,) = read_notes(notebook)
    assert (
        "is nan at step 5: rolled back to step 4 with 0.5 of the learning rate (recovery 1 of 2)"
        in note
    )
    assert read_run(tmp_path / "run").recoveries == 1
    (line,) = [ln for ln in read_lines(tmp_path / "run") if "recovered_to" in ln]
    assert (line["step"], line["recovered_to"], line["diverged_at"]) == (4, 4, 5)
    assert line["rate_scale"] == 0.5 and "is nan" in line["why"]
    steps = [ln for ln in read_lines(tmp_path / "run") if "loss" in ln]
    assert [ln["step"] for ln in steps] == [1, 2, 3, 4, 5, 6]
    run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, tmp_path / "straight")
    straight = [ln for ln in read_lines(tmp_path / "straight") if "loss" in ln]
    scales = [a["rate"] / b["rate"] for a, b in zip(steps, straight, strict=True)]
    assert scales == [1, 1, 1, 1, 0.5, 0.5]
    assert read_loop_curve(tmp_path / "run")[:4] == read_loop_curve(tmp_path / "straight")[:4]
    assert (
        read_loop_curve(tmp_path / "run")[4][1] != read_loop_curve(tmp_path / "straight")[4][1]
    )  # flips are fresh


def test_before_the_first_save_a_run_begins_again(tmp_path: Path):
    toy, notebook = ToyConfig(nan_loss=1, marker_file=str(tmp_path / "flag")), EventRecorder()
    run(
        toy,
        TRAIN,
        NO_PICTURES,
        replace(PLAN, max_recoveries=1),
        tmp_path / "run",
        on_event=notebook,
    )
    assert "rolled back to step 0" in read_notes(notebook)[0]
    assert [step for step, *_ in read_loop_curve(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_goes_on_diverging_ends_and_tells_what_was_tried(tmp_path: Path):
    message = (
        r"\Athe loss is nan at step 4; the last checkpoint is kept: train again with "
        r"a learning rate below 0.002 or precision 32; 2 rollbacks, down to 0.25 of "
        r"the learning rate, did not help\Z"
    )
    out = tmp_path / "run"
    with pytest.raises(DivergenceError, match=message):
        run(ToyConfig(nan_loss=3), TRAIN, NO_PICTURES, replace(PLAN, max_recoveries=2), out)
    assert find_last_step(out) == out / "step-2"
    assert [ln["rate_scale"] for ln in read_lines(out) if "rate_scale" in ln] == [0.5, 0.25]


def test_an_explosion_is_told_from_a_rise():
    usual = [1.0, 2.0, 3.0] * 10
    assert not find_divergence({"loss": 20.0, "norm": 1.0}, usual, 10)
    assert "the loss is 20.1, above 10 times the median 2," in find_divergence(
        {"loss": 20.1}, usual, 10
    )
    assert not find_divergence({"loss": 20.1}, usual, None)
    assert not find_divergence({"loss": 1e6}, usual[:19], 10)  # too early to say
    assert not find_divergence({"loss": 5.0}, [-1.0] * 30, 10)  # of losses below 0 nothing is said
    assert find_divergence({"loss": 1.0, "norm": float("inf")}, [], None)


def test_an_explosion_steps_back_only_where_that_is_asked_for(tmp_path: Path):
    plan, notebook = replace(PLAN, steps=30, save_every=10), EventRecorder()
    toy = ToyConfig(exploding=25, marker_file=str(tmp_path / "flag"))
    run(
        toy,
        TRAIN,
        NO_PICTURES,
        replace(plan, max_recoveries=1),
        tmp_path / "run",
        on_event=notebook,
    )
    (note,) = read_notes(notebook)
    assert "above 10 times the median" in note and "at step 26: rolled back to step 20" in note
    (tmp_path / "flag").unlink()
    run(toy, TRAIN, NO_PICTURES, plan, tmp_path / "plain", on_event=notebook)
    assert len(read_notes(notebook)) == 1 and len(read_loop_curve(tmp_path / "plain")) == 30


class KillAfterNote(EventRecorder):
    """Killed at the step after a note, before the next save; or at the note itself."""

    def __init__(self, at: type):
        super().__init__()
        self.at = at

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if self.select_events(Note) and isinstance(event, self.at):
            raise PowerCut


@pytest.mark.parametrize("at", ["Note", "Stepped", "Saved"])
@pytest.mark.parametrize("nan", [1, 4])
def test_a_run_killed_after_stepping_back_goes_on_the_same(tmp_path: Path, nan: int, at: str):
    from smalti.training import events

    plan = replace(PLAN, max_recoveries=2, steps=8, save_every=3)
    whole, out = tmp_path / "whole", tmp_path / "run"
    run(ToyConfig(nan_loss=nan, marker_file=str(tmp_path / "a")), TRAIN, NO_PICTURES, plan, whole)
    toy = ToyConfig(nan_loss=nan, marker_file=str(tmp_path / "b"))
    with pytest.raises(PowerCut):
        run(toy, TRAIN, NO_PICTURES, plan, out, on_event=KillAfterNote(getattr(events, at)))
    notebook = EventRecorder()
    resume(out, TRAIN, NO_PICTURES, on_event=notebook)
    assert read_notes(notebook) == [] and notebook.select_events(Saved)
    assert read_loop_curve(out) == read_loop_curve(whole)
    assert are_equal(read_weights(out), read_weights(whole))
    states = [read_trainer_state(last) for run in (out, whole) if (last := find_last_step(run))]
    assert states[0]["recovered"] == states[1]["recovered"] == 1
    assert all(map(torch.equal, states[0]["rng"][0], states[1]["rng"][0]))


def test_training_on_does_not_change_what_is_stepped_back_to():
    plan = replace(PLAN, max_recoveries=1)
    loop = start_loop(build_fabric(plan), RunRecord(TINY, plan, Path("nowhere"), {}), TRAIN)
    for _ in range(2):
        loop.run_step()
    loop.take_snapshot(loop.state_dict())
    raw = {k: v.clone() for k, v in loop.model.module.state_dict().items()}
    average = {k: v.clone() for k, v in loop.ema.module.state_dict().items()}
    moments = [m["exp_avg"].clone() for m in loop.optimizer.state_dict()["state"].values()]
    for recovered in (1, 2):
        noise = read_rng_state()
        loop.run_step()
        loop.roll_back(recovered)
        assert loop.step == 2 and len(loop.recent_losses) == 2
        assert are_equal(loop.model.module.state_dict(), raw)
        assert are_equal(loop.ema.module.state_dict(), average)
        now = [m["exp_avg"] for m in loop.optimizer.state_dict()["state"].values()]
        assert all(map(torch.equal, now, moments))
        assert not torch.equal(read_rng_state()[0], noise[0])


@pytest.mark.parametrize("options", [{"max_recoveries": -1}, {"explosion_factor": 1.0}])
def test_impossible_recoveries_are_refused(options: dict[str, Any]):
    with pytest.raises(UserError, match=next(iter(options))):
        Training(**options)
