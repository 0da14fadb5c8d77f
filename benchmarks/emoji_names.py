"""Whether drawn emoji show the requested name in the requested style.

    python -m benchmarks.emoji_names                           # the judge on real pictures alone
    python -m benchmarks.emoji_names --model RUN               # and on samples, validation pairs
    python -m benchmarks.emoji_names --model RUN --split test  # once for each model card
    python -m benchmarks.emoji_names --model RUN --picture names.png

Needs `smalti fetch emoji4`. A pair is a name and a style whose picture is held out, while pictures
of the name in other styles are trained on. The judge is trained on the real training pictures of
all styles and sees neither the model nor its codec: gradients in 8 directions, colors and a small
picture, 128 principal components, and a metric in which pictures of one name are close (linear
discriminant analysis). It ranks all names by their nearest training picture. Styles are recognized
by logistic regression on 400 components. A picture counts if the right name is among the first
five, and the style is right.
Rows: the held-out pictures themselves, the codec's reconstructions of them, samples, and samples
judged by the next pair's name and style. Distances are medians to the nearest training picture,
relative to the held-out ones: in pixels, and in the judge's metric; below 0.8 a model copies.
Frechet distances are to all training pictures, in the features of the classifier `emoji`.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

import smalti
from smalti.core.errors import UserError
from smalti.core.pictures import make_grid, save_png
from smalti.data import read_splits
from smalti.data.attributes import Attribute
from smalti.data.pictures import Pictures
from smalti.evaluation.frechet import compute_moments, frechet_distance
from smalti.evaluation.memorization import compute_median_ratio
from smalti.evaluation.neighbors import find_nearest
from smalti.features import find_features

PACK, SIDE = "emoji4-64", 64
COMPONENTS = 128
STYLE_COMPONENTS = 400
STYLE_DECAY = 3e-3  # of the regression's squared weights
SHRINKAGE = 0.1  # of the scatter within names, towards a multiple of the identity
FIRST = 5
MAX_PAIRS = 200


def describe(x: Tensor) -> Tensor:
    """Describe pictures x (N, 3, 64, 64) in [0, 1] by numbers (N, D)."""
    parts = [describe_colors(x), describe_edges(x), F.avg_pool2d(x, 4).flatten(1)]
    return torch.cat(parts, 1)


def describe_colors(x: Tensor) -> Tensor:
    """Square roots of the shares of 4x4x4 colors, (N, 64)."""
    bins = (x * 3.999).long()
    index = (16 * bins[:, 0] + 4 * bins[:, 1] + bins[:, 2]).flatten(1)
    counts = torch.zeros(len(x), 64).scatter_add_(1, index, torch.ones(index.shape))
    return 5 * (counts / index.shape[1]).sqrt()


def describe_edges(x: Tensor) -> Tensor:
    """Histograms of gradients in 8 directions, in overlapping cells of 8 and 16 pixels."""
    gray = torch.einsum("nchw,c->nhw", x, torch.tensor([0.3, 0.59, 0.11]))
    right = F.pad(gray.diff(dim=2), (0, 1))
    down = F.pad(gray.diff(dim=1), (0, 0, 0, 1))
    length = (right**2 + down**2 + 1e-8).sqrt()
    turns = torch.atan2(down, right) % np.pi / np.pi * 8  # (N, H, W) from 0 to 8
    low, share = turns.long() % 8, turns % 1
    planes = torch.zeros(len(x), 8, *gray.shape[1:])
    planes.scatter_add_(1, low[:, None], (length * (1 - share))[:, None])
    planes.scatter_add_(1, (low[:, None] + 1) % 8, (length * share)[:, None])
    cells = [F.avg_pool2d(planes, side, side // 2) for side in (8, 16)]
    return 0.5 * torch.cat(
        [(c / (c.norm(dim=1, keepdim=True) + 0.03)).flatten(1) for c in cells], 1
    )


@dataclass(frozen=True, eq=False)
class Judge:
    """Recognizes the name and the style of an emoji."""

    center: Tensor
    components: Tensor
    """(D, STYLE_COMPONENTS), scaled to variance 1; the first COMPONENTS tell names."""
    metric: Tensor
    """(COMPONENTS, COMPONENTS); Euclidean distances after it are the judge's."""
    style_means: Tensor
    """(S, COMPONENTS)."""
    gallery: Tensor
    """(N, COMPONENTS): the training pictures, their style's mean subtracted."""
    labels: Tensor
    """(N,) their names' numbers."""
    style_weights: Tensor
    """(STYLE_COMPONENTS + 1, S): the last row is the bias."""

    def project(self, x: Tensor) -> Tensor:
        """Principal components of pictures (N, 3, 64, 64): (N, STYLE_COMPONENTS)."""
        parts = [(describe(part) - self.center) @ self.components for part in x.split(256)]
        return torch.cat(parts)

    def measure(self, x: Tensor) -> Tensor:
        """Coordinates of pictures (N, 3, 64, 64) in the metric: (N, COMPONENTS)."""
        return self.project(x)[:, :COMPONENTS] @ self.metric

    def rank_names(self, x: Tensor, styles: Tensor) -> Tensor:
        """Rank the names of pictures in known styles (N,): (N, K), the likeliest first."""
        z = self.measure(x) - self.style_means[styles]
        distances = torch.cdist(z, self.gallery)  # (N, M)
        K = int(self.labels.max()) + 1
        nearest = torch.full((len(z), K), float("inf"))
        nearest.scatter_reduce_(1, self.labels.expand(len(z), -1), distances, "amin")
        return nearest.argsort(1)

    def recognize_styles(self, x: Tensor) -> Tensor:
        """The likeliest style of pictures, (N,)."""
        return (self.project(x) @ self.style_weights[:-1] + self.style_weights[-1]).argmax(1)


