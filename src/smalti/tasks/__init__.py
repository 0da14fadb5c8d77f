"""What a user can ask for: one function for each verb, with typed arguments and a typed result.

Each says how far it is to an `OnProgress`, which may end it by raising `Cancelled`.  A task that
makes files takes `out`, where they appear when all of them are whole; without it nothing is
written.  None prints: the command line and the web page parse, call a task and show its result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.core.lazy import on_first_use

if TYPE_CHECKING:
    from smalti.tasks._audit import Audited, audit
    from smalti.tasks._bench import Climbed, bench_patchmatch
    from smalti.tasks._compare import Comparison, compare
    from smalti.tasks._complete import Completions, complete
    from smalti.tasks._compress import Compressed, compress
    from smalti.tasks._convert import Converted, convert_checkpoint
    from smalti.tasks._decompress import Decompressed, decompress
    from smalti.tasks._demo import make_gallery
    from smalti.tasks._draw_samples import DrawnSamples, draw_samples
    from smalti.tasks._evaluate import evaluate
    from smalti.tasks._fetch import fetch
    from smalti.tasks._inpaint import Inpainting, inpaint
    from smalti.tasks._interpolate import Interpolation, interpolate
    from smalti.tasks._list import Listing, Shipped, list_models
    from smalti.tasks._match import Figures, Matching, match
    from smalti.tasks._pack import pack
    from smalti.tasks._reconstruct import Reconstruction, reconstruct
    from smalti.tasks._report import Reported, report
    from smalti.tasks._train import resume, train
    from smalti.tasks._translate import (
        TranslatedFile,
        translate,
        translate_catalog,
        translate_file,
        translate_lines,
    )

__all__ = [
    "Audited",
    "Climbed",
    "Comparison",
    "Completions",
    "Compressed",
    "Converted",
    "Decompressed",
    "DrawnSamples",
    "Figures",
    "Inpainting",
    "Interpolation",
    "Listing",
    "Matching",
    "Reconstruction",
    "Reported",
    "Shipped",
    "TranslatedFile",
    "audit",
    "bench_patchmatch",
    "compare",
    "complete",
    "compress",
    "convert_checkpoint",
    "decompress",
    "draw_samples",
    "evaluate",
    "fetch",
    "inpaint",
    "interpolate",
    "list_models",
    "make_gallery",
    "match",
    "pack",
    "reconstruct",
    "report",
    "resume",
    "train",
    "translate",
    "translate_catalog",
    "translate_file",
    "translate_lines",
]

__getattr__, __dir__ = on_first_use(__name__)
