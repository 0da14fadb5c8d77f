"""Compressed size of held-out pictures.  `python -m benchmarks.compression --model NAME`.

The likelihood of a model (its exact score, given the class or the caption), the size with
`smalti.coding`, checked by decompressing, and formats without a model: PNG, WebP and JPEG XL of one
sheet (with pillow-jxl-plugin), xz, zpaq and paq9a of the raw bytes (with these installed) and, for
the digits, a histogram coder with the statistics of the training digits in contexts of four
neighbors. Bits are per pixel and channel; uncompressed 8. Seconds are of processor time, on one
thread. With `--levels 8` the pictures are quantized to 8 levels first, with `--data emoji-32` they
are those of a pack. `--picture FILE` draws where the bits of some pictures go, for each model.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any, Literal, NamedTuple

import constriction
import numpy as np
import torch
from torch import Tensor

import smalti
from benchmarks._lossless_formats import measure_formats
from benchmarks._machine import describe_machine, format_machine
from smalti.cli.progress_bar import ProgressBar
from smalti.coding import compress, decompress, read_header
from smalti.coding.heat_map import draw_heat_map, split_bits
from smalti.coding.pixels import levels_to_pixels
from smalti.core.checkpoint import find_checkpoint, read_model_config
from smalti.core.pictures import save_png
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.data import Pictures, digit_pictures
from smalti.layers.pixel_levels import Levels

CELLS = (7, 7, 4, 4)
"""Number of bins of the left and the upper neighbor, and of the two upper corners."""
SHOWN = 20
"""Pictures of `--picture`, at most."""
SMOOTHING = (3, 10, 30, 100, 300)
"""Pseudo-counts of each context, distributed as all contexts together; chosen on the validation
digits."""


@cache
def quantize_digits(split: Literal["train", "valid", "test"], levels: int) -> Pictures:
    """Quantize the digits to `levels` levels, as 8-bit pixels."""
    return quantize(digit_pictures(split), levels)


def quantize(pictures: Pictures, levels: int) -> Pictures:
    """Quantize pictures to `levels` levels, as 8-bit pixels."""
    codec = Levels(levels)
    pixels = levels_to_pixels(codec.encode(pictures.pixels.double() / 255), codec)
    return Pictures(pixels, pictures.labels, pictures.classes, pictures.name, pictures.captions)


def read_pictures(data: str, split: Literal["valid", "test"], levels: int) -> Pictures:
    """Read the held-out digits, or those of a pack, in `levels` levels."""
    if data == "digits":
        return quantize_digits(split, levels)
    splits = smalti.data.read_splits(data)
    found = splits.valid if split == "valid" else splits.test
    if found is None:
        raise SystemExit(f"{data} has no test pictures; give a pack that has, or --split valid")
    return quantize(found, levels)


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


def count_model_bits(model: Any, data: Pictures, batch_size: int, marginal: bool) -> float:
    """Count bits of all pictures by the model's exact score.

    It is given their classes and captions; `marginal` leaves out the classes.
    """
    total = 0.0
    for rows in torch.arange(len(data)).split(batch_size):
        labels = data.labels[rows] if data.labels is not None and model.spec.classes else None
        text = [data.captions[k] for k in rows.tolist()] if data.captions else None
        batch = Batch(data.take_floats(rows), None if marginal else labels, text)
        score = model.score(batch, Rng([0] * len(rows)))
        assert score.kind == "exact"
        total += float(score.nats.sum()) / math.log(2)
    return total


class Measurement(NamedTuple):
    """A row of the table."""

    what: str
    n_bytes: float
    n_values: int
    remark: str


def measure_model(
    name: str, data: Pictures, batch_size: int, marginal: int, sized: bool
) -> Iterator[Measurement]:
    """Yield each measurement of a model."""
    model, pixels, own = smalti.load(name), data.pixels, count_own_bytes(name)
    begun = time.process_time()
    bits = count_model_bits(model, data, batch_size, False)
    seconds = time.process_time() - begun
    remark = f"exact score; {seconds:.0f} s; the model itself has {own:,} bytes"
    yield Measurement(f"{name}: likelihood", bits / 8, pixels.numel(), remark)
    if marginal and model.spec.classes:
        few = data.select(slice(marginal), f"first {marginal}")
        n = few.pixels.numel()
        for given in (True, False):
            what = "given" if given else "without"
            part = count_model_bits(model, few, batch_size, not given)
            title = f"{name}: {what} the class, {len(few)}"
            yield Measurement(title, part / 8, n, "exact score")
    if not sized:
        return
    begun = time.process_time()
    with ProgressBar() as meter:
        packed = compress(
            model,
            data,
            model_name=name,
            batch_size=batch_size,
            on_progress=meter,
        )
    compressed = time.process_time()
    with ProgressBar() as meter:
        restored = decompress(model, packed, on_progress=meter)
    spent = compressed - begun, time.process_time() - compressed
    assert torch.equal(restored, pixels), "decompressing gave other pictures"
    payload = read_header(packed).payload_bytes
    over = f"{8 * payload / bits - 1:+.3%} of the likelihood"
    remark = f"{over}; {spent[0]:.0f} s, decompressing {spent[1]:.0f} s"
    yield Measurement(f"{name}: payload", payload, pixels.numel(), remark)
    remark = "with header, and classes or captions"
    yield Measurement(f"{name}: the whole file", len(packed), pixels.numel(), remark)


def count_own_bytes(name: str) -> int:
    """Count the bytes of a model's weights and counts, with the model that it refers to."""
    folder, config = find_checkpoint(name), read_model_config(find_checkpoint(name))
    base = getattr(config, "base", None)
    own = (folder / "model.safetensors").stat().st_size
    return own + (0 if base is None else count_own_bytes(base.model))


