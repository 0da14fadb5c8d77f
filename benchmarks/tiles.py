"""Tiled codecs: difference to the untiled picture, and memory.

    .venv/bin/python -m benchmarks.tiles CODEC               # 512x512, compared with untiled
    .venv/bin/python -m benchmarks.tiles CODEC --side 2048   # tiled only, with peak memory

CODEC is a shipped model's name, a run or a checkpoint; `new` is an untrained network of
`vqgan-emoji`.
"""

from __future__ import annotations

import argparse
import resource
import time
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import smalti
from smalti.codecs.tiles import decode_tiled, encode_tiled


def draw_picture(side: int) -> Tensor:
    """Draw soft colors, a dark side and detail in a corner, without edges at tile borders."""
    torch.manual_seed(0)
    x = F.interpolate(torch.rand(1, 3, 9, 9), (side, side), mode="bicubic").clamp(0, 1)
    x[..., : side * 3 // 7] *= 0.3
    x[:, :, : side // 5, : side // 5] = torch.rand(1, 3, side // 5, side // 5)
    return x


def measure_steps(x: Tensor, period: int) -> tuple[float, float]:
    """Measure the mean absolute difference of adjacent pixels, at tile borders and elsewhere."""
    sides = [(x[..., 1:] - x[..., :-1]).abs().mean((0, 1, 2))]
    sides.append((x[:, :, 1:] - x[:, :, :-1]).abs().mean((0, 1, 3)))
    border = torch.zeros(x.shape[-1] - 1, dtype=torch.bool)
    border[period - 1 :: period] = True
    at, rest = (torch.cat([s[where] for s in sides]).mean() for where in (border, ~border))
    return float(at), float(rest)


def load_codec(name: str) -> Any:
    if name != "new":
        return smalti.load(name)
    from smalti.recipes import find_recipe

    recipe = find_recipe("vqgan-emoji")
    from smalti.data.pictures import Pictures

    stub = Pictures(torch.zeros(1, 3, 64, 64, dtype=torch.uint8), None, (), "none")
    return recipe.make_config(stub).build().eval()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("codec")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--tile", type=int, default=256, help="side of a tile in pixels")
    args = parser.parse_args()
    codec, x = load_codec(args.codec), draw_picture(args.side)
    side = max(1, args.tile // codec.network.downsampling_factor)
    begun = time.perf_counter()
    codes = encode_tiled(codec, x, side)
    encoded = time.perf_counter() - begun
    begun = time.perf_counter()
    y = decode_tiled(codec, codes, (args.side, args.side), side)
    decoded = time.perf_counter() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    at, rest = measure_steps(y, side * codec.network.downsampling_factor)
    print(f"{args.side}x{args.side} in tiles of {args.tile}: encoded in {encoded:.1f} s, ")
    print(f"  decoded in {decoded:.1f} s, peak memory {peak:.2f} GiB (expected below 6)")
    print(f"  step across borders {at / rest:.3f} of that elsewhere")
    if args.side <= 512:
        whole = codec.decode(codes, (args.side, args.side))
        wat, wrest = measure_steps(whole, side * codec.network.downsampling_factor)
        print(f"  {wat / wrest:.3f} at the same positions of the untiled picture (expected: 1.1)")
        difference = float((whole - y).abs().mean()) * 255
        print(f"  mean difference {difference:.4f} / 255 (expected: at most 2)")
        same = float((codec.encode(x) == codes).float().mean())
        print(f"  {same:.2%} of the codes are equal to those of the untiled picture")


if __name__ == "__main__":
    main()
