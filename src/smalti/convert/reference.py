"""Convert a reference's config and weights to a module, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import torch
from torch import Tensor, nn

from smalti.convert import (
    article_ddim,
    article_ddpm,
    article_pixelcnn,
    article_transformer,
    codecs,
    pixelcnnpp,
)
from smalti.convert.article_common import Reference, ReferenceConfig, Size
from smalti.core.errors import UserError, shorten

REFERENCES: dict[str, Reference] = (
    article_ddpm.REFERENCES
    | article_ddim.REFERENCES
    | article_pixelcnn.REFERENCES
    | pixelcnnpp.REFERENCES
    | codecs.REFERENCES
    | article_transformer.REFERENCES
)
"""All kinds of reference checkpoints."""


def from_reference(kind: str, config: dict[str, Any], weights: dict[str, Tensor]) -> nn.Module:
    """Build the network of a reference checkpoint, in eval mode, float32, on the CPU.

    kind: a key of REFERENCES, with hyphens or underscores. config: the reference's config as
    parsed JSON. weights: the reference's state dict, which is copied.
    Raises UserError for an unknown kind; missing, unknown or invalid config fields; and missing,
    unknown or misshapen weights.
    """
    kind, reference = _find_reference(kind)
    network_config = read_config(kind, config)
    with _raise_user_errors(kind):
        weights = reference.translate_weights(weights)
        with torch.device("meta"):  # names and shapes only, before anything is allocated
            expected = network_config.build().state_dict()
    _check_names(kind, expected, weights)
    _check_shapes(kind, expected, weights)
    network = network_config.build()
    network.load_state_dict(weights)
    return network.eval()


def infer_config(
    kind: str, weights: dict[str, Tensor], size: int | Size | None = None
) -> dict[str, object]:
    """Infer the config for `from_reference` from the names and shapes of a state dict.

    size: height and width of the pictures, or one number for both. Only used if the weights do
    not determine it (dldemos_ddim_unet with group norm).  Default there: the article's, 64 with 4
    levels, 128 with 5, 256 with 6.
    Raises UserError for an unknown kind, weights of another network, and a size that contradicts
    the weights.
    """
    kind, reference = _find_reference(kind)
    with _raise_user_errors(kind):
        try:
            return reference.infer_config(weights, (size, size) if isinstance(size, int) else size)
        except UserError as error:
            raise UserError(f"{kind}: {error}") from error


def read_config(kind: str, config: dict[str, Any]) -> ReferenceConfig:
    """Read a reference's JSON config. Raises UserError like `from_reference`."""
    kind, reference = _find_reference(kind)
    known = [field.name for field in fields(reference.config)]
    if missing := [k for k in known if k != "classes" and k not in config]:
        raise UserError(
            f"{kind}: the config has no {_join_names(missing)}; give {_join_names(known)}"
        )
    if unknown := [k for k in config if k not in known]:
        raise UserError(
            f"{kind}: config field {_join_names(unknown)} is unknown; known: {_join_names(known)}"
        )
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    with _raise_user_errors(kind):
        try:
            return reference.config(**values)
        except UserError as error:
            raise UserError(f"{kind}: config field {error}") from error


@contextmanager
def _raise_user_errors(kind: str) -> Iterator[None]:
    """Turn unexpected errors from config or weights into a UserError."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        why = shorten(str(error), 120)
        raise UserError(f"{kind}: cannot build a network from config and weights: {why}") from error


def _find_reference(kind: str) -> tuple[str, Reference]:
    name = kind.replace("-", "_")
    if name not in REFERENCES:
        raise UserError(f"unknown kind '{kind}'; known: {', '.join(REFERENCES)}")
    return name, REFERENCES[name]


def _check_names(kind: str, expected: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    faults = []
    if missing := [key for key in expected if key not in weights]:
        faults.append(f"{len(missing)} missing ({_join_names(missing, 3)})")
    if unknown := [key for key in weights if key not in expected]:
        faults.append(f"{len(unknown)} unknown ({_join_names(unknown, 3)})")
    if faults:
        raise UserError(f"{kind}: weights {', '.join(faults)}; check the kind and the config")


def _check_shapes(kind: str, expected: dict[str, Tensor], weights: dict[str, Tensor]) -> None:
    wrong = [key for key in expected if weights[key].shape != expected[key].shape]
    if wrong:
        key, more = wrong[0], f" (and {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise UserError(
            f"{kind}: weight '{key}' has shape {tuple(weights[key].shape)}, but the config needs "
            f"{tuple(expected[key].shape)}{more}; check the config"
        )


def _join_names(names: list[str], limit: int = 99) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")
