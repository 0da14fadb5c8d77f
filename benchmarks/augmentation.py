"""Few pictures with and without augmentation, after equal time of the processor.

    python -m benchmarks.augmentation                           # 50, 200 and 800 emoji, 3 minutes
    python -m benchmarks.augmentation --counts 50 --minutes 5 --probabilities 0 0.15 0.4

Needs `smalti fetch emoji`. A U-Net is trained on some emoji of 32x32 without their classes. The
loss is that of the 184 validation emoji without augmentation, with fixed noise: at the end, and at
the best of six validations. The Frechet distance is that of 256 samples to 1,000 emoji that were
not trained on; beside it that of the training pictures. The ratio of distances to the nearest
training picture is about 1 where samples are as new as held-out emoji. Resumable: rows are kept in
--out.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

import smalti
from benchmarks._small_folders import draw_subset, measure_samples, resume_rows, train_for
from smalti.data import Pictures
from smalti.diffusion import Augmentation
from smalti.recipes import find_recipe

MODEL = {"network.widths": (16, 32)}
REAL = 1000
"""Emoji that samples are compared with."""


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.augmentation")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--counts", type=int, nargs="+", default=[50, 200, 800])
    parser.add_argument("--probabilities", type=float, nargs="+", default=[0, 0.15])
    parser.add_argument("--minutes", type=float, default=3.0, help="of the processor, for each row")
    parser.add_argument("--side", type=int, default=32, help="of pictures: 32, or 16 for less time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("runs/augmentation"))
    options = parser.parse_args(argv)
    names = [
        f"{n} of {options.side}x{options.side}, probability {p:g}, {options.minutes:g} minutes, "
        f"seed {options.seed}"
        for n in options.counts
        for p in options.probabilities
    ]
    pairs = [(n, p) for n in options.counts for p in options.probabilities]
    jobs = dict(zip(names, pairs, strict=True))
    rows = resume_rows(
        options.out / "rows.jsonl",
        names,
        lambda name: measure(*jobs[name], options),
    )
    print("\n| | loss | best loss | at step | Frechet | of training pictures | ratio |")
    print("|---|---|---|---|---|---|---|")
    for name in names:
        r = rows[name]
        print(
            f"| {name} | {r['valid']:.4f} | {r['best_valid']:.4f} | {r['best_step']} of "
            f"{r['steps']} | {r['frechet']:.2f} | {r['frechet_of_training_pictures']:.2f} "
            f"| {r['ratio']:.2f} |"
        )


def measure(n: int, probability: float, options: argparse.Namespace) -> dict[str, Any]:
    """Train on n emoji, and measure the losses and samples."""
    splits, seed, out = smalti.data.read_splits("emoji-32", size=32), options.seed, options.out
    train, valid = (shrink(part, options.side) for part in (splits.train, splits.valid))
    train, others = draw_subset(train, n, seed, f"{n} emoji")
    valid, _ = draw_subset(valid, len(valid), 0, "valid")
    recipe = find_recipe("ddpm").change(training={"batch_size": 32, "seed": seed}, model=MODEL)
    config = recipe.make_config(train)
    if probability:
        config = add_augmentation(config, Augmentation(probability))
    shutil.rmtree(out / "run", ignore_errors=True)
    result = train_for(options.minutes, config, train, valid, recipe.training, out / "run")
    real = others.select(slice(0, REAL), "real")
    return {**result, **measure_samples(out / "run", train, valid, real, "emoji")}


def shrink(pictures: Pictures, side: int) -> Pictures:
    """Average blocks of pixels."""
    x = pictures.pixels.float().unflatten(3, (side, -1)).unflatten(2, (side, -1)).mean((3, 5))
    return replace(pictures, stored_pixels=x.round().to(torch.uint8), rows=None)


def add_augmentation(config: Any, augmentation: Augmentation) -> Any:
    width = config.network.condition_width + augmentation.width
    network = replace(config.network, condition_width=width)
    return replace(config, network=network, augmentation=augmentation)


if __name__ == "__main__":
    main()
