"""Training with compiled networks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from safetensors.torch import load_file

from smalti.training import Training, resume, run
from tests.expect import expect_user_error
from tests.toys import NO_PICTURES, ToyConfig, make_pictures

PLAN = Training(steps=4, batch_size=8, warmup=1, precision="32", save_every=2)


def read_losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")  # of PyTorch about itself
def test_a_compiled_network_learns_the_same(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain", tmp_path / "compiled"
    run(ToyConfig(), make_pictures(), NO_PICTURES, PLAN, plain)
    last = run(ToyConfig(), make_pictures(), NO_PICTURES, replace(PLAN, compile=True), other)
    assert read_losses(other) == pytest.approx(read_losses(plain), rel=1e-5)
    assert load_file(last / "model.safetensors").keys() == {"layer.weight", "layer.bias"}
    assert resume(other, make_pictures(), NO_PICTURES) == last  # its state fits a compiled network


def test_without_a_compiler_it_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda name: None)
    with expect_user_error("training.compile needs a C++ compiler", "leave it out"):
        run(
            ToyConfig(), make_pictures(), NO_PICTURES, replace(PLAN, compile=True), tmp_path / "run"
        )
