"""Textures of any size: seams, distance to held-out pictures, seconds.

    .venv/bin/python -m benchmarks.textures                          # the shipped prior
    .venv/bin/python -m benchmarks.textures --model RUN --per-class 2 --picture textures.png

A canvas of each class is drawn twice, clamped and seamless, and timed. The step across its borders
is compared with the steps inside, and so is the step where the seamless sampler stopped drawing
again. The distance is that of 64x64 crops of the seamless canvases to held-out pictures of the
same classes (`smalti fetch textures`), beside that of training pictures and that of flat crops: the
mean color of each of those training pictures. All four sets have the same number of crops of each
class. Two judges: the features of `emoji-classifier`, which the codec was trained with, and the
energies of band-pass filters, which no model was trained with. Seconds are the processor's, on one
thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import smalti
from smalti.core.pictures import save_png, to_image
from smalti.core.sampling import find_sampler
from smalti.data import read_splits
from smalti.data.pictures import Pictures
from smalti.evaluation.kernel import kernel_distance
from smalti.features.registry import find_features
from smalti.recipes.textures import PACK, cut_quarters

HELD_OUT_PACK = "textures-128"
SIDE = 64  # pixels of a crop


def draw_canvases(
    model: Any, name: str, seeds: Sequence[int], size: tuple[int, int], seamless: bool
) -> tuple[Tensor, float]:
    """Draw canvases of a class: (n, 3, H, W), and the processor's seconds for each."""
    sampler = find_sampler({"sampler": "sliding", "seamless": seamless}, model)
    inputs = smalti.SamplingInputs(size=size)
    begun = time.process_time()
    drawn: Any = smalti.sample(
        model, seeds=[*seeds], cond=[name] * len(seeds), inputs=inputs, sampler=sampler
    )
    return drawn, (time.process_time() - begun) / len(seeds)


def measure_seam(x: Tensor, row: int = 0) -> float:
    """Mean step between a row (of the canvas rolled so) and the one above, over the mean of all.

    x: (n, 3, H, W); both directions count.
    """
    found = []
    for dim in (2, 3):
        steps = (x - x.roll(1, dim)).abs().mean([d for d in range(4) if d != dim])  # (side,)
        found.append((steps[row], steps[1:].mean()))
    at, elsewhere = (sum(side) for side in zip(*found, strict=True))
    return float(at / elsewhere)


def cut_tiles(x: Tensor) -> Tensor:
    """Cut canvases (n, 3, H, W) into all their tiles (m, 3, SIDE, SIDE)."""
    return x.unfold(2, SIDE, SIDE).unfold(3, SIDE, SIDE).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)


def read_crops(pack: str, splits: Sequence[str], classes: Sequence[str]) -> dict[str, Tensor]:
    """Read the quarters of a pack's pictures by class, in [0, 1]."""
    parts = read_splits(pack, size=2 * SIDE)
    found: dict[str, list[Tensor]] = {name: [] for name in classes}
    for split in splits:
        part: Pictures | None = getattr(parts, split)
        assert part is not None
        quarters = cut_quarters(part, (SIDE, SIDE))
        assert quarters.labels is not None
        for k, name in enumerate(part.classes):
            if name in found:
                found[name].append(quarters.pixels[quarters.labels == k].float() / 255)
    return {name: torch.cat(crops) for name, crops in found.items()}


