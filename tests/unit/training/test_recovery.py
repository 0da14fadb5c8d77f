"""What a run does when memory runs out, and when its loss runs away."""

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
from smalti.training.device import fabric_for
from smalti.training.events import Event, Note, Saved
from smalti.training.job import Job, last_step, read_state
from smalti.training.loop import Diverged, begin, rng_state
from smalti.training.memory import finer, ran_out
from smalti.training.recovery import complaint
from smalti.training.timing import probe
from tests.expect import refusal
from tests.toys import NONE, TINY, Journal, Notebook, PowerCut, ToyConfig, equal, pictures

TRAIN, VALID = pictures(24), pictures(6, seed=1)
PLAN = Training(steps=6, batch=8, warmup=2, precision="32", save=2, flip=True)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def curve(out: Path) -> list[tuple[int, float, float]]:
    return [(line["step"], line["loss"], line["norm"]) for line in lines(out) if "loss" in line]


def weights(out: Path) -> dict[str, torch.Tensor]:
    directory = last_step(out)
    assert directory
    return read_state(directory)["model"]


def notes(notebook: Notebook) -> list[str]:
    return [event.text for event in notebook.of(Note)]


# ------------------------------------------------------------------------------------ out of memory

SAYINGS = (
    "CUDA out of memory. Tried to allocate 2.00 GiB",
    "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory",
    "not enough memory: you tried to allocate 1 bytes.",
    "CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`",
)


@pytest.mark.parametrize("says", SAYINGS)
def test_running_out_of_memory_is_recognised(says: str):
    assert ran_out(RuntimeError(says))
    assert not ran_out(ValueError(says))


def test_other_ways_of_running_out_and_other_errors():
    assert ran_out(MemoryError()) and ran_out(torch.OutOfMemoryError("x"))
    assert not ran_out(RuntimeError("shapes do not fit"))
    with pytest.raises(RuntimeError) as told:
        torch.empty(2**60)
    assert ran_out(told.value)


@given(share=st.integers(1, 500), data=st.data())
def test_finer_parts_are_equal_and_at_least_halved(share: int, data: st.DataObject):
    parts = data.draw(st.sampled_from([n for n in range(1, share + 1) if share % n == 0]))
    finest = finer(parts, share)
    assert (finest is None) == (parts == share)
    if finest:
        assert share % finest == 0 and finest >= 2 * parts
        assert finest == 2 * parts or share % (2 * parts)


@pytest.mark.parametrize(("fits", "parts"), [(4, 2), (3, 4), (1, 8)])
def test_a_step_that_does_not_fit_is_taken_in_parts(tmp_path: Path, fits: int, parts: int):
    notebook = Notebook()
    run(ToyConfig(fits=fits), TRAIN, NONE, PLAN, tmp_path / "out", watch=notebook)
    assert notes(notebook)[-1] == (
        f"out of memory at step 1: working in {parts} parts of {8 // parts} now"
    )
    assert read_run(tmp_path / "out").training == replace(PLAN, accumulate=parts)
    run(ToyConfig(), TRAIN, NONE, replace(PLAN, accumulate=parts), tmp_path / "told")
    assert curve(tmp_path / "out") == curve(tmp_path / "told")  # flips are drawn again, the same
    assert equal(weights(tmp_path / "out"), weights(tmp_path / "told"))


def test_a_resumed_run_begins_with_the_parts_found(tmp_path: Path):
    out, notebook = tmp_path / "run", Notebook()
    run(ToyConfig(fits=4), TRAIN, NONE, PLAN, out)
    (out / "latest").unlink()
    resume(out, TRAIN, NONE, watch=notebook)
    assert notes(notebook) == []
    assert len(curve(out)) == 6


def test_the_probe_finds_the_parts_too(tmp_path: Path):
    job = Job(ToyConfig(fits=2), PLAN, Path("nowhere"), {})
    told: list[str] = []
    before = rng_state()
    found = probe(fabric_for(PLAN), job, TRAIN, 0, told.append)
    assert found.accumulate == 4 and len(told) == 2
    assert all(map(torch.equal, before, rng_state()))
    run(job.model, TRAIN, NONE, replace(PLAN, steps=None), tmp_path / "run", minutes=1e-4)
    assert read_run(tmp_path / "run").training.accumulate == 4


def test_one_picture_that_does_not_fit_ends_the_run(tmp_path: Path):
    with refusal("step 1 does not fit", "one picture", "--size"):
        run(ToyConfig(fits=-1), TRAIN, NONE, PLAN, tmp_path / "run")


