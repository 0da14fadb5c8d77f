"""convert_checkpoint: convert published weights into a smalti model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smalti.convert import REFERENCES, infer_config, read_weights
from smalti.convert.codecs import IGNORED_WEIGHTS
from smalti.convert.model import model_from_reference
from smalti.convert.taming_prior import convert_taming_transformer
from smalti.convert.taming_transformer import KIND, read_taming_transformer
from smalti.core.checkpoint import write_checkpoint
from smalti.core.documents import read_json_object, read_yaml_object
from smalti.core.errors import UserError, shorten
from smalti.core.folders import ResultFiles, stage_optional_folder
from smalti.core.messages import suggest_name
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.protocols import Card
from smalti.core.references import move_references
from smalti.core.short_repr import add_short_repr

FILES = ResultFiles(
    r"((codec|condition)/)?(config\.json|model\.safetensors)", "config.json", ("format", "model")
)
"""Files of a checkpoint, and of the codec of a prior."""
TAMING_CODECS = {"taming-vqgan": "VQModel", "taming-segmentation": "VQSegmentationModel"}
"""Their class of each of these kinds."""
KINDS = (*(kind.replace("_", "-") for kind in REFERENCES), KIND)


@dataclass(frozen=True, eq=False)
@add_short_repr
class ConvertedModel:
    """A converted model."""

    model: Any
    """In eval mode."""
    skipped_weights: tuple[str, ...]
    """Names of the file's weights that the model does not need."""


def convert_checkpoint(
    kind: str,
    file: str | Path,
    *,
    out: str | Path | None = None,
    config: str | Path | None = None,
    size: tuple[int, int] | None = None,
    codec: str | None = None,
    on_progress: OnProgress = ignore_event,
) -> ConvertedModel:
    """Convert a published checkpoint into a smalti model.

    No code in the file is run.

    kind: Kind of the weights. A name of `smalti.convert.REFERENCES`.
    file: Published weights: .pth, .pt, .ckpt, .safetensors.
    out: Output folder.
    config: Network config as JSON or YAML. Needed if it cannot be inferred from the weights.
    size: Height and width of the pictures. Needed if they cannot be inferred from the weights.
    codec: Codec of a prior over codes: name or folder.
    """
    kind = kind.replace("_", "-")
    if kind not in KINDS:
        raise UserError(f"unknown kind {kind!r}; {suggest_name(kind, KINDS)}")
    with stage_optional_folder(out, FILES) as folder:
        on_progress(Progress("reading", 0, 1))
        weights, file_config = read_weights(Path(file))
        parsed, skipped = read_config_file(Path(config)) if config else file_config, ()
        if kind in TAMING_CODECS:
            parsed = parsed and read_taming_params(parsed, TAMING_CODECS[kind])
            skipped = tuple(name for name in weights if IGNORED_WEIGHTS.match(name))
        if kind == KIND:
            model, skipped = convert_prior(parsed, weights, size, codec, folder)
        else:
            parsed = parsed or infer_config(kind, weights, size)
            model = model_from_reference(kind, parsed, weights, size, codec)
        on_progress(Progress("reading", 1, 1))
        if folder is not None and out is not None:
            facts = {"file": Path(file).name}
            write_checkpoint(
                folder, model, Card(Path(out).name, f"converted from {kind}", facts=facts)
            )
            model.config = move_references(model.config, folder, Path(out))
    return ConvertedModel(model, skipped)


def convert_prior(
    config: dict[str, Any] | None,
    weights: dict[str, Any],
    size: tuple[int, int] | None,
    codec: str | None,
    folder: Path | None,
) -> tuple[Any, tuple[str, ...]]:
    """Convert a published Transformer and its VQGAN, which is saved in folder/codec."""
    if config is None:
        raise UserError(f"the settings of a {KIND} cannot be inferred; give --config FILE.yaml")
    if codec is not None:
        raise UserError(f"codec {codec} is given, but a {KIND}'s file contains it; omit it")
    if folder is None:
        raise UserError(f"a {KIND}'s codec is saved beside it; give out")
    read = read_taming_transformer(config)
    return convert_taming_transformer(read, weights, size, folder)


def read_config_file(path: Path) -> dict[str, Any]:
    """The mapping in a JSON or YAML file. UserError, in one line, if there is none."""
    yaml = path.suffix.lower() in (".yaml", ".yml")
    return read_yaml_object(path) if yaml else read_json_object(path)


def read_taming_params(content: dict[str, Any], expected_target: str) -> dict[str, Any]:
    """n_embed, embed_dim and ddconfig from a published VQGAN config, of this class.

    They are under model.params, among settings of the training.
    """
    model = content.get("model", content)
    target = str(model.get("target", expected_target)) if isinstance(model, dict) else ""
    params = model.get("params", model) if isinstance(model, dict) else {}
    params = params if isinstance(params, dict) else {}
    found = target.rpartition(".")[2]
    if found != expected_target:
        kinds = [kind for kind, name in TAMING_CODECS.items() if name == found]
        hint = f"convert it as {kinds[0]}" if kinds else f"give one for a {expected_target}"
        raise UserError(f"the config is for {shorten(target or content)}; {hint}")
    return {key: params[key] for key in ("n_embed", "embed_dim", "ddconfig") if key in params}
