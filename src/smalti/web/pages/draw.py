"""Draw: pictures from a model, seed by seed."""

from __future__ import annotations

from pathlib import Path

from smalti.core.config import to_json
from smalti.core.pictures import save_png, to_image
from smalti.tasks import DrawnSamples, Interpolation
from smalti.web.registry import Page, Summary, WebTask


def summarize_samples(samples: DrawnSamples, folder: Path) -> Summary:
    """Each picture with its seed, file and conditions."""
    first = samples.seeds[0]
    pictures = [
        {
            "seed": seed,
            "file": f"{seed:05d}.png",
            "class": samples.classes[seed - first] if samples.classes else None,
            "text": samples.text[seed - first] if samples.text else None,
        }
        for seed in samples.seeds
    ]
    return {"pictures": pictures, "sampler": to_json(samples.sampler)}


def summarize_interpolation(interpolation: Interpolation, folder: Path) -> Summary:
    """Each picture as a file, row by row."""
    rows: list[list[str]] = []
    for r, row in enumerate(interpolation.pictures):
        names = [f"row{r}-{k:03d}.png" for k in range(len(row))]
        for name, picture in zip(names, row, strict=True):
            save_png(to_image(picture), folder / name)
        rows.append(names)
    classes = interpolation.classes
    is_blend = classes is not None and len(classes) > len(rows)
    return {"rows": rows, "classes": [" → ".join(classes or [])] if is_blend else classes}


PAGE = Page(
    "draw",
    0,
    (
        WebTask(
            "smalti.tasks:draw_samples",
            f"{__name__}:summarize_samples",
            verb="sample",
            ability="draw pictures",
            uploads=("pictures",),
        ),
        WebTask(
            "smalti.tasks:interpolate",
            f"{__name__}:summarize_interpolation",
            verb="interpolate",
            ability="draw pictures",
            uploads=("first", "last"),
            options={"first": "--from", "last": "--to"},
        ),
    ),
)