def test_an_optimiser_that_does_not_fit_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(*arguments: Any) -> None:
        raise MemoryError

    monkeypatch.setattr("smalti.training.loop.update", full)
    with refusal("out of memory at step 1", "smaller model"):
        run(ToyConfig(), TRAIN, NONE, PLAN, tmp_path / "run")


def test_an_error_of_another_kind_is_not_swallowed(tmp_path: Path):
    with pytest.raises(RuntimeError, match="broken"):
        run(ToyConfig(fits=4, says="broken"), TRAIN, NONE, PLAN, tmp_path / "run")


def test_grids_are_drawn_in_parts_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from smalti.core import drawing

    sizes: list[int] = []
    real = drawing.stream

    def counted(model: Any, *, seeds: range, given: Any, sampler: Any) -> Any:
        sizes.append(len(seeds))
        return real(model, seeds=seeds, given=given, sampler=sampler)

    monkeypatch.setattr(drawing, "stream", counted)
    run(TINY, TRAIN, NONE, replace(PLAN, steps=1, accumulate=4), tmp_path / "run")
    assert sizes == [16] * 4


@pytest.mark.slow
def test_all_processes_work_in_parts_when_one_must(tmp_path: Path):
    plan = replace(PLAN, devices=2, steps=3, flip=False)
    journal = Journal(tmp_path / "journal")
    toy = ToyConfig(fits=2, rank="1")
    run(toy, TRAIN, NONE, plan, tmp_path / "two", watch=journal)
    assert journal.lines()[1:3] == ["Note", "Stepped 1"]
    assert read_run(tmp_path / "two").training.accumulate == 2
    run(ToyConfig(), TRAIN, NONE, replace(plan, devices=1), tmp_path / "one")
    torch.testing.assert_close(weights(tmp_path / "two"), weights(tmp_path / "one"))


# ---------------------------------------------------------------------------------- runaway losses


@pytest.mark.parametrize("bad", [ToyConfig(nan_loss=4), ToyConfig(nan_gradient=4)])
def test_a_run_steps_back_once_and_goes_on(tmp_path: Path, bad: ToyConfig):
    toy, notebook = replace(bad, once=str(tmp_path / "flag")), Notebook()
    plan = replace(PLAN, recover=2)
    run(toy, TRAIN, NONE, plan, tmp_path / "run", watch=notebook)
    (note,) = notes(notebook)
    assert "is nan at step 5: going on from step 4 with 0.5 of the rate (1 of 2 times)" in note
    assert read_run(tmp_path / "run").recovered == 1
    (line,) = [ln for ln in lines(tmp_path / "run") if "recovered_to" in ln]
    assert (line["step"], line["recovered_to"], line["diverged_at"]) == (4, 4, 5)
    assert line["rate_scale"] == 0.5 and "is nan" in line["why"]
    steps = [ln for ln in lines(tmp_path / "run") if "loss" in ln]
    assert [ln["step"] for ln in steps] == [1, 2, 3, 4, 5, 6]
    run(ToyConfig(), TRAIN, NONE, PLAN, tmp_path / "straight")
    straight = [ln for ln in lines(tmp_path / "straight") if "loss" in ln]
    scales = [a["rate"] / b["rate"] for a, b in zip(steps, straight, strict=True)]
    assert scales == [1, 1, 1, 1, 0.5, 0.5]
    assert curve(tmp_path / "run")[:4] == curve(tmp_path / "straight")[:4]
    assert curve(tmp_path / "run")[4][1] != curve(tmp_path / "straight")[4][1]  # flips are fresh


def test_before_the_first_save_a_run_begins_again(tmp_path: Path):
    toy, notebook = ToyConfig(nan_loss=1, once=str(tmp_path / "flag")), Notebook()
    run(toy, TRAIN, NONE, replace(PLAN, recover=1), tmp_path / "run", watch=notebook)
    assert "going on from step 0" in notes(notebook)[0]
    assert [step for step, *_ in curve(tmp_path / "run")] == [1, 2, 3, 4, 5, 6]


def test_a_run_that_goes_on_diverging_ends_and_tells_what_was_tried(tmp_path: Path):
    message = (
        r"\Athe loss is nan at step 4; the last saved step is kept: train again with a rate below "
        r"0.002 or precision 32; 2 times back, down to 0.25 of the rate, did not help\Z"
    )
    out = tmp_path / "run"
    with pytest.raises(Diverged, match=message):
        run(ToyConfig(nan_loss=3), TRAIN, NONE, replace(PLAN, recover=2), out)
    assert last_step(out) == out / "step-2"
    assert [ln["rate_scale"] for ln in lines(out) if "rate_scale" in ln] == [0.5, 0.25]


