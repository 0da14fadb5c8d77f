"""Compare PixelCNNs after equal minutes of training, as in the articles.

Plain, gated and ++ at 256 levels; plain and gated at 2, 8 and 256; batch norm on and off. All are
conditioned on the class and trained by the same loop with the same learning rate, batch size and
threads, in alternating time slices, so that other load affects all alike; only time in training
steps counts. After `--minutes` of training the averaged weights score the test digits (exactly; at
the levels that they are trained on) and draw `--samples` digits with balanced classes, evaluated
with the digits-classifier. Bits/dim at 2, 8 and 256 levels are not comparable; for 2 levels the
table also has nats per digit, as published.

    python -m benchmarks.pixelcnn_table --minutes 10                # Ctrl-C saves, rerun to resume
    python -m benchmarks.pixelcnn_table --minutes 10 --sitting 60   # at most an hour now
"""

from __future__ import annotations

import argparse
import json
import math
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric

import smalti
from benchmarks._entrant import Entrant, take_turns
from benchmarks._judge import judge
from benchmarks._machine import describe_machine, format_machine
from benchmarks._racer import write_text
from smalti.core.errors import UserError
from smalti.data import Pictures, digit_pictures
from smalti.evaluation.bits import compute_bits_per_dim
from smalti.layers.condition_encoder import make_choices
from smalti.pixelcnn import (
    AutoregressiveConfig,
    Categorical,
    GatedPixelCNNConfig,
    Levels,
    LogisticMixture,
    PixelCNNConfig,
    PixelCNNPlusPlusConfig,
    build_config,
)
from smalti.recipes import find_recipe
from smalti.training.config import Training
from smalti.training.device import choose_precision
from smalti.training.interrupt import Interrupt
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop

RECIPE = find_recipe("gated-pixelcnn-digits")
ENDLESS = 10**9  # steps: constant learning rate, so that a longer training can continue
TIMED_SAMPLES = 64  # samples of the seconds column


