"""Summary of a run's files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from smalti.core.config import to_json
from smalti.training import Training
from smalti.training.summary import (
    Curve,
    Verdict,
    compute_change,
    judge_losses,
    smooth_curve,
    summarize,
)
from tests.expect import expect_user_error


def add_noise(values: np.ndarray, seed: int = 0, noise: float = 0.05) -> Curve:
    rng = np.random.default_rng(seed)
    return list(enumerate((values * (1 + noise * rng.normal(size=len(values)))).tolist(), 1))


FALLING, FLAT = add_noise(np.linspace(2, 1, 400)), add_noise(np.full(400, 0.5))
HELD_OUT = [(100, 0.9), (200, 0.7), (300, 0.72), (400, 0.75)]  # rises since 200


@pytest.mark.parametrize(
    ("loss", "valid", "kind"),
    [
        (FALLING, [], "falling"),
        (FLAT, [], "flat"),
        (add_noise(np.linspace(1, 2, 400)), [], "rising"),
        (FLAT[:19], [], "short"),
        (FLAT, [(100, 0.9), (200, 0.8), (300, 0.7), (400, 0.6)], "falling"),
        (FLAT, [(100, 0.5), (200, 0.499), (300, 0.501), (400, 0.5)], "flat"),
        (FALLING, HELD_OUT, "overfitting"),
        (FALLING, HELD_OUT[:3], "falling"),  # risen once: that may be chance
        (FALLING, [(100, 0.7), (200, 0.9), (300, 0.69)], "falling"),
    ],
)
def test_verdicts(loss: Curve, valid: Curve, kind: str):
    assert judge_losses(loss, valid, [100, 200, 300, 400]).kind == kind


@pytest.mark.parametrize("seed", range(20))
def test_noise_alone_is_no_trend(seed: int):
    assert (
        abs(compute_change(add_noise(np.full(200, 3.0), seed, 0.3))) < 0.3
    )  # and most often it is 0
    assert compute_change(add_noise(np.full(200, 3.0), seed, 0.001)) == 0


def test_what_is_learnt_by_heart_names_the_step_to_take():
    verdict = judge_losses(FALLING, HELD_OUT, [100, 200, 300, 400])
    assert verdict == Verdict(
        "overfitting",
        "The validation loss rises since step 200: the model overfits; use step-200.",
        200,
    )
    assert (
        judge_losses(FALLING, HELD_OUT, [100, 300]).step == 100
    )  # the nearest before, if it was deleted
    gone = judge_losses(FALLING, HELD_OUT, [300])
    assert gone.step is None and "fewer steps" in gone.text


def test_smoothing_takes_medians_of_stretches():
    assert smooth_curve([(k, float(k)) for k in range(1, 7)], fraction=0.5) == [(3, 2.0), (6, 5.0)]
    assert smooth_curve([], 0.1) == []


def write_run(folder: Path, log: str) -> Path:
    plan = {"training": to_json(Training(steps=9, batch_size=60)), "about": {"recipe": "toy"}}
    (folder / "run.json").write_text(json.dumps(plan))
    (folder / "log.jsonl").write_text(log)
    return folder


def test_a_log_is_read_whatever_is_in_it(tmp_path: Path):
    log = """{"step": 1, "loss": 3.0, "norm": 1.0, "minutes": 0.5}
{"step": 2, "loss": 9.0, "norm": 1.0, "minutes": 1.0}
{"step": 2, "loss": 2.0, "norm": NaN, "minutes": 1.0}
not JSON
[1]
{"loss": 1.0}
{"step": "3", "loss": 1.0}
{"step": 2, "recovered_to": 2, "rate_scale": 0.5, "diverged_at": 4, "why": "the loss is nan"}
{"step": 2, "valid": 2.5}
{"step": 3, "loss": "high", "minutes": 2.0}
{"step": 4, "lo"""
    found = summarize(write_run(tmp_path, log))
    assert found.loss == [(1, 3.0), (2, 2.0)] and found.valid == [(2, 2.5)]
    assert found.norm == [(1, 1.0)]  # of two lines of a step the later counts; NaN is no point
    assert found.step == 2 and found.steps == 9 and found.recipe == "toy"
    assert found.unreadable_lines == 5
    assert [line["diverged_at"] for line in found.recoveries] == [4]
    assert found.compute_speed() == [(2, 2.0), (3, 1.0)]  # 60 pictures in 30 s, then in 60


def test_only_whole_steps_count(tmp_path: Path):
    run = write_run(tmp_path, "")
    for name in ("step-5", "step-10", "step-12.tmp", "step-3.old", "step-7"):
        (run / name).mkdir()
        if name != "step-7":
            (run / name / "config.json").write_text("{}")
    (run / "grids").mkdir()
    for name in ("step-10.png", "step-5.png", "step-x.png", "step-3.png.tmp"):
        (run / "grids" / name).write_bytes(b"")
    found = summarize(run)
    assert found.saved_steps == [5, 10]
    assert list(found.previews) == [5, 10]
    assert (found.step, found.judge_run().kind) == (0, "short")


def test_what_is_no_run(tmp_path: Path):
    with expect_user_error(tmp_path.name, "is no run", "run.json"):
        summarize(tmp_path)
    (tmp_path / "run.json").write_text("{")
    with expect_user_error("run.json", "is not JSON"):
        summarize(tmp_path)
    for text in ("[]", "{}", '{"training": 3}'):
        (tmp_path / "run.json").write_text(text)
        with expect_user_error("run.json", "has no training options"):
            summarize(tmp_path)


def test_terms_are_told_whatever_a_player_calls_them(tmp_path: Path):
    log = """{"step": 1, "loss": 3.0, "norm": 1.0, "sparkle": 0.5, "minutes": 0.1}
{"step": 1, "recovered_to": 1, "rate_scale": 0.5, "diverged_at": 2}
{"step": 2, "loss": 2.0, "norm": 1.0, "sparkle": 0.7, "words": "none"}
"""
    assert summarize(write_run(tmp_path, log)).terms == {"sparkle": [(1, 0.5), (2, 0.7)]}
