"""What training tells of a codec: of the weights that are saved, of a critic, and on a resume."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import smalti
from smalti.codecs import health
from smalti.core.config import from_json, to_json
from smalti.data.pictures import Pictures
from smalti.training import Training, resume, run
from smalti.training.events import Note
from smalti.vq import EMAConfig, VQConfig, VQGANConfig
from tests.expect import refusal
from tests.tiny import vqgan, vqvae
from tests.toys import NONE, Notebook, Stop, pictures

TRAIN, VALID = pictures(24), pictures(8, seed=1)
PLAN = Training(steps=6, batch=8, warmup=2, precision="32", save=3)


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("valid", [VALID, NONE])
def test_codes_are_counted_with_the_saved_weights_at_every_save(
    tmp_path: Path, valid: Pictures
) -> None:
    notebook = Notebook()
    run(vqvae(EMAConfig(codes=4, width=4)), TRAIN, valid, PLAN, tmp_path / "run", watch=notebook)
    counted = {line["step"]: line for line in lines(tmp_path / "run") if "codes_used" in line}
    looked_at = valid if len(valid) else TRAIN
    for step in (3, 6):
        found = health(
            smalti.load(tmp_path / "run" / f"step-{step}"), looked_at.floats, len(looked_at)
        )
        line = counted[step]
        assert (line["codes"], line["codes_used"]) == (4, found.used)
        assert line["perplexity_used"] == pytest.approx(found.perplexity, abs=1e-3)
        assert line["pictures_examined"] == len(looked_at)
        assert any(f"{found.used} of 4 codes are used" in n.text for n in notebook.of(Note))


@pytest.mark.parametrize("kind", [VQConfig, EMAConfig])
def test_drift_goes_on_after_a_resume(tmp_path: Path, kind: Any) -> None:
    config = vqvae(kind(codes=4, width=4))
    run(config, TRAIN, VALID, PLAN, tmp_path / "whole")
    run(config, TRAIN, VALID, PLAN, tmp_path / "cut", watch=Stop(4))
    resume(tmp_path / "cut", TRAIN, VALID)
    drifts = [
        {line["step"]: line["drift"] for line in lines(tmp_path / name) if "drift" in line}
        for name in ("whole", "cut")
    ]
    assert drifts[0][5] > 0
    assert drifts[1] == pytest.approx(drifts[0])


def test_a_share_of_the_steps_is_when_the_critic_joins(tmp_path: Path) -> None:
    config = replace(vqgan(EMAConfig(codes=4, width=4)), critic_start=0.5)
    notebook = Notebook()
    run(config, TRAIN, VALID, PLAN, tmp_path / "run", watch=notebook)
    log = {line["step"]: line for line in lines(tmp_path / "run") if "loss" in line}
    assert ["verdict" in log[step] for step in range(1, 7)] == [False] * 3 + [True] * 3
    assert "the critic joins at step 3 of 6" in notebook.of(Note)[0].text
    assert not [note for note in notebook.of(Note) if "never" in note.text]


def test_a_critic_that_never_plays_is_told_of_at_the_start_and_the_end(tmp_path: Path) -> None:
    config = replace(vqgan(EMAConfig(codes=4, width=4)), critic_start=1000)
    notebook = Notebook()
    run(config, TRAIN, VALID, PLAN, tmp_path / "run", watch=notebook)
    told = [note.text for note in notebook.of(Note) if "critic" in note.text]
    assert "never plays: it would join at step 1,000 of 6" in told[0]
    assert "never played" in told[-1]
    assert len(told) == 2


def test_starts_of_both_kinds_come_back_from_files() -> None:
    for start in (0, 2800, 0.25):
        written = to_json(VQGANConfig(critic_start=start))
        assert from_json(json.loads(json.dumps(written))).critic_start == start
    assert VQGANConfig(critic_start=0.5).joins_at(7000) == 3500
    assert VQGANConfig(critic_start=2800).joins_at(7000) == 2800
    assert VQGANConfig(critic_start=0).joins_at(7000) == 0
    for bad in (-1, float("nan"), 1e30, "soon", True):
        with refusal("vqgan.critic_start is"):
            VQGANConfig(critic_start=bad)  # pyright: ignore


def test_the_shipped_vqgan_still_loads() -> None:
    assert smalti.load("vqgan-emoji").config.critic_start == 2800
