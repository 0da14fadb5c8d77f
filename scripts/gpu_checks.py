"""Check that CUDA agrees with the CPU: precisions, EMA, resuming, samplers, codecs, waiting.

python scripts/gpu_checks.py --out FOLDER
"""

from __future__ import annotations

import argparse
import time
import traceback
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

import smalti
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.diffusion import DDIM, DDPM, DPMSolver, UniPC
from smalti.layers.condition_encoder import make_choices
from smalti.pixelcnn import GatedPixelCNNConfig, Levels, PixelCNNPlusPlusConfig, build_config
from smalti.recipes import find_recipe
from smalti.recipes.pictures import load_digit_splits
from smalti.training import Training, resume, run
from smalti.training.device import build_fabric
from smalti.training.events import Stepped
from smalti.training.loop import Loop
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")
DIGITS = load_digit_splits()
FEW = DIGITS.train.select(slice(512), "few")
NONE = DIGITS.train.select(slice(0), "none")


def check_precisions(out: Path) -> str:
    """ddpm-digits trains in each precision, and its loss falls."""
    results = []
    names = ("32", "bf16", "fp16") if DEVICE.type == "cuda" else ("32",)
    for name in names:
        losses: list[float] = []
        plan = Training(
            steps=60, batch_size=64, learning_rate=1e-3, warmup=10, precision=name, save_every=1000
        )

        def on_event(event: object, losses: list[float] = losses) -> None:
            if isinstance(event, Stepped):
                losses.append(event.terms["loss"])

        run(make_ddpm_config(), FEW, NONE, plan, out / name, on_event=on_event)
        first, last = sum(losses[:5]) / 5, sum(losses[-5:]) / 5
        require(last < 0.7 * first, f"{name}: {first:.3f} -> {last:.3f}")
        results.append(f"{name} {first:.3f} -> {last:.3f}")
    return ", ".join(results)


def check_averages(out: Path) -> str:
    """The averaged weights follow the EMA rule."""
    loop = begin_training(
        make_ddpm_config(), Training(steps=10, batch_size=32, ema=0.5, precision="32"), out
    )
    module = loop.model.module
    expected = [p.detach().clone() for p in loop.ema.module.parameters()]
    for k in range(4):
        loop.run_step()
        decay = min(0.5, (1 + k) / (10 + k))
        expected = [
            decay * e + (1 - decay) * p.detach()
            for e, p in zip(expected, module.parameters(), strict=True)
        ]
    got = list(loop.ema.module.parameters())
    off = max(float((a - b).abs().max()) for a, b in zip(got, expected, strict=True))
    require(off < 1e-6, f"off by {off:.1e}")
    return f"off by {off:.1e}"


def check_resuming(out: Path) -> str:
    """A run that is stopped and resumed equals an uninterrupted one."""
    plan = Training(steps=8, batch_size=32, precision="32", save_every=4)
    whole = run(make_ddpm_config(), FEW, NONE, plan, out / "whole")
    run(make_ddpm_config(), FEW, NONE, plan, out / "cut", on_event=InterruptAfterStep(4))
    again = resume(out / "cut", FEW, NONE)
    a, b = (load_file(path / "model.safetensors") for path in (whole, again))
    off = max(float((a[name].double() - b[name].double()).abs().max()) for name in a)
    require(off < 1e-4, f"off by {off:.1e}")  # atomic sums differ between runs
    return f"off by {off:.1e}"


class InterruptAfterStep:
    """Interrupts the run after a step."""

    def __init__(self, step: int):
        self.step = step

    def __call__(self, event: object) -> None:
        import os
        import signal

        if isinstance(event, Stepped) and event.step == self.step:
            os.kill(os.getpid(), signal.SIGINT)


def check_samplers(out: Path) -> str:
    """Every sampler of ddpm-digits draws the same pictures on both devices."""
    models = [smalti.load("ddpm-digits", device) for device in ("cpu", DEVICE)]
    results, labels = [], torch.arange(8) % 10
    for sampler in (DDIM(10), DDIM(10, eta=1.0), DPMSolver(8), UniPC(8), DDPM(stride=20)):
        few = [smalti.sample(m, 8, cond=labels, sampler=sampler) for m in models]
        a, b = (picture.float().cpu() for picture in few)  # pyright: ignore
        off = float((a - b).abs().max())
        results.append(f"{type(sampler).__name__} {off:.1e}")
        require(off < 0.02, results[-1])  # rounding, grown over 50 steps
    return ", ".join(results)


