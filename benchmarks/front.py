"""Pareto front of size and quality: networks from plain to ours, after equal training minutes.

All are conditioned on the class and trained by the same loop (smalti's) with the same schedule,
prediction, optimizer, batch size, precision and threads; the learning rate is constant after its
warm-up, so that a longer training can continue a shorter one. They train in alternating time
slices, so that other load affects all alike; only time inside training steps counts. After
`--minutes` of training the averaged weights draw `--samples` digits with balanced classes (20 DDIM
steps, eta 0), evaluated with the digits-classifier. A network is on the front if no network of at
most its cost has a lower Frechet distance.

    python -m benchmarks.front --minutes 20                  # each; Ctrl-C saves, rerun to resume
    python -m benchmarks.front --minutes 20 --sitting 60     # at most an hour now
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch

from benchmarks._entrant import Entrant, take_turns
from benchmarks._judge import compute_real_baseline
from benchmarks._machine import describe_machine, format_machine
from benchmarks._networks import build_loop, measure_size
from benchmarks._plain import PlainConvNet
from benchmarks._racer import write_text
from smalti.convert import ArticleDDPM
from smalti.core.errors import UserError
from smalti.data import Pictures, digit_pictures
from smalti.diffusion import UNetConfig
from smalti.training.device import find_fast_precision
from smalti.training.interrupt import Interrupt

ATTENTION = (False, True)
NETWORKS = {
    "convnet-bare": PlainConvNet(residual=False, classes=10),
    "convnet": PlainConvNet(classes=10),
    "unet-bare": ArticleDDPM(residual=False, classes=10),
    "unet-article": ArticleDDPM(classes=10),
    "ours-16-32": UNetConfig(widths=(16, 32), attention=ATTENTION, condition_width=11),
    "ours-32-64": UNetConfig(widths=(32, 64), attention=ATTENTION, condition_width=11),
    "ours-40-80": UNetConfig(widths=(40, 80), attention=ATTENTION, condition_width=11),
}
"""From the article's stack of convolutions, without and with shortcuts, to ours."""


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    pictures, machine = digit_pictures("train"), describe_machine()
    entrants = [load_entrant(name, pictures, options) for name in options.networks]
    print(format_machine(machine), flush=True)
    take_turns(
        entrants, f"{options.minutes:g}", options.sitting, lambda e, i: take_turn(e, options, i)
    )
    waiting = [e.name for e in entrants if f"{options.minutes:g}" not in e.results]
    rows = [build_row(e, f"{options.minutes:g}") for e in entrants if e.name not in waiting]
    if rows:
        write_report(options, machine, rows)
    if waiting:
        print(f"Not done: {', '.join(waiting)}. Run the same command to resume.")


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.front", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--minutes", type=float, default=20.0, help="training minutes of each network"
    )
    parser.add_argument(
        "--sitting", type=float, default=1e9, help="maximum minutes of this session"
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--threads", type=int, default=1)
    fast = "bf16" if find_fast_precision() == "bf16-mixed" else "32"
    parser.add_argument("--precision", choices=("32", "bf16"), default=fast, help="of training")
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--slice", type=float, default=20.0, help="seconds of a time slice")
    parser.add_argument(
        "--samples", type=int, default=500, help="number of digits, a multiple of 10"
    )
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 1.5])
    parser.add_argument("--out", type=Path, default=Path("runs/front"))
    return parser.parse_args(argv)


def load_entrant(name: str, pictures: Pictures, options: argparse.Namespace) -> Entrant:
    """Create an entrant, or restore it from the last session."""
    network = NETWORKS[name]
    loop = build_loop(network, pictures, precision=options.precision, batch_size=options.batch)
    names = ("threads", "precision", "batch", "samples", "guidance")
    settings = {key: getattr(options, key) for key in names} | {"network": repr(network)}
    entrant = Entrant(name, loop, settings, options.out)
    entrant.restore()
    return entrant


