"""What a run tells, and which arithmetic it takes."""

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
from smalti.training.device import Mixed, fabric_for, precision_of
from smalti.training.events import Saved, Started, Stepped, Validated
from smalti.training.job import Job, last_step, read_state
from smalti.training.logs import Log
from smalti.training.loop import Loop, begin, set_scale
from smalti.training.timing import probe
from tests.toys import NONE, TINY, Notebook, ToyConfig, pictures

TRAIN, VALID = pictures(24), pictures(6, seed=1)
PLAN = Training(steps=6, batch=8, warmup=2, precision="32", save=2)


def curve(out: Path, name: str = "loss") -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if name in line]


def job_of(plan: Training) -> Job:
    return Job(ToyConfig(), plan, Path("nowhere"), {})


def test_events_and_logs_tell_the_same(tmp_path: Path):
    notebook, out = Notebook(), tmp_path / "run"
    run(ToyConfig(), TRAIN, VALID, PLAN, out, watch=notebook)
    started = notebook.of(Started)[0]
    assert (started.step, started.steps, started.parameters) == (0, 6, 65)
    assert (started.items, started.precision, started.devices) == (24, "32-true", 1)
    steps = notebook.of(Stepped)
    assert [event.step for event in steps] == [1, 2, 3, 4, 5, 6]
    assert [event.terms["loss"] for event in steps] == curve(out)
    assert [event.terms["half"] for event in steps] == curve(out, "half")
    assert all(event.items_per_second > 0 for event in steps)
    assert [(e.step, e.loss) for e in notebook.of(Validated)] == list(
        zip((2, 4, 6), curve(out, "valid"), strict=True)
    )
    assert [e.checkpoint.name for e in notebook.of(Saved)] == ["step-2", "step-4", "step-6"]
    states = sorted(path.parent.name for path in out.glob("step-*/trainer.pt"))
    assert states == ["step-4", "step-6"]  # one more, in case the last one is damaged
    minutes = curve(out, "minutes")
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
        assert curve(tmp_path) == [0.5]  # readable while the run goes on
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


# -------------------------------------------------------------------------------------- arithmetic


def test_bf16_trains_on_a_cpu(tmp_path: Path):
    notebook = Notebook()
    plan = dataclasses.replace(PLAN, precision="bf16")
    run(TINY, TRAIN, NONE, plan, tmp_path / "run", watch=notebook)
    assert notebook.of(Started)[0].precision == "bf16-mixed"
    losses = curve(tmp_path / "run")
    assert len(losses) == 6 and all(map(math.isfinite, losses))
    last = last_step(tmp_path / "run")
    assert last
    assert {w.dtype for w in read_state(last)["model"].values()} == {torch.float32}


@pytest.mark.parametrize(("name", "dtype"), [("32", torch.float32), ("bf16", torch.bfloat16)])
def test_layers_take_the_precision_and_batches_do_not(name: Any, dtype: torch.dtype):
    plan = dataclasses.replace(PLAN, precision=name)
    loop = begin(fabric_for(plan), job_of(plan), TRAIN)
    layers: list[torch.dtype] = []
    toy: Any = loop.model.module
    toy.layer.register_forward_hook(lambda m, x, y: layers.extend((x[0].dtype, y.dtype)))
    loop.advance()
    assert layers == [torch.float32, dtype]


def test_fp16_keeps_its_scale_over_probe_and_resume():
    def begun() -> Loop:
        # what Fabric does on a GPU; on a CPU it would have to be asked like this
        fabric = Fabric(accelerator="cpu", plugins=[Mixed("16-mixed", "cpu")])
        return begin(fabric, job, TRAIN)

    job = job_of(dataclasses.replace(PLAN, precision="fp16"))
    loop, other = begun(), begun()
    set_scale(loop.fabric, {**loop.scale(), "scale": 2.0**120})  # too large: steps are left out ...
    terms = [loop.advance() for _ in range(3)]
    assert all(math.isfinite(term["loss"]) and "norm" not in term for term in terms)
    state = copy.deepcopy(loop.state())
    assert state["scale"]["scale"] == 2.0**117  # ... and it is halved each time
    probe(loop.fabric, job, TRAIN, budget=0)
    assert loop.scale() == state["scale"]
    other.restore(state)
    assert other.scale() == state["scale"]
    assert other.advance() == loop.advance()


def test_fp16_takes_a_gpu(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"\Atraining.precision is fp16, .*bf16[^\n]*\Z"):
        fabric_for(Training(precision="fp16"))


@pytest.mark.parametrize(
    ("cuda", "bf16", "amx", "expected"),
    [
        (True, True, False, "bf16-mixed"),
        (True, False, True, "16-mixed"),
        (False, False, True, "bf16-mixed"),
        (False, True, False, "32-true"),
    ],
)
def test_auto_takes_what_the_device_is_fast_at(
    monkeypatch: pytest.MonkeyPatch, cuda: bool, bf16: bool, amx: bool, expected: str
):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: bf16)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": amx}, raising=False)
    assert precision_of(Training()) == expected
    assert precision_of(Training(precision="32")) == "32-true"


def test_auto_is_32_bits_where_pytorch_cannot_tell(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert precision_of(Training()) == "32-true"


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
        fabric_for(Training(devices=2))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "training.steps is 0; give 1 or more"),
        ({"save": 0}, "training.save is 0"),
        ({"devices": -1}, "training.devices is -1"),
        ({"batch": 10, "devices": 2, "accumulate": 2}, "a batch of 10 .* multiple of 4"),
        ({"rate": 0.0}, "training.rate is 0.0"),
        ({"rate": float("nan")}, "training.rate is nan"),
        ({"ema": 1.0}, "training.ema is 1.0"),
        ({"warmup": -1}, "training.warmup is -1; give 0 or more"),
        ({"weight_decay": -0.1}, "training.weight_decay is -0.1"),
        ({"seed": -1}, "training.seed is -1"),
        ({"clip": 0.0}, "training.clip is 0.0; give more than 0"),
    ],
)
def test_options_that_cannot_be(options: dict[str, Any], words: str):
    with pytest.raises(UserError, match=rf"\A{words}[^\n]*\Z"):
        Training(**options)