def train_judge(pictures: Tensor, styles: Tensor, labels: Tensor) -> Judge:
    """Train a judge on real pictures (N, 3, 64, 64), their styles (N,) and names (N,)."""
    torch.manual_seed(0)
    features = torch.cat([describe(part) for part in pictures.split(256)])
    center = features.mean(0)
    _, S, V = torch.svd_lowrank(features - center, q=STYLE_COMPONENTS, niter=3)
    components = V / S * len(features) ** 0.5
    z = (features - center) @ components
    style_weights = fit_styles(z, styles)
    z = z[:, :COMPONENTS]
    S_count, K = int(styles.max()) + 1, int(labels.max()) + 1
    means = torch.stack([z[styles == s].mean(0) for s in range(S_count)])
    z = z - means[styles]
    counts = torch.bincount(labels, minlength=K).float()
    centers = torch.zeros(K, z.shape[1]).index_add_(0, labels, z) / counts.clamp(min=1)[:, None]
    rest = (z - centers[labels])[counts[labels] > 1]
    scatter = rest.T @ rest / len(rest)
    scatter += SHRINKAGE * scatter.diagonal().mean() * torch.eye(len(scatter))
    metric = torch.linalg.cholesky(torch.linalg.inv(scatter))
    return Judge(center, components, metric, means @ metric, z @ metric, labels, style_weights)


def fit_styles(z: Tensor, styles: Tensor) -> Tensor:
    """Fit a logistic regression of styles (N,) on components z (N, k): (k + 1, S)."""
    weights = torch.zeros(z.shape[1] + 1, int(styles.max()) + 1, requires_grad=True)
    optimizer = torch.optim.LBFGS([weights], max_iter=60)

    def compute_loss() -> float:
        optimizer.zero_grad()
        logits = z @ weights[:-1] + weights[-1]
        loss = F.cross_entropy(logits, styles) + STYLE_DECAY * weights[:-1].square().sum()
        loss.backward()
        return float(loss.detach())

    optimizer.step(compute_loss)
    return weights.detach()


@dataclass(frozen=True, eq=False)
class Pairs:
    """Held-out pictures with their names and styles."""

    pictures: Tensor
    names: list[str]
    labels: Tensor
    """(n,) numbers of the names."""
    styles: Tensor
    """(n,) numbers of the styles."""
    style_names: tuple[str, ...]


def read_pairs(held_out: Pictures, numbers: dict[str, int], style: Attribute) -> Pairs:
    """The first pairs of a name and a style whose other styles are trained on."""
    reason = held_out.attributes["held_out"].list_words()
    rows = [k for k, name in enumerate(held_out.captions) if reason[k] == "style"]
    rows = [k for k in rows if held_out.captions[k] in numbers]
    order = np.random.Generator(np.random.Philox(0)).permutation(len(rows))[:MAX_PAIRS]
    rows = [rows[int(k)] for k in order]
    names = [held_out.captions[k] for k in rows]
    labels = torch.tensor([numbers[name] for name in names])
    return Pairs(held_out.take_floats(rows), names, labels, style.labels[rows], style.values)


