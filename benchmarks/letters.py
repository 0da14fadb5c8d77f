"""Whether drawn letters are recognized.

    python -m benchmarks.letters                                    # the judge on real glyphs alone
    python -m benchmarks.letters --model letters gated-pixelcnn-letters
    python -m benchmarks.letters --model letters --split test       # once for each model card

Needs `smalti fetch letters`. The judge is a classifier of 62 characters, trained for `--minutes` on
the training glyphs, which are of other fonts than the held-out ones; it is kept in `--judge`. Real
glyphs are those of the held-out fonts. Of each model `--per-class` glyphs of each character are
drawn with fixed seeds. The first share counts a glyph if the judge names its character; the second
also if it names one that many fonts draw alike: 0 and O, 1, I and l, and letters whose capital has
the same shape. The error is the standard error over glyphs.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import smalti
from smalti.core.pictures import make_grid, save_png
from smalti.data import read_splits
from smalti.data.letters import SAME_SHAPE_CAPITALS, TWINS
from smalti.data.pictures import Pictures
from smalti.features.classifier import ClassifierConfig
from smalti.recipes.pictures import FetchedReader
from smalti.recipes.recipe import Recipe
from smalti.training.config import Training

PACK, SIDE = "letters-32", 32


def make_judge(pictures: Pictures) -> ClassifierConfig:
    return ClassifierConfig(pictures.shape[0], len(pictures.classes), widths=(24, 48, 96))


JUDGE = Recipe(
    FetchedReader("letters-{size}"),
    make_judge,
    Training(batch_size=64, learning_rate=2e-3, ema=0.999, save_every=1000),
    size=SIDE,
    name="letters-judge",
)


def merge_twins(classes: Sequence[str]) -> Tensor:
    """The class that stands for each class and those drawn like it, (K,)."""
    names = {name: TWINS.get(name, name) for name in classes}
    names = {k: v.lower() if v in SAME_SHAPE_CAPITALS else v for k, v in names.items()}
    return torch.tensor([classes.index(names[name]) for name in classes])


def measure(judge: Any, x: Tensor, labels: Tensor, classes: Sequence[str]) -> str:
    """Shares of glyphs (n, 1, 32, 32) that are recognized, and those up to twins."""
    with torch.no_grad():
        found = torch.cat([judge(part).argmax(1) for part in x.split(256)])
    twins, cells = merge_twins(classes), []
    for right in (found == labels, twins[found] == twins[labels]):
        p = right.double().mean().item()
        cells.append(f"{p:.1%} ± {(p * (1 - p) / len(right)) ** 0.5:.1%}")
    return " | ".join(cells)


def load_judge(folder: Path, minutes: float) -> Any:
    """The judge in a folder; trained first if there is none."""
    if not folder.exists():
        smalti.train(JUDGE, minutes=minutes, out=folder)
    return smalti.load(folder).eval()


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.letters")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", nargs="*", default=[], help="models of letters")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--per-class", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--judge", type=Path, default=Path("runs/letters-judge"))
    parser.add_argument("--picture", help="write the samples of the last model to this file")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    judge = load_judge(args.judge, args.minutes)
    held_out: Pictures = getattr(read_splits(PACK, size=SIDE), args.split)
    assert held_out.labels is not None
    classes = held_out.classes
    print("| glyphs | recognized | up to twins |\n|---|---|---|")
    real = held_out.take_floats(slice(None))
    cells = measure(judge, real, held_out.labels, classes)
    print(f"| {len(real):,} real ones, {args.split} | {cells} |", flush=True)
    labels = torch.arange(len(classes)).repeat_interleave(args.per_class)
    for name in args.model:
        names = [classes[k] for k in labels.tolist()]
        seeds = range(args.seed, args.seed + len(labels))
        drawn: Any = torch.cat(
            [
                smalti.sample(name, seeds=seeds[k : k + 124], cond=names[k : k + 124])  # pyright: ignore
                for k in range(0, len(labels), 124)
            ]
        )
        print(
            f"| {len(drawn):,} of {name} | {measure(judge, drawn, labels, classes)} |", flush=True
        )
        if args.picture:
            save_png(make_grid(drawn[:: max(1, args.per_class // 4)], 16), args.picture)


if __name__ == "__main__":
    main()
