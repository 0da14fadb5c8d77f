"""Match: the patches of one picture found in another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

from PIL import Image

from smalti.core.pictures import save_png
from smalti.tasks import Matching
from smalti.web.registry import Page, Summary, WebTask


def summarize_matching(matching: Matching, folder: Path) -> Summary:
    """The errors, those of each frame of a clip, and what was compared."""
    for name, levels in zip("ab", matching.compared or (), strict=False):
        save_png(Image.fromarray(levels), folder / f"{name}.png")
    if matching.reference is not None:
        save_png(Image.fromarray(matching.reference), folder / "b.png")
        for k, frame in enumerate(matching.read_frames()):
            save_png(Image.fromarray(frame), folder / f"{k:05d}-a.png")
    return {
        "metrics": asdict(matching.metrics),
        "frames": [asdict(one) for one in matching.frame_metrics],
    }


PAGE = Page(
    "match",
    30,
    (
        WebTask(
            "smalti.tasks:match",
            f"{__name__}:summarize_matching",
            verb="match",
            uploads=("a", "b", "mask"),
        ),
    ),
)