def choose_rows(x: Tensor, n: int, seed: int) -> Tensor:
    """Choose n rows of x, each as often as the others up to one."""
    rng = np.random.Generator(np.random.Philox(seed))
    order = np.concatenate([rng.permutation(len(x)) for _ in range(-(-n // len(x)))])
    return x[torch.from_numpy(order[:n])]


def measure_bands(x: Tensor) -> Tensor:
    """Features of crops (N, 3, 64, 64): mean color, and log energy of each band and direction.

    Bands: Laplacian pyramid of four levels of luma, and of two differences of colors; directions:
    the steps of luma to the right, downwards and along both diagonals.
    """
    luma = x.mean(1, keepdim=True)
    planes = torch.cat([luma, x[:, :1] - x[:, 1:2], x[:, 2:] - x[:, 1:2]], 1)
    features = [4 * planes.mean((2, 3))]
    for _ in range(4):
        small = F.avg_pool2d(planes, 2)
        smooth = F.interpolate(small, scale_factor=2, mode="bilinear")
        band = planes - smooth
        features.append((band.square().mean((2, 3)) + 1e-6).log() / 4)
        y = band[:, 0]
        steps = (y.diff(dim=2), y.diff(dim=1), y[:, 1:, 1:] - y[:, :-1, :-1])
        steps += (y[:, 1:, :-1] - y[:, :-1, 1:],)
        features.append(torch.stack([(s.square().mean((1, 2)) + 1e-6).log() / 4 for s in steps], 1))
        planes = small
    return torch.cat(features, 1)


def compare_distances(sets: dict[str, Tensor], held_out: Tensor) -> None:
    """Print the kernel distance of each set of crops to the held-out ones, by both judges."""
    emoji = find_features("emoji")
    judges: dict[str, Callable[[Tensor], Tensor]] = {"emoji": emoji, "bands": measure_bands}
    for name, measure in judges.items():
        target = measure(held_out)
        # the filters' energies have no scale of their own
        scale = target.std(0) if measure is measure_bands else torch.ones(())
        center = target.mean(0) if measure is measure_bands else torch.zeros(())
        distances = {
            kind: kernel_distance((measure(x) - center) / scale, (target - center) / scale)
            for kind, x in sets.items()
        }
        real = distances["real"]
        cells = [f"{kind} {d:.3f} ({d / real:.2f}x)" for kind, d in distances.items()]
        print(f"  {name}: {', '.join(cells)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="textures")
    parser.add_argument("--per-class", type=int, default=1, help="canvases of each class")
    parser.add_argument("--size", type=int, nargs=2, default=[256, 512])
    parser.add_argument("--classes", nargs="*", help="default: all of the model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", help="write the seamless canvases to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    model: Any = smalti.load(args.model)
    classes = args.classes or list(model.spec.conditions[0].values)
    seeds, size = range(args.seed, args.seed + args.per_class), (args.size[0], args.size[1])
    canvases, clamped = {}, {}
    seconds = {True: [], False: []}
    for name in classes:
        for seamless, found in ((True, canvases), (False, clamped)):
            found[name], spent = draw_canvases(model, name, seeds, size, seamless)
            seconds[seamless].append(spent)
    inner = model.spec.size[0] // 2  # where codes of the border end, in pixels
    print(f"{args.model}, {size[0]}x{size[1]}, {args.per_class} of each of {len(classes)} classes")
    for kind, drawn, spent in (
        ("seamless", canvases, seconds[True]),
        ("clamped", clamped, seconds[False]),
    ):
        x = torch.cat([*drawn.values()])
        each = [measure_seam(one) for one in drawn.values()]
        print(
            f"  {kind}: step across borders {measure_seam(x):.2f} of that elsewhere "
            f"({min(each):.2f} to {max(each):.2f}), {measure_seam(x, inner):.2f} at {inner} pixels "
            f"from it; {np.mean(spent):.1f} s"
        )
    held = read_crops(HELD_OUT_PACK, ("valid", "test"), classes)
    real = read_crops(PACK, ("train",), classes)
    sets: dict[str, list[Tensor]] = {"samples": [], "real": [], "flat": []}
    for name in classes:
        n = len(held[name])
        if n:
            sets["samples"].append(choose_rows(cut_tiles(canvases[name]), n, args.seed))
            sets["real"].append(choose_rows(real[name], n, args.seed))
            sets["flat"].append(
                sets["real"][-1].mean((2, 3), keepdim=True).expand(-1, -1, SIDE, SIDE)
            )
    held_out = torch.cat([held[name] for name in classes])
    print(f"kernel distance to {len(held_out)} held-out crops, beside that of real crops")
    compare_distances({k: torch.cat(parts) for k, parts in sets.items()}, held_out)
    if args.picture:
        rows = [torch.cat([*one], -1) for one in canvases.values()]
        save_png(to_image(torch.cat(rows, -2)), args.picture)


if __name__ == "__main__":
    main()
