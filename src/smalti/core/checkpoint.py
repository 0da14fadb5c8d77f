"""Checkpoints: directories with config.json and model.safetensors."""

from __future__ import annotations

import json
import os
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from safetensors.torch import save as serialized
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from smalti.core.config import coerce_value, collect_hints, from_json, to_json
from smalti.core.device import check_device
from smalti.core.documents import read_json
from smalti.core.errors import UserError, shorten
from smalti.core.folders import ResultFiles, stage_folder
from smalti.core.int8 import dequantize_weights, drop_scale_shapes, quantize_weights
from smalti.core.messages import list_siblings, suggest_similar
from smalti.core.protocols import Card, ModelConfig
from smalti.core.references import embed_references, resolve_references, shorten_references
from smalti.core.saved_steps import MODEL_FILES, find_damage, find_newest_step, is_run
from smalti.core.weights import strip_wrappers

FORMAT = 1
CHECKPOINT_FILES = ResultFiles(
    r"((codec(-\d+)?|condition)/)?(config\.json|model\.safetensors)",
    "config.json",
    ("format", "model"),
    shared=True,
)
"""The files of a checkpoint, and of codecs inside it; a saved step of a run has more."""
SHIPPED_FOLDER = Path(__file__).parent.parent / "assets" / "models"


def save(
    model: nn.Module,
    path: str | Path,
    card: Card | None = None,
    dtype: torch.dtype | None = None,
    *,
    standalone: bool = False,
) -> Path:
    """Write a model atomically as a checkpoint directory, for `load` to read.

    card: the model card; None keeps `model.card`.
    dtype: store floating weights as this type (float16 for shipped models); int8 stores matrices as
    integers with a scale for each row (`core/int8.py`).
    standalone: copy the codecs that a prior refers to into the folder, which may then be moved.
    Raises UserError if `model` is not a model, if `path` exists and is not a checkpoint, and for a
    codec that is missing or another one.
    """
    if not isinstance(model, nn.Module) or not hasattr(model, "config"):
        raise UserError(f"model is {shorten(model)}; give a model that smalti made or loaded")
    model_card: Card = card or getattr(model, "card", Card())
    path = Path(path)
    taken = path.exists() and not (path / "config.json").is_file()
    if taken and (path.is_file() or any(path.iterdir())):
        raise UserError(f"{path} exists and is not a checkpoint; choose another directory")
    with stage_folder(path, CHECKPOINT_FILES) as folder:
        config = embed_references(model.config, folder, kept=path, standalone=standalone)
        write_checkpoint(folder, model, model_card, dtype, config)
    return path


def write_checkpoint(
    directory: Path,
    model: nn.Module,
    card: Card = Card(),
    dtype: torch.dtype | None = None,
    config: object = None,
) -> None:
    """Write config.json and model.safetensors into an existing directory, and fsync them.

    config: the model's in the file; its own for None. References into the directory are written
    relative to it.
    """
    config = shorten_references(config or model.config, directory)
    content = {"format": FORMAT, "model": to_json(config), "card": asdict(card)}
    (directory / "config.json").write_text(json.dumps(content, indent=1) + "\n")
    weights = {
        name: w.detach().cpu().contiguous()
        for name, w in cast_weights(collect_unique_weights(model), dtype).items()
    }
    (directory / "model.safetensors").write_bytes(serialized(weights))  # file mode as umask says
    for name in ("config.json", "model.safetensors"):
        with open(directory / name, "rb") as file:
            os.fsync(file.fileno())


def cast_weights(weights: dict[str, Tensor], dtype: torch.dtype | None) -> dict[str, Tensor]:
    """Cast floating weights to this type; see `save`."""
    if dtype == torch.int8:
        return quantize_weights(weights)
    return {k: w.to(dtype) if dtype and w.is_floating_point() else w for k, w in weights.items()}


def collect_unique_weights(model: nn.Module) -> dict[str, Tensor]:
    """The state dict; a weight with several names is stored under the first one only."""
    unique: dict[int, tuple[str, Tensor]] = {}
    for name, w in model.state_dict(keep_vars=True).items():
        unique.setdefault(id(w), (name, w))
    return dict(unique.values())


def load(name_or_dir: str | Path, device: str | torch.device = "cpu") -> Any:
    """Load a model in eval mode, by its shipped name, checkpoint directory or run directory.

    Weights are converted to float32. Raises UserError for a missing or damaged checkpoint.
    """
    device = check_device(device)
    directory = find_checkpoint(name_or_dir)
    config, path = read_model_config(directory), directory / "model.safetensors"
    shapes = drop_scale_shapes(read_shapes(path), directory)
    check_shapes(build_model(config, directory, "meta"), shapes, directory)
    model: Any = build_model(config, directory)  # its size is checked against the file first
    try:
        weights = strip_wrappers(load_file(path))
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    check_finite_weights(weights, path)
    state = {
        k: w.float() if w.is_floating_point() else w for k, w in dequantize_weights(weights).items()
    }
    model.load_state_dict(state, strict=False)  # only second names of shared weights are missing
    model.card = read_directory_card(directory)
    return model.to(device).eval()


