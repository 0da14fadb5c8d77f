"""Perceptual distance in the features of a classifier."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from smalti.core.checkpoint import SHIPPED_FOLDER, load
from smalti.core.config import check_fields
from smalti.core.errors import UserError


@dataclass(frozen=True)
@check_fields
class ClassifierDistance:
    """Distance in the features of a smalti classifier."""

    classifier: str = "emoji"
    """Classifier: digits, emoji or a folder. A folder is a checkpoint whose model has
    `feature_maps(x)`."""

    @property
    def description(self) -> str:
        return f"the classifier {self.classifier}, not LPIPS"

    def build(self) -> FeatureDistance:
        return FeatureDistance(self.classifier)


class FeatureDistance(nn.Module):
    """Distance in the feature maps of a classifier: LPIPS (arXiv:1801.03924, eq. 1) with equal
    weights for all channels and levels.
    """

    def __init__(self, name: str):
        super().__init__()
        shipped = SHIPPED_FOLDER / f"{name}-classifier"
        classifier: Any = load(shipped if (shipped / "config.json").is_file() else name)
        if not callable(getattr(classifier, "feature_maps", None)):
            kind = type(classifier).__name__
            raise UserError(f"{name} is a {kind}, which has no feature_maps(x); give a classifier")
        self.classifier = classifier.requires_grad_(False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Pictures x, y (B, C, H, W) in [0, 1] -> (B,)."""
        C = self.classifier.config.channels
        x, y = (v if v.shape[1] == C else match_channels(v, C) for v in (x, y))
        pairs = zip(self.classifier.feature_maps(x), self.classifier.feature_maps(y), strict=True)
        return torch.stack([compare_features(a, b).sum(1).mean((1, 2)) for a, b in pairs]).mean(0)


def match_channels(x: Tensor, C: int) -> Tensor:
    """Convert pictures to C channels: the mean for one, else repeated. (B, ., H, W)."""
    return x.mean(1, keepdim=True) if C == 1 else x.expand(-1, C, -1, -1)


def compare_features(a: Tensor, b: Tensor) -> Tensor:
    """Squared difference of features (B, D, h, w), each normalized over D."""
    return (normalize_features(a) - normalize_features(b)).square()


def normalize_features(a: Tensor) -> Tensor:
    a = a.float()
    return a / (a.square().sum(1, keepdim=True) + 1e-10).sqrt()
