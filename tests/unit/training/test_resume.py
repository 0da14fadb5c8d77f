"""A run that stops for any reason is resumed exactly."""

from __future__ import annotations

import json
import signal
import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import smalti
from smalti.core.errors import UserError
from smalti.diffusion import UNetConfig
from smalti.training import Training, _run, read_run, resume, run
from smalti.training.events import Ended, Note, Saved, Started
from smalti.training.interrupt import Interrupt, leave_signals_to_children
from smalti.training.logs import Log
from smalti.training.run_record import find_last_step, read_trainer_state
from tests.expect import expect_user_error
from tests.toys import (
    NO_PICTURES,
    TINY,
    EventRecorder,
    InterruptAfterStep,
    KillAfterStep,
    PowerCut,
    ToyConfig,
    are_equal,
    make_pictures,
)

TRAIN, VALID = make_pictures(24), make_pictures(6, seed=1)
PLAN = Training(steps=8, batch_size=8, warmup=2, precision="32", save_every=100)


def read_lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def read_loop_curve(out: Path) -> list[tuple[int, float, float]]:
    """(step, loss, norm) of every step."""
    return [(ln["step"], ln["loss"], ln["norm"]) for ln in read_lines(out) if "loss" in ln]


def is_same_end(a: Path, b: Path) -> bool:
    """Whether two runs took the same steps and ended with the same weights, raw and averaged."""
    last, other = find_last_step(a), find_last_step(b)
    assert last and other and last.name == other.name
    raw, average = read_trainer_state(last)["model"], load_file(last / "model.safetensors")
    return (
        read_loop_curve(a) == read_loop_curve(b)
        and are_equal(raw, read_trainer_state(other)["model"])
        and are_equal(average, load_file(other / "model.safetensors"))
    )


