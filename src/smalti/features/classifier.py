"""A small classifier: it judges samples by their class and by their features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.model import Model
from smalti.core.protocols import Batch, Loss
from smalti.core.ranges import Fraction, FractionBelowOne, Range, Width, Widths
from smalti.features.deform import WarpStrength, warp
from smalti.features.trunk import Trunk


@dataclass(frozen=True)
@check_fields
class ClassifierConfig:
    """Shape of the classifier, and how its training pictures are varied."""

    channels: Width = 1
    """Channels of the pictures: 1 gray, 3 RGB."""
    classes: Annotated[int, Range(2, 2**24)] = 10
    """Number of classes."""
    widths: Widths = (16, 32, 64)
    """Feature channels of each level, each at half the size of the one before; the last is D."""
    dropout: FractionBelowOne = 0.2
    """Part of the features left out in each training step."""
    degrees: Annotated[float, Range(0, 360)] = 12.0
    """Largest random turn and shear in training."""
    shift: Annotated[float, Range(0, 10)] = 0.08
    """Largest random shift in training, as a part of the side."""
    zoom: Annotated[float, Range(0, 10)] = 0.15
    """Largest random change of height and width in training, as a natural logarithm."""
    bend: Annotated[float, Range(0, 10)] = 0.03
    """Standard deviation of the random elastic bend in training, as a part of the side."""
    background: Fraction = 0.0
    """Brightness of the pictures' background, 0 black to 1 white: what goes on beyond the edge."""

    def build(self) -> Classifier:
        return Classifier(self)


class Classifier(Model):
    """Classes and features of pictures x, (N, C, H, W) in [0, 1], of any height and width.

    `forward(x)` gives logits (N, K); `features(x)` gives the vectors (N, D) that the last, linear
    layer reads, in which the Frechet distance is measured.
    """

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.channels, config.widths)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.widths[-1], config.classes)

    def features(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> (N, D), each 0 or more.  UserError on another shape."""
        if x.ndim != 4 or x.shape[1] != self.config.channels:
            raise UserError(
                f"pictures are {tuple(x.shape)}; this classifier wants "
                f"(N, {self.config.channels}, H, W) in [0, 1]"
            )
        return self.trunk(x - self.config.background)

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) in [0, 1] -> the features of each level, (N, D_k, h, w), finest first."""
        return self.trunk.feature_maps(x - self.config.background)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> logits (N, K).  UserError on another shape."""
        return self.head(self.dropout(self.features(x)))

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Cross entropy in nats and the part recognized; training pictures are warped first."""
        if batch.labels is None:
            raise UserError("pictures have no classes; a classifier learns from a folder per class")
        c = self.config
        x = batch.require_pictures()
        if self.training:
            x = c.background + warp(
                x - c.background, WarpStrength(c.degrees, c.shift, c.zoom, c.bend)
            )
        logits = self(x).float()  # (B, K)
        nats = F.cross_entropy(logits, batch.labels)
        accuracy = (logits.argmax(1) == batch.labels).float().mean()
        return Loss(nats, {"nats": nats.detach(), "accuracy": accuracy})