def build_model(config: ModelConfig, source: str | Path, device: str = "cpu") -> nn.Module:
    """Build a model with random weights; on "meta" it has only names and shapes.

    UserError, which names `source`, if the config cannot be built.
    """
    try:
        with torch.device(device), CheapMetaInit() if device == "meta" else nullcontext():
            return config.build()
    except UserError:
        raise
    except Exception as error:  # networks raise anything for numbers that do not fit
        raise UserError(
            f"{source}: its config builds no model: {shorten(str(error), 120)}"
        ) from error


class CheapMetaInit(TorchFunctionMode):
    """Skip what makes PyTorch load its compiler on "meta", which takes seconds.

    Normal numbers are not drawn; ranges, from which tables are computed, are made on the CPU.
    """

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func in (torch.arange, torch.linspace):
            kwargs = {**(kwargs or {}), "device": "cpu"}
        if func in (torch.Tensor.normal_, nn.init.normal_):
            return args[0] if args else (kwargs or {})["tensor"]
        return func(*args, **(kwargs or {}))


def read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Read the shapes of the weights in a file, by name, without reading the weights."""
    try:
        with safe_open(path, "pt", device="cpu") as file:
            names = list(file.keys())
            return strip_wrappers({k: tuple(file.get_slice(k).get_shape()) for k in names})
    except (OSError, SafetensorError) as error:
        raise UserError(f"{path} cannot be read: {error}") from error


def check_shapes(model: nn.Module, shapes: dict[str, tuple[int, ...]], directory: Path) -> None:
    """UserError unless names and shapes equal the model's."""
    expected = {name: tuple(w.shape) for name, w in collect_unique_weights(model).items()}
    for word, keys in (
        ("lacks", expected.keys() - shapes.keys()),
        ("has unknown", shapes.keys() - expected.keys()),
    ):
        if keys:
            raise UserError(
                f"{directory} {word} weights: {sorted(keys)[0]} and {len(keys) - 1} more"
            )
    for key, shape in shapes.items():
        if shape != expected[key]:
            raise UserError(
                f"{directory}: weight {key} has shape {shape}; its config expects {expected[key]}"
            )


def check_finite_weights(weights: dict[str, Tensor], path: Path) -> None:
    """UserError if a weight is NaN or infinite, which makes all samples so."""
    for name, w in weights.items():
        if w.is_floating_point() and not bool(w.float().isfinite().all()):
            raise UserError(f"{path}: weight {name} holds numbers that are not finite")


def find_checkpoint(name_or_dir: str | Path) -> Path:
    """Find the checkpoint directory of a shipped name, a checkpoint or a run directory.

    For a run it is the newest intact step; a warning names damaged newer ones. UserError if there
    is no checkpoint, or its files are damaged.
    """
    path = Path(name_or_dir)
    if "\0" in str(path):
        raise UserError(f"no model {shorten(str(path))}: names cannot contain NUL")
    if is_run(path):
        if step := find_newest_step(path):
            return step
        raise UserError(f"{path} has no saved step yet; train until the first save")
    # earlier versions moved a checkpoint there while replacing it
    aside = () if path.exists() or not path.name else (path.with_name(path.name + ".old"),)
    for directory in (path, SHIPPED_FOLDER / str(name_or_dir), *aside):
        if (directory / "config.json").is_file():
            if damage := find_damage(directory, MODEL_FILES):
                raise UserError(f"{damage}; use another step, or another copy")
            return directory
    if path.exists() or Path(name_or_dir).exists():
        raise UserError(f"{path} is not a checkpoint: it has no config.json; give a run or a model")
    known = f"shipped are {', '.join(list_shipped()) or 'none'}"
    raise UserError(
        f"no model {str(name_or_dir)!r}: neither a directory nor shipped; "
        f"{suggest_similar(str(path), [*list_shipped(), *list_siblings(path)]) or known}"
    )


def list_shipped() -> list[str]:
    """List the names of the shipped models."""
    return sorted(p.parent.name for p in SHIPPED_FOLDER.glob("*/config.json"))


def read_config(directory: str | Path) -> dict[str, Any]:
    """Read config.json as JSON values, and check its format."""
    path = Path(directory) / "config.json"
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        version = content.get("format") if isinstance(content, dict) else None
        raise UserError(f"{path} has format {shorten(version)}; this version reads {FORMAT}")
    return content


def read_model_config(directory: Path) -> ModelConfig:
    """Read the model's config in a checkpoint directory."""
    path, value = directory / "config.json", read_config(directory).get("model")
    try:
        config = from_json(value)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error
    if not isinstance(config, ModelConfig):
        raise UserError(f"{path} holds no model, but {shorten(value)}; was it written by smalti?")
    return resolve_references(config, directory)


def read_card(name_or_dir: str | Path) -> Card:
    """Read a model's card."""
    return read_directory_card(find_checkpoint(name_or_dir))


def read_directory_card(directory: Path) -> Card:
    """Read the card in a checkpoint directory. UserError if it is invalid."""
    path = directory / "config.json"
    content = read_config(directory).get("card", {})
    if not isinstance(content, dict) or not isinstance(content.get("facts", {}), dict):
        raise UserError(f"{path} has an invalid card: {shorten(content)}")
    hints = collect_hints(Card)
    try:
        return Card(
            **{k: v if k == "facts" else coerce_value(v, hints[k], k) for k, v in content.items()}
        )
    except (UserError, TypeError, KeyError) as error:
        raise UserError(f"{path} has an invalid card: {error}") from error
