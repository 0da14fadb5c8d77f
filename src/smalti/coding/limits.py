"""What a file of compressed pictures may hold: checked before it is written and when it is read."""

from __future__ import annotations

from collections.abc import Sequence

from smalti.core.errors import UserError

MAX_HEADER_BYTES = 1 << 25
"""Bytes of a header as JSON, at most."""
MAX_VALUES = 1 << 29
"""Numbers of all pictures together, at most."""
MAX_BATCH_SIZE = 4096
"""Pictures of one walk, at most."""
MAX_TEXT_LENGTH = 4096
"""Characters of a version, a model's name and the like."""
MAX_BITS = 24
"""Bits of one number, at most: no level has less than one step of 2^-24."""


def check_size(count: int, shape: tuple[int, int, int], batch_size: int) -> None:
    """UserError for more than one file takes."""
    values = count * shape[0] * shape[1] * shape[2]
    if values > MAX_VALUES:
        raise UserError(
            f"{count:,} pictures of {shape} are {values:,} numbers, and a file takes {MAX_VALUES:,}; "
            "compress them into several"
        )
    if not 1 <= batch_size <= MAX_BATCH_SIZE:
        raise UserError(f"batch is {batch_size}; give 1 to {MAX_BATCH_SIZE}")


def compute_max_bytes(count: int, shape: tuple[int, int, int]) -> int:
    """Of a payload: no number takes more than BITS."""
    return count * shape[0] * shape[1] * shape[2] * MAX_BITS // 8 + 64


def is_text(word: str) -> bool:
    """Whether it can be written as UTF-8, and has no zero in it."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in word


def check_labels(labels: Sequence[int] | None, classes: int) -> None:
    """UserError for classes that a model with so many does not have."""
    if (labels is None) != (classes == 0):
        here = "none are" if labels is None else "classes are"
        raise UserError(f"{here} recorded, and this model has {classes} classes")
    if labels is not None and not all(0 <= k < classes for k in labels):
        raise UserError(f"a class is recorded that is none of 0 to {classes - 1}, this model's")