def test_an_explosion_is_told_from_a_rise():
    usual = [1.0, 2.0, 3.0] * 10
    assert not complaint({"loss": 20.0, "norm": 1.0}, usual, 10)
    assert "the loss is 20.1, above 10 times the usual 2," in complaint({"loss": 20.1}, usual, 10)
    assert not complaint({"loss": 20.1}, usual, None)
    assert not complaint({"loss": 1e6}, usual[:19], 10)  # too early to say
    assert not complaint({"loss": 5.0}, [-1.0] * 30, 10)  # of losses below 0 nothing is said
    assert complaint({"loss": 1.0, "norm": float("inf")}, [], None)


def test_an_explosion_steps_back_only_where_that_is_asked_for(tmp_path: Path):
    plan, notebook = replace(PLAN, steps=30, save=10), Notebook()
    toy = ToyConfig(exploding=25, once=str(tmp_path / "flag"))
    run(toy, TRAIN, NONE, replace(plan, recover=1), tmp_path / "run", watch=notebook)
    (note,) = notes(notebook)
    assert "above 10 times the usual" in note and "at step 26: going on from step 20" in note
    (tmp_path / "flag").unlink()
    run(toy, TRAIN, NONE, plan, tmp_path / "plain", watch=notebook)
    assert len(notes(notebook)) == 1 and len(curve(tmp_path / "plain")) == 30


class KillAfterNote(Notebook):
    """Dies at the step after a note, before the next save; or at the note itself."""

    def __init__(self, at: type):
        super().__init__()
        self.at = at

    def __call__(self, event: Event) -> None:
        super().__call__(event)
        if self.of(Note) and isinstance(event, self.at):
            raise PowerCut


@pytest.mark.parametrize("at", ["Note", "Stepped", "Saved"])
@pytest.mark.parametrize("nan", [1, 4])
def test_a_run_killed_after_stepping_back_goes_on_the_same(tmp_path: Path, nan: int, at: str):
    from smalti.training import events

    plan = replace(PLAN, recover=2, steps=8, save=3)
    whole, out = tmp_path / "whole", tmp_path / "run"
    run(ToyConfig(nan_loss=nan, once=str(tmp_path / "a")), TRAIN, NONE, plan, whole)
    toy = ToyConfig(nan_loss=nan, once=str(tmp_path / "b"))
    with pytest.raises(PowerCut):
        run(toy, TRAIN, NONE, plan, out, watch=KillAfterNote(getattr(events, at)))
    notebook = Notebook()
    resume(out, TRAIN, NONE, watch=notebook)
    assert notes(notebook) == [] and notebook.of(Saved)
    assert curve(out) == curve(whole)
    assert equal(weights(out), weights(whole))
    states = [read_state(last) for run in (out, whole) if (last := last_step(run))]
    assert states[0]["recovered"] == states[1]["recovered"] == 1
    assert all(map(torch.equal, states[0]["rng"][0], states[1]["rng"][0]))


def test_training_on_does_not_change_what_is_stepped_back_to():
    plan = replace(PLAN, recover=1)
    loop = begin(fabric_for(plan), Job(TINY, plan, Path("nowhere"), {}), TRAIN)
    for _ in range(2):
        loop.advance()
    loop.keep(loop.state())
    raw = {k: v.clone() for k, v in loop.model.module.state_dict().items()}
    average = {k: v.clone() for k, v in loop.average.module.state_dict().items()}
    moments = [m["exp_avg"].clone() for m in loop.optimizer.state_dict()["state"].values()]
    for recovered in (1, 2):
        noise = rng_state()
        loop.advance()
        loop.step_back(recovered)
        assert loop.step == 2 and len(loop.recent) == 2
        assert equal(loop.model.module.state_dict(), raw)
        assert equal(loop.average.module.state_dict(), average)
        now = [m["exp_avg"] for m in loop.optimizer.state_dict()["state"].values()]
        assert all(map(torch.equal, now, moments))
        assert not torch.equal(rng_state()[0], noise[0])


@pytest.mark.parametrize("options", [{"recover": -1}, {"explode": 1.0}])
def test_impossible_recoveries_are_refused(options: dict[str, Any]):
    with pytest.raises(UserError, match=next(iter(options))):
        Training(**options)