def draw_bits(names: Sequence[str], data: Pictures, out: str) -> None:
    """Draw where the bits of the pictures go, one row for each model, and print the shares."""
    maps = []
    for name in names:
        parts: list[Tensor] = []
        compress(smalti.load(name), data, batch_size=250, on_bits=parts.append)
        maps.append(torch.cat(parts))
        for kind, share in split_bits(data.pixels, maps[-1]).items():
            print(
                f"{name}: {kind} {share.fraction:.1%} of {data.pixels.numel():,} values, "
                f"{share.bits_fraction:.1%} of the bits, {share.bits_each:.2f} each",
                flush=True,
            )
    few = data.pixels[:SHOWN]
    save_png(draw_heat_map(few, *(each[:SHOWN] for each in maps)), out)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--model", nargs="*", default=[], help="shipped names or directories")
    parser.add_argument("--data", default="digits", help="digits, or a pack")
    parser.add_argument("--split", choices=("valid", "test"), default="test")
    parser.add_argument("-n", type=int, default=1000, help="pictures")
    parser.add_argument("--levels", type=int, default=256, help="levels of a pixel")
    parser.add_argument("--batch", type=int, default=250, help="batch size")
    parser.add_argument("--marginal", type=int, default=0, help="pictures without their classes")
    parser.add_argument("--no-formats", action="store_true", help="models only")
    parser.add_argument("--no-files", action="store_true", help="no compression by models")
    parser.add_argument("--picture", help="PNG file of where the bits go, and nothing else")
    args = parser.parse_args()
    torch.set_num_threads(1)
    pictures = read_pictures(args.data, args.split, args.levels)
    data = pictures.select(slice(args.n), f"first {args.n}")
    if args.picture:
        draw_bits(args.model, data, args.picture)
        return
    pixels, values = data.pixels, data.pixels.numel()
    machine = format_machine(describe_machine())
    print(f"{len(data)} pictures of {args.data}, {args.split}, {values:,} values; {machine}")
    print(f"{'what':52} {'bytes':>10} {'bits/value':>10}")
    if not args.no_formats:
        print_row(Measurement("raw bytes", values, values, ""))
        for each in measure_formats(pixels):
            seconds = f"{each.seconds:.1f} s" if each.seconds else ""
            remark = "; ".join(filter(None, (seconds, each.remark)))
            print_row(Measurement(each.name, each.n_bytes, values, remark))
        if args.data == "digits":
            size = count_histogram_bytes(pixels, args.levels)
            remark = "counts of the training digits"
            print_row(Measurement("histograms of 784 contexts", size, values, remark))
    for name in args.model:
        for row in measure_model(name, data, args.batch, args.marginal, not args.no_files):
            print_row(row)


def print_row(row: Measurement) -> None:
    bits = 8 * row.n_bytes / row.n_values
    print(f"{row.what:52} {row.n_bytes:10,.0f} {bits:10.4f}  {row.remark}".rstrip(), flush=True)


if __name__ == "__main__":
    main()
