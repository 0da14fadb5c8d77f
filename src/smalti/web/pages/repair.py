"""Repair: holes in pictures, filled with the picture's own patches or by a model."""

from __future__ import annotations

from pathlib import Path

from smalti.core.pictures import save_png, to_image
from smalti.tasks import Completions, Inpainting
from smalti.web.registry import Page, Summary, WebTask


def summarize_inpainting(inpainting: Inpainting, folder: Path) -> Summary:
    """Each result, and the picture before in the same size."""
    save_png(inpainting.original, folder / "before.png")
    return {
        "before": "before.png",
        "pictures": [{"seed": seed, "file": f"{seed:05d}.png"} for seed in inpainting.seeds],
        "notes": [*inpainting.conversion_notes],
        "filled_pixels": int(inpainting.hole.sum()),
    }


def summarize_completions(completions: Completions, folder: Path) -> Summary:
    """Each completion of the one picture, and the picture before in the same size."""
    save_png(to_image(completions.originals[0]), folder / "before.png")
    classes = completions.classes[0] if completions.classes else [None] * len(completions.seeds)
    return {
        "before": "before.png",
        "pictures": [
            {"seed": seed, "file": f"00000-{seed:05d}.png", "class": name}
            for seed, name in zip(completions.seeds, classes, strict=True)
        ],
        "notes": [],
        "filled_pixels": int(completions.hole.sum()),
    }


PAGE = Page(
    "repair",
    10,
    (
        WebTask(
            "smalti.tasks:inpaint",
            f"{__name__}:summarize_inpainting",
            verb="inpaint",
            ability="draw pictures",
            uploads=("picture", "mask"),
            fills=True,
        ),
        WebTask(
            "smalti.tasks:complete",
            f"{__name__}:summarize_completions",
            verb="complete",
            ability="draw pictures",
            uploads=("pictures", "mask", "picture"),
        ),
    ),
)
