"""The order in which a sweep over the borders of a seamless canvas draws codes again.

The canvas is a torus, and each code stands in the middle of its window. The sweep crosses the
seams: it goes down from the middle row around to it, and to the right from the middle column.
So most codes near a seam see codes on its other side that are new. Codes that need nothing of each
other are drawn in one step.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from smalti.autoregressive.windows.layout import Place, WindowLayout


def is_near_border(layout: WindowLayout, place: Place) -> bool:
    """Whether a code is less than half a window from a border."""
    (H, W), (i, j) = layout.canvas, place
    return min(i, H - 1 - i) < layout.height // 2 or min(j, W - 1 - j) < layout.width // 2


def list_border_places(layout: WindowLayout) -> list[Place]:
    """List the codes near the borders, in the order of a sweep."""
    H, W = layout.canvas
    places: list[Place] = []
    turn = 0
    for i in ((H // 2 + k) % H for k in range(H)):
        row = [(i, (W // 2 + k) % W) for k in range(W)]
        if all(is_near_border(layout, place) for place in row):
            # A whole row sees itself around the border, wherever it begins. Each begins half a
            # window after the one above, so that it need not wait for the end of that.
            row, turn = row[turn:] + row[:turn], (turn + layout.width // 2) % W
        places += (place for place in row if is_near_border(layout, place))
    return places


def list_seen_offsets(layout: WindowLayout) -> np.ndarray:
    """(m, 2): where the codes are that a code sees, relative to it: above, and on its left."""
    h, w = layout.height // 2, layout.width // 2
    above = [(a, b) for a in range(-h, 0) for b in range(-w, layout.width - w)]
    return np.array([*above, *((0, b) for b in range(-w, 0))], np.int64).reshape(-1, 2)


def plan_sweep(layout: WindowLayout) -> list[list[Place]]:
    """Codes near the borders in steps, with the results of drawing them one after another.

    A code comes after those of the sweep that it sees, and not before one that sees its old value.
    """
    canvas, seen = np.array(layout.canvas), list_seen_offsets(layout)
    step_numbers = np.full(layout.canvas, -1)
    steps: list[list[Place]] = []
    for place in list_border_places(layout):
        before = step_numbers[tuple(((place + seen) % canvas).T)]
        readers = step_numbers[tuple(((place - seen) % canvas).T)]
        step = max(int(before.max(initial=-1)) + 1, int(readers.max(initial=0)))
        step_numbers[place] = step
        steps.extend([] for _ in range(len(steps), step + 1))
        steps[step].append(place)
    return steps


def split_step(places: list[Place], most: int) -> Iterator[list[Place]]:
    """Split a step's codes into groups of at most `most`, and at least one."""
    for k in range(0, len(places), max(1, most)):
        yield places[k : k + max(1, most)]
