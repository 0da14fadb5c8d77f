"""Compressed size of the test digits.  `python -m benchmarks.compression --model NAME`.

The likelihood of a model (its exact score, given the class), the size with `smalti.coding`, checked
by decompressing, and baselines without a model: PNG and WebP of one sheet, xz of the raw bytes, and
a histogram coder with the statistics of the training digits in contexts of four neighbors. Bits are
per pixel; uncompressed 8. With `--levels 8` the digits are quantized to 8 levels first.
"""

from __future__ import annotations

import argparse
import io
import lzma
import math
import time
from collections.abc import Iterator
from functools import cache
from typing import Literal

import constriction
import numpy as np
import torch
from PIL import Image
from torch import Tensor

import smalti
from benchmarks._machine import describe_machine, format_machine
from smalti.cli.progress_bar import ProgressBar
from smalti.coding import compress, decompress, read_header
from smalti.coding.pixels import levels_to_pixels
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.data import Pictures, digit_pictures
from smalti.layers.pixel_levels import Levels

COLUMNS = (1, 10, 20, 25, 40, 50)
"""Columns of the sheets tried for PNG and WebP; the smallest file counts."""
CELLS = (7, 7, 4, 4)
"""Number of bins of the left and the upper neighbor, and of the two upper corners."""
SMOOTHING = (3, 10, 30, 100, 300)
"""Pseudo-counts of each context, distributed as all contexts together; chosen on the validation
digits."""


@cache
def quantize_digits(split: Literal["train", "valid", "test"], levels: int) -> Pictures:
    """Quantize the digits to `levels` levels, as 8-bit pixels."""
    pictures, codec = digit_pictures(split), Levels(levels)
    pixels = levels_to_pixels(codec.encode(pictures.pixels.double() / 255), codec)
    return Pictures(pixels, labels=pictures.labels, classes=pictures.classes, name=pictures.name)


def draw_sheet(pixels: Tensor, columns: int) -> Image.Image:
    """Tile uint8 (N, 1, H, W) without margins; the rest of the last row is black."""
    N, _, H, W = pixels.shape
    rows = math.ceil(N / columns)
    padded = torch.zeros(rows * columns, H, W, dtype=torch.uint8)
    padded[:N] = pixels[:, 0]
    tiles = padded.view(rows, columns, H, W).transpose(1, 2).reshape(rows * H, columns * W)
    return Image.fromarray(tiles.numpy())


def count_encoded_bytes(picture: Image.Image, **options: object) -> int:
    file = io.BytesIO()
    picture.save(file, **options)  # pyright: ignore[reportArgumentType]
    return file.tell()


def count_png_bytes(pixels: Tensor) -> int:
    """Count the bytes of the smallest sheet."""
    return min(
        count_encoded_bytes(draw_sheet(pixels, c), format="PNG", optimize=True) for c in COLUMNS
    )


def count_webp_bytes(pixels: Tensor) -> int:
    options = {"format": "WEBP", "lossless": True, "quality": 100, "method": 6}
    sheets = [draw_sheet(pixels, c) for c in COLUMNS]
    return min(count_encoded_bytes(s, **options) for s in sheets if max(s.size) < 16384)


def count_xz_bytes(pixels: Tensor) -> int:
    return len(lzma.compress(pixels.numpy().tobytes(), preset=9 | lzma.PRESET_EXTREME))


def find_contexts(pixels: Tensor, levels: int) -> Tensor:
    """Find the context below 784 of each pixel, by its left, upper and two corner neighbors."""
    N, _, H, W = pixels.shape
    framed = torch.zeros(N, H + 1, W + 2, dtype=torch.int64)
    framed[:, 1:, 1:-1] = pixels[:, 0]
    left, above = framed[:, 1:, :-2], framed[:, :-1, 1:-1]
    corners = framed[:, :-1, :-2], framed[:, :-1, 2:]
    found = torch.zeros(N, H, W, dtype=torch.int64)
    for neighbor, cells in zip((left, above, *corners), CELLS, strict=True):
        borders = find_cell_edges(cells, levels)
        found = found * cells + torch.bucketize(neighbor.contiguous(), borders, right=True)
    return found


@cache
def find_cell_edges(cells: int, levels: int) -> Tensor:
    """Find bin edges above black: equal numbers of the training digits' nonblack pixels."""
    pixels = quantize_digits("train", levels).pixels
    parts = pixels[pixels > 0].float().quantile(torch.linspace(0, 1, cells)[1:-1]).round()
    return torch.cat([torch.ones(1), parts]).long()


def count_levels(pixels: Tensor, levels: int) -> Tensor:
    """Count each level in each context, (784, 256)."""
    indices = find_contexts(pixels, levels) * 256 + pixels[:, 0]
    return (
        torch.bincount(indices.flatten(), minlength=math.prod(CELLS) * 256).view(-1, 256).double()
    )


