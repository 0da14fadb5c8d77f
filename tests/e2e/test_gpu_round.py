"""The GPU round, rehearsed on a CPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch

import smalti
from smalti.data.attributes import make_attributes
from smalti.data.pictures import Pictures, Splits
from tests.albums import make_noise

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))


@pytest.mark.slow
def test_a_rehearsal_trains_packs_and_reports(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [sys.executable, str(ROOT / "scripts/gpu_round.py"), "--rehearse", "--out", str(out)]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(words, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in out.iterdir()) == ["command.zip", "ddpm.zip"]
    rows = {line.split(" | ")[0][2:]: line for line in done.stdout.splitlines() if "| " in line}
    assert "| done |" in rows["ddpm"] and "| failed (1) |" in rows["faulty"]
    assert "this job is to fail" in done.stdout
    zipfile.ZipFile(out / "ddpm.zip").extractall(tmp_path)
    plan = json.loads((tmp_path / "ddpm" / "run.json").read_text())
    step = int((tmp_path / "ddpm" / "latest").read_text().removeprefix("step-"))
    assert 1 <= step <= plan["training"]["steps"]
    assert smalti.load(tmp_path / "ddpm").config.shape == (1, 28, 28)  # a run directory


def test_the_clock_ends_the_steps_on_time() -> None:
    from gpu_train import Clock  # pyright: ignore[reportMissingImports]

    clock, now, step, speed = Clock(until=100.0), 0.0, 0, 10.0
    assert clock.estimate_steps(0, 0.0) is None
    planned = None
    while now < 100.0 and step != planned:
        if step == 200:
            speed = 20.0  # others have ended
        now, step = now + 1 / speed, step + 1
        clock.record(step, now)
        planned = clock.estimate_steps(step, now) or planned
    assert 97.0 < now <= 100.0
    clock.record(step + 1, now + 5.0)  # such a long step was compiling, and is not counted
    assert clock.estimate_steps(step + 1, now + 5.0) is None


def test_a_tree_to_travel_has_no_more_than_it_needs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from gpu_pack import MODELS, pack, unpack  # pyright: ignore[reportMissingImports]

    (tmp_path / "packs/some").mkdir(parents=True)
    (tmp_path / "packs/a").write_text("a")
    (tmp_path / "packs/some/pack.json").write_text("{}")
    pixels = np.random.default_rng(0).integers(0, 256, (3, 1, 8, 8), np.uint8)
    np.save(tmp_path / "packs/some/pixels.npy", pixels)
    out = tmp_path / "tree"
    pack(ROOT, out, [f"{tmp_path / 'packs'}:gpu/data"])
    assert {path.name for path in (out / "src/smalti/assets/models").iterdir()} == set(MODELS)
    assert (out / "scripts/gpu_round.py").is_file() and (out / "gpu/data/a").read_text() == "a"
    unpack(out / "gpu/data")
    assert (out / "gpu/data/some/pack.json").read_text() == "{}"
    assert np.array_equal(np.load(out / "gpu/data/some/pixels.npy"), pixels)
    assert "MiB of 64" in capsys.readouterr().out


def test_pictures_are_cut_into_squares() -> None:
    from gpu_jobs import cut_squares  # pyright: ignore[reportMissingImports]

    pixels = torch.arange(2 * 8 * 8, dtype=torch.uint8).view(2, 1, 8, 8)
    squares = cut_squares(Pictures(pixels, torch.tensor([0, 1]), ("a", "b"), "some"), 4, 2)
    assert squares.shape == (1, 4, 4) and len(squares) == 18
    assert squares.labels is not None and squares.labels.tolist() == [0] * 9 + [1] * 9
    assert torch.equal(squares.pixels[9 + 5, 0], pixels[1, 0, 2:6, 4:8])


@pytest.mark.parametrize(
    "name", ["ddpm-emoji", "ddpm-emoji-pixels", "emoji-gpt", "edges2emoji", "textures"]
)
def test_a_prior_of_the_round_trains_on_its_pictures(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gpu_jobs  # pyright: ignore[reportMissingImports]
    from gpu_train import move_pictures  # pyright: ignore[reportMissingImports]

    job = next(job for job in gpu_jobs.JOBS if job.name == name)
    n, side = 6, 64 if job.crop is None else 2 * job.crop
    words = {"style": ["flat", "3d"] * 3, "category": ["a", "b"] * 3, "base": ["c"] * n}
    every = Pictures(
        torch.from_numpy(make_noise(n, 3, side, side)),
        torch.arange(n) % 2,
        ("x", "y"),
        "some",
        tuple(f"red {k}" for k in range(n)),
        attributes=make_attributes(words, np.arange(n)),
    )
    monkeypatch.setattr(gpu_jobs, "read_splits", lambda *_, **__: Splits(every, every))
    monkeypatch.setattr(gpu_jobs, "read_side", lambda _: side)
    train = move_pictures(gpu_jobs.read_pictures(job, tmp_path, 4).train, torch.device("cpu"))
    model = job.make_config(train).build()
    expected = {"textures": {"class"}, "edges2emoji": {"style", "picture"}}
    named = {"style", "category", "text"}
    assert {c.name for c in model.spec.conditions} == expected.get(name, named)
    loss = model.loss(train.make_batch(torch.arange(2), torch.device("cpu")), 0)
    assert torch.isfinite(loss.total)
