"""The table of the DDIM paper (arXiv:2010.02502, table 1), on digits.

`python -m benchmarks.ddim_table` draws class-balanced digits from one model with every sampler: 256
per cell, for the kernel distance to the training digits with its standard error, and 1,000 at 20
steps, for the Frechet distance. No guidance, as in the paper. Finished cells are kept in the folder
`--cells`, so the command can be stopped and resumed. At the end it prints the tables, reports which
orders of the paper and the article hold, and draws the plot. Two cells are compared with the same
resamples, because sample i of every cell starts from the same noise. Seconds are CPU time for 256
samples, on one thread.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import deque
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import smalti
from benchmarks._machine import describe_machine, format_machine
from benchmarks._racer import write_text
from smalti.core.fingerprint import hash_model
from smalti.data import Pictures, digit_pictures, emoji_pictures
from smalti.diffusion import DDIM, Diffusion, DPMSolver, UniPC
from smalti.evaluation import frechet_distance
from smalti.evaluation.bootstrap import compute_spread, draw_resamples
from smalti.evaluation.kernel import bootstrap_kernel, kernel_distance
from smalti.evaluation.sample_set import choose_classes
from smalti.features.registry import FeatureExtractor, find_features

FEW, MANY, BATCH_SIZE = 256, 1000, 128
STEPS, LONG = (5, 10, 20, 50, 100), 1000
NOISY = " + noise on the last step"

ROWS: dict[str, tuple[Any, tuple[int, ...]]] = {
    "eta 0": (DDIM(eta=0.0), (*STEPS, LONG)),
    "eta 0.2": (DDIM(eta=0.2), STEPS),
    "eta 0.5": (DDIM(eta=0.5), STEPS),
    "eta 1": (DDIM(eta=1.0), STEPS),
    "sigma-hat": (DDIM(sigma_hat=True, noise_last_step=True), (*STEPS, LONG)),
    "eta 0, quadratic": (DDIM(eta=0.0, spacing="quadratic"), STEPS),
    "sigma-hat, quadratic": (
        DDIM(sigma_hat=True, noise_last_step=True, spacing="quadratic"),
        STEPS,
    ),
    "DPM-Solver++ 2M": (DPMSolver(), (5, 10, 20)),
    "UniPC": (UniPC(), (5, 10, 20)),
}
"""Samplers and their numbers of steps. One sampling gives sigma-hat with and without noise on its
last step: without, the result is the last input of the network."""


ROW_NAMES = [name for row in ROWS for name in (row, row + NOISY)]


@dataclass(frozen=True)
class PublishedOrder:
    """A published order of rows, from best to worst, at a number of steps."""

    steps: int
    rows: tuple[str, ...]
    source: str


PAPER, ARTICLE = "the paper, CIFAR-10", "the article, CelebA-HQ"
ETAS = ("eta 0", "eta 0.2", "eta 0.5", "eta 1", "sigma-hat")
ORDERS = (
    *(PublishedOrder(steps, ETAS, PAPER) for steps in (10, 20, 50, 100)),
    PublishedOrder(LONG, ("sigma-hat", "eta 0"), PAPER),
    PublishedOrder(20, ("eta 0", "eta 1", "sigma-hat" + NOISY), ARTICLE),
    PublishedOrder(LONG, ("eta 0", "sigma-hat"), ARTICLE),
)
"""The article's code adds noise on sigma-hat's last step if levels are skipped, but not for its
1,000 steps, which are those of DDPM."""


@dataclass(frozen=True)
class Cell:
    """Results of one sampler at one number of steps."""

    row: str
    steps: int
    kernel: float
    error: float
    seconds: float
    frechet: float | None = None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", default="ddpm-digits", help="shipped name or directory")
    parser.add_argument("--cells", type=Path, default=Path("runs/ddim_table"))
    parser.add_argument("--plot", type=Path, help="write the plot to this PNG")
    parser.add_argument("--emoji", action="store_true", help="a model of emoji instead of digits")
    parser.add_argument("--only", type=int, help="only this number of steps, such as 20")
    parser.add_argument("--compile", action="store_true", help="faster, with a C++ compiler")
    parser.add_argument("--many", type=int, default=MANY, help="samples at 20 steps")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model = smalti.load(args.model)
    if args.compile:
        model.network.compile()
    judge = build_emoji_judge(args.many) if args.emoji else build_digit_judge(args.many)
    key = hash_model(model)
    args.cells.mkdir(parents=True, exist_ok=True)
    index = args.cells / "cells.json"
    kept = json.loads(index.read_text()) if index.is_file() else {}
    if kept.get("model", key) != key:
        parser.error(f"{args.cells} contains cells of another model; choose another --cells")
    cells = [Cell(**cell) for cell in kept.get("cells", [])]
    print(f"{args.model}, {key[:12]}; {format_machine(describe_machine())}", flush=True)
    planned = [(steps, row) for row, (_, counts) in ROWS.items() for steps in counts]
    for steps, row in sorted(planned, key=lambda cell: cell[0]):  # the longest last
        if args.only not in (None, steps):
            continue
        if any((c.row, c.steps) == (row, steps) for c in cells):
            continue
        new = measure_cells(model, row, set_steps(ROWS[row][0], steps), judge)
        for cell, features in new.items():
            np.save(locate_cell(args.cells, cell), features.numpy())
        cells += new
        content = {"model": key, "cells": [c.__dict__ for c in cells]}
        write_text(index, json.dumps(content, indent=1) + "\n")
        print("  ".join(format_cell(c) for c in new), flush=True)
    cells.sort(key=lambda c: (ROW_NAMES.index(c.row), c.steps))
    orders = compare_orders(cells, args.cells, judge)
    print("\n".join([*format_table(cells), "", *format_frechet_table(cells), "", *orders]))
    if args.plot:
        plot_cells(cells, args.plot)


def build_digit_judge(n_samples: int) -> Judge:
    train = digit_pictures("train")
    return Judge(find_features("digits"), train, torch.arange(n_samples) % 10)


def build_emoji_judge(n_samples: int) -> Judge:
    """Build a judge with the class frequencies of the emoji: two thirds are people."""
    train = emoji_pictures("train", size=64)
    labels = choose_classes(n_samples, len(train.classes), "data", train.labels)
    assert labels is not None
    return Judge(find_features("emoji"), train, labels)


class Judge:
    """Computes distances to training pictures in a classifier's features."""

    def __init__(self, features: FeatureExtractor, train: Pictures, labels: Tensor):
        self.features, self.real = features, features(train.pixels)
        self.labels = labels
        """Requested class of each sample, (n_samples,)."""

    @property
    def n_samples(self) -> int:
        return len(self.labels)

    def __call__(
        self, row: str, steps: int, pictures: Tensor, seconds: float
    ) -> tuple[Cell, Tensor]:
        """Compute the cell, and the features of its first 256 pictures."""
        found = self.features(pictures)
        few = found[:FEW]
        cell = Cell(
            row,
            steps,
            kernel_distance(few, self.real, self.labels[:FEW]),
            compute_spread(self.bootstrap_kernel_distance(few)),
            seconds * FEW / len(pictures),
            frechet_distance(found, self.real) if steps == 20 else None,
        )
        return cell, few

    def bootstrap_kernel_distance(self, few: Tensor) -> list[float]:
        """Compute kernel distances of resamples, the same ones for every cell."""
        classes = self.labels[:FEW]
        return bootstrap_kernel(few, self.real, draw_resamples(FEW, labels=classes), classes)


