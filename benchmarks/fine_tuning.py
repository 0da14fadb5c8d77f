"""Fifty pictures: training from a model of other pictures, and from nothing.

    python -m benchmarks.fine_tuning                                  # 5 minutes, and 30
    python -m benchmarks.fine_tuning --minutes 1 --scratch-minutes 6  # what fits a busy machine

Needs `smalti fetch emoji4`. Trains on 50 emoji of one style at 64x64: from `ddpm-emoji`, which has
seen another style, and with the same network, objective and augmentation from nothing, for longer.
Times are of the processor, validations and previews not counted. The loss is that of the style's
held-out emoji, which neither model has seen in any style, with fixed noise: lower is better. With
--samples, the Frechet distance of so many samples to them. Resumable: rows are kept in --out.
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

COUNT = 50
BATCH_SIZE = 16


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fine_tuning")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--start", default="ddpm-emoji")
    parser.add_argument("--style", default="twemoji", help="a class of emoji4-64")
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
    """Fifty training emoji of a style, and its held-out ones."""
    splits = smalti.data.read_splits("emoji4-64", size=64)
    parts = []
    for pictures in (splits.train, splits.valid):
        assert pictures.labels is not None
        rows = (pictures.labels == pictures.classes.index(style)).nonzero()[:, 0]
        parts.append(pictures.select(rows, style))
    train, _ = draw_subset(parts[0], COUNT, seed, style)
    valid, _ = draw_subset(parts[1], len(parts[1]), 0, "valid")
    return train, valid


if __name__ == "__main__":
    main()
