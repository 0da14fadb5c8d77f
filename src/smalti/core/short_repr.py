"""A `repr` of one short line, for any contents."""

from __future__ import annotations

import dataclasses
from typing import TypeVar

from smalti.core.errors import shorten

C = TypeVar("C", bound=type)
MAX_CHARACTERS = 60
"""Maximum characters of a field without a short `repr`."""


def add_short_repr(cls: C) -> C:
    """Give a dataclass the `repr` of `format_short_repr`; put it below `@dataclass`."""
    cls.__repr__ = format_short_repr  # pyright: ignore[reportAttributeAccessIssue]
    return cls


def format_short_repr(self: object) -> str:
    """Format a dataclass or named tuple by shapes and counts, without empty and default fields:
    "DrawnPictures(pictures=4x1x28x28 float32)".
    """
    if dataclasses.is_dataclass(self):
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
    else:
        known = getattr(self, "_field_defaults", {})
        defaults = {name: known.get(name) for name in getattr(self, "_fields", ())}
    values = {name: getattr(self, name) for name in defaults}
    fields = [f"{k}={format_value(v)}" for k, v in values.items() if not is_default(v, defaults[k])]
    return f"{type(self).__name__}({', '.join(fields)})"


def is_default(value: object, default: object) -> bool:
    return value is None or (
        not hasattr(value, "dtype") and (value is default or value in ((), [], {}, ""))
    )


def format_value(value: object) -> str:
    """Format tensors and arrays by shape and type, bytes and long lists by length."""
    shape, dtype = getattr(value, "shape", None), getattr(value, "dtype", None)
    if shape is not None and dtype is not None:
        return f"{'x'.join(map(str, shape))} {str(dtype).removeprefix('torch.')}".strip()
    if isinstance(value, bytes):
        return f"{len(value):,} bytes"
    if isinstance(value, float):
        return f"{value:.4g}"
    if (
        isinstance(value, (list, tuple, dict))
        and len(shorten(value, MAX_CHARACTERS + 1)) > MAX_CHARACTERS
    ):
        return f"{len(value):,} entries"
    return (
        repr(value) if type(value).__repr__ is format_short_repr else shorten(value, MAX_CHARACTERS)
    )
