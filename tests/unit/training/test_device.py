"""Events and logs of a run, and its precision."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning_fabric import Fabric
from lightning_fabric.utilities import distributed

from smalti.core.errors import UserError
from smalti.training import Training, run
from smalti.training.device import FullInputMixedPrecision, build_fabric, choose_precision
from smalti.training.events import Saved, Started, Stepped, Validated
from smalti.training.logs import Log
from smalti.training.loop import Loop, set_scaler_state
from smalti.training.run_record import RunRecord, find_last_step, read_trainer_state
from smalti.training.start import start_loop
from smalti.training.timing import probe_step_time
from tests.toys import NO_PICTURES, TINY, EventRecorder, ToyConfig, make_pictures

TRAIN, VALID = make_pictures(24), make_pictures(6, seed=1)
PLAN = Training(steps=6, batch_size=8, warmup=2, precision="32", save_every=2)


def read_curve(out: Path, name: str = "loss") -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def build_record(plan: Training) -> RunRecord:
    return RunRecord(ToyConfig(), plan, Path("nowhere"), {})


def test_events_and_logs_tell_the_same(tmp_path: Path):
    notebook, out = EventRecorder(), tmp_path / "run"
    run(ToyConfig(), TRAIN, VALID, PLAN, out, on_event=notebook)
    started = notebook.select_events(Started)[0]
    assert (started.step, started.steps, started.parameters) == (0, 6, 65)
    assert (started.items, started.precision, started.devices) == (24, "32-true", 1)
    steps = notebook.select_events(Stepped)
    assert [event.step for event in steps] == [1, 2, 3, 4, 5, 6]
    assert [event.terms["loss"] for event in steps] == read_curve(out)
    assert [event.terms["half"] for event in steps] == read_curve(out, "half")
    assert all(event.items_per_second > 0 for event in steps)
    assert [(e.step, e.loss) for e in notebook.select_events(Validated)] == list(
        zip((2, 4, 6), read_curve(out, "valid"), strict=True)
    )
    assert [e.checkpoint.name for e in notebook.select_events(Saved)] == [
        "step-2",
        "step-4",
        "step-6",
    ]
    states = sorted(path.parent.name for path in out.glob("step-*/trainer.pt"))
    assert states == ["step-4", "step-6"]  # one more, in case the last one is damaged
    minutes = read_curve(out, "minutes")
    assert minutes == sorted(minutes)


def test_tensorboard_gets_the_numbers(tmp_path: Path):
    pytest.importorskip("tensorboard")
    with Log(tmp_path, 0) as log:
        for step in range(1, 21):
            log.write(step, loss=1 / step)
        log.write(21, valid=0.5)
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(e.step, e.value) for e in events.Scalars("loss")] == [
        (10, pytest.approx(0.1)),
        (20, pytest.approx(0.05)),
    ]
    assert [(e.step, e.value) for e in events.Scalars("valid")] == [(21, 0.5)]


def test_without_tensorboard_there_is_the_text_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("smalti.training.logs.find_spec", lambda name: None)
    with Log(tmp_path, 0) as log:
        log.write(1, loss=0.5)
        assert read_curve(tmp_path) == [0.5]  # readable while the run goes on
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


# -------------------------------------------------------------------------------------- arithmetic


def test_bf16_trains_on_a_cpu(tmp_path: Path):
    notebook = EventRecorder()
    plan = dataclasses.replace(PLAN, precision="bf16")
    run(TINY, TRAIN, NO_PICTURES, plan, tmp_path / "run", on_event=notebook)
    assert notebook.select_events(Started)[0].precision == "bf16-mixed"
    losses = read_curve(tmp_path / "run")
    assert len(losses) == 6 and all(map(math.isfinite, losses))
    last = find_last_step(tmp_path / "run")
    assert last
    assert {w.dtype for w in read_trainer_state(last)["model"].values()} == {torch.float32}


@pytest.mark.parametrize(("name", "dtype"), [("32", torch.float32), ("bf16", torch.bfloat16)])
def test_layers_take_the_precision_and_batches_do_not(name: Any, dtype: torch.dtype):
    plan = dataclasses.replace(PLAN, precision=name)
    loop = start_loop(build_fabric(plan), build_record(plan), TRAIN)
    layers: list[torch.dtype] = []
    toy: Any = loop.model.module
    toy.layer.register_forward_hook(lambda m, x, y: layers.extend((x[0].dtype, y.dtype)))
    loop.run_step()
    assert layers == [torch.float32, dtype]


def test_fp16_keeps_its_scale_over_probe_and_resume():
    def begun() -> Loop:
        # what Fabric does on a GPU; on a CPU it would have to be asked like this
        fabric = Fabric(accelerator="cpu", plugins=[FullInputMixedPrecision("16-mixed", "cpu")])
        return start_loop(fabric, job, TRAIN)

    job = build_record(dataclasses.replace(PLAN, precision="fp16"))
    loop, other = begun(), begun()
    set_scaler_state(
        loop.fabric, {**loop.read_scaler_state(), "scale": 2.0**120}
    )  # too large: steps are left out ...
    terms = [loop.run_step() for _ in range(3)]
    assert all(math.isfinite(term["loss"]) and "norm" not in term for term in terms)
    state = copy.deepcopy(loop.state_dict())
    assert state["scale"]["scale"] == 2.0**117  # ... and it is halved each time
    probe_step_time(loop.fabric, job, TRAIN, budget_seconds=0)
    assert loop.read_scaler_state() == state["scale"]
    other.load_state_dict(state)
    assert other.read_scaler_state() == state["scale"]
    assert other.run_step() == loop.run_step()


def test_fp16_takes_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"\Atraining.precision is fp16, .*bf16[^\n]*\Z"):
        build_fabric(Training(precision="fp16"))


@pytest.mark.parametrize(
    ("cuda", "bf16", "cpu", "unit", "expected"),
    [
        (True, True, "Intel Xeon", "avx2", "bf16-mixed"),
        (True, False, "Intel Xeon", "amx_bf16", "16-mixed"),
        (False, False, "Intel Xeon", "amx_bf16", "bf16-mixed"),
        (False, False, "AMD EPYC", "avx512_bf16", "bf16-mixed"),
        (False, False, "Intel Xeon", "avx512_bf16", "32-true"),
        (False, True, "AMD EPYC", "avx512_f", "32-true"),
    ],
)
def test_auto_takes_what_the_device_is_fast_at(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, bf16: bool, cpu: str, unit: str, expected: str
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
    units = {"amx_bf16": False, "avx512_bf16": False, "cpu_name": cpu, unit: True}
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: units, raising=False)
    assert choose_precision(Training()) == expected
    assert choose_precision(Training(precision="32")) == "32-true"


def test_auto_is_32_bits_where_pytorch_cannot_tell(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert choose_precision(Training()) == "32-true"


def test_fabric_keeps_quiet_about_its_processes(caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.INFO):
        distributed.log.info("Initializing distributed: GLOBAL_RANK: 0, MEMBER: 1/2")
        assert caplog.messages == []
        distributed.log.warning("something is wrong")
    assert caplog.messages == ["something is wrong"]


def test_more_gpus_than_there_are(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match=r"\Atraining.devices is 2; GPUs here: 1"):
        build_fabric(Training(devices=2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "training.steps is 0; give 1 or more"),
        ({"save_every": 0}, "training.save_every is 0"),
        ({"devices": -1}, "training.devices is -1"),
        ({"batch_size": 10, "devices": 2, "accumulate": 2}, "a batch size of 10 .* multiple of 4"),
        ({"learning_rate": 0.0}, "training.learning_rate is 0.0"),
        ({"learning_rate": float("nan")}, "training.learning_rate is nan"),
        ({"ema": 1.0}, "training.ema is 1.0"),
        ({"warmup": -1}, "training.warmup is -1; give 0 or more"),
        ({"weight_decay": -0.1}, "training.weight_decay is -0.1"),
        ({"seed": -1}, "training.seed is -1"),
        ({"max_grad_norm": 0.0}, "training.max_grad_norm is 0.0; give more than 0"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str):
    with pytest.raises(UserError, match=rf"\A{words}[^\n]*\Z"):
        Training(**options)