def check_pixelcnns(out: Path) -> str:
    """Both kinds of networks score and draw alike on both devices."""
    results = []
    gated = GatedPixelCNNConfig(width=16, blocks=2, head_width=16)
    plusplus = PixelCNNPlusPlusConfig(filters=16, blocks=1, dropout=0.0)
    classes = make_choices(DIGITS.train.classes)
    for network in (gated, plusplus):
        config = build_config(Levels(8), network, conditions=classes)
        torch.manual_seed(0)
        cpu_model = config.build().eval()
        if hasattr(cpu_model.network, "initialize"):
            cpu_model.loss(make_batch(16, torch.device("cpu")), 0)
        gpu_model = config.build().eval().to(DEVICE)
        gpu_model.load_state_dict(cpu_model.state_dict())
        pictures = make_batch(32, torch.device("cpu"))
        scores = [m.score(pictures, Rng(range(32))).nats.cpu() for m in (cpu_model, gpu_model)]
        off = float((scores[0] / scores[1] - 1).abs().max())
        models = (cpu_model, gpu_model)
        few = [smalti.sample(m, 4, cond=[1, 2, 3, 4]).cpu() for m in models]  # pyright: ignore
        same = float((few[0] == few[1]).float().mean())
        results.append(f"{type(network).__name__} nats {off:.1e}, {same:.2%} of the pixels")
        require(off < 1e-3 and same > 0.98, results[-1])
    return "; ".join(results)


def check_codecs(out: Path) -> str:
    """vqvae-digits encodes and decodes alike."""
    cpu_model, gpu_model = (smalti.load("vqvae-digits", device) for device in ("cpu", DEVICE))
    x = FEW.take_floats(slice(64))
    a, b = cpu_model.encode(x), gpu_model.encode(x.to(DEVICE)).cpu()
    same = float((a == b).float().mean())
    off = float((cpu_model.decode(a) - gpu_model.decode(a.to(DEVICE)).cpu()).abs().max())
    require(same > 0.99 and off < 1e-2, f"{same:.2%} of the codes, off by {off:.1e}")
    return f"{same:.2%} of the codes, off by {off:.1e}"


def check_no_waiting(out: Path) -> str:
    """No step of training waits for the device."""
    if DEVICE.type != "cuda":
        return "no CUDA here"
    results = []
    names = ("ddpm-digits", "gated-pixelcnn-digits-8", "pixelcnnpp-digits", "vqgan")
    for name in names:
        loop = begin_training(
            find_recipe(name).make_config(FEW),
            Training(steps=99, batch_size=32, precision="bf16"),
            out,
        )
        for _ in range(3):
            loop.run_step()
        torch.cuda.synchronize()
        torch.cuda.set_sync_debug_mode("warn")
        with warnings.catch_warnings(record=True) as warned:
            warnings.simplefilter("always")
            loop.take_step()
        torch.cuda.set_sync_debug_mode("default")
        loop.read_results()
        locations = sorted({f"{Path(w.filename).name}:{w.lineno}" for w in warned})
        results.append(f"{name} {len(warned)} {' '.join(locations)}".strip())
    return "; ".join(results)


def measure_speed(out: Path) -> str:
    """Measure the training speed of ddpm-digits, in pictures per second."""
    results = []
    for batch in (128, 512):
        plan = Training(steps=10**6, batch_size=batch, save_every=10**6)
        loop, steps = (
            begin_training(find_recipe("ddpm-digits").make_config(FEW), plan, out),
            choose_seconds(3.0),
        )
        speeds = measure_rate(loop, steps)
        results.append(f"batch {batch}: {speeds:,.0f}")
    return ", ".join(results) + "; diffusers is not timed here"


def choose_seconds(seconds: float) -> float:
    return seconds if DEVICE.type == "cuda" else 0.2


def measure_rate(loop: Loop, seconds: float) -> float:
    """Measure pictures per second."""
    steps = loop.run_steps()
    for _ in range(5):
        next(steps)
    first, started = loop.step, time.perf_counter()
    while time.perf_counter() - started < seconds:
        next(steps)
    loop.read_results()
    return loop.training.batch_size * (loop.step - first) / (time.perf_counter() - started)


# --------------------------------------------------------------------------------- parts


def make_ddpm_config() -> Any:
    config = find_recipe("ddpm-digits").make_config(FEW)
    return replace(config, network=replace(config.network, widths=(16, 32), blocks=1))


def begin_training(config: Any, training: Training, out: Path) -> Loop:
    return start_loop(build_fabric(training), RunRecord(config, training, out / "none", {}), FEW)


def make_batch(n: int, device: torch.device) -> Batch:
    labels = FEW.labels
    assert labels is not None
    return Batch(FEW.take_floats(slice(n)).to(device), labels[:n].to(device), None)


def require(holds: bool, text: str) -> None:
    if not holds:
        raise AssertionError(text)


CHECKS: tuple[Callable[[Path], str], ...] = (
    check_no_waiting,
    check_samplers,
    check_precisions,
    check_averages,
    check_resuming,
    check_codecs,
    measure_speed,
    check_pixelcnns,  # compiles the CPU's kernels: the longest
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="+")
    args = parser.parse_args()
    torch.backends.cudnn.allow_tf32 = False  # as exact as the CPU
    failed = 0
    print(f"on {torch.cuda.get_device_name() if DEVICE.type == 'cuda' else 'the CPU'}")
    for check in CHECKS:
        if args.only and check.__name__ not in args.only:
            continue
        begun_at = time.perf_counter()
        try:
            results = check(args.out / check.__name__)
        except Exception as error:
            failed += 1
            results = f"FAILED: {error}"
            traceback.print_exc(limit=-3)
        print(f"{check.__name__:10} {time.perf_counter() - begun_at:5.1f} s  {results}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
