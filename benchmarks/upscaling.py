"""Emoji of 64x64 enlarged to 128x128, by emoji-upscaler and by interpolation.

    python -m benchmarks.upscaling                  # validation pictures
    python -m benchmarks.upscaling --split test     # once for each model card

Needs `smalti fetch emoji4`. Held-out pictures of fluent-128 are halved and enlarged again. PSNR to
the originals, with its standard error, is best for blurred pictures; the Frechet distance to the
originals, in the features of emoji-classifier, is of what they look like.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import smalti
from smalti.core.pictures import make_grid, save_png
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data import read_splits
from smalti.evaluation.frechet import compute_moments, frechet_distance
from smalti.features import find_features

PACK, SIDE = "fluent-128", 128
BATCH = 25  # pictures drawn at a time


def enlarge(model: str, x: Tensor) -> Tensor:
    """Double the size of pictures (n, C, h, w) by a model, seeds 0 .. n-1."""
    size = (2 * x.shape[2], 2 * x.shape[3])
    parts: list[Any] = []
    for k in range(0, len(x), BATCH):
        inputs = SamplingInputs(picture=x[k : k + BATCH], size=size)
        parts.append(smalti.sample(model, seeds=range(k, k + len(x[k : k + BATCH])), inputs=inputs))
    return torch.cat(parts)


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.upscaling")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", default="emoji-upscaler")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--picture", help="write some of each kind to this file")
    args = parser.parse_args(argv)
    torch.set_num_threads(1)
    part: Any = getattr(read_splits(PACK, size=SIDE), args.split)
    rows = torch.linspace(0, len(part) - 1, min(args.n, len(part)), dtype=torch.float64).long()
    x = part.take_floats(rows)
    small = F.avg_pool2d(x, 2)
    ways: dict[str, Callable[[Tensor], Tensor]] = {
        "bilinear": partial(F.interpolate, scale_factor=2, mode="bilinear"),
        "bicubic": partial(F.interpolate, scale_factor=2, mode="bicubic"),
        args.model: partial(enlarge, args.model),
    }
    features = find_features("emoji")
    real, shown = compute_moments(features(x)), [F.interpolate(small[:12], scale_factor=2)]
    print(f"{len(x)} {args.split} pictures\n| | PSNR | Frechet |\n|---|---|---|")
    for name, double in ways.items():
        y = double(small).clamp(0, 1)
        decibels = -10 * (x - y).square().mean((1, 2, 3)).log10()
        error = float(decibels.std()) / len(x) ** 0.5
        distance = frechet_distance(features(y), real)
        print(f"| {name} | {decibels.mean():.2f} ± {error:.2f} dB | {distance:.3f} |", flush=True)
        shown.append(y[:12])
    if args.picture:
        save_png(make_grid(torch.cat([*shown, x[:12]]), columns=12), args.picture)


if __name__ == "__main__":
    main()
