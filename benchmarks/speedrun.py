"""What each change of training brings: digits after equal processor time.

Every variant trains `UNetConfig` on the digits for `--seconds` of the processor, within training
steps alone. Then the averaged weights are measured: the loss on the validation digits (always the
same noise; comparable between networks that predict v) and the share of samples, 20 DDIM steps at
guidance 1.5, that the digits-classifier recognizes. Schedules that decay end at the budget.

    python -m benchmarks.speedrun --seconds 60 --seeds 0 1 2
    python -m benchmarks.speedrun --variants adamw-128 muon-64     # results are kept in --out
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch

import smalti
from benchmarks._judge import judge
from benchmarks._machine import describe_machine, format_machine
from benchmarks._networks import ENDLESS
from benchmarks._racer import write_text
from smalti.core.errors import UserError
from smalti.data import Pictures, digit_pictures
from smalti.diffusion import DDIM, DiffusionConfig, Simple, UNetConfig
from smalti.layers.condition_encoder import make_choices
from smalti.training.config import Training
from smalti.training.device import build_fabric
from smalti.training.loop import Loop
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop

CPU = torch.device("cpu")
ADAMW = Training(batch_size=128, learning_rate=2e-3, warmup=200, schedule="constant")
MUON = replace(ADAMW, optimizer="muon", learning_rate=5e-3, warmup=50)
ATTENTION, NONE = {"attention": (False, True)}, {"attention": (False, False)}


@dataclass(frozen=True)
class Variant:
    """A network and its training."""

    training: Training
    network: dict[str, Any] = field(default_factory=dict)
    """Fields of `UNetConfig`."""
    model: dict[str, Any] = field(default_factory=dict)
    """Fields of `DiffusionConfig`."""


X0 = {"prediction": "x0", "objective": Simple(loss_space="v")}
VARIANTS = {
    "adamw-128": Variant(ADAMW, ATTENTION),
    "adamw-64": Variant(replace(ADAMW, batch_size=64), ATTENTION),
    "adamw-32": Variant(replace(ADAMW, batch_size=32), ATTENTION),
    "muon-64": Variant(replace(MUON, batch_size=64), ATTENTION),
    "muon-32": Variant(replace(MUON, batch_size=32), ATTENTION),
    "muon-64-plain": Variant(replace(MUON, batch_size=64), NONE),
    "muon-32-plain": Variant(replace(MUON, batch_size=32), NONE),
    "muon-32-plain-min-snr": Variant(
        replace(MUON, batch_size=32), NONE, {"objective": Simple(gamma=5.0)}
    ),
    "muon-64-plain-cosine": Variant(replace(MUON, batch_size=64, schedule="cosine"), NONE),
    "muon-32-plain-fast-cosine": Variant(
        replace(MUON, batch_size=32, learning_rate=1e-2, schedule="cosine"), NONE
    ),
    "muon-64-plain-fast-cosine": Variant(
        replace(MUON, batch_size=64, learning_rate=1e-2, schedule="cosine"), NONE
    ),
    "muon-64-one-block": Variant(
        replace(MUON, batch_size=64), NONE | {"blocks": 1, "widths": (40, 80)}
    ),
    "muon-64-stem-4": Variant(
        replace(MUON, batch_size=64), {"stem": 4, "widths": (96,), "attention": (False,)}, X0
    ),
}
"""The first is where the race stood; plain is without attention, fast has twice the rate."""


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(1)
    train, valid = digit_pictures("train"), digit_pictures("valid")
    print(format_machine(describe_machine()), flush=True)
    results = json.loads(options.out.read_text()) if options.out.is_file() else {}
    for name in options.variants:
        for seed in options.seeds:
            key = f"{name}, seed {seed}, {options.seconds:g} s, {options.precision}"
            if key not in results:
                chosen = replace(VARIANTS[name].training, precision=options.precision)
                variant = replace(VARIANTS[name], training=chosen)
                loop = build_variant(variant, train, seed, options.seconds)
                seconds = train_for(loop, options.seconds)
                results[key] = {"seconds": seconds, "steps": loop.step} | measure(
                    loop.ema.module, valid, options.samples
                )
                options.out.parent.mkdir(parents=True, exist_ok=True)
                write_text(options.out, json.dumps(results, indent=1) + "\n")
            print(format_row(key, results[key]), flush=True)


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.speedrun", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--seconds", type=float, default=60.0, help="of training, by the processor")
    parser.add_argument("--precision", choices=("32", "bf16"), default="bf16")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--samples", type=int, default=250, help="digits drawn at the end")
    parser.add_argument("--out", type=Path, default=Path("runs/speedrun.json"))
    return parser.parse_args(argv)


def build_variant(variant: Variant, train: Pictures, seed: int, seconds: float) -> Loop:
    """Build its loop; a decaying schedule gets as many steps as fit into `seconds`."""
    network = UNetConfig(condition_width=len(train.classes) + 1, **variant.network)
    conditions = make_choices(train.classes)
    model = DiffusionConfig(train.shape, network, conditions=conditions, **variant.model)

    def start(steps: int) -> Loop:
        training = replace(variant.training, steps=steps, seed=seed)
        record = RunRecord(model, training, Path("nowhere"), {})
        return start_loop(build_fabric(training), record, train)

    if variant.training.schedule == "constant":
        return start(ENDLESS)
    probe = start(ENDLESS)
    probe.run_step()
    return start(max(1, round(seconds / statistics.median(time_steps(probe, 6)))))


def time_steps(loop: Loop, count: int) -> list[float]:
    taken: list[float] = []
    for _ in range(count):
        begun = time.process_time()
        loop.run_step()
        taken.append(time.process_time() - begun)
    return taken


def train_for(loop: Loop, seconds: float) -> float:
    """Train for processor seconds or to the last step; return the seconds spent."""
    spent = 0.0
    while spent < seconds and loop.step < (loop.training.steps or 0):
        spent += sum(time_steps(loop, 1))
    return spent


@torch.no_grad()
def measure(model: Any, valid: Pictures, samples: int) -> dict[str, float]:
    """Measure the validation loss, and recognition and Frechet distance of balanced samples."""
    labels = torch.arange(samples) % 10
    with torch.random.fork_rng(devices=[]), torch.autocast("cpu", torch.bfloat16):
        torch.manual_seed(123)
        batches = [i for _ in range(4) for i in valid.split_indices(125)]
        losses = [float(model.loss(valid.make_batch(i, CPU), 0).total) for i in batches]
        drawn = [
            smalti.sample(
                model, seeds=seeds.tolist(), cond=labels[seeds],
                sampler=DDIM(steps=20, eta=0, guidance=1.5),
            )
            for seeds in torch.arange(samples).split(125)
        ]  # fmt: skip
    quality = judge(torch.cat([x for x in drawn if isinstance(x, torch.Tensor)]), labels)
    return {
        "loss": statistics.fmean(losses),
        "accuracy": quality.accuracy,
        "frechet": quality.frechet,
    }


def format_row(key: str, row: dict[str, float]) -> str:
    return (
        f"{key:50} {row['steps']:5} steps in {row['seconds']:5.1f} s: loss {row['loss']:.4f}, "
        f"{row['accuracy']:6.1%} recognized, Frechet distance {row['frechet']:.2f}"
    )


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"speedrun: {error}") from None
