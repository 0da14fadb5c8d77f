"""Whether pictures drawn from an edge map have its edges.

    python -m benchmarks.emoji_edges                           # the codec's reconstructions alone
    python -m benchmarks.emoji_edges --model RUN --picture edges.png
    python -m benchmarks.emoji_edges --model RUN --scene       # three emoji side by side, 64x192
    python -m benchmarks.emoji_edges --model RUN --split test  # once for each model card

Needs `smalti fetch emoji4`. F1 of edges: an edge pixel of one picture is found if the other has one
at most two pixels away. Rows: a held-out picture and its own edge map after the condition's codec,
the codec's reconstruction of the picture, samples with their condition, and both with the condition
of the next picture, which is the level of chance. The last column is the way from chance (0) to the
reconstructions (1).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

import smalti
from smalti.autoregressive.picture_condition import find_edges, to_channels
from smalti.core.pictures import make_grid, save_png
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data import read_splits
from smalti.data.pictures import Pictures

PACK, SIDE = "emoji4-64", 64
THRESHOLD = 0.1  # of Sobel's gradient, whose largest value is 1
REACH = 2  # pixels
BATCH = 50  # pictures drawn at a time


def mark_edges(x: Tensor) -> Tensor:
    """Mark the edge pixels of pictures (N, C, H, W) in [0, 1]: (N, 1, H, W) bool."""
    return find_edges(to_channels(x, 1, "x")) > THRESHOLD


def compute_f1(found: Tensor, wanted: Tensor, reach: int = REACH) -> Tensor:
    """F1 of marked pixels (N, 1, H, W), each found within `reach` pixels: (N,)."""
    hits = [
        (a & widen(b, reach)).flatten(1).sum(1) / a.flatten(1).sum(1).clamp(min=1)
        for a, b in ((found, wanted), (wanted, found))
    ]
    return 2 * hits[0] * hits[1] / (hits[0] + hits[1]).clamp(min=1e-9)


def widen(marks: Tensor, reach: int) -> Tensor:
    return F.max_pool2d(marks.float(), 2 * reach + 1, 1, reach) > 0


def choose_held_out(splits: Any, split: str, n: int) -> Pictures:
    """Choose n held-out pictures, evenly over the split."""
    held_out: Pictures = getattr(splits, split)
    rows = torch.linspace(0, len(held_out) - 1, min(n, len(held_out)), dtype=torch.float64).long()
    return held_out.select(rows, split)


def draw(model: Any, pictures: Pictures, x: Tensor, seed: int) -> Tensor:
    """Draw a sample for each picture's edges, in its style if the model takes styles."""
    cond: dict[str, Any] = {"picture": x}
    if any(c.name == "style" for c in model.spec.conditions):
        cond["style"] = pictures.attributes["style"].list_words()
    inputs = SamplingInputs(size=(x.shape[2], x.shape[3]))
    drawn: list[Any] = []
    for k in range(0, len(x), BATCH):
        rows = slice(k, k + BATCH)
        some = {name: values[rows] for name, values in cond.items()}
        seeds = range(seed + k, seed + k + len(x[rows]))
        drawn.append(smalti.sample(model, seeds=seeds, cond=some, inputs=inputs))
    return torch.cat(drawn)


def join(pictures: Pictures, count: int) -> Pictures:
    """Scenes of `count` pictures side by side, in the style of the first."""
    x = pictures.pixels[: len(pictures) // count * count].unflatten(0, (-1, count))
    wide = torch.cat([*x.unbind(1)], dim=3)
    firsts = pictures.select(torch.arange(0, len(wide) * count, count), pictures.name)
    return Pictures(wide, None, (), pictures.name, attributes=firsts.attributes)


def compare(model: Any, codec: Any, pictures: Pictures, seed: int) -> dict[str, Tensor]:
    """Print the table; returns the sets of pictures by name."""
    x = pictures.take_floats(slice(None))
    wanted = mark_edges(x)
    maps = find_edges(to_channels(x, 1, "x")).expand(-1, x.shape[1], -1, -1)
    sets = {"reconstructed": reconstruct(codec, x)}
    if model is not None:
        sets["samples"] = draw(model, pictures, x, seed)
    marks = {"edge maps": reconstruct(codec, maps)[:, :1] > THRESHOLD}
    marks |= {name: mark_edges(y) for name, y in sets.items()}
    chance, best = (
        float(compute_f1(marks["reconstructed"], w).mean()) for w in (wanted.roll(1, 0), wanted)
    )
    print("| | F1 | F1 with the next condition | way from chance |\n|---|---|---|---|")
    for name, found in marks.items():
        f1 = compute_f1(found, wanted)
        other = float(compute_f1(found, wanted.roll(1, 0)).mean())
        error, way = float(f1.std() / len(f1) ** 0.5), (f1.mean() - chance) / (best - chance)
        print(f"| {name} | {f1.mean():.3f} ± {error:.3f} | {other:.3f} | {way:.2f} |", flush=True)
    return {"pictures": x, "edges": maps, **sets}


def reconstruct(codec: Any, x: Tensor) -> Tensor:
    size = (x.shape[2], x.shape[3])
    return torch.cat([codec.decode(codec.encode(part), size) for part in x.split(64)])


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.emoji_edges")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", help="a model of pictures given edges")
    parser.add_argument("--codec", default="vqgan-emoji")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("-n", type=int, default=200)
    parser.add_argument("--scene", action="store_true", help="of three emoji side by side")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--picture", help="write pictures, edges and samples to this file")
    args = parser.parse_args(argv)
    pictures = choose_held_out(read_splits(PACK, size=SIDE), args.split, args.n)
    pictures = join(pictures, 3) if args.scene else pictures
    model = None if args.model is None else smalti.load(args.model)
    sets = compare(model, smalti.load(args.codec), pictures, args.seed)
    if args.picture:
        columns = 5 if args.scene else 16
        rows = torch.cat([y[:columns] for y in sets.values()])
        save_png(make_grid(rows, columns=columns), args.picture)


if __name__ == "__main__":
    main()
