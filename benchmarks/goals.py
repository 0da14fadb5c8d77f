"""Check the goals of a model of digits.  `python -m benchmarks.goals --model ddpm-digits`.

Fixed sets of class-balanced samples (seeds 0 .. n-1, n .. 2n-1, ...), one row per set: class
accuracy, Frechet distance and its ratio to that of as many held-out digits, kernel distance,
precision and recall, the ratio of the median distance to the nearest training digit to that of
held-out digits, seconds and forwards per sample. The last rows are mean and standard deviation over
the sets. Choose options with `--split valid` (500 digits); report `--split test`. A line of JSON
for each set is written to standard error, or to the file `--json`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import torch

import smalti
from smalti.core.config import to_json
from smalti.diffusion import DDIM, DDPM, DPMSolver, UniPC
from smalti.evaluation import Report

KINDS = {"ddim": DDIM, "ddpm": DDPM, "dpm-solver": DPMSolver, "unipc": UniPC}
METRICS = ("frechet", "kernel", "precision-recall", "accuracy", "memorization", "cost")
COLUMNS = {
    "accuracy": "{:.4f}",
    "frechet": "{:.4f}",
    "ratio": "{:.3f}",
    "kernel": "{:+.5f}",
    "precision": "{:.3f}",
    "recall": "{:.3f}",
    "nearest": "{:.3f}",
    "copies": "{:.3f}",
    "copying z": "{:+.2f}",
    "forwards": "{:.0f}",
    "seconds": "{:.4f}",
}
SHARED = ("kernel", "precision", "recall", "accuracy", "frechet", "copies")
"""Columns that real digits also have."""
GOALS = {"accuracy": (">=", 0.98), "ratio": ("<=", 1.5), "nearest": (">=", 0.9)}


def build_sampler(model: Any, args: argparse.Namespace) -> Any:
    """Build the sampler of the options. Defaults: the model's, or those of another sampler."""
    default = model.config.sampler
    cls = KINDS[args.sampler] if args.sampler else type(default)
    base = default if cls is type(default) else cls(guidance=default.guidance)
    options = {"steps": args.steps, "guidance": args.guidance, "eta": args.eta, "clip": args.clip}
    values = {k: v for k, v in options.items() if v is not None}
    return type(base)(**{**base.__dict__, **values})


def read_numbers(report: Report) -> dict[str, float]:
    """Read the columns of one set."""
    found = {row.name: row.value for row in report.rows if row.value is not None}
    frechet = report["frechet"]
    if frechet.value is not None and frechet.real:
        samples = frechet.value if frechet.matched is None else frechet.matched
        found["ratio"] = samples / frechet.real
    return {name: found.get(name, float("nan")) for name in COLUMNS}


def read_real_numbers(report: Report) -> dict[str, float]:
    """Read the columns of the held-out digits."""
    real = {name: report[name].real for name in SHARED}
    found = {name: value for name, value in real.items() if value is not None}
    return {**found, "ratio": 1.0, "nearest": 1.0}


def format_row(label: str, row: dict[str, float]) -> str:
    cells = [COLUMNS[n].format(row[n]) if n in row else "-" for n in COLUMNS]
    return f"{label:10}" + "".join(f"{cell:>11}" for cell in cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="ddpm-digits", help="shipped name or directory")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--sampler", choices=tuple(KINDS), help="default: the model's")
    parser.add_argument("--steps", type=int)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--eta", type=float)
    parser.add_argument("--no-clip", dest="clip", action="store_false", default=None)
    parser.add_argument("--n", "-n", type=int, help="samples per set (default: 1,000; valid: 500)")
    parser.add_argument("--sets", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--compile", action="store_true", help="faster, with a C++ compiler")
    parser.add_argument("--json", type=Path, help="append the lines of JSON to this file")
    args = parser.parse_args()
    n = args.n or (1000 if args.split == "test" else 500)
    model = smalti.load(args.model)
    if args.compile:
        model.network.compile()
    sampler = build_sampler(model, args)
    print(
        f"{args.model}, {args.sets} sets of {n}, compared with the {args.split} digits: {sampler}"
    )
    print(f"{'set':10}" + "".join(f"{name:>11}" for name in COLUMNS))
    rows: list[dict[str, float]] = []
    for k in range(args.sets):
        seed = args.first + k * n
        report = smalti.evaluate(
            model,
            metrics=METRICS,
            n=n,
            seed=seed,
            split=args.split,
            features="digits",
            sampler=sampler,
            batch_size=args.batch,
            bootstraps=2,  # errors come from the sets
            name=args.model,
        )
        if k == 0:
            print(format_row("real", read_real_numbers(report)))
        rows.append(read_numbers(report))
        print(format_row(f"set {k}", rows[-1]), flush=True)
        record = {"model": args.model, "split": args.split, "n": n, "seed": seed, **rows[-1]}
        record |= {"sampler": to_json(sampler), "threads": torch.get_num_threads()}
        text = json.dumps(record)
        if args.json:
            with args.json.open("a") as file:
                file.write(text + "\n")
        else:
            print(text, file=sys.stderr, flush=True)
    print_summary(rows)


def print_summary(rows: list[dict[str, float]]) -> None:
    mean = {name: statistics.mean(row[name] for row in rows) for name in COLUMNS}
    print(format_row("mean", mean))
    if len(rows) > 1:
        print(format_row("spread", {n: statistics.stdev(row[n] for row in rows) for n in COLUMNS}))
    for name, (sign, goal) in GOALS.items():
        reached = mean[name] >= goal if sign == ">=" else mean[name] <= goal
        print(f"{'reached ' if reached else 'missed  '} {name} {mean[name]:.4f} {sign} {goal:g}")


if __name__ == "__main__":
    main()
