"""What `smalti data` does: inspect pictures, or a corpus of sentence pairs."""

from __future__ import annotations

from pathlib import Path

from smalti.core.errors import UserError
from smalti.core.progress import OnProgress, ignore_event
from smalti.core.ranges import Positive
from smalti.core.size import Size
from smalti.data.decode import Color
from smalti.tasks._audit import AuditReport, audit
from smalti.tasks._audit_corpus import CorpusAudit, audit_corpus, is_corpus


def audit_data(
    data: str | Path,
    translation: str | Path | None = None,
    *,
    out: str | Path | None = None,
    out_root: str | Path | None = None,
    size: Size | None = None,
    color: Color = "keep",
    background: str = "white",
    stretch: bool = False,
    epochs: Positive = 100,
    group_by: str | None = None,
    languages: str | None = None,
    ratio: Positive = 5.0,
    on_progress: OnProgress = ignore_event,
) -> AuditReport | CorpusAudit:
    """Inspect pictures or sentence pairs before training on them.

    Of pictures, reports counts, sizes, colors, unreadable files, duplicates, classes, splits and an
    estimate of the training time. Of sentence pairs, what cleaning and splitting drop. Changes
    nothing.

    data: Pictures, or a corpus of sentence pairs. Pictures are a folder, archive, .npz, IDX, LMDB,
    pack or hf:NAME.
    translation: File or folder of the other language. For a corpus of one language in each.
    out: Output folder (default: looks/NAME). It holds report.json; for pictures also contact.png
    and duplicates.png. From Python, nothing is written by default.
    out_root: Parent of the output folder. Used without `out`; the folder is named after the data.
    size: Height and width (default: 32, or the pack's).
    color: Color mode. With keep, one channel if every picture is gray, else three.
    background: Color behind transparent pixels. A color's name or #rrggbb.
    stretch: Stretch pictures instead of center-cropping.
    epochs: Epochs for the estimate of training time.
    group_by: Pattern of file names. Pictures whose match is equal are split together.
    languages: Languages of a corpus (default: en-zh). Or what the names of two files tell.
    ratio: Maximum ratio of the lengths of a sentence pair.
    """
    if translation is not None or is_corpus(data):
        if group_by is not None:
            raise UserError(
                f"group_by {group_by} is given, but a corpus has no file names to group"
            )
        paths = (data,) if translation is None else (data, translation)
        return audit_corpus(
            *paths,
            out=out,
            out_root=out_root,
            languages=languages,
            ratio=ratio,
            on_progress=on_progress,
        )
    return audit(
        data,
        out=out,
        out_root=out_root,
        size=size,
        color=color,
        background=background,
        stretch=stretch,
        epochs=epochs,
        group_by=group_by,
        on_progress=on_progress,
    )
