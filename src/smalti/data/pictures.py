"""Pictures in memory: bytes, so that training indexes them and no input pipeline is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from smalti.core.errors import UserError


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures of one size, with a class each or none at all.

    pixels: uint8 (N, C, H, W), C is 1 (grey) or 3 (RGB).
    labels: int64 (N,), each a place in `classes`; None where there are no classes.
    name: where the pictures come from, for logs and model cards.
    Raises UserError when these do not fit together.
    """

    pixels: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        if self.pixels.dtype != torch.uint8 or self.pixels.ndim != 4:
            given = f"{self.pixels.dtype} {tuple(self.pixels.shape)}"
            raise UserError(f"{self.name}: pixels are {given}; give uint8 (N, C, H, W)")
        if self.labels is not None:
            self._check_labels(self.labels)

    def _check_labels(self, labels: Tensor) -> None:
        if labels.dtype != torch.int64 or labels.shape != (len(self),):
            given = f"{labels.dtype} {tuple(labels.shape)}"
            raise UserError(f"{self.name}: labels are {given}; give int64 ({len(self)},)")
        if len(self) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes):
            raise UserError(
                f"{self.name}: labels reach from {int(labels.min())} to {int(labels.max())}; "
                f"with {len(self.classes)} classes give 0 to {len(self.classes) - 1}"
            )

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture."""
        channels, height, width = self.pixels.shape[1:]
        return channels, height, width

    def floats(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """The chosen pictures as float32 (B, C, H, W) in [0, 1]."""
        return self.pixels[indices].float() / 255

    def split(self, valid: float | int, seed: int = 0) -> tuple[Pictures, Pictures]:
        """Two parts, for training and for validation, that share no picture.

        valid: how many pictures to set aside (an int), or what part of them (a float in (0, 1)).
        The same seed and number of pictures split the same way on every machine: the raw output
        of NumPy's Philox is sorted, for its shuffle may change between versions.
        Raises UserError when a part would be empty.
        """
        if isinstance(valid, bool) or not (isinstance(valid, int) or 0 < valid < 1):
            raise UserError(f"valid is {valid}; give a number of pictures or a part in (0, 1)")
        count = valid if isinstance(valid, int) else max(1, round(valid * len(self)))
        if not 0 < count < len(self):
            raise UserError(
                f"valid is {valid}, but {self.name} holds {len(self)} pictures; "
                "leave at least one to each part"
            )
        order = np.argsort(np.random.Philox(seed).random_raw(len(self)), kind="stable")
        rows = torch.from_numpy(order)
        return self._part(rows[count:], "train"), self._part(rows[:count], "valid")

    def _part(self, rows: Tensor, name: str) -> Pictures:
        labels = None if self.labels is None else self.labels[rows]
        return replace(self, pixels=self.pixels[rows], labels=labels, name=f"{self.name}/{name}")


@dataclass(frozen=True, eq=False)
class Splits:
    """Pictures to train on, to choose by, and to measure with once."""

    train: Pictures
    valid: Pictures
    test: Pictures | None = None
    """None where the data come without a test split: then `valid` is what is held out."""
