"""A small classifier of pictures, used to evaluate samples."""

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
    """Config of the classifier and of its data augmentation."""

    channels: Width = 1
    """Picture channels: 1 gray, 3 RGB."""
    classes: Annotated[int, Range(2, 2**24)] = 10
    """Number of classes."""
    widths: Widths = (16, 32, 64)
    """Feature channels of each level. Each level halves the resolution; the last width is D."""
    dropout: FractionBelowOne = 0.2
    """Dropout probability of the features."""
    degrees: Annotated[float, Range(0, 360)] = 12.0
    """Maximum random rotation and shear, in degrees."""
    shift: Annotated[float, Range(0, 10)] = 0.08
    """Maximum random shift, as a fraction of the side."""
    zoom: Annotated[float, Range(0, 10)] = 0.15
    """Maximum random scaling, as a natural logarithm. Height and width are scaled independently."""
    bend: Annotated[float, Range(0, 10)] = 0.03
    """Elastic deformation, as a fraction of the side. The standard deviation at its knots."""
    background: Fraction = 0.0
    """Background brightness, 0 black to 1 white. Pads pictures beyond their edges."""

    def build(self) -> Classifier:
        return Classifier(self)


class Classifier(Model):
    """Classifier of pictures x, (N, C, H, W) in [0, 1], of any height and width.

    `forward(x)` returns logits (N, K); `features(x)` returns the inputs (N, D) of the last, linear
    layer, the features of the Frechet distance.
    """

    def __init__(self, config: ClassifierConfig):
        super().__init__()
        self.config = config
        self.trunk = Trunk(config.channels, config.widths)
        self.dropout = nn.Dropout(config.dropout)
        self.head = nn.Linear(config.widths[-1], config.classes)

    def features(self, x: Tensor) -> Tensor:
        """Compute features: (N, C, H, W) in [0, 1] -> (N, D), nonnegative.

        Raises UserError for another shape.
        """
        if x.ndim != 4 or x.shape[1] != self.config.channels:
            raise UserError(
                f"pictures are {tuple(x.shape)}; this classifier expects "
                f"(N, {self.config.channels}, H, W) in [0, 1]"
            )
        return self.trunk(x - self.config.background)

    def feature_maps(self, x: Tensor) -> list[Tensor]:
        """(N, C, H, W) in [0, 1] -> feature maps of each level, (N, D_k, h, w), finest first."""
        return self.trunk.feature_maps(x - self.config.background)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) in [0, 1] -> logits (N, K).  Raises UserError for another shape."""
        return self.head(self.dropout(self.features(x)))

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Cross entropy in nats, and accuracy. In training mode pictures are warped first."""
        if batch.labels is None:
            raise UserError("pictures have no classes; give a folder with one subfolder per class")
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