def format_rates(judge: Judge, x: Tensor, pairs: Pairs, shift: int = 0) -> str:
    """Rates of the right name, the right style, and both; shift: of other pairs."""
    labels, styles = pairs.labels.roll(shift), pairs.styles.roll(shift)
    named = (judge.rank_names(x, styles)[:, :FIRST] == labels[:, None]).any(1)
    styled = judge.recognize_styles(x) == styles
    rates = (named, styled, named & styled)
    return " | ".join(f"{one.float().mean():.1%}" for one in rates)


def format_distances(judge: Judge, x: Tensor, held_out: Tensor, train: Pictures) -> str:
    """Median distances to the nearest training picture, relative to the held-out ones'."""
    gallery = judge.gallery + judge.style_means[train.attributes["style"].labels]
    pixels = [find_nearest(y, train).distances[:, 0] for y in (x, held_out)]
    measured = [torch.cdist(judge.measure(y), gallery).amin(1) for y in (x, held_out)]
    return f"{compute_median_ratio(*pixels):.2f} | {compute_median_ratio(*measured):.2f}"


def draw(model: Any, pairs: Pairs, seed: int, options: dict[str, float]) -> Tensor:
    """Draw each pair by its name and style, with a seed of its own."""
    cond = {"text": pairs.names, "style": [pairs.style_names[k] for k in pairs.styles.tolist()]}
    seeds = range(seed, seed + len(pairs.names))
    drawn: Any = smalti.sample(model, seeds=seeds, cond=cond, sampler=options or None)
    return drawn


def compare(
    model: Any, codec: Any, splits: Any, split: str, seed: int, options: dict[str, float]
) -> Tensor | None:
    """Print the table; returns the samples, if there is a model."""
    train: Pictures = splits.train
    held_out: Pictures = getattr(splits, split)
    numbers = {name: k for k, name in enumerate(sorted(set(train.captions)))}
    labels = torch.tensor([numbers[name] for name in train.captions])
    every = train.take_floats(slice(None))
    judge = train_judge(every, train.attributes["style"].labels, labels)
    pairs = read_pairs(held_out, numbers, held_out.attributes["style"])
    x = pairs.pictures
    sets: dict[str, tuple[Tensor, int]] = {"real": (x, 0)}
    sets["reconstructed"] = codec.decode(codec.encode(x), (SIDE, SIDE)), 0
    drawn = None if model is None else draw(model, pairs, seed, options)
    if drawn is not None:
        sets |= {"samples": (drawn, 0), "samples, next pair": (drawn, 1)}
    print(f"{len(x)} {split} pairs of {len(numbers)} names and {len(pairs.style_names)} styles")
    extract = find_features("emoji")
    moments = compute_moments(extract(train.pixels))
    print(
        "| | name in 5 | style | both | pixels | metric | Frechet |\n|---|---|---|---|---|---|---|"
    )
    for name, (y, shift) in sets.items():
        distances = format_distances(judge, y, x, train)
        frechet = "" if shift else f"{frechet_distance(extract(y), moments):.2f}"
        rates = format_rates(judge, y, pairs, shift)
        print(f"| {name} | {rates} | {distances} | {frechet} |", flush=True)
    return drawn


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.emoji_names")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--model", help="a model of names and styles")
    parser.add_argument("--codec", default="vqgan-emoji")
    parser.add_argument("--split", choices=("valid", "test"), default="valid")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--temperature", type=float)
    parser.add_argument("--top-k", type=int)
    parser.add_argument("--top-p", type=float)
    parser.add_argument("--picture", help="write the samples to this file")
    args = parser.parse_args(argv)
    names = ("guidance", "temperature", "top_k", "top_p")
    options = {name: getattr(args, name) for name in names if getattr(args, name) is not None}
    splits = read_splits(PACK, size=SIDE)
    if "held_out" not in splits.train.attributes:
        raise UserError(f"{PACK} has no attribute held_out; fetch it again")
    model = None if args.model is None else smalti.load(args.model)
    drawn = compare(model, smalti.load(args.codec), splits, args.split, args.seed, options)
    if args.picture and drawn is not None:
        save_png(make_grid(drawn[:64], columns=16), args.picture)


if __name__ == "__main__":
    main()
