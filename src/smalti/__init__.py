"""smalti: generative models built of small pieces.

The names below are imported on first use, so that `import smalti` is fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.core.lazy import attach_lazy_names

if TYPE_CHECKING:
    from smalti import (
        autoregressive,
        codecs,
        coding,
        convert,
        data,
        diffusion,
        evaluation,
        features,
        patchmatch,
        pixelcnn,
        recipes,
        sliding,
        tasks,
        training,
        translation,
        vq,
    )
    from smalti.core.checkpoint import load, save
    from smalti.core.errors import UserError
    from smalti.core.progress import Cancelled
    from smalti.core.protocols import Batch, Card
    from smalti.core.rng import Rng
    from smalti.core.sampling import sample, stream
    from smalti.core.sampling_inputs import Given, SamplingInputs
    from smalti.tasks import (
        audit,
        audit_corpus,
        bench_patchmatch,
        compare,
        complete,
        compress,
        convert_checkpoint,
        decode_codes,
        decompress,
        draw_codebook,
        draw_samples,
        encode_pictures,
        evaluate,
        export_model,
        fetch,
        inpaint,
        interpolate,
        list_models,
        make_gallery,
        match,
        mix_counts,
        pack,
        reconstruct,
        report,
        resume,
        train,
        translate,
    )

__version__ = "0.1.0"

__all__ = [
    "Batch",
    "Cancelled",
    "Card",
    "Given",
    "Rng",
    "SamplingInputs",
    "UserError",
    "__version__",
    "audit",
    "audit_corpus",
    "autoregressive",
    "bench_patchmatch",
    "codecs",
    "coding",
    "compare",
    "complete",
    "compress",
    "convert",
    "convert_checkpoint",
    "data",
    "decode_codes",
    "decompress",
    "diffusion",
    "draw_codebook",
    "draw_samples",
    "encode_pictures",
    "evaluate",
    "evaluation",
    "export_model",
    "features",
    "fetch",
    "inpaint",
    "interpolate",
    "list_models",
    "load",
    "make_gallery",
    "match",
    "mix_counts",
    "pack",
    "patchmatch",
    "pixelcnn",
    "recipes",
    "reconstruct",
    "report",
    "resume",
    "sample",
    "save",
    "sliding",
    "stream",
    "tasks",
    "train",
    "training",
    "translate",
    "translation",
    "vq",
]

__getattr__, __dir__ = attach_lazy_names(__name__)