PLAIN, GATED = PixelCNNConfig(width=48), GatedPixelCNNConfig()
PLUSPLUS = PixelCNNPlusPlusConfig(filters=24, blocks=2, dropout=0.0)
NETWORKS: dict[str, tuple[Any, int]] = {
    "plain": (PLAIN, 256),
    "plain, batch norm": (replace(PLAIN, batch_norm=True), 256),
    "gated": (GATED, 256),
    "gated, batch norm": (replace(GATED, batch_norm=True), 256),
    "++": (PLUSPLUS, 256),
    "++, softmax": (PLUSPLUS, 256),
    "plain, 8 levels": (PLAIN, 8),
    "gated, 8 levels": (GATED, 8),
    "plain, 2 levels": (PLAIN, 2),
    "gated, 2 levels": (GATED, 2),
}
"""Networks and their levels; plain is wider, so that it costs about as much as gated."""


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    pictures, machine = digit_pictures("train"), describe_machine()
    entrants = [load_entrant(name, pictures, options) for name in options.networks]
    print(format_machine(machine), flush=True)
    mark = f"{options.minutes:g}"
    take_turns(entrants, mark, options.sitting, lambda e, i: take_turn(e, options, i))
    write_report(options, machine, [e for e in entrants if mark in e.results])
    if waiting := [e.name for e in entrants if mark not in e.results]:
        print(f"Not done: {'; '.join(waiting)}. Run the same command to resume.")


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pixelcnn_table")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--minutes", type=float, default=10.0, help="training minutes of each network"
    )
    parser.add_argument(
        "--sitting", type=float, default=1e9, help="maximum minutes of this session"
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--slice", type=float, default=20.0, help="seconds of a time slice")
    parser.add_argument(
        "--samples", type=int, default=500, help="number of digits, a multiple of 10"
    )
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("--out", type=Path, default=Path("runs/pixelcnn_table"))
    return parser.parse_args(argv)


def build_entrant_config(name: str) -> AutoregressiveConfig:
    network, levels = NETWORKS[name]
    output = LogisticMixture(5) if name == "++" else Categorical()
    return build_config(Levels(levels), network, output, make_choices(tuple("0123456789")))


def load_entrant(name: str, pictures: Pictures, options: argparse.Namespace) -> Entrant:
    """Create an entrant, or restore it from the last session."""
    torch.manual_seed(0)
    training = Training(
        steps=ENDLESS, batch_size=options.batch, learning_rate=options.rate, ema=0.999
    )
    model = build_entrant_config(name)
    fabric = Fabric(accelerator="cpu", devices=1, precision=choose_precision(training))
    loop = start_loop(fabric, RunRecord(model, training, Path("nowhere"), {}), pictures)
    names = ("threads", "batch", "rate", "samples", "split")
    settings = {key: getattr(options, key) for key in names} | {"network": repr(model.network)}
    entrant = Entrant(name, loop, settings, options.out)
    entrant.restore()
    return entrant


def take_turn(entrant: Entrant, options: argparse.Namespace, interrupt: Interrupt) -> None:
    """Train for a time slice, and measure after the last one."""
    if entrant.minutes < options.minutes:
        entrant.train(options.slice, options.minutes, lambda: interrupt.requested)
    progress = f"{entrant.minutes:7.2f} of {options.minutes:g} min, step {entrant.loop.step:6}"
    print(f"{entrant.name:18} {progress}, nats {entrant.loss:.4f}", flush=True)
    if not interrupt.requested and entrant.minutes >= options.minutes:
        entrant.results[f"{options.minutes:g}"] = measure_entrant(entrant, options)
        entrant.save()
        print(format_row(build_row(entrant, options)), flush=True)


def measure_entrant(entrant: Entrant, options: argparse.Namespace) -> dict[str, Any]:
    """Measure the averaged weights."""
    model = entrant.loop.ema.module
    bits = compute_bits_per_dim(model, digit_pictures(options.split), batch_size=50)
    labels = torch.arange(options.samples) % 10
    smalti.sample(model, 1)  # compiles
    begun = time.perf_counter()
    smalti.sample(model, TIMED_SAMPLES)
    seconds = time.perf_counter() - begun
    drawn = [
        smalti.sample(model, seeds=seeds.tolist(), cond=labels[seeds])
        for seeds in torch.arange(options.samples).split(100)
    ]
    quality = judge(torch.cat(drawn), labels)  # pyright: ignore[reportArgumentType]
    return {
        "minutes": entrant.minutes, "steps": entrant.loop.step, "bits": bits.mean,
        "error": bits.error, "seconds": seconds, "accuracy": quality.accuracy,
        "frechet": quality.frechet,
    }  # fmt: skip


def build_row(entrant: Entrant, options: argparse.Namespace) -> dict[str, Any]:
    parameters = sum(p.numel() for p in entrant.loop.ema.module.parameters())
    levels = NETWORKS[entrant.name][1]
    found = entrant.results[f"{options.minutes:g}"]
    return {"network": entrant.name, "levels": levels, "parameters": parameters, **found}


HEAD = (
    f"{'network':18} {'parameters':>10} {'steps':>6} {'bits/dim':>8} {'error':>7} {'nats':>7} "
    f"{'accuracy':>11} {'Frechet':>8} {f'{TIMED_SAMPLES} in':>7}"
)


def format_row(row: dict[str, Any]) -> str:
    nats = f"{row['bits'] * 784 * math.log(2):7.2f}" if row["levels"] == 2 else f"{'':7}"
    return (
        f"{row['network']:18} {row['parameters']:10,} {row['steps']:6} {row['bits']:8.4f} "
        f"{row['error']:7.4f} {nats} {row['accuracy']:11.1%} {row['frechet']:8.3f} "
        f"{row['seconds']:6.2f}s"
    )


def write_report(options: argparse.Namespace, machine: dict, entrants: list[Entrant]) -> None:
    """Print the table; write result-MINUTES.json."""
    if not entrants:
        return
    rows = [build_row(entrant, options) for entrant in entrants]
    print(HEAD, *map(format_row, rows), sep="\n")
    for levels in (256, 8, 2):
        real = digit_pictures(options.split)
        codec = Levels(levels)
        pictures = codec.decode(codec.encode(real.take_floats(torch.arange(len(real)))))
        quality = judge(pictures, real.labels)  # pyright: ignore[reportArgumentType]
        print(f"real digits of {levels} levels: {quality.accuracy:.1%}, {quality.frechet:.3f}")
    content = {"machine": machine, "minutes": options.minutes, "networks": rows}
    text = json.dumps(content, indent=1) + "\n"
    write_text(options.out / f"result-{options.minutes:g}.json", text)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"pixelcnn_table: {error}") from None
    except KeyboardInterrupt:  # the second Ctrl-C
        raise SystemExit(130) from None
