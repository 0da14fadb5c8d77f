"""Fifty pictures: training from a model of other pictures, and from nothing.

    python -m benchmarks.fine_tuning                                  # 5 minutes, and 30
    python -m benchmarks.fine_tuning --minutes 1 --scratch-minutes 6  # what fits a busy machine

Needs `smalti fetch emoji4`. Trains on 50 national flags of one style at 64x64: from `ddpm-emoji`,
which has seen none, and with the same network, latents, objective and augmentation from nothing,
for longer. Times are of the processor, validations and previews not counted. The loss is that of
100 other flags, with fixed noise: lower is better. With --samples, the Frechet distance of so many
samples to them. Resumable: rows are kept in --out.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from typing import Any

import smalti
from benchmarks._small_folders import draw_subset, measure_frechet, resume_rows, train_for
from smalti.core.checkpoint import find_checkpoint, read_model_config
from smalti.data import Pictures
from smalti.recipes import find_recipe

PACK, SIDE = "emoji4-flags-64", 64
COUNT, HELD_OUT = 50, 100
BATCH_SIZE = 16


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--start", default="ddpm-emoji")
    parser.add_argument("--style", default="twemoji", help="a class of the flags")
    parser.add_argument("--minutes", type=float, default=5.0, help="from the model")
    parser.add_argument("--scratch-minutes", type=float, default=30.0, help="from nothing")
    parser.add_argument("--lr", type=float, nargs=2, default=[3e-4, 1e-3], help="of both")
    parser.add_argument("--samples", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/fine_tuning"))
    options = parser.parse_args(argv)
    jobs = {
        f"from {options.start}, {options.minutes:g} minutes, seed {options.seed}": True,
        f"from nothing, {options.scratch_minutes:g} minutes, seed {options.seed}": False,
    }
    rows = resume_rows(
        options.out / "rows.jsonl", [*jobs], lambda name: measure(jobs[name], options)
    )
    print(
        "\n| | loss before | at each of ten validations | lowest | Frechet |\n|---|---|---|---|---|"
    )
    for name in jobs:
        row = rows[name]
        curve = " ".join(f"{loss:.4f}" for _, loss in row["curve"])
        frechet = f"{row['frechet']:.2f}" if "frechet" in row else ""
        print(f"| {name} | {row['before']:.4f} | {curve} | {row['best_valid']:.4f} | {frechet} |")


def measure(follows: bool, options: argparse.Namespace) -> dict[str, Any]:
    """Train from the start, or from nothing, and measure the losses."""
    train, valid = read_style(options.style, options.seed)
    recipe = find_recipe("ddpm").change(
        training={
            "batch_size": BATCH_SIZE,
            "learning_rate": options.lr[0 if follows else 1],
            "warmup": 50,
            "seed": options.seed,
        }
    )
    start = read_model_config(find_checkpoint(options.start))
    config = recipe.follow_start(start).augment().make_config(train)
    out = options.out / ("start" if follows else "nothing")
    shutil.rmtree(out, ignore_errors=True)
    row = train_for(
        options.minutes if follows else options.scratch_minutes,
        config,
        train,
        valid,
        recipe.training,
        out,
        validations=10,
        start=options.start if follows else None,
    )
    return row | (measure_frechet(out, valid, options.samples) if options.samples else {})


def read_style(style: str, seed: int) -> tuple[Pictures, Pictures]:
    """Fifty flags of a style to train on, and a hundred others."""
    flags = smalti.data.read_splits(PACK, size=SIDE).train
    assert flags.labels is not None
    rows = (flags.labels == flags.classes.index(style)).nonzero()[:, 0]
    drawn, _ = draw_subset(flags.select(rows, style), COUNT + HELD_OUT, seed, style)
    return drawn.select(slice(COUNT), "train"), drawn.select(slice(COUNT, None), "valid")


if __name__ == "__main__":
    main()
