"""PatchMatch: for every patch of one picture, where another one looks like it.

The names below load on first use: Numba takes a moment.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.core.lazy import on_first_use

if TYPE_CHECKING:
    from smalti.patchmatch.analogies import analogy
    from smalti.patchmatch.brute import exact
    from smalti.patchmatch.colours import distance_picture, flow_picture
    from smalti.patchmatch.inpainting import inpaint
    from smalti.patchmatch.matching import match
    from smalti.patchmatch.reconstruction import consistency, psnr, reconstruct
    from smalti.patchmatch.result import Match
    from smalti.patchmatch.video import track

__all__ = [
    "Match",
    "analogy",
    "consistency",
    "distance_picture",
    "exact",
    "flow_picture",
    "inpaint",
    "match",
    "psnr",
    "reconstruct",
    "track",
]

__getattr__, __dir__ = on_first_use(__name__)
