"""Hashes of models, tensors and texts, to compare their origin."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from torch import Tensor, nn

from smalti.core.config import to_json


def hash_model(model: nn.Module) -> str:
    """Hash a model's config and weights: SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    digest.update(json.dumps(to_json(model.config), sort_keys=True).encode())
    for name, weight in sorted(model.state_dict().items()):
        _update_digest(digest, name, weight)
    return digest.hexdigest()


def hash_tensors(*tensors: Tensor, **named: Tensor | None) -> str:
    """Hash types, shapes and bytes of tensors in order, then of named ones: SHA-256."""
    digest = hashlib.sha256()
    for name, tensor in [*(("", t) for t in tensors), *sorted(named.items())]:
        if tensor is not None:
            _update_digest(digest, name, tensor)
    return digest.hexdigest()


def hash_texts(*texts: str) -> str:
    """Hash texts in order: the first 16 hexadecimal digits of SHA-256."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:16]


def _update_digest(digest: hashlib._Hash, name: str, tensor: Tensor) -> None:
    digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
    digest.update(np.ascontiguousarray(tensor.detach().cpu().numpy()).data)
