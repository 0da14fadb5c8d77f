"""PatchMatch: nearest-neighbor fields between the patches of two pictures.

The names below are imported on first use, because importing Numba is slow.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.core.lazy import attach_lazy_names

if TYPE_CHECKING:
    from smalti.patchmatch.analogies import make_analogy
    from smalti.patchmatch.brute_force import match_brute_force
    from smalti.patchmatch.inpainting import inpaint
    from smalti.patchmatch.matching import match
    from smalti.patchmatch.reconstruction import compute_consistency, psnr, reconstruct
    from smalti.patchmatch.result import Match
    from smalti.patchmatch.video import track
    from smalti.patchmatch.visualization import distance_to_picture, flow_to_picture

__all__ = [
    "Match",
    "compute_consistency",
    "distance_to_picture",
    "flow_to_picture",
    "inpaint",
    "make_analogy",
    "match",
    "match_brute_force",
    "psnr",
    "reconstruct",
    "track",
]

__getattr__, __dir__ = attach_lazy_names(__name__)
