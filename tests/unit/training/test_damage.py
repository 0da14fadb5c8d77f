"""Damaged and edited files of a run."""

from __future__ import annotations

import json
import math
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import smalti
from smalti.core.errors import Notice, UserError
from smalti.core.locks import lock_folder
from smalti.core.saved_steps import find_damage, find_newest_step, read_checksums
from smalti.training import Training, read_run, resume, run, saving
from smalti.training.events import Ended, Note, Saved, Started, Validated
from smalti.training.interrupt import Interrupt
from smalti.training.summary import summarize
from tests.expect import expect_user_error
from tests.toys import TINY, EventRecorder, InterruptAfterStep, ToyConfig, are_equal, make_pictures

TRAIN, VALID = make_pictures(16), make_pictures(4, seed=1)
PLAN = Training(steps=6, batch_size=8, warmup=2, precision="32", save_every=2)
FILES = {"config.json", "model.safetensors", "trainer.pt"}


@pytest.fixture
def finished_run(tmp_path: Path) -> Path:
    """A run of 6 steps, saved at 2, 4 and 6."""
    run(ToyConfig(), TRAIN, VALID, PLAN, tmp_path / "run")
    return tmp_path / "run"


def flip_bit(path: Path, seed: int = 0) -> None:
    """Flip one bit."""
    content = bytearray(path.read_bytes())
    at = random.Random(seed).randrange(8 * len(content))
    content[at // 8] ^= 1 << at % 8
    path.write_bytes(content)


def resume_run(out: Path) -> EventRecorder:
    notebook = EventRecorder()
    resume(out, TRAIN, VALID, on_event=notebook)
    return notebook


def test_every_file_of_a_step_has_its_hash(finished_run: Path) -> None:
    assert read_checksums(finished_run / "step-6").keys() == FILES
    assert find_damage(finished_run / "step-6", FILES) == ""
    # the newest two states are kept, so that one may be damaged
    assert sorted(path.parent.name for path in finished_run.glob("*/trainer.pt")) == [
        "step-4",
        "step-6",
    ]


@pytest.mark.parametrize("name", sorted(FILES))
def test_any_flipped_bit_is_noticed_and_the_step_before_is_taken(
    finished_run: Path, name: str
) -> None:
    whole = smalti.load(finished_run / "step-4").state_dict()
    before = (finished_run / "step-6" / name).read_bytes()
    for seed in range(20):
        (finished_run / "step-6" / name).write_bytes(before)
        flip_bit(finished_run / "step-6" / name, seed)
        assert f"{name} is damaged" in find_damage(finished_run / "step-6", FILES)
    if name != "trainer.pt":  # a model is drawn from without it
        with pytest.warns(Notice, match=rf"step-6/{name} is damaged.*; taking step-4"):
            assert are_equal(smalti.load(finished_run).state_dict(), whole)
        with expect_user_error("step-6", name, "damaged"):
            smalti.load(finished_run / "step-6")
    notebook = resume_run(finished_run)
    assert f"{name} is damaged" in notebook.select_events(Note)[0].text
    assert "taking step-4" in notebook.select_events(Note)[0].text
    assert notebook.select_events(Started)[0].step == 4
    assert find_damage(finished_run / "step-6", FILES) == ""


@pytest.mark.parametrize(
    "content", [None, b"", b"step-99\n", b"\xff\xfe", b"../../etc\n", b"step-6" * 99]
)
def test_whatever_latest_says_the_newest_step_is_found(
    finished_run: Path, content: bytes | None
) -> None:
    latest = finished_run / "latest"
    latest.unlink() if content is None else latest.write_bytes(content)
    if content == b"step-99\n":
        with pytest.warns(Notice, match="step-99.*taking step-6"):
            assert find_newest_step(finished_run) == finished_run / "step-6"
    else:
        assert find_newest_step(finished_run) == finished_run / "step-6"
    assert resume_run(finished_run).select_events(Started)[0].step == 6


def test_a_run_without_a_whole_step_does_not_begin_anew(finished_run: Path) -> None:
    for step in (2, 4, 6):
        flip_bit(finished_run / f"step-{step}" / "model.safetensors")
    for use in (lambda: resume(finished_run, TRAIN, VALID), lambda: smalti.load(finished_run)):
        with expect_user_error("no intact step", "step-6", "damaged"):
            use()


def test_steps_of_earlier_versions_have_no_hashes(finished_run: Path) -> None:
    for step in (2, 4, 6):
        (finished_run / f"step-{step}" / "SHA256SUMS").unlink()
    assert find_newest_step(finished_run) == finished_run / "step-6"
    assert resume_run(finished_run).select_events(Started)[0].step == 6


def test_a_run_is_trained_by_one_at_a_time(finished_run: Path) -> None:
    log = (finished_run / "log.jsonl").read_text()
    with lock_folder(finished_run), expect_user_error("in use by another smalti"):
        resume(finished_run, TRAIN, VALID)
    assert (finished_run / "log.jsonl").read_text() == log


def test_a_kill_between_a_save_and_its_validation_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(saving, "write_preview", die)
        run(TINY, TRAIN, VALID, PLAN, tmp_path / "run")
    assert not list((tmp_path / "run").glob("grids/*"))
    notebook = resume_run(tmp_path / "run")
    assert [event.step for event in notebook.select_events(Validated)] == [2, 4, 6]
    assert [event.step for event in notebook.select_events(Saved)] == [4, 6]
    valid = [ln["step"] for ln in read_lines(tmp_path / "run") if "valid" in ln]
    assert valid == [2, 4, 6]
    assert sorted(p.name for p in (tmp_path / "run").glob("grids/*")) == [
        f"step-{n}.png" for n in (2, 4, 6)
    ]


def read_lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_finished_run_says_so(finished_run: Path) -> None:
    assert resume_run(finished_run).select_events(Ended)[0].steps_taken == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_says_by_what(tmp_path: Path, number: int) -> None:
    stop = InterruptAfterStep(3, number)
    run(ToyConfig(), TRAIN, VALID, PLAN, tmp_path / "run", on_event=stop)
    (ended,) = stop.select_events(Ended)
    assert (ended.step, ended.interrupted, ended.signal, ended.steps_taken) == (3, True, number, 3)


def test_nohup_is_heeded() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupt.requested
    finally:
        signal.signal(signal.SIGHUP, before)


HUGE = "1" + "0" * 400
BAD_LINES = [
    "[]", "3", "{}", "nothing", '{"step": "a"}', '{"step": NaN}', '{"step": true}', "\x00",
    '{"step": -1}', '{"step": 1e3}', "[" * 100_000, '{"step": 1' + "0" * 5000 + "}",
    '{"step": 3, "loss": "x"}', '{"step": 3, "loss": ' + HUGE + "}",
]  # fmt: skip


def test_lines_of_the_log_that_cannot_be_read_are_counted_and_left_out(finished_run: Path) -> None:
    log = finished_run / "log.jsonl"
    good = summarize(finished_run)
    log.write_text("\n".join(BAD_LINES) + "\n" + log.read_text())
    summary = summarize(finished_run)
    assert summary.unreadable_lines == 12  # the others have a step
    assert (summary.loss, summary.valid) == (good.loss, good.valid)
    assert (
        "had 12 lines that cannot be read" in resume_run(finished_run).select_events(Note)[0].text
    )
    assert summarize(finished_run).unreadable_lines == 0
    assert len(read_lines(finished_run)) == 2 + 6 + 3


VALUES: list[Any] = [None, True, "", "x", [], {}, [{}], -1, 0.5, math.nan, math.inf, 1e30, 10**400]
VALUES += [{"tag": "ddim"}, {"tag": "training"}, {"a": 1}, [["a"]], "a\0b", "../..", -math.inf]


def replace_value(content: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    return {**content, path[0]: replace_value(content[path[0]], path[1:], value)}


def list_paths(content: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = content.items() if isinstance(content, dict) else ()
    return [at, *(p for name, value in inner for p in list_paths(value, (*at, name)))]


def test_whatever_run_json_says_is_taken_or_refused_in_a_line(finished_run: Path) -> None:
    file = finished_run / "run.json"
    content, refused = json.loads(file.read_text()), 0
    for k, path in enumerate(list_paths(content)):
        for value in VALUES[k % 3 :: 3]:
            file.write_text(json.dumps(replace_value(content, path, value)))
            for use in (read_run, summarize):
                try:
                    use(finished_run)
                except UserError as error:
                    refused += 1
                    assert "run.json" in str(error) and "\n" not in str(error)
    assert refused > 150


def change_state(step: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """Change the saved state, with a matching hash."""
    state = torch.load(step / "trainer.pt", weights_only=True)
    torch.save(edit(state), step / "trainer.pt")
    (step / "SHA256SUMS").unlink()


@pytest.mark.parametrize("value", [None, "x", -1, math.nan, 10**30, [], {}, torch.zeros(1)])
def test_whatever_the_state_says_is_taken_or_refused_in_a_line(
    finished_run: Path, value: Any
) -> None:
    step = finished_run / "step-6"
    before = (step / "trainer.pt").read_bytes()
    for name in ("step", "seconds", "model", "optimizer", "others", "rng", "recovered", "recent"):
        (step / "trainer.pt").write_bytes(before)
        sums = (step / "SHA256SUMS").read_text()
        change_state(step, lambda state, name=name: {**state, name: value})
        try:
            resume(finished_run, TRAIN, VALID)
        except UserError as error:
            assert "step-6" in str(error) and "\n" not in str(error)
        (step / "SHA256SUMS").write_text(sums)


def test_a_model_larger_than_the_machine_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    network = replace(TINY.network, widths=(65_528,) * 8, attention=(True,) * 8)  # pyright: ignore
    with expect_user_error("GB to train", "this machine has", "make it smaller"):
        run(replace(TINY, network=network), TRAIN, VALID, PLAN, tmp_path / "run")
    assert not (tmp_path / "run").exists()
