"""Pictures to a codec's codes and back, side by side, for `reconstruct`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch
from PIL import Image
from torch import Tensor

from smalti.codecs.codec import Codec
from smalti.codecs.tiles import decode_tiled, encode_tiled
from smalti.core.folders import results_folder, write_record
from smalti.core.likeness import psnr, ssim
from smalti.core.pictures import grid, image, save_png
from smalti.core.progress import OnProgress, Progress
from smalti.core.sampling import check_finite
from smalti.data.single import Picture
from smalti.tasks._reconstruct import FILES, Reconstruction, round_psnr
from smalti.tasks.inputs import name_files, read_pictures

GREY = 128


def pass_codec(
    codec: Codec,
    name: str,
    files: list[Picture],
    size: tuple[int, int] | Literal["own"] | None,
    tile: int | None,
    batch: int,
    out: str | Path | None,
    on_progress: OnProgress,
) -> Reconstruction:
    """As `reconstruct`, with files grid.png of pairs, and each pair by itself.

    size: (H, W) that pictures are brought to; "own" leaves each as it is, for any size goes.
    """
    extent = None if size == "own" else size or codec.spec.size
    n, step = len(files), 1 if size == "own" else batch
    dB: list[float | None] = []
    indices: list[float] = []
    pairs: list[Tensor] = []
    results: list[Tensor] = []
    used: set[int] = set()
    with results_folder(out, FILES) as folder:
        for first in range(0, n, step):
            on_progress(Progress("reconstructing", first, n))
            part = files[first : first + step]
            x = read_pictures(part, codec.spec.channels, extent)
            codes, y = go_there_and_back(codec, x, tile)
            check_finite(y)
            used |= set(codes.unique().tolist())
            dB += round_psnr(psnr(x, y))
            indices += [round(index, 4) for index in ssim(x, y).tolist()]
            if not folder:
                results += y
                continue
            for k, (a, b) in enumerate(zip(x, y, strict=True), first):
                save_png(put_beside(a, b), folder / f"{k:05d}.png")
            if size != "own" or n == 1:
                pairs.append(torch.stack([x, y], dim=1).flatten(0, 1))
        on_progress(Progress("reconstructing", n, n))
        found = Reconstruction(
            name_files(files),
            dB,
            find_mean(dB),
            tuple(results),
            indices,
            find_mean(indices),
            codec.count,
            len(used),
            has_grid=bool(pairs),
        )
        if folder:
            write_pairs(folder, pairs, found, name)
    return found


def write_pairs(folder: Path, pairs: list[Tensor], found: Reconstruction, name: str) -> None:
    """grid.png, where all pictures are of one size, and the record."""
    if pairs:
        sheet = torch.cat(pairs)
        columns = 2 * max(1, round((len(sheet) / 2) ** 0.5))
        save_png(grid(sheet, columns=columns), folder / "grid.png")
    rows = [
        {"file": file, "psnr": dB, "ssim": index}
        for file, dB, index in zip(found.files, found.psnr, found.ssim or (), strict=True)
    ]
    record = {"model": name, "mean_psnr": found.mean_psnr, "mean_ssim": found.mean_ssim,
              "codes": found.codes, "codes_used": found.codes_used, "pictures": rows}  # fmt: skip
    write_record(folder / "reconstruction.json", record)


def go_there_and_back(codec: Codec, x: Tensor, tile: int | None) -> tuple[Tensor, Tensor]:
    """Codes (n, h, w) and pictures (n, C, H, W) on the CPU."""
    size = (x.shape[2], x.shape[3])
    if tile is None:
        codes = codec.encode(x)
        return codes.cpu(), codec.decode(codes, size).cpu()
    side = max(1, tile // codec.network.factor)
    codes = encode_tiled(codec, x, side)
    return codes.cpu(), decode_tiled(codec, codes, size, side).cpu()


def put_beside(a: Tensor, b: Tensor) -> Image.Image:
    """A picture left of what came back."""
    left, right = image(a), image(b)
    grey = GREY if left.mode == "L" else (GREY,) * 3
    sheet = Image.new(left.mode, (left.width * 2 + 2, left.height), grey)
    sheet.paste(left, (0, 0))
    sheet.paste(right, (left.width + 2, 0))
    return sheet


def find_mean(values: list[Any]) -> float | None:
    known = [value for value in values if value is not None]
    return round(sum(known) / len(known), 4) if known else None