def locate_cell(folder: Path, cell: Cell) -> Path:
    return folder / f"{cell.row} {cell.steps}.npy"


def set_steps(sampler: Any, steps: int) -> Any:
    return type(sampler)(**{**sampler.__dict__, "steps": steps})


def measure_cells(model: Diffusion, row: str, sampler: Any, judge: Judge) -> dict[Cell, Tensor]:
    """Measure a sampler; sigma-hat without and with noise on the last step."""
    n = judge.n_samples if sampler.steps == 20 else FEW
    begun = time.process_time()
    ends = []
    for rows in torch.arange(n).split(BATCH_SIZE):
        cond = judge.labels[rows]
        states = smalti.stream(model, seeds=rows.tolist(), cond=cond, sampler=sampler)
        (state,) = deque(states, maxlen=1)
        ends.append((model.render(state), ((state.x0 + 1) / 2).clamp(0, 1).float()))
    seconds = time.process_time() - begun
    last, denoised = (torch.cat(pictures) for pictures in zip(*ends, strict=True))
    if not getattr(sampler, "noise_last_step", False):
        return dict([judge(row, sampler.steps, last, seconds)])
    return dict(
        [
            judge(row, sampler.steps, denoised, seconds),
            judge(row + NOISY, sampler.steps, last, seconds),
        ]
    )


