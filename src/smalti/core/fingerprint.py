"""Hashes of models, tensors and texts, to compare their origin."""

from __future__ import annotations

import hashlib
import json

import numpy as np
from torch import Tensor, nn

from smalti.core.config import to_json
from smalti.core.references import ModelReference, change_references


def hash_model(model: nn.Module) -> str:
    """Hash a model's config and weights: SHA-256 in hexadecimal.

    A codec that the config refers to by hash counts by that, wherever its folder is. Fields that
    are off (None, False, 0, or empty) do not count: a later version may add such a field, and
    every model, reference and compressed file of an earlier version keeps its hash.
    """
    digest = hashlib.sha256()
    config = change_references(model.config, forget_folder)
    digest.update(json.dumps(drop_off_values(to_json(config)), sort_keys=True).encode())
    for name, weight in sorted(model.state_dict().items()):
        _update_digest(digest, name, weight)
    return digest.hexdigest()


def drop_off_values(value: object) -> object:
    """A config as JSON values without the fields that are None, False, 0 or empty."""
    if isinstance(value, dict):
        kept = {name: drop_off_values(part) for name, part in value.items()}
        return {name: part for name, part in kept.items() if part}
    return [drop_off_values(part) for part in value] if isinstance(value, list) else value


def forget_folder(reference: ModelReference) -> ModelReference:
    return reference.refer_to("") if reference.sha256 else reference


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
