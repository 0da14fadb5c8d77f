"""Training of priors in time slices, for equal minutes of processor time or equal steps."""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from benchmarks._entrant import Entrant
from smalti.core.protocols import Dataset
from smalti.training.config import Training
from smalti.training.device import choose_precision
from smalti.training.interrupt import Interrupt
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop

ENDLESS = 10**9  # steps: constant learning rate, so that a longer training can continue


def add_options(parser: argparse.ArgumentParser, out: Path) -> None:
    """Add the options of training."""
    parser.add_argument("--minutes", type=float, default=2.0, help="processor minutes of each row")
    parser.add_argument("--steps", type=int, help="steps of each row, instead of minutes")
    parser.add_argument("--sitting", type=float, default=1e9, help="maximum minutes of a session")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0, help="of weights and batches")
    parser.add_argument("--slice", type=float, default=15.0, help="seconds of a time slice")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--out", type=Path, default=out)


def describe_limit(options: argparse.Namespace) -> str:
    return f"{options.steps} steps" if options.steps else f"{options.minutes:g} minutes"


def start_entrant(
    name: str, config: Any, data: Dataset, codec_hash: str, options: argparse.Namespace
) -> Entrant:
    """Create an entrant, or restore it from the last session."""
    training = Training(
        steps=ENDLESS, batch_size=options.batch, learning_rate=options.rate, ema=0.99,
        seed=options.seed,
    )  # fmt: skip
    fabric = Fabric(accelerator="cpu", devices=1, precision=choose_precision(training))
    loop = start_loop(fabric, RunRecord(config, training, Path("nowhere"), {}), data)
    settings = {key: getattr(options, key) for key in ("threads", "batch", "rate", "seed")}
    settings |= {"network": repr(config.network), "codec": codec_hash}
    entrant = Entrant(name, loop, settings, options.out, counts_processor_time=True)
    entrant.restore()
    return entrant


def train_slice(entrant: Entrant, options: argparse.Namespace, interrupt: Interrupt) -> bool:
    """Train for a time slice. Returns whether the entrant is to be measured."""
    limit = math.inf if options.steps else options.minutes

    def is_done() -> bool:
        if options.steps:
            return entrant.loop.step >= options.steps
        return entrant.minutes >= options.minutes

    if not is_done():
        entrant.train(options.slice, limit, lambda: interrupt.requested or is_done())
    print(
        f"{entrant.name:32} {entrant.minutes:6.2f} min, step {entrant.loop.step:6}, "
        f"nats {entrant.loss:.4f}",
        flush=True,
    )
    return is_done() and not interrupt.requested


def keep_result(entrant: Entrant, mark: str, measured: dict[str, Any]) -> None:
    """Save what was measured after a limit, with the minutes and steps."""
    entrant.results[mark] = {
        "minutes": entrant.minutes, "steps": entrant.loop.step, **measured
    }  # fmt: skip
    entrant.save()
