"""Hashes that tell whether two results came from the same model or the same data."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from torch import Tensor, nn

from smalti.core.config import to_json


def hash_model(model: nn.Module) -> str:
    """SHA-256 of a model's config and weights, in hexadecimal."""
    digest = hashlib.sha256()
    digest.update(json.dumps(to_json(model.config), sort_keys=True).encode())
    for name, weight in sorted(model.state_dict().items()):
        _update_digest(digest, name, weight)
    return digest.hexdigest()


def hash_tensors(*tensors: Tensor, **named: Tensor | None) -> str:
    """SHA-256 of tensors in their order, then of named ones: their types, shapes and bytes."""
    digest = hashlib.sha256()
    for name, tensor in [*(("", t) for t in tensors), *sorted(named.items())]:
        if tensor is not None:
            _update_digest(digest, name, tensor)
    return digest.hexdigest()


def hash_texts(*texts: str) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of texts in their order."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _update_digest(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
