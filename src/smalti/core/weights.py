"""Reading the weights of a published checkpoint, never running what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError, safe_open
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.pickles import DamagedFileError, StoredTensor, open_pickle, read_tensors

T = TypeVar("T")

PICKLES = (".pth", ".pt", ".ckpt")
NESTED_KEYS = ("state_dict", "model", "net")
"""Names under which training scripts put the state dict, beside the optimizer's and others."""
WRAPPER_COUNTERS = {"n_averaged"}
"""What a wrapper keeps beside the weights."""
MAX_SIZE_FACTOR = 4
"""Tensors that share numbers may be so many times as large as their file."""
PREFIX = "weights/"
"""Golden files keep the weights under it, beside inputs and outputs."""


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Weights by name, on the CPU, and the config where the file holds one.

    .safetensors: only what stands under "weights/" when anything does, without that prefix;
    the config is the JSON object in the metadata's `config`. .pth, .pt, .ckpt: the state dict,
    also out of a "state_dict", "model" or "net"; no config. What else a pickle names is not looked
    up, and nothing in it is run. Names that wrappers left are stripped (`strip_wrappers`).

    Raises UserError, in one line naming the file, when it is missing or holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: no such file; give a file of weights")
    suffix = path.suffix.lower()
    if suffix not in (".safetensors", *PICKLES):
        raise UserError(f"{path}: not a weights file; give .safetensors, {', '.join(PICKLES)}")
    weights, config = _read_pickle(path) if suffix in PICKLES else _read_safetensors(path)
    if not weights:
        raise UserError(f"{path}: holds no weights; give a file with a network's state dict")
    weights = strip_wrappers(weights)
    return weights, config


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    try:
        with safe_open(path, "pt", device="cpu") as file:
            names = list(file.keys())
            prefix = PREFIX if any(name.startswith(PREFIX) for name in names) else ""
            weights = {
                name.removeprefix(prefix): file.get_tensor(name)
                for name in names
                if name.startswith(prefix)
            }
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise UserError(
            f"{path}: not a readable safetensors file ({_to_one_line(error)})"
        ) from error
    return weights, _parse_config(metadata.get("config"))


def _parse_config(text: str | None) -> dict[str, Any] | None:
    try:
        config = json.loads(text or "null")
    except (ValueError, RecursionError):
        return None  # some other tool's "config": as good as none
    return config if isinstance(config, dict) else None


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], None]:
    try:
        contents = open_pickle(path)
        found = {
            str(name): value
            for name, value in _find_state_dict(contents.value).items()
            if isinstance(value, StoredTensor)
        }
        if not found and contents.unknown_names:
            raise UserError(
                f"{path}: holds pickled code, which is never run; save the weights alone, "
                "as torch.save(network.state_dict(), FILE) does"
            )
        return read_tensors(contents, found, MAX_SIZE_FACTOR * path.stat().st_size), None
    except UserError:
        raise
    except Exception as error:  # a broken pickle can raise nearly anything
        why = f" ({error})" if isinstance(error, DamagedFileError) else ""
        raise UserError(f"{path}: not a readable weights file{why}; is it complete?") from error


def strip_wrappers(weights: dict[str, T]) -> dict[str, T]:
    """Weights without the names that wrappers put before them: "module." of data-parallel training
    and of averaged models, "_orig_mod." of torch.compile, in any order.
    """
    while True:
        plain = {name.replace("_orig_mod.", ""): value for name, value in weights.items()}
        own = plain.keys() - WRAPPER_COUNTERS
        if own and all(name.startswith("module.") for name in own):
            plain = {n.removeprefix("module."): v for n, v in plain.items() if n in own}
        if plain.keys() == weights.keys():
            return weights
        weights = plain


def _find_state_dict(content: object, depth: int = 3) -> Mapping[Any, Any]:
    """The state dict in nested mappings; a limit in depth, for a mapping may hold itself."""
    if not isinstance(content, Mapping):
        return {}
    nest = next((n for n in NESTED_KEYS if isinstance(content.get(n), Mapping)), None)
    return content if nest is None or depth == 0 else _find_state_dict(content[nest], depth - 1)


def _to_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
