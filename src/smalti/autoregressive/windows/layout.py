"""Where a sliding window stands for each code, and which codes are drawn at the same time.

The rule is that of taming-transformers' sampling notebook: the code at row i is predicted in the
window that starts at row clamp(i - h // 2, 0, H - h); columns likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from smalti.core.errors import UserError

Place = tuple[int, int]
"""Row and column of a code on the canvas, or of a window's first code."""


def find_starts(length: int, window: int, stride: int = 1) -> list[int]:
    """The window's first row for each row of a canvas; columns likewise.

    With a stride the window moves only at each `stride`-th row.
    """
    return [min(max(i // stride * stride - window // 2, 0), length - window) for i in range(length)]


@dataclass(frozen=True)
class WindowLayout:
    """Windows on a canvas of codes. UserError for a canvas or a stride that does not fit."""

    canvas: Place
    """Rows and columns H, W."""
    window: Place
    """Rows and columns h, w of a window; a smaller canvas is one window of its own size."""
    stride: int = 1
    """Codes between two moves of the window; 1 is exact."""

    def __post_init__(self) -> None:
        (H, W), (h, w) = self.canvas, self.window
        if min(H, W, h, w) < 1:
            raise UserError(
                f"the canvas has {H}x{W} codes, a window {h}x{w}; give 1 or more of each"
            )
        most = min(-(-h // 2), -(-w // 2))
        if not 1 <= self.stride <= most:
            raise UserError(
                f"stride is {self.stride}; give 1 to {most}, half a window of {h}x{w} codes"
            )

    @property
    def height(self) -> int:
        """Rows of a window on this canvas."""
        return min(self.window[0], self.canvas[0])

    @property
    def width(self) -> int:
        """Columns of a window on this canvas."""
        return min(self.window[1], self.canvas[1])

    @cached_property
    def tops(self) -> list[int]:
        """The first row of the window, for each row of the canvas."""
        return find_starts(self.canvas[0], self.height, self.stride)

    @cached_property
    def lefts(self) -> list[int]:
        """The first column of the window, for each column of the canvas."""
        return find_starts(self.canvas[1], self.width, self.stride)

    def find_window(self, place: Place) -> Place:
        """Where the window of this code starts."""
        return self.tops[place[0]], self.lefts[place[1]]

    def count_previous(self, place: Place) -> int:
        """Codes of its window that come before this one, row by row."""
        top, left = self.find_window(place)
        return (place[0] - top) * self.width + place[1] - left

    def list_places(self) -> Iterator[Place]:
        """All codes, row by row."""
        return ((i, j) for i in range(self.canvas[0]) for j in range(self.canvas[1]))

    def plan_steps(self) -> list[list[Place]]:
        """Codes in the order in which they are drawn; those of one step do not see each other.

        A code waits for the one on its left and, where its window has rows above it, for the last
        code of the window in the row above: all others came earlier.
        """
        steps: list[list[Place]] = []
        above: list[int] = []
        for i in range(self.canvas[0]):
            own: list[int] = []
            for j in range(self.canvas[1]):
                step = own[-1] + 1 if j else 0
                if self.tops[i] < i:
                    step = max(step, above[self.lefts[j] + self.width - 1] + 1)
                own.append(step)
                steps.extend([] for _ in range(len(steps), step + 1))
                steps[step].append((i, j))
            above = own
        return steps
