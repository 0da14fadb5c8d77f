"""The pictures of a report: samples, what is nearest to them, and how near."""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from smalti.core.files import replace
from smalti.core.pictures import grid, save_png
from smalti.evaluation.case import Case
from smalti.evaluation.neighbours import nearest

SHOWN = 100  # samples on their sheet
ROWS, BLOCKS, BESIDE = 8, 3, 4  # the neighbours' sheet: 24 samples, four neighbours each
GAP, HEAD = 14, 26
GROUND, INK = (128, 128, 128), (255, 255, 255)
TITLE = "left: a sample; right of it: its nearest training pictures. The nearest samples first"


def samples_sheet(case: Case) -> Image.Image:
    """The first 100 samples; those of one class together."""
    pictures, labels = case.drawn.pictures[:SHOWN], case.drawn.labels
    if labels is not None:
        pictures = pictures[labels[:SHOWN].argsort(stable=True)]
    return grid(pictures)


def neighbours_sheet(case: Case) -> Image.Image:
    """The 24 samples that are nearest to the training set, each beside its nearest pictures."""
    first = nearest_first(case.near.distances[:, 0], case.drawn.labels)[: ROWS * BLOCKS]
    queries = case.drawn.pictures[first]
    found = nearest(queries, case.train, BESIDE, case.plan.mirrored)
    strips = [
        strip(query, case.train.floats(rows), flips)
        for query, rows, flips in zip(queries, found.rows, found.mirrored, strict=True)
    ]
    w, h = strips[0].size
    blocks = -(-len(strips) // ROWS)
    title = (w + GAP) * blocks + GAP
    sheet = Image.new("RGB", (title, HEAD + h * min(ROWS, len(strips)) + GAP), GROUND)
    for i, picture in enumerate(strips):
        block, row = divmod(i, ROWS)
        sheet.paste(picture, (GAP + block * (w + GAP), HEAD + row * h))
    write_title(sheet, TITLE + (", of all classes." if case.drawn.labels is not None else "."))
    return sheet


def nearest_first(distances: Tensor, labels: Tensor | None) -> Tensor:
    """The order of samples on the sheet: the nearest of each class, then the second nearest, ...

    Else the plainest class would fill it: all ones are near to some other one.
    """
    order = distances.argsort()
    if labels is None:
        return order
    ranks = torch.empty_like(labels)
    for k in labels.unique():
        of_class = order[labels[order] == k]
        ranks[of_class] = torch.arange(len(of_class))
    return order[ranks[order].argsort(stable=True)]


def strip(query: Tensor, others: Tensor, flips: Tensor) -> Image.Image:
    """A sample, a gap, and what is nearest to it; mirrored ones as they were found near."""
    others = torch.where(flips[:, None, None, None], others.flip(-1), others)
    left, right = grid(query[None], 1), grid(others, len(others))
    sheet = Image.new("RGB", (left.width + 6 + right.width, left.height), GROUND)
    sheet.paste(left.convert("RGB"), (0, 0))
    sheet.paste(right.convert("RGB"), (left.width + 6, 0))
    return sheet


def write_title(sheet: Image.Image, text: str) -> None:
    """White, in the largest letters that fit on one line."""
    draw = ImageDraw.Draw(sheet)
    for size in (14, 12, 10, 8):
        font = ImageFont.load_default(size)
        if draw.textlength(text, font=font) <= sheet.width - 2 * GAP:
            break
    draw.text((GAP, HEAD // 2), text, fill=INK, font=font, anchor="lm")


def plot_distances(case: Case, path: Path) -> None:
    """How far samples and held-out pictures lie from the training set: a curve each."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 3.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    curves = (("samples", case.near, "C1"), ("held-out pictures", case.near_held, "C0"))
    for name, near, colour in curves:
        ordered = near.distances[:, 0].sort().values
        shares = torch.arange(1, len(ordered) + 1) / len(ordered)
        axes.step(ordered.numpy(), (100 * shares).numpy(), where="post", label=name, color=colour)
    axes.set_xlabel("Euclidean distance to the nearest training picture")
    axes.set_ylabel("% that are nearer")
    axes.set_title("Copies would stand far left of the held-out pictures", fontsize=10)
    axes.set_xlim(left=0)
    axes.set_ylim(0, 100)
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", frameon=False)
    replace(path, lambda temporary: figure.savefig(temporary, format="png"))


SHEETS = {
    "samples.png": lambda case, path: save_png(samples_sheet(case), path),
    "neighbours.png": lambda case, path: save_png(neighbours_sheet(case), path),
    "distances.png": plot_distances,
}
"""The pictures of a report, and what writes each of a case."""
