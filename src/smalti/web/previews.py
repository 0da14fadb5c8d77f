"""Pictures of a running task, small enough to send several times a second."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from PIL import Image

MAX_PICTURES = 64
LOSSLESS_PIXELS = 1 << 17
"""Larger sheets are sent as lossy WebP."""
MIN_SECONDS = 0.1
"""Seconds between previews, at least."""
MAX_SHARE = 0.2
"""Share of the time that goes into previews, at most."""


class Preview(NamedTuple):
    """A sheet of equal tiles without gaps."""

    data: bytes
    media_type: str
    count: int
    """Tiles, in rows from the top left."""
    columns: int
    first: int = 0
    """Index of the first picture."""


def make_preview(pictures: Any, first: int = 0) -> Preview:
    """A sheet of pictures (n, C, H, W) in [0, 1]."""
    from smalti.core.pictures import to_image

    shown = [to_image(one) for one in pictures[:MAX_PICTURES]]
    columns = math.ceil(math.sqrt(len(shown)))
    w, h = shown[0].size
    sheet = Image.new(shown[0].mode, (columns * w, math.ceil(len(shown) / columns) * h))
    for i, image in enumerate(shown):
        sheet.paste(image, (i % columns * w, i // columns * h))
    file = io.BytesIO()
    if sheet.width * sheet.height <= LOSSLESS_PIXELS:
        sheet.save(file, "PNG", compress_level=1)
        return Preview(file.getvalue(), "image/png", len(shown), columns, first)
    sheet.save(file, "WEBP", quality=80, method=0)
    return Preview(file.getvalue(), "image/webp", len(shown), columns, first)


class PreviewPace:
    """Renders as often as it is worth: a slow render is done less often."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter):
        self.clock, self.due = clock, -math.inf

    def render(self, render: Callable[[], Any], first: int = 0) -> Preview | None:
        """The preview, or None if the last one was a short time ago."""
        begun = self.clock()
        if begun < self.due:
            return None
        preview = make_preview(render(), first)
        ended = self.clock()
        self.due = ended + max(MIN_SECONDS, (ended - begun) / MAX_SHARE)
        return preview
