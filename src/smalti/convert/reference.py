"""From a reference's config and weights to a module: a closed table of kinds."""

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
"""Every kind that can be converted."""


def from_reference(kind: str, config: dict[str, Any], weights: dict[str, Tensor]) -> nn.Module:
    """The network of a reference checkpoint, in eval mode, float32, on the CPU.

    kind: a key of REFERENCES, hyphens allowed for underscores. config: the reference's own,
    as JSON gives it. weights: the reference's state dict; it is copied.
    Raises UserError, in one line, for an unknown kind, a config with fields missing, unknown or
    impossible, and weights that are missing, unknown or of another shape.
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
    """The config that a published state dict tells by its names and shapes, for from_reference.

    size: height and width of the pictures, or one number for both. It is wanted only where the
    weights leave it open (dldemos_ddim_unet with group norm), and None stands there for the
    article's: 64 with 4 levels, 128 with 5, 256 with 6.
    Raises UserError, in one line, for an unknown kind, weights of another network, and a size
    other than the one that the weights fix.
    """
    kind, reference = _find_reference(kind)
    with _raise_user_errors(kind):
        try:
            return reference.infer_config(weights, (size, size) if isinstance(size, int) else size)
        except UserError as error:
            raise UserError(f"{kind}: {error}") from error


def read_config(kind: str, config: dict[str, Any]) -> ReferenceConfig:
    """The config dataclass of a reference's JSON config; UserError as in from_reference."""
    kind, reference = _find_reference(kind)
    known = [field.name for field in fields(reference.config)]
    if missing := [k for k in known if k != "classes" and k not in config]:
        raise UserError(
            f"{kind}: the config has no {_join_names(missing)}; it wants {_join_names(known)}"
        )
    if unknown := [k for k in config if k not in known]:
        raise UserError(
            f"{kind}: the config's {_join_names(unknown)} is unknown; it has {_join_names(known)}"
        )
    values: dict[str, Any] = {k: tuple(v) if isinstance(v, list) else v for k, v in config.items()}
    with _raise_user_errors(kind):
        try:
            return reference.config(**values)
        except UserError as error:
            raise UserError(f"{kind}: the config's {error}") from error


@contextmanager
def _raise_user_errors(kind: str) -> Iterator[None]:
    """A config or weights of another kind of thing than was thought of: one line, no traceback."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        why = shorten(str(error), 120)
        raise UserError(f"{kind}: config and weights build no network: {why}") from error


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
            f"{kind}: weight '{key}' has shape {tuple(weights[key].shape)}, but the config wants "
            f"{tuple(expected[key].shape)}{more}; check the config"
        )


def _join_names(names: list[str], limit: int = 99) -> str:
    return ", ".join(names[:limit]) + (", ..." if len(names) > limit else "")
