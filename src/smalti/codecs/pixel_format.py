"""How a codec's network sees pictures: as numbers of a range, or as labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

from smalti.core.errors import UserError

MAX_LABELS = 256
"""Labels that one byte of a label map can tell apart."""


class PixelFormat(Protocol):
    """Converts pictures (N, C, H, W) in [0, 1] to a network's input, and its output back."""

    def to_network(self, x: Tensor) -> Tensor: ...
    def from_network(self, x: Tensor) -> Tensor: ...  # float32 in [0, 1]


@dataclass(frozen=True)
class PixelRange:
    """Black is `low` and white is `high`."""

    low: float
    high: float

    def to_network(self, x: Tensor) -> Tensor:
        """Map [0, 1] to the range."""
        return self.low + (self.high - self.low) * x

    def from_network(self, x: Tensor) -> Tensor:
        """Map the range to [0, 1], clamped."""
        return ((x - self.low) / (self.high - self.low)).clamp(0, 1).float()


@dataclass(frozen=True)
class LabelMap:
    """A label per pixel: label k is the gray level k of 255, and one-hot to the network."""

    count: int
    """K, the number of labels."""

    def to_network(self, x: Tensor) -> Tensor:
        """Label maps (N, 1, H, W) -> one-hot (N, K, H, W). UserError for other labels."""
        return F.one_hot(self.read_labels(x), self.count).movedim(3, 1).to(x.dtype)

    def read_labels(self, x: Tensor) -> Tensor:
        """Label maps (N, 1, H, W) -> labels (N, H, W) int64. UserError for other labels."""
        labels = (x[:, 0] * (MAX_LABELS - 1)).round().long()
        if labels.numel() and (largest := int(labels.max())) >= self.count:
            raise UserError(
                f"a label map has label {largest}, but this codec's are 0 to {self.count - 1}; "
                "give one gray level or palette index for each label"
            )
        return labels

    def from_network(self, x: Tensor) -> Tensor:
        """Scores of the labels (N, K, H, W) -> maps (N, 1, H, W) of the likeliest."""
        return x.argmax(1, keepdim=True).float() / (MAX_LABELS - 1)
