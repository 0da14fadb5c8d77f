"""Compress: a picture's bits, pixel by pixel, and its size beside other formats."""

from __future__ import annotations

from pathlib import Path

from smalti.tasks import PictureBits
from smalti.web.registry import Page, Summary, WebTask

DIGITS = 2
"""Decimal digits of the bits of a pixel."""


def summarize_bits(found: PictureBits, folder: Path) -> Summary:
    """The bits of each pixel, and sizes in bytes."""
    rows = found.bits.sum(0).tolist()
    return {
        "bits": [[round(bits, DIGITS) for bits in row] for row in rows],
        "brightest": round(found.brightest, DIGITS),
        "bits_per_dim": round(float(found.bits.mean()), 4),
        "bytes": dict(found.n_bytes),
        "class": found.label,
        "channels": len(found.picture),
    }


PAGE = Page(
    "compress",
    60,
    (
        WebTask(
            "smalti.tasks:measure_bits",
            f"{__name__}:summarize_bits",
            ability="walk",
            uploads=("picture",),
        ),
    ),
)
