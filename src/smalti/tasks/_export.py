"""export_model: a model as one folder that can be moved and shared."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from smalti.core.checkpoint import CHECKPOINT_FILES, save
from smalti.core.folders import check_replaceable
from smalti.core.model import open_model
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.saved_steps import MODEL_FILES
from smalti.core.short_repr import add_short_repr

Precision = Literal["float32", "float16", "int8"]


@dataclass(frozen=True, eq=False)
@add_short_repr
class ExportedModel:
    """An exported model."""

    folder: Path
    n_bytes: int
    """Of all files."""
    codecs: tuple[str, ...]
    """The folders of the codecs in it."""
    model: Any
    """The loaded model."""


def export_model(
    model: object,
    out: str | Path,
    *,
    precision: Precision = "float32",
    on_progress: OnProgress = ignore_event,
) -> ExportedModel:
    """Write a model as one folder, to move or share.

    The codecs of a prior are copied into it. A run's last step is exported, without what training
    needs.

    model: Shipped model, run or checkpoint.
    out: Output folder.
    precision: Type of the stored weights. Half precision halves the file, int8 quarters it.

    Raises UserError for a codec that is missing or another one.
    """
    check_replaceable(out, CHECKPOINT_FILES)
    on_progress(Progress("exporting", 0, 1))
    loaded = open_model(model)
    dtype = None if precision == "float32" else getattr(torch, precision)
    folder = save(loaded, out, dtype=dtype, standalone=True)
    on_progress(Progress("exporting", 1, 1))
    codecs = sorted(path.parent for path in folder.glob("*/config.json"))
    files = [each / name for each in (folder, *codecs) for name in MODEL_FILES]
    return ExportedModel(
        folder,
        sum(path.stat().st_size for path in files),
        tuple(path.name for path in codecs),
        loaded,
    )
