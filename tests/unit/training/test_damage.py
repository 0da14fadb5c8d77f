"""What stands in a run's folder is believed only when it is what was saved."""

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
from smalti.core.steps import damage, newest_step, read_sums
from smalti.training import Training, read_run, resume, run, saving
from smalti.training.events import Ended, Note, Saved, Started, Validated
from smalti.training.interrupt import Interrupt
from smalti.training.summary import summarise
from tests.expect import refusal
from tests.toys import TINY, Notebook, Stop, ToyConfig, equal, pictures

TRAIN, VALID = pictures(16), pictures(4, seed=1)
PLAN = Training(steps=6, batch=8, warmup=2, precision="32", save=2)
FILES = {"config.json", "model.safetensors", "trainer.pt"}


@pytest.fixture
def done(tmp_path: Path) -> Path:
    """A run of 6 steps, saved at 2, 4 and 6."""
    run(ToyConfig(), TRAIN, VALID, PLAN, tmp_path / "run")
    return tmp_path / "run"


def flip(path: Path, seed: int = 0) -> None:
    """Change one bit."""
    content = bytearray(path.read_bytes())
    at = random.Random(seed).randrange(8 * len(content))
    content[at // 8] ^= 1 << at % 8
    path.write_bytes(content)


def go_on(out: Path) -> Notebook:
    notebook = Notebook()
    resume(out, TRAIN, VALID, watch=notebook)
    return notebook


def test_every_file_of_a_step_has_its_hash(done: Path) -> None:
    assert read_sums(done / "step-6").keys() == FILES
    assert damage(done / "step-6", FILES) == ""
    # the newest two states are kept, so that one may be damaged
    assert sorted(path.parent.name for path in done.glob("*/trainer.pt")) == ["step-4", "step-6"]


@pytest.mark.parametrize("name", sorted(FILES))
def test_any_flipped_bit_is_noticed_and_the_step_before_is_taken(done: Path, name: str) -> None:
    whole = smalti.load(done / "step-4").state_dict()
    before = (done / "step-6" / name).read_bytes()
    for seed in range(20):
        (done / "step-6" / name).write_bytes(before)
        flip(done / "step-6" / name, seed)
        assert f"{name} is damaged" in damage(done / "step-6", FILES)
    if name != "trainer.pt":  # a model is drawn from without it
        with pytest.warns(Notice, match=rf"step-6/{name} is damaged.*; taking step-4"):
            assert equal(smalti.load(done).state_dict(), whole)
        with refusal("step-6", name, "damaged"):
            smalti.load(done / "step-6")
    notebook = go_on(done)
    assert f"{name} is damaged" in notebook.of(Note)[0].text
    assert "taking step-4" in notebook.of(Note)[0].text
    assert notebook.of(Started)[0].step == 4
    assert damage(done / "step-6", FILES) == ""


@pytest.mark.parametrize(
    "content", [None, b"", b"step-99\n", b"\xff\xfe", b"../../etc\n", b"step-6" * 99]
)
def test_whatever_latest_says_the_newest_step_is_found(done: Path, content: bytes | None) -> None:
    latest = done / "latest"
    latest.unlink() if content is None else latest.write_bytes(content)
    if content == b"step-99\n":
        with pytest.warns(Notice, match="step-99.*taking step-6"):
            assert newest_step(done) == done / "step-6"
    else:
        assert newest_step(done) == done / "step-6"
    assert go_on(done).of(Started)[0].step == 6


def test_a_run_without_a_whole_step_does_not_begin_anew(done: Path) -> None:
    for step in (2, 4, 6):
        flip(done / f"step-{step}" / "model.safetensors")
    for use in (lambda: resume(done, TRAIN, VALID), lambda: smalti.load(done)):
        with refusal("no step that is whole", "step-6", "damaged"):
            use()


def test_steps_of_earlier_versions_have_no_hashes(done: Path) -> None:
    for step in (2, 4, 6):
        (done / f"step-{step}" / "SHA256SUMS").unlink()
    assert newest_step(done) == done / "step-6"
    assert go_on(done).of(Started)[0].step == 6


def test_a_run_is_trained_by_one_at_a_time(done: Path) -> None:
    log = (done / "log.jsonl").read_text()
    with lock_folder(done), refusal("in use by another smalti"):
        resume(done, TRAIN, VALID)
    assert (done / "log.jsonl").read_text() == log


def test_a_kill_between_a_save_and_its_validation_is_made_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(saving, "draw_grid", die)
        run(TINY, TRAIN, VALID, PLAN, tmp_path / "run")
    assert not list((tmp_path / "run").glob("grids/*"))
    notebook = go_on(tmp_path / "run")
    assert [event.step for event in notebook.of(Validated)] == [2, 4, 6]
    assert [event.step for event in notebook.of(Saved)] == [4, 6]
    valid = [ln["step"] for ln in lines(tmp_path / "run") if "valid" in ln]
    assert valid == [2, 4, 6]
    assert sorted(p.name for p in (tmp_path / "run").glob("grids/*")) == [
        f"step-{n}.png" for n in (2, 4, 6)
    ]


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def test_a_finished_run_says_so(done: Path) -> None:
    assert go_on(done).of(Ended)[0].taken == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stopped_run_says_by_what(tmp_path: Path, number: int) -> None:
    stop = Stop(3, number)
    run(ToyConfig(), TRAIN, VALID, PLAN, tmp_path / "run", watch=stop)
    (ended,) = stop.of(Ended)
    assert (ended.step, ended.interrupted, ended.signal, ended.taken) == (3, True, number, 3)


def test_nohup_is_heeded() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interrupt() as interrupt:
            signal.raise_signal(signal.SIGHUP)
            assert not interrupt.asked
    finally:
        signal.signal(signal.SIGHUP, before)


HUGE = "1" + "0" * 400
BAD_LINES = [
    "[]", "3", "{}", "nothing", '{"step": "a"}', '{"step": NaN}', '{"step": true}', "\x00",
    '{"step": -1}', '{"step": 1e3}', "[" * 100_000, '{"step": 1' + "0" * 5000 + "}",
    '{"step": 3, "loss": "x"}', '{"step": 3, "loss": ' + HUGE + "}",
]  # fmt: skip


def test_lines_of_the_log_that_cannot_be_read_are_counted_and_left_out(done: Path) -> None:
    log = done / "log.jsonl"
    good = summarise(done)
    log.write_text("\n".join(BAD_LINES) + "\n" + log.read_text())
    summary = summarise(done)
    assert summary.skipped == 12  # the others have a step
    assert (summary.loss, summary.valid) == (good.loss, good.valid)
    assert "had 12 lines that cannot be read" in go_on(done).of(Note)[0].text
    assert summarise(done).skipped == 0
    assert len(lines(done)) == 2 + 6 + 3


VALUES: list[Any] = [None, True, "", "x", [], {}, [{}], -1, 0.5, math.nan, math.inf, 1e30, 10**400]
VALUES += [{"tag": "ddim"}, {"tag": "training"}, {"a": 1}, [["a"]], "a\0b", "../..", -math.inf]


def change(content: Any, path: tuple[str, ...], value: Any) -> Any:
    if not path:
        return value
    return {**content, path[0]: change(content[path[0]], path[1:], value)}


def paths(content: Any, at: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = content.items() if isinstance(content, dict) else ()
    return [at, *(p for name, value in inner for p in paths(value, (*at, name)))]


def test_whatever_run_json_says_is_taken_or_refused_in_a_line(done: Path) -> None:
    file = done / "run.json"
    content, refused = json.loads(file.read_text()), 0
    for k, path in enumerate(paths(content)):
        for value in VALUES[k % 3 :: 3]:
            file.write_text(json.dumps(change(content, path, value)))
            for use in (read_run, summarise):
                try:
                    use(done)
                except UserError as error:
                    refused += 1
                    assert "run.json" in str(error) and "\n" not in str(error)
    assert refused > 150


def change_state(step: Path, edit: Callable[[dict[str, Any]], Any]) -> None:
    """A state that is not what was saved, though its hash is right."""
    state = torch.load(step / "trainer.pt", weights_only=True)
    torch.save(edit(state), step / "trainer.pt")
    (step / "SHA256SUMS").unlink()


@pytest.mark.parametrize("value", [None, "x", -1, math.nan, 10**30, [], {}, torch.zeros(1)])
def test_whatever_the_state_says_is_taken_or_refused_in_a_line(done: Path, value: Any) -> None:
    step = done / "step-6"
    before = (step / "trainer.pt").read_bytes()
    for name in ("step", "seconds", "model", "optimizer", "others", "rng", "recovered", "recent"):
        (step / "trainer.pt").write_bytes(before)
        sums = (step / "SHA256SUMS").read_text()
        change_state(step, lambda state, name=name: {**state, name: value})
        try:
            resume(done, TRAIN, VALID)
        except UserError as error:
            assert "step-6" in str(error) and "\n" not in str(error)
        (step / "SHA256SUMS").write_text(sums)


def test_a_model_larger_than_the_machine_is_refused_before_memory_is_taken(tmp_path: Path) -> None:
    network = replace(TINY.network, widths=(65_528,) * 8, attention=(True,) * 8)  # pyright: ignore
    with refusal("GB to train", "this machine has", "make it smaller"):
        run(replace(TINY, network=network), TRAIN, VALID, PLAN, tmp_path / "run")
    assert not (tmp_path / "run").exists()