def format_cell(cell: Cell) -> str:
    frechet = "" if cell.frechet is None else f", Frechet {cell.frechet:.3f}"
    numbers = f"kernel {1e3 * cell.kernel:.2f} +- {1e3 * cell.error:.2f}{frechet}"
    return f"{cell.row}, {cell.steps} steps: {numbers}, {cell.seconds:.0f} s"


def format_table(cells: list[Cell]) -> list[str]:
    """Format kernel distances in thousandths; the last column is seconds per step, 256 samples."""
    columns = (*STEPS, LONG)
    head = " | ".join(f"{steps} steps" for steps in columns)
    lines = [f"| sampler | {head} | seconds per step |", "|---" * (len(columns) + 2) + "|"]
    for row in dict.fromkeys(cell.row for cell in cells):
        row_cells = {cell.steps: cell for cell in cells if cell.row == row}
        entries = [
            f"{1e3 * row_cells[s].kernel:.2f} +- {1e3 * row_cells[s].error:.2f}"
            if s in row_cells
            else ""
            for s in columns
        ]
        rate = sum(c.seconds for c in row_cells.values()) / sum(row_cells)
        lines.append(f"| {row} | {' | '.join(entries)} | {rate:.2f} |")
    return lines


def format_frechet_table(cells: list[Cell]) -> list[str]:
    lines = ["| 20 steps | Frechet distance |", "|---|---|"]
    return lines + [f"| {c.row} | {c.frechet:.3f} |" for c in cells if c.frechet is not None]


def compare_orders(cells: list[Cell], folder: Path, judge: Judge) -> list[str]:
    """Compare each adjacent pair of every published order with the results."""
    at = {(cell.row, cell.steps): cell for cell in cells}

    def replicate_cell(cell: Cell) -> Tensor:
        features = torch.from_numpy(np.load(locate_cell(folder, cell), allow_pickle=False))
        return torch.tensor(judge.bootstrap_kernel_distance(features))

    lines = ["| steps | better, then worse | here | source |", "|---|---|---|---|"]
    for order in ORDERS:
        for better, worse in pairwise(order.rows):
            if (better, order.steps) not in at or (worse, order.steps) not in at:
                continue
            a, b = at[better, order.steps], at[worse, order.steps]
            gap, error = b.kernel - a.kernel, float((replicate_cell(b) - replicate_cell(a)).std())
            here = (
                "same" if gap > 2 * error else "reversed" if gap < -2 * error else "not significant"
            )
            numbers = f"{1e3 * gap:+.2f} +- {1e3 * error:.2f}"
            lines.append(
                f"| {order.steps} | {better}, {worse} | {here} ({numbers}) | {order.source} |"
            )
    return lines


def plot_cells(cells: list[Cell], path: Path) -> None:
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(9, 4.6), layout="constrained")
    for at, row in enumerate(row for row in ROW_NAMES if any(cell.row == row for cell in cells)):
        row_cells = sorted((c for c in cells if c.row == row), key=lambda c: c.steps)
        style = "--" if "quadratic" in row else ":" if NOISY in row else "-"
        shifted = [
            c.steps * 1.015 ** (at - 5) for c in row_cells
        ]  # so that error bars do not hide others
        values, errors = [1e3 * c.kernel for c in row_cells], [1e3 * c.error for c in row_cells]
        line_style = {"fmt": style + "o", "ms": 3, "lw": 1.2, "color": plt.get_cmap("tab20")(at)}
        axes.errorbar(shifted, values, errors, label=row, **line_style)
    axes.set_yscale("symlog", linthresh=50, linscale=1.5)  # an unbiased distance can be negative
    axes.set(xscale="log", xlabel="steps", ylabel="kernel distance, thousandths")
    axes.set_xticks((*STEPS, LONG), [f"{steps}" for steps in (*STEPS, LONG)])
    axes.set_yticks([-50, -25, 0, 25, 50, 100, 1000, 10000])
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    figure.legend(fontsize=8, loc="outside right upper", frameon=False)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