def take_turn(entrant: Entrant, options: argparse.Namespace, interrupt: Interrupt) -> None:
    """Train for a time slice, and measure after the last one."""
    if entrant.minutes < options.minutes:
        entrant.train(options.slice, options.minutes, lambda: interrupt.requested)
    print(
        f"{entrant.name:13} {entrant.minutes:7.2f} of {options.minutes:g} min, "
        f"step {entrant.loop.step:6}, loss {entrant.loss:.4f}",
        flush=True,
    )
    if not interrupt.requested and entrant.minutes >= options.minutes:
        entrant.measure(options.minutes, options.samples, options.guidance)
        print(format_row(build_row(entrant, f"{options.minutes:g}")), flush=True)


def build_row(entrant: Entrant, minutes: str) -> dict[str, Any]:
    """Build its row; accuracy and Frechet distance at the first and at the best guidance."""
    found = entrant.results[minutes]
    parameters, multiply_adds = measure_size(NETWORKS[entrant.name], classes=10)
    best = min(found["guidance"], key=lambda w: found["guidance"][w]["frechet"])
    first = next(iter(found["guidance"].values()))
    return {
        "network": entrant.name,
        "parameters": parameters,
        "multiply_adds": multiply_adds,
        "minutes": found["minutes"],
        "steps": found["steps"],
        "seconds_per_step": 60 * found["minutes"] / found["steps"],
        "loss": found["loss"],
        **first,
        "best_guidance": float(best),
        "best_accuracy": found["guidance"][best]["accuracy"],
        "best_frechet": found["guidance"][best]["frechet"],
    }


def find_front(rows: list[dict[str, Any]], cost: str) -> list[str]:
    """Find the networks that no other of at most their cost beats."""
    return [
        row["network"]
        for row in rows
        if all(r["best_frechet"] >= row["best_frechet"] for r in rows if r[cost] <= row[cost])
    ]


HEAD = (
    f"{'network':13} {'parameters':>10} {'MACs':>7} {'steps':>6} {'s/step':>7} {'accuracy':>11} "
    f"{'Frechet':>8} {'guided':>7} {'right':>7} {'Frechet':>8}"
)


def format_row(row: dict[str, Any]) -> str:
    return (
        f"{row['network']:13} {row['parameters']:10,} {row['multiply_adds'] / 1e6:6.1f}M "
        f"{row['steps']:6} {row['seconds_per_step']:7.3f} {row['accuracy']:11.1%} "
        f"{row['frechet']:8.3f} {row['best_guidance']:7g} {row['best_accuracy']:7.1%} "
        f"{row['best_frechet']:8.3f}"
    )


def write_report(options: argparse.Namespace, machine: dict, rows: list[dict[str, Any]]) -> None:
    """Print the table; write result-MINUTES.json and front-MINUTES.png."""
    real = compute_real_baseline(options.samples, "valid")
    fronts = {cost: find_front(rows, cost) for cost in ("parameters", "multiply_adds")}
    print(HEAD, *map(format_row, rows), sep="\n")
    print(f"{options.samples} real digits (valid): Frechet {real:.3f}")
    for cost, names in fronts.items():
        print(f"front by {cost.replace('_', '-')}: {', '.join(names)}")
    names = ("minutes", "threads", "precision", "batch", "samples")
    settings = {key: getattr(options, key) for key in names}
    content = {"machine": machine, "settings": settings, "real": real, "front": fronts}
    text = json.dumps({**content, "networks": rows}, indent=1) + "\n"
    write_text(options.out / f"result-{options.minutes:g}.json", text)
    print(f"plot: {plot_front(options.out / f'front-{options.minutes:g}.png', rows, real)}")


def plot_front(path: Path, rows: list[dict[str, Any]], real: float) -> Path:
    """Plot the Frechet distance against parameters and against multiply-adds."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    costs = {"parameters": "parameters", "multiply_adds": "multiply-adds of a forward"}
    both = figure.subplots(1, 2, sharey=True)
    for axes, (cost, label) in zip(both, costs.items(), strict=True):
        for row in rows:
            mark = "o" if row["network"].startswith("ours") else "s"
            axes.loglog(row[cost], row["best_frechet"], mark, label=row["network"])
        axes.axhline(real, linestyle="--", color="gray", label="real digits")
        axes.set(xlabel=label, ylabel="Frechet distance")
    figure.legend(*both[0].get_legend_handles_labels(), loc="outside right upper")
    figure.savefig(path, format="png", dpi=110)
    return path


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"front: {error}") from None
    except KeyboardInterrupt:  # the second Ctrl-C
        raise SystemExit(130) from None
