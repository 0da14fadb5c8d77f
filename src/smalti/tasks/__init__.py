"""The tasks behind the verbs: one function per verb, with typed arguments and a typed result.

Each reports its progress to an `OnProgress`, which may stop it by raising `Cancelled`. A task that
makes files takes `out`: the files appear there once all of them are complete. Nothing is written
without `out`. Tasks do not print: the command line and the web page call a task and show its
result.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.core.lazy import attach_lazy_names

if TYPE_CHECKING:
    from smalti.tasks._audit import AuditReport, audit
    from smalti.tasks._audit_corpus import CorpusAudit, audit_corpus
    from smalti.tasks._audit_data import audit_data
    from smalti.tasks._bench import Benchmark, bench_patchmatch
    from smalti.tasks._codes import (
        DecodedCodes,
        DrawnCodebook,
        EncodedPictures,
        decode_codes,
        draw_codebook,
        encode_pictures,
    )
    from smalti.tasks._compare import Comparison, compare
    from smalti.tasks._complete import Completions, complete
    from smalti.tasks._compress import CompressedFile, compress
    from smalti.tasks._convert import ConvertedModel, convert_checkpoint
    from smalti.tasks._decompress import DecompressedPictures, decompress
    from smalti.tasks._demo import Gallery, make_gallery
    from smalti.tasks._distill import distill
    from smalti.tasks._draw_samples import DrawnSamples, draw_samples
    from smalti.tasks._evaluate import evaluate
    from smalti.tasks._export import ExportedModel, export_model
    from smalti.tasks._fetch import fetch
    from smalti.tasks._inpaint import Inpainting, inpaint
    from smalti.tasks._interpolate import Interpolation, interpolate
    from smalti.tasks._list import (
        Listing,
        ShippedModel,
        describe_model,
        find_listed,
        list_models,
    )
    from smalti.tasks._match import Matching, MatchMetrics, match
    from smalti.tasks._measure_bits import PictureBits, measure_bits
    from smalti.tasks._mix import MixedModel, mix_counts
    from smalti.tasks._pack import pack
    from smalti.tasks._reconstruct import Reconstruction, reconstruct
    from smalti.tasks._report import RunReport, report
    from smalti.tasks._train import resume, train
    from smalti.tasks._translate import (
        ExplainedTranslation,
        TranslatedFile,
        draw_attention,
        explain_translation,
        stream_translation,
        translate,
        translate_catalog,
        translate_file,
        translate_lines,
    )

__all__ = [
    "AuditReport",
    "Benchmark",
    "Comparison",
    "Completions",
    "CompressedFile",
    "ConvertedModel",
    "CorpusAudit",
    "DecodedCodes",
    "DecompressedPictures",
    "DrawnCodebook",
    "DrawnSamples",
    "EncodedPictures",
    "ExplainedTranslation",
    "ExportedModel",
    "Gallery",
    "Inpainting",
    "Interpolation",
    "Listing",
    "MatchMetrics",
    "Matching",
    "MixedModel",
    "PictureBits",
    "Reconstruction",
    "RunReport",
    "ShippedModel",
    "TranslatedFile",
    "audit",
    "audit_corpus",
    "audit_data",
    "bench_patchmatch",
    "compare",
    "complete",
    "compress",
    "convert_checkpoint",
    "decode_codes",
    "decompress",
    "describe_model",
    "distill",
    "draw_attention",
    "draw_codebook",
    "draw_samples",
    "encode_pictures",
    "evaluate",
    "explain_translation",
    "export_model",
    "fetch",
    "find_listed",
    "inpaint",
    "interpolate",
    "list_models",
    "make_gallery",
    "match",
    "measure_bits",
    "mix_counts",
    "pack",
    "reconstruct",
    "report",
    "resume",
    "stream_translation",
    "train",
    "translate",
    "translate_catalog",
    "translate_file",
    "translate_lines",
]

__getattr__, __dir__ = attach_lazy_names(__name__)
