"""Pictures of a report: samples, their nearest training pictures, and the distances."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from smalti.core.files import write_atomically
from smalti.core.pictures import make_grid, save_png
from smalti.evaluation.comparison import Comparison
from smalti.evaluation.neighbors import find_nearest

MAX_SAMPLES = 100  # samples on samples.png
ROWS, BLOCKS, NEIGHBORS_SHOWN = 8, 3, 4  # neighbors.png: 24 samples, four neighbors each
GAP, TITLE_HEIGHT = 14, 26
BACKGROUND, FOREGROUND = (128, 128, 128), (255, 255, 255)
TITLE = "left: sample; right: its nearest training pictures. Nearest samples first"


def draw_samples_sheet(comparison: Comparison) -> Image.Image:
    """Draw the first 100 samples, grouped by class."""
    pictures, labels = comparison.sample_set.pictures[:MAX_SAMPLES], comparison.sample_set.labels
    if labels is not None:
        pictures = pictures[labels[:MAX_SAMPLES].argsort(stable=True)]
    return make_grid(pictures)


def draw_neighbors_sheet(comparison: Comparison) -> Image.Image:
    """Draw the 24 samples nearest to the training set, each with its nearest pictures."""
    first = order_by_distance(
        comparison.nearest_to_samples.distances[:, 0], comparison.sample_set.labels
    )[: ROWS * BLOCKS]
    queries = comparison.sample_set.pictures[first]
    found = find_nearest(queries, comparison.train, NEIGHBORS_SHOWN, comparison.plan.mirrored)
    strips = [
        draw_strip(query, comparison.train.take_floats(rows), flips)
        for query, rows, flips in zip(queries, found.rows, found.mirrored, strict=True)
    ]
    w, h = strips[0].size
    blocks = -(-len(strips) // ROWS)
    title = (w + GAP) * blocks + GAP
    sheet = Image.new("RGB", (title, TITLE_HEIGHT + h * min(ROWS, len(strips)) + GAP), BACKGROUND)
    for i, picture in enumerate(strips):
        block, row = divmod(i, ROWS)
        sheet.paste(picture, (GAP + block * (w + GAP), TITLE_HEIGHT + row * h))
    write_title(
        sheet, TITLE + (", of all classes." if comparison.sample_set.labels is not None else ".")
    )
    return sheet


def order_by_distance(distances: Tensor, labels: Tensor | None) -> Tensor:
    """Order samples: the nearest of each class, then the second nearest, ...

    Otherwise the simplest class would fill the sheet: every digit one is near to another.
    """
    order = distances.argsort()
    if labels is None:
        return order
    ranks = torch.empty_like(labels)
    for k in labels.unique():
        of_class = order[labels[order] == k]
        ranks[of_class] = torch.arange(len(of_class))
    return order[ranks[order].argsort(stable=True)]


def draw_strip(query: Tensor, others: Tensor, flips: Tensor) -> Image.Image:
    """Draw a sample, a gap, and its nearest pictures, mirrored where the mirrored one is near."""
    others = torch.where(flips[:, None, None, None], others.flip(-1), others)
    left, right = make_grid(query[None], 1), make_grid(others, len(others))
    sheet = Image.new("RGB", (left.width + 6 + right.width, left.height), BACKGROUND)
    sheet.paste(left.convert("RGB"), (0, 0))
    sheet.paste(right.convert("RGB"), (left.width + 6, 0))
    return sheet


def write_title(sheet: Image.Image, text: str) -> None:
    """Write a title in the largest font that fits on one line."""
    draw = ImageDraw.Draw(sheet)
    for size in (14, 12, 10, 8):
        font = ImageFont.load_default(size)
        if draw.textlength(text, font=font) <= sheet.width - 2 * GAP:
            break
    draw.text((GAP, TITLE_HEIGHT // 2), text, fill=FOREGROUND, font=font, anchor="lm")


def plot_distances(comparison: Comparison, path: Path) -> None:
    """Plot the distances of samples and held-out pictures to the training set."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    curves = (
        ("samples", comparison.nearest_to_samples, "C1"),
        ("held-out pictures", comparison.nearest_to_held_out, "C0"),
    )
    for name, near, color in curves:
        ordered = near.distances[:, 0].sort().values
        shares = torch.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered.numpy(), (100 * shares).numpy(), where="post", label=name, color=color)
    axes.set_xlabel("Euclidean distance to the nearest training picture")
    axes.set_ylabel("% of pictures that are nearer")
    axes.set_title("Copies are far to the left of the held-out pictures", fontsize=10)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png"))


SHEETS = {
    "samples.png": lambda comparison, path: save_png(draw_samples_sheet(comparison), path),
    "neighbors.png": lambda comparison, path: save_png(draw_neighbors_sheet(comparison), path),
    "distances.png": plot_distances,
}
"""A report's pictures by name, and the function that writes each."""
