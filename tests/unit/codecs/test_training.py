"""Training of codecs: health of saved weights, start of the discriminator, resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import smalti
from smalti.codecs import measure_health
from smalti.core.config import from_json, to_json
from smalti.data.pictures import Pictures
from smalti.training import Training, resume, run
from smalti.training.events import Note
from smalti.vq import EMAConfig, VQConfig, VQGANConfig
from tests.expect import expect_user_error
from tests.tiny import vqgan_config, vqvae_config
from tests.toys import NO_PICTURES, EventRecorder, InterruptAfterStep, make_pictures

TRAIN, VALID = make_pictures(24), make_pictures(8, seed=1)
PLAN = Training(steps=6, batch_size=8, warmup=2, precision="32", save_every=3)


def read_log(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("valid", [VALID, NO_PICTURES])
def test_codes_are_counted_with_the_saved_weights_at_every_save(
    tmp_path: Path, valid: Pictures
) -> None:
    recorder = EventRecorder()
    run(
        vqvae_config(EMAConfig(codebook_size=4, width=4)),
        TRAIN,
        valid,
        PLAN,
        tmp_path / "run",
        on_event=recorder,
    )
    counted = {line["step"]: line for line in read_log(tmp_path / "run") if "codes_used" in line}
    examined = valid if len(valid) else TRAIN
    for step in (3, 6):
        health = measure_health(
            smalti.load(tmp_path / "run" / f"step-{step}"), examined.take_floats, len(examined)
        )
        line = counted[step]
        assert (line["codes"], line["codes_used"]) == (4, health.n_used)
        assert line["perplexity_used"] == pytest.approx(health.perplexity, abs=1e-3)
        assert line["pictures_examined"] == len(examined)
        assert any(
            f"{health.n_used} of 4 codes are used" in n.text for n in recorder.select_events(Note)
        )


@pytest.mark.parametrize("kind", [VQConfig, EMAConfig])
def test_drift_continues_after_a_resume(tmp_path: Path, kind: Any) -> None:
    config = vqvae_config(kind(codebook_size=4, width=4))
    run(config, TRAIN, VALID, PLAN, tmp_path / "whole")
    run(config, TRAIN, VALID, PLAN, tmp_path / "cut", on_event=InterruptAfterStep(4))
    resume(tmp_path / "cut", TRAIN, VALID)
    drifts = [
        {line["step"]: line["drift"] for line in read_log(tmp_path / name) if "drift" in line}
        for name in ("whole", "cut")
    ]
    assert drifts[0][5] > 0
    assert drifts[1] == pytest.approx(drifts[0])


def test_the_discriminator_starts_at_a_share_of_the_steps(tmp_path: Path) -> None:
    config = replace(vqgan_config(EMAConfig(codebook_size=4, width=4)), discriminator_start=0.5)
    recorder = EventRecorder()
    run(config, TRAIN, VALID, PLAN, tmp_path / "run", on_event=recorder)
    log = {line["step"]: line for line in read_log(tmp_path / "run") if "loss" in line}
    assert ["verdict" in log[step] for step in range(1, 7)] == [False] * 3 + [True] * 3
    assert "the discriminator starts at step 3 of 6" in recorder.select_events(Note)[0].text
    assert not [note for note in recorder.select_events(Note) if "never" in note.text]


def test_a_discriminator_that_never_starts_is_reported_at_the_start_and_the_end(
    tmp_path: Path,
) -> None:
    config = replace(vqgan_config(EMAConfig(codebook_size=4, width=4)), discriminator_start=1000)
    recorder = EventRecorder()
    run(config, TRAIN, VALID, PLAN, tmp_path / "run", on_event=recorder)
    messages = [note.text for note in recorder.select_events(Note) if "discriminator" in note.text]
    assert "never starts: its start is step 1,000 of 6" in messages[0]
    assert "never started" in messages[-1]
    assert len(messages) == 2


def test_starts_of_both_kinds_are_saved_and_loaded() -> None:
    for start in (0, 2800, 0.25):
        written = to_json(VQGANConfig(discriminator_start=start))
        assert from_json(json.loads(json.dumps(written))).discriminator_start == start
    assert VQGANConfig(discriminator_start=0.5).compute_start_step(7000) == 3500
    assert VQGANConfig(discriminator_start=2800).compute_start_step(7000) == 2800
    assert VQGANConfig(discriminator_start=0).compute_start_step(7000) == 0
    for bad in (-1, float("nan"), 1e30, "soon", True):
        with expect_user_error("vqgan.discriminator_start is"):
            VQGANConfig(discriminator_start=bad)  # pyright: ignore


def test_the_shipped_vqgan_still_loads() -> None:
    assert smalti.load("vqgan-emoji").config.discriminator_start == 3058
