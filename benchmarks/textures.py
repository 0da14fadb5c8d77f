"""Textures of any size: seams, distance to held-out pictures, seconds.

    .venv/bin/python -m benchmarks.textures --model RUN --picture textures.png
    .venv/bin/python -m benchmarks.textures --codec textures-codec       # reconstructions alone

A canvas of each class is drawn twice, clamped and seamless, and timed. The step across its borders
is compared with the steps inside, and so is the step where the seamless sampler stopped drawing
again. The distance is that of 64x64 crops of the seamless canvases to held-out pictures of the
same classes (`smalti fetch textures`, all licenses: they are only measured with), beside that of
training pictures, of their reconstructions and of flat crops, their mean colors. All sets have the
same number of crops of each class. Two judges, neither of which a model was trained with: the
features of `emoji-classifier`, and the energies of band-pass filters. Seconds are the processor's,
on one thread.
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
from smalti.data.textures import MATERIALS
from smalti.evaluation.kernel import kernel_distance
from smalti.features.registry import find_features
from smalti.recipes.crops import cut_quarters
from smalti.recipes.textures import NOT_STATIONARY, PACK

HELD_OUT_PACK = "textures-128"
SIDE = 64  # pixels of a crop
CLASSES = [name for name in MATERIALS if name not in NOT_STATIONARY]


def draw_canvases(
    model: Any, name: str, seeds: Sequence[int], size: tuple[int, int], seamless: bool
) -> tuple[Tensor, float]:
    """Draw canvases of a class: (n, 3, H, W), and the processor's seconds for each."""
    sampler = find_sampler({"seamless": seamless}, model)
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
    none = torch.empty(0, 3, SIDE, SIDE)
    return {name: torch.cat([none, *crops]) for name, crops in found.items()}


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


def compare_seams(
    model: Any, classes: Sequence[str], args: argparse.Namespace
) -> dict[str, Tensor]:
    """Print seams and seconds; returns the seamless canvases of each class."""
    seeds, size = range(args.seed, args.seed + args.per_class), (args.size[0], args.size[1])
    inner = model.spec.size[0] // 2  # where codes of the border end, in pixels
    print(f"{args.model}, {size[0]}x{size[1]}, {args.per_class} of each of {len(classes)} classes")
    canvases: dict[str, Tensor] = {}
    for seamless in (False, True):
        drawn = [draw_canvases(model, name, seeds, size, seamless) for name in classes]
        canvases = {name: x for name, (x, _) in zip(classes, drawn, strict=True)}
        x, each = torch.cat([*canvases.values()]), [measure_seam(x) for x in canvases.values()]
        print(
            f"  {'seamless' if seamless else 'clamped'}: step across borders {measure_seam(x):.2f} "
            f"of that elsewhere (by class {min(each):.2f} to {max(each):.2f}), "
            f"{measure_seam(x, inner):.2f} at {inner} pixels from them; "
            f"{np.mean([seconds for _, seconds in drawn]):.1f} s"
        )
    return canvases


def compare_crops(
    codec: Any, classes: Sequence[str], canvases: dict[str, Tensor], seed: int
) -> None:
    """Print PSNR of reconstructions, and the distances of all sets to held-out crops."""
    held = read_crops(HELD_OUT_PACK, ("valid", "test"), classes)
    shown = read_crops(PACK, ("train",), classes)
    known = [name for name in classes if len(held[name]) and len(shown[name])]
    real = torch.cat([choose_rows(shown[name], len(held[name]), seed) for name in known])
    held_out = torch.cat([held[name] for name in known])
    sets = {
        "real": real,
        "reconstructed": reconstruct(codec, real),
        "flat": real.mean((2, 3), keepdim=True).expand(-1, -1, SIDE, SIDE),
    }
    if canvases:
        tiles = [choose_rows(cut_tiles(canvases[n]), len(held[n]), seed) for n in known]
        sets = {"samples": torch.cat(tiles), **sets}
    for kind, x in (("training", torch.cat([*shown.values()])), ("held-out", held_out)):
        print(f"reconstructions of {len(x)} {kind} crops: {measure_psnr(x, reconstruct(codec, x))}")
    print(f"kernel distance to {len(held_out)} held-out crops of {len(known)} classes")
    compare_distances(sets, held_out)


def reconstruct(codec: Any, x: Tensor) -> Tensor:
    return torch.cat([codec.decode(codec.encode(part), (SIDE, SIDE)) for part in x.split(100)])


def measure_psnr(x: Tensor, y: Tensor) -> str:
    """Mean PSNR over crops, with its standard error."""
    decibels = -10 * (x - y).square().mean((1, 2, 3)).log10()
    return f"{decibels.mean():.2f} ± {decibels.std() / len(x) ** 0.5:.2f} dB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="a model of textures")
    parser.add_argument("--codec", default="textures-codec", help="of models without one")
    parser.add_argument("--per-class", type=int, default=1, help="canvases of each class")
    parser.add_argument("--size", type=int, nargs=2, default=[256, 512])
    parser.add_argument("--classes", nargs="*", help="default: all")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", help="write the seamless canvases to this file")
    args = parser.parse_args()
    torch.set_num_threads(1)
    if args.model is None:
        return compare_crops(smalti.load(args.codec), args.classes or CLASSES, {}, args.seed)
    model: Any = smalti.load(args.model)
    classes = args.classes or list(model.spec.conditions[0].values)
    canvases = compare_seams(model, classes, args)
    if args.picture:
        rows = [torch.cat([*one], -1) for one in canvases.values()]
        save_png(to_image(torch.cat(rows, -2)), args.picture)
    codec = model.codec if hasattr(model, "codec") else smalti.load(args.codec)
    compare_crops(codec, classes, canvases, args.seed)


if __name__ == "__main__":
    main()