@pytest.fixture(scope="module")
def finished_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of 8 steps in one go, that saved at the end only and never validated."""
    out = tmp_path_factory.mktemp("whole") / "run"
    run(TINY, TRAIN, NO_PICTURES, PLAN, out)
    return out


def test_a_run_leaves_its_curve_and_a_checkpoint(finished_run: Path):
    assert [step for step, *_ in read_loop_curve(finished_run)] == list(range(1, 9))
    assert (finished_run / "latest").read_text() == "step-8\n"
    samples = smalti.sample(smalti.load(finished_run), 2)
    assert isinstance(samples, torch.Tensor) and samples.shape == (2, 1, 8, 8)


def test_another_seed_takes_another_curve(finished_run: Path, tmp_path: Path):
    run(
        TINY,
        TRAIN,
        NO_PICTURES,
        Training(steps=2, batch_size=8, precision="32", seed=1),
        tmp_path / "run",
    )
    assert read_loop_curve(tmp_path / "run")[0] != read_loop_curve(finished_run)[0]


def test_saving_sampling_and_validating_do_not_touch_the_curve(finished_run: Path, tmp_path: Path):
    plan = Training(steps=8, batch_size=8, warmup=2, precision="32", save_every=2)
    run(TINY, TRAIN, VALID, plan, tmp_path / "run")
    assert is_same_end(tmp_path / "run", finished_run)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_saves_and_goes_on_the_same(
    finished_run: Path, tmp_path: Path, number: int
):
    stop, out, before = InterruptAfterStep(4, number), tmp_path / "run", signal.getsignal(number)
    assert run(TINY, TRAIN, VALID, PLAN, out, on_event=stop) == out / "step-4"
    ended = stop.select_events(Ended)[0]
    assert (ended.step, ended.checkpoint, ended.interrupted) == (4, out / "step-4", True)
    assert "saving step 4" in stop.select_events(Note)[0].text
    assert signal.getsignal(number) is before
    assert len(read_loop_curve(out)) == 4

    notebook = EventRecorder()
    assert resume(out, TRAIN, VALID, on_event=notebook) == out / "step-8"
    assert notebook.select_events(Started)[0].step == 4
    assert not notebook.select_events(Ended)[0].interrupted
    assert notebook.select_events(Ended)[0].minutes > ended.minutes  # time goes on, too
    assert is_same_end(out, finished_run)


def test_a_killed_run_goes_on_from_its_last_save(finished_run: Path, tmp_path: Path):
    out = tmp_path / "run"
    plan = Training(steps=8, batch_size=8, warmup=2, precision="32", save_every=3)
    with pytest.raises(PowerCut):
        run(TINY, TRAIN, VALID, plan, out, on_event=KillAfterStep(5))
    assert [step for step, *_ in read_loop_curve(out)] == [1, 2, 3, 4, 5]
    with (out / "log.jsonl").open("a") as file:
        file.write('{"step": 6, "lo')  # cut short
    (out / "step-6.tmp").mkdir()
    (out / "step-6.tmp" / "trainer.pt").write_bytes(b"half")

    assert smalti.load(out).config == TINY
    notebook = EventRecorder()
    resume(out, TRAIN, VALID, on_event=notebook)
    assert notebook.select_events(Started)[0].step == 3
    assert [event.step for event in notebook.select_events(Saved)] == [6, 8]
    assert is_same_end(out, finished_run)
    assert [line["step"] for line in read_lines(out) if "valid" in line] == [3, 6, 8]


def test_a_run_killed_before_its_first_save_starts_over(finished_run: Path, tmp_path: Path):
    out = tmp_path / "run"
    with pytest.raises(PowerCut):
        run(TINY, TRAIN, NO_PICTURES, PLAN, out, on_event=KillAfterStep(2))
    assert find_last_step(out) is None
    resume(out, TRAIN, NO_PICTURES)
    assert is_same_end(out, finished_run)


def test_a_finished_run_has_nothing_to_do(tmp_path: Path):
    out, notebook = tmp_path / "run", EventRecorder()
    run(ToyConfig(), TRAIN, VALID, PLAN, out)
    before = (out / "log.jsonl").read_text()
    assert resume(out, TRAIN, VALID, on_event=notebook) == out / "step-8"
    assert [type(event) for event in notebook.events] == [Started, Ended]
    assert not notebook.select_events(Ended)[0].interrupted
    assert (out / "log.jsonl").read_text() == before


def test_a_state_from_before_scales_were_saved_is_read(tmp_path: Path):
    out = tmp_path / "run"
    last = run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, out)
    state = read_trainer_state(last)
    assert state.pop("scale") == {}
    torch.save(state, last / "trainer.pt")
    (last / "SHA256SUMS").unlink()  # hashes were not saved then, either
    assert resume(out, TRAIN, NO_PICTURES) == last


def test_the_log_is_closed_when_a_run_breaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    logs: list[Log] = []

    def noted(*args: Any) -> Log:
        logs.append(Log(*args))
        return logs[0]

    monkeypatch.setattr(_run, "Log", noted)
    with pytest.raises(PowerCut):
        run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, tmp_path / "run", on_event=KillAfterStep(1))
    assert logs[0].file.closed


def test_minutes_become_steps_once(tmp_path: Path):
    budget, notebook = tmp_path / "budget", EventRecorder()
    random = torch.random.get_rng_state()
    plan = Training(batch_size=8, warmup=2, precision="32", save_every=1000)
    run(TINY, TRAIN, NO_PICTURES, plan, budget, minutes=0.003, on_event=notebook)
    job = read_run(budget)
    steps = job.training.steps
    assert steps and job.minutes == 0.003
    expected = f"{steps} step{'s' * (steps > 1)} in 0.003 minutes"  # a slow machine does one
    assert expected in notebook.select_events(Note)[0].text
    assert notebook.select_events(Started)[0].steps == len(read_loop_curve(budget)) == steps

    torch.random.set_rng_state(random)
    plan = Training(steps=steps, batch_size=8, warmup=2, precision="32", save_every=1000)
    run(TINY, TRAIN, NO_PICTURES, plan, tmp_path / "steps")  # the probe has left no trace
    assert is_same_end(budget, tmp_path / "steps")


def test_a_run_in_a_thread_leaves_signals_alone(tmp_path: Path):
    before = signal.getsignal(signal.SIGINT)
    args = (ToyConfig(), TRAIN, NO_PICTURES, PLAN, tmp_path / "run")
    thread = threading.Thread(target=run, args=args)
    thread.start()
    thread.join()
    assert len(read_loop_curve(tmp_path / "run")) == 8
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_breaks_at_once():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), Interrupt() as interrupt:
        signal.raise_signal(signal.SIGINT)
        assert interrupt.requested
        signal.raise_signal(signal.SIGTERM)  # says again what is known
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_is_left_to_the_children():
    before = signal.getsignal(signal.SIGINT)
    with leave_signals_to_children():
        signal.raise_signal(signal.SIGINT)  # nothing happens here
    assert signal.getsignal(signal.SIGINT) is before


def expect_refusal(*words: str) -> Any:
    """A UserError of one line with these words."""
    return pytest.raises(UserError, match=r"\A(?!.*\n).*" + ".*".join(words))


def test_a_new_run_needs_a_new_folder(tmp_path: Path):
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path, tmp_path / "file"):
        with expect_refusal(str(out), "exists already", "choose another --out"):
            run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, out)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "mine"


def test_a_new_run_needs_a_length_and_pictures(tmp_path: Path):
    for minutes in (None, 0, -1.0):
        with expect_refusal(f"minutes is {minutes}"):
            run(ToyConfig(), TRAIN, NO_PICTURES, Training(), tmp_path / "run", minutes=minutes)
    with expect_refusal("none holds no pictures"):
        run(ToyConfig(), NO_PICTURES, NO_PICTURES, PLAN, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_resume_needs_a_run(tmp_path: Path):
    for out in (tmp_path / "nowhere", tmp_path):
        with expect_refusal("nothing to resume in", out.name, "run.json"):
            resume(out, TRAIN, VALID)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not JSON"),
        ("[]", "has format None"),
        ('{"format": 99}', "has format 99"),
        ('{"format": 1, "about": {}, "minutes": null, "training": {}}', "has no 'model'"),
    ],
)
def test_a_damaged_run_json_is_named(tmp_path: Path, content: str, words: str):
    (tmp_path / "run.json").write_text(content)
    with expect_refusal("run.json", words):
        read_run(tmp_path)


def test_a_damaged_state_is_named(tmp_path: Path):
    out = tmp_path / "run"
    last = run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, out)
    whole = (last / "trainer.pt").read_bytes()
    for damaged in (b"", b"no tensors here", whole[:1000]):
        (last / "trainer.pt").write_bytes(damaged)
        with expect_refusal("trainer.pt", "damaged"):
            resume(out, TRAIN, NO_PICTURES)
    (last / "trainer.pt").unlink()
    with expect_refusal("trainer.pt", "missing"):
        resume(out, TRAIN, NO_PICTURES)
    (out / "latest").write_text("step-9\n")
    with expect_refusal("step-9", "missing"):
        resume(out, TRAIN, NO_PICTURES)


def test_a_run_can_begin_with_the_weights_of_another(finished_run: Path, tmp_path: Path):
    out = run(
        TINY,
        TRAIN,
        NO_PICTURES,
        replace(PLAN, steps=1, learning_rate=1e-9),
        tmp_path / "on",
        start=str(finished_run),
    )
    last = find_last_step(finished_run)
    assert last is not None
    begun, ended = load_file(last / "model.safetensors"), load_file(out / "model.safetensors")
    for name, w in begun.items():
        torch.testing.assert_close(ended[name], w, atol=1e-6, rtol=0)
    assert read_run(tmp_path / "on").start == str(finished_run)


def test_a_start_without_a_weight_that_fits_is_refused_before_anything_is_written(
    finished_run: Path, tmp_path: Path
):
    with expect_user_error(f"start {finished_run}", "no weight that fits", "give another"):
        run(ToyConfig(), TRAIN, NO_PICTURES, PLAN, tmp_path / "on", start=str(finished_run))
    assert not (tmp_path / "on").exists()


def test_what_does_not_fit_begins_anew_and_is_told(finished_run: Path, tmp_path: Path):
    assert isinstance(TINY.network, UNetConfig)
    deeper = replace(TINY, network=replace(TINY.network, blocks=TINY.network.blocks + 1))
    seen = EventRecorder()
    run(
        deeper,
        TRAIN,
        NO_PICTURES,
        replace(PLAN, steps=1),
        tmp_path / "on",
        start=str(finished_run),
        on_event=seen,
    )
    (told,) = [e.text for e in seen.events if isinstance(e, Note) and "starting" in e.text]
    assert f"starting from {finished_run}: " in told and "anew: network.levels" in told


def test_a_saved_step_does_not_tell_where_the_data_lie(tmp_path: Path):
    out = run(
        TINY, TRAIN, NO_PICTURES, replace(PLAN, steps=1), tmp_path / "on", about={"data": "/secret"}
    )
    assert "/secret" not in (out / "config.json").read_text()
