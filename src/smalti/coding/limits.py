"""Limits of a file of compressed pictures, checked when writing and reading."""

from __future__ import annotations

from collections.abc import Sequence

from smalti.core.errors import UserError

MAX_HEADER_BYTES = 1 << 25
"""Bytes of a header as JSON, at most."""
MAX_VALUES = 1 << 29
"""Values of all pictures together, at most."""
MAX_BATCH_SIZE = 4096
"""Pictures per walk, at most."""
MAX_TEXT_LENGTH = 4096
"""Characters of a version, a model's name and similar text, at most."""
MAX_BITS = 24
"""Bits per value, at most: no level has a probability below 2^-24."""


def check_size(count: int, shape: tuple[int, int, int], batch_size: int) -> None:
    """UserError for more than one file can hold."""
    values = count * shape[0] * shape[1] * shape[2]
    if values > MAX_VALUES:
        raise UserError(
            f"{count:,} pictures of {shape} have {values:,} values; a file holds at most "
            f"{MAX_VALUES:,}: compress them into several files"
        )
    if not 1 <= batch_size <= MAX_BATCH_SIZE:
        raise UserError(f"batch_size is {batch_size}; give 1 to {MAX_BATCH_SIZE}")


def compute_max_bytes(count: int, shape: tuple[int, int, int]) -> int:
    """Upper bound of a payload's bytes: no value takes more than MAX_BITS."""
    return count * shape[0] * shape[1] * shape[2] * MAX_BITS // 8 + 64


def is_text(word: str) -> bool:
    """Whether it can be encoded as UTF-8 and has no NUL."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in word


def check_labels(labels: Sequence[int] | None, classes: int) -> None:
    """UserError unless the recorded labels fit a model with this number of classes."""
    if (labels is None) != (classes == 0):
        recorded = "no classes" if labels is None else "classes"
        raise UserError(f"the file records {recorded}, but this model has {classes} classes")
    if labels is not None and not all(0 <= k < classes for k in labels):
        raise UserError(f"a recorded class is not in 0 to {classes - 1}, this model's classes")
