"""Read the weights of a published checkpoint without running its code."""

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
"""Keys under which training scripts store the state dict."""
WRAPPER_COUNTERS = {"n_averaged"}
"""Counters that wrappers store with the weights."""
MAX_SIZE_FACTOR = 4
"""Maximum size of tensors that share storage, as a multiple of the file's."""
PREFIX = "weights/"
"""Prefix of weights in golden files, which have inputs and outputs, too."""


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Read weights by name, on the CPU, and the config if the file has one.

    .safetensors: if any name starts with "weights/", only those, without that prefix; the config
    is the JSON object in the metadata's `config`. .pth, .pt, .ckpt: the state dict, also nested
    in "state_dict", "model" or "net"; no config. No code in a pickle is run. Prefixes of wrappers
    are stripped (`strip_wrappers`).

    Raises UserError, in one line naming the file, if it is missing or has no weights.
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
        return None  # not a config of ours
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
                f"{path}: contains pickled code, which is never run; save only the weights, "
                "as torch.save(network.state_dict(), FILE) does"
            )
        return read_tensors(contents, found, MAX_SIZE_FACTOR * path.stat().st_size), None
    except UserError:
        raise
    except Exception as error:  # a broken pickle can raise nearly anything
        why = f" ({error})" if isinstance(error, DamagedFileError) else ""
        raise UserError(f"{path}: not a readable weights file{why}; is it complete?") from error


def strip_wrappers(weights: dict[str, T]) -> dict[str, T]:
    """Strip the prefixes of wrappers from names, in any order: "module." of data-parallel training
    and of averaged models, "_orig_mod." of torch.compile.
    """
    while True:
        plain = {name.replace("_orig_mod.", ""): value for name, value in weights.items()}
        names = plain.keys() - WRAPPER_COUNTERS
        if names and all(name.startswith("module.") for name in names):
            plain = {n.removeprefix("module."): v for n, v in plain.items() if n in names}
        if plain.keys() == weights.keys():
            return weights
        weights = plain


def _find_state_dict(content: object, depth: int = 3) -> Mapping[Any, Any]:
    """Find the state dict in nested mappings, up to a depth: a mapping may contain itself."""
    if not isinstance(content, Mapping):
        return {}
    nest = next((n for n in NESTED_KEYS if isinstance(content.get(n), Mapping)), None)
    return content if nest is None or depth == 0 else _find_state_dict(content[nest], depth - 1)


def _to_one_line(error: Exception) -> str:
    return " ".join(str(error).split())
