"""`smalti reconstruct` of a codec: pictures to codes and back, side by side."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

import smalti
from smalti.cli.given import read_pictures
from smalti.cli.meter import Meter
from smalti.codecs.tiles import Tiles, decode_tiled, encode_tiled
from smalti.core.errors import UserError
from smalti.core.folders import Results, folder_for, write_record
from smalti.core.likeness import psnr, ssim
from smalti.core.messages import count
from smalti.core.pictures import grid, image, save_png
from smalti.core.sampling import check_finite
from smalti.data.finding import find_pictures


def files_in(paths: Sequence[Path]) -> list[Path]:
    """Picture files; those inside a folder for the folder."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(find_pictures(path)) if path.is_dir() else [path]
        if not inside:
            raise UserError(f"{path} holds no pictures; name a folder that does")
        found += inside
    return found


def there_and_back(
    codec: Any,
    model: str,
    paths: Sequence[Path],
    size: Any,
    tile: int | None,
    batch: int,
    out: Path,
    results: Results,
) -> None:
    """Writes grid.png of pairs, each pair and its codes by itself, and the record; prints PSNR.

    size: (H, W) that pictures are brought to; "own" leaves each as it is, for any size goes.
    tile: pixels of a tile's side, for pictures larger than memory.
    """
    begun = time.perf_counter()
    files = files_in(paths)
    rows: list[dict[str, Any]] = []
    pairs: list[Tensor] = []
    used: set[int] = set()
    spec = replace(codec.spec, size=None) if size == "own" else codec.spec
    with folder_for(out, results) as folder, Meter("reconstructing", len(files)) as meter:
        step = 1 if size == "own" else batch
        for first in range(0, len(files), step):
            part = files[first : first + step]
            x = read_pictures(part, spec, None if size == "own" else size)
            codes, y = pass_through(codec, x, tile)
            check_finite(y)
            used |= set(codes.unique().tolist())
            measured = zip(part, x, y, psnr(x, y).tolist(), ssim(x, y).tolist(), strict=True)
            for k, (path, a, b, dB, index) in enumerate(measured, first):
                save_png(beside(a, b), folder / f"{k:05d}.png")
                rows.append({"file": str(path), "psnr": finite(dB), "ssim": round(index, 4)})
            if size != "own" or len(files) == 1:
                pairs.append(torch.stack([x, y], dim=1).flatten(0, 1))
            meter.advance(len(part))
        if pairs:
            sheet = torch.cat(pairs)
            save_png(
                grid(sheet, columns=2 * max(1, round((len(sheet) / 2) ** 0.5))), folder / "grid.png"
            )
        means = {name: mean(rows, name) for name in ("psnr", "ssim")}
        record = {"model": model, "mean_psnr": means["psnr"], "mean_ssim": means["ssim"],
                  "codes": codec.count, "codes_used": len(used), "pictures": rows,
                  "smalti": smalti.__version__}  # fmt: skip
        write_record(folder / "reconstruction.json", record)
    for row in rows:
        print(f"{shown(row['psnr'])} dB  SSIM {row['ssim']:.3f}  {row['file']}")
    seconds, where = time.perf_counter() - begun, out / "grid.png" if pairs else out
    print(
        f"{shown(means['psnr'])} dB  SSIM {means['ssim']:.3f}  in the mean, "
        f"{seconds:.1f} s: {where}"
    )
    print(f"  {len(used)} of {count(codec.count, 'code is', 'codes are')} used in these pictures")


def pass_through(codec: Any, x: Tensor, tile: int | None) -> tuple[Tensor, Tensor]:
    """Codes (n, h, w) and pictures (n, C, H, W) on the CPU."""
    size = (x.shape[2], x.shape[3])
    if tile is None:
        codes = codec.encode(x)
        return codes.cpu(), codec.decode(codes, size).cpu()
    tiles = Tiles(max(1, tile // codec.network.factor))
    codes = encode_tiled(codec, x, tiles)
    return codes.cpu(), decode_tiled(codec, codes, size, tiles).cpu()


def beside(a: Tensor, b: Tensor) -> Image.Image:
    """A picture left of what came back."""
    left, right = image(a), image(b)
    sheet = Image.new(
        left.mode, (left.width * 2 + 2, left.height), 128 if left.mode == "L" else (128,) * 3
    )
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + 2, 0))
    return sheet


def finite(dB: float) -> float | None:
    """To two places; None where the two pictures are the same."""
    return round(dB, 2) if dB < float("inf") else None


def mean(rows: list[dict[str, Any]], name: str) -> float | None:
    values = [row[name] for row in rows if row[name] is not None]
    return round(sum(values) / len(values), 4) if values else None


def shown(dB: float | None) -> str:
    return "  same" if dB is None else f"{dB:6.1f}"
