"""Reading the weights of a published checkpoint, never running what is in it."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from smalti.core.errors import UserError

PICKLES = (".pth", ".pt", ".ckpt")
NESTS = ("state_dict", "model", "net")
"""Names under which training scripts put the state dict, beside the optimizer's and others."""
PREFIX = "weights/"
"""Golden files keep the weights under it, beside inputs and outputs."""


def read_weights(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Weights by name, on the CPU, and the config where the file holds one.

    .safetensors: only what stands under "weights/" when anything does, without that prefix;
    the config is the JSON object in the metadata's `config`. .pth, .pt, .ckpt: the state dict,
    also out of a "state_dict", "model" or "net"; no config. A "module." before every name, left
    by data-parallel training, is stripped.

    Raises UserError, in one line naming the file, when it is missing, holds no weights, or
    holds pickled code, which is never run.
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
    if all(key.startswith("module.") for key in weights):
        weights = {key.removeprefix("module."): value for key, value in weights.items()}
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
        raise UserError(f"{path}: not a readable safetensors file ({_line(error)})") from error
    return weights, _parse_config(metadata.get("config"))


def _parse_config(text: str | None) -> dict[str, Any] | None:
    try:
        config = json.loads(text or "null")
    except ValueError:
        return None  # some other tool's "config": as good as none
    return config if isinstance(config, dict) else None


def _read_pickle(path: Path) -> tuple[dict[str, Tensor], None]:
    try:
        with warnings.catch_warnings():  # about the pickle's protocol: our one line says enough
            warnings.simplefilter("ignore")
            content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a broken pickle can raise nearly anything
        if _holds_code(path, str(error)):
            raise UserError(
                f"{path}: holds pickled code, which is never run; save the weights alone, "
                "as torch.save(network.state_dict(), FILE) does"
            ) from error
        raise UserError(f"{path}: not a readable weights file; is it complete?") from error
    content = _unwrap(content)
    return {str(k): v for k, v in content.items() if isinstance(v, Tensor)}, None


def _holds_code(path: Path, error: str) -> bool:
    """Whether torch refused what it could read, rather than failed to read."""
    with path.open("rb") as file:
        is_binary = file.read(1) in (b"P", b"\x80")  # zip archive, pickle protocol 2 and later
    signs = ("Unsupported", "GLOBAL", "TorchScript") if is_binary else ("GLOBAL",)
    return any(sign in error for sign in signs)


def _unwrap(content: object, depth: int = 3) -> Mapping[Any, Any]:
    """The state dict in nested mappings; a limit in depth, for a mapping may hold itself."""
    if not isinstance(content, Mapping):
        return {}
    nest = next((n for n in NESTS if isinstance(content.get(n), Mapping)), None)
    return content if nest is None or depth == 0 else _unwrap(content[nest], depth - 1)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
