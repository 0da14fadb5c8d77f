"""The pictures that a model is compared with: training, held-out, and a network of features."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from torch import nn

from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_tensors
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Pictures, Splits
from smalti.evaluation.plan import Plan, Split
from smalti.evaluation.sample_set import find_device
from smalti.features import FeatureExtractor, choose_features_name, find_features

BLOCK = 1000  # pictures that are hashed at once


@dataclass(frozen=True, eq=False)
@add_short_repr
class PictureReference:
    """Training pictures, held-out pictures of one split, and the feature network."""

    splits: Splits
    split: Split
    held_out: Pictures
    network: FeatureExtractor | None
    no_network_reason: str = ""

    @property
    def train(self) -> Pictures:
        return self.splits.train

    @cached_property
    def train_hash(self) -> str:
        return hash_pictures(self.train)

    def describe_protocol(self) -> dict[str, Any]:
        """The protocol's fields for the training pictures and the feature network."""
        train, network = self.train, self.network
        return {
            "data": train.name,
            "data_hash": self.train_hash,
            "reference": len(train),
            "split": self.split,
            "shape": train.shape,
            "features": network.name if network else "",
            "features_hash": network.hash if network else "",
            "resize": network.describe_preprocessing(train.shape) if network else "",
        }


def open_reference(model: object, splits: Splits, plan: Plan) -> PictureReference:
    """Choose the held-out pictures and the feature network of a plan."""
    split, held_out = choose_held_out(splits, plan.split)
    if not len(held_out):
        raise UserError(f"{held_out.name} contains no held-out pictures; hold some out")
    device = find_device(model) if isinstance(model, nn.Module) else "cpu"
    network, reason = choose_network(plan.features, splits.train, device)
    return PictureReference(splits, split, held_out, network, reason)


def choose_held_out(splits: Splits, split: Split | None) -> tuple[Split, Pictures]:
    """Choose the held-out pictures, and name their split."""
    if split == "test" and splits.test is None:
        raise UserError(f"{splits.train.name} has no test split; use split valid")
    if splits.test is not None and split != "valid":
        return "test", splits.test
    return "valid", splits.valid


def choose_network(
    features: str | Path | FeatureExtractor, pictures: Pictures, device: str
) -> tuple[FeatureExtractor | None, str]:
    """Choose the feature network; None and the reason if "auto" finds none."""
    if isinstance(features, FeatureExtractor):
        return features, ""
    if features != "auto":
        return find_features(features, device), ""
    try:
        return find_features(choose_features_name(pictures.shape, pictures.classes), device), ""
    except UserError as error:
        return None, str(error)


def hash_pictures(pictures: Pictures) -> str:
    """Compute the SHA-256 of pixels and classes, in blocks."""
    blocks = (pictures.take(slice(k, k + BLOCK)) for k in range(0, len(pictures), BLOCK))
    labels = [] if pictures.labels is None else [pictures.labels]
    return hash_tensors(*blocks, *labels)