def compute_tables(counts: Tensor, smoothing: float) -> Tensor:
    """Compute (784, 256) probabilities: counts smoothed with those of all contexts."""
    overall = (counts.sum(0) + 0.5) / (counts.sum() + 128)
    return (counts + smoothing * overall) / (counts.sum(1, keepdim=True) + smoothing)


def fit_histogram(levels: int) -> Tensor:
    """Compute tables of the training digits, with the smoothing best for the validation digits."""
    counts = count_levels(quantize_digits("train", levels).pixels, levels)
    valid = quantize_digits("valid", levels).pixels
    indices = find_contexts(valid, levels), valid[:, 0].long()
    nats = {s: -compute_tables(counts, s)[indices].log().mean() for s in SMOOTHING}
    return compute_tables(counts, min(nats, key=lambda s: float(nats[s])))


def count_histogram_bytes(pixels: Tensor, levels: int) -> int:
    """Count the bytes of a range coder with these tables."""
    p, coders = fit_histogram(levels).numpy(), constriction.stream  # pyright: ignore[reportAttributeAccessIssue]
    contexts = find_contexts(pixels, levels).flatten().numpy()
    symbols, family = (
        pixels.flatten().numpy().astype(np.int32),
        coders.model.Categorical(perfect=False),
    )
    encoder = coders.queue.RangeEncoder()
    for part in np.array_split(np.arange(len(symbols)), 64):
        encoder.encode(symbols[part], family, p[contexts[part]])
    return 4 * len(encoder.get_compressed())


def count_model_bits(model, data: Pictures, batch_size: int) -> float:
    """Count bits of all pictures by the model's exact score, given their classes."""
    total = 0.0
    for rows in torch.arange(len(data)).split(batch_size):
        labels = data.labels[rows] if data.labels is not None and model.spec.classes else None
        score = model.score(Batch(data.take_floats(rows), labels), Rng([0] * len(rows)))
        assert score.kind == "exact"
        total += float(score.nats.sum()) / math.log(2)
    return total


def measure_model(name: str, data: Pictures, batch_size: int) -> Iterator[tuple[str, float, str]]:
    """Yield name, bytes and remark of each measurement of a model."""
    model, pixels = smalti.load(name), data.pixels
    bits = count_model_bits(model, data, batch_size)
    yield f"{name}: likelihood", bits / 8, "exact score of the pictures, given their classes"
    begun = time.perf_counter()
    with ProgressBar() as meter:
        packed = compress(model, data, model_name=name, batch_size=batch_size, on_progress=meter)
    compressed = time.perf_counter()
    with ProgressBar() as meter:
        restored = decompress(model, packed, on_progress=meter)
    seconds = compressed - begun, time.perf_counter() - compressed
    assert torch.equal(restored, pixels), "decompressing gave other pictures"
    payload = read_header(packed).payload_bytes
    over = f"{8 * payload / bits - 1:+.3%} of the likelihood"
    yield (
        f"{name}: payload",
        payload,
        f"{over}; {seconds[0]:.1f} s, decompressing {seconds[1]:.1f} s",
    )
    yield f"{name}: the whole file", len(packed), "with header and classes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", nargs="*", default=[], help="shipped names or directories")
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("-n", type=int, default=1000, help="digits")
    parser.add_argument("--levels", type=int, default=256, help="levels of a pixel")
    parser.add_argument("--batch", type=int, default=250, help="batch size")
    args = parser.parse_args()
    data = quantize_digits(args.split, args.levels).select(slice(args.n), f"first {args.n}")
    pixels, values = data.pixels, data.pixels.numel()
    print(
        f"{len(data)} digits of {args.split}, {values:,} pixels; "
        f"{format_machine(describe_machine())}"
    )
    print(f"{'what':44} {'bytes':>10} {'bits/pixel':>10}")
    baselines = {
        "raw bytes": (values, ""),
        "xz -9e of the bytes": (count_xz_bytes(pixels), ""),
        "PNG of one sheet": (count_png_bytes(pixels), "the smallest of several layouts"),
        "WebP lossless of one sheet": (count_webp_bytes(pixels), "the smallest of several layouts"),
        "histograms of 784 contexts": (
            count_histogram_bytes(pixels, args.levels),
            "counts of the training digits",
        ),
    }
    for what, (size, remark) in baselines.items():
        print(f"{what:44} {size:10,} {8 * size / values:10.4f}  {remark}".rstrip(), flush=True)
    for name in args.model:
        for what, size, remark in measure_model(name, data, args.batch):
            print(f"{what:44} {size:10,.0f} {8 * size / values:10.4f}  {remark}", flush=True)


if __name__ == "__main__":
    main()
