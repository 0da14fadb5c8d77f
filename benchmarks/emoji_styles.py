"""Reconstructions of a codec of emoji, style by style.

    python -m benchmarks.emoji_styles                          # vqgan-emoji, validation emoji
    python -m benchmarks.emoji_styles CODEC --split test       # once for each model card
    python -m benchmarks.emoji_styles CODEC --data emoji-64    # of other pictures

Needs `smalti fetch emoji4`. Prints a row for each class of the pictures (their styles), as
`smalti evaluate` measures it: PSNR and SSIM with the standard error of the mean, the Frechet
distance from pictures to reconstructions, and codes used. Frechet distances shrink with the number
of pictures: compare rows of like numbers.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace

import smalti
from smalti.data import Pictures
from smalti.evaluation.report import Report

COLUMNS = ("psnr", "ssim", "frechet", "codes used")


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.emoji_styles")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("codec", nargs="?", default="vqgan-emoji")
    parser.add_argument("--data", default="emoji4-64", help="a pack or folder with classes")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    options = parser.parse_args(argv)
    splits = smalti.data.read_splits(options.data, size=smalti.load(options.codec).spec.size)
    print("| | pictures | PSNR | SSIM | Frechet | codes used |\n|---|---|---|---|---|---|")
    for held in split_by_class(getattr(splits, options.split)):
        report = smalti.evaluate(
            options.codec, replace(splits, **{options.split: held}), split=options.split
        )
        print(
            f"| {held.name.rpartition('/')[2]} | {len(held)} | {format_cells(report)} |", flush=True
        )


def split_by_class(pictures: Pictures) -> Iterator[Pictures]:
    """The pictures of each class, and then all."""
    if pictures.labels is not None:
        for label, name in enumerate(pictures.classes):
            yield pictures.select((pictures.labels == label).nonzero()[:, 0], name)
    yield pictures


def format_cells(report: Report) -> str:
    rows = {row.name: row for row in report.rows if row.value is not None}
    cells = []
    for name in COLUMNS:
        row = rows[name]
        text = f"{row.value:.0f}" if name == "codes used" else f"{row.value:.3f}"
        cells.append(text if row.error is None else f"{text} ± {row.error:.3f}")
    return " | ".join(cells)


if __name__ == "__main__":
    main()
