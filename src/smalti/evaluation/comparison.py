"""What the measures look at: samples, real pictures, and both through one network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_tensors
from smalti.core.messages import format_count
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Pictures
from smalti.evaluation.bootstrap import draw_resamples
from smalti.evaluation.frechet import Moments, compute_moments
from smalti.evaluation.neighbors import Neighbors, find_nearest
from smalti.evaluation.plan import Plan
from smalti.evaluation.sample_set import SampleSet, choose_balanced
from smalti.features import FeatureExtractor

CLASS_DESCRIPTIONS = {
    "turns": "in turn: sample i is asked to be class i mod {K}",
    "data": "as often as the training pictures have them",
}
CAPTION_DESCRIPTION = "none, but the captions of the held-out pictures, in turn"
BLOCK = 1000  # pictures between two words of progress
CACHE_SIZE = 2
FEATURE_CACHE: dict[tuple[str, str], Tensor] = {}
"""Features of the last training pictures, by the hashes of network and pictures."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class Comparison:
    """One model's samples beside the pictures that it was trained on and those held out.

    Features and neighbors are worked out once, when a measure first asks for them.
    """

    model: Any
    sample_set: SampleSet
    train: Pictures
    held_out: Pictures
    """The yardstick: held-out pictures, as many as there are samples where there are so many."""
    network: FeatureExtractor | None
    """None where there is none that suits: `no_network` says why."""
    no_network_reason: str = ""
    plan: Plan = Plan()
    on_progress: OnProgress = ignore_event
    seed: int = 0
    """Of the bootstrap, and of what scoring draws."""

    @property
    def batch_size(self) -> int:
        return self.plan.batch_size

    @property
    def sampler(self) -> Any:
        return self.plan.sampler or getattr(self.model.config, "sampler", None)

    def describe_protocol(self) -> dict[str, Any]:
        """The protocol's fields of how samples were drawn, and of the yardstick."""
        K = len(self.model.spec.classes)
        return {
            "n": self.plan.n,
            "seed": self.plan.seed,
            "classes": CLASS_DESCRIPTIONS[self.plan.classes].format(K=K)
            if K
            else self.describe_conditions(),
            "held": len(self.held_out),
            "split_hash": hash_pictures(self.held_out),
            "mirrored": self.plan.mirrored,
            "bootstraps": self.plan.bootstraps,
            "bootstrap_seed": self.seed,
        }

    def describe_conditions(self) -> str:
        """What samples of a model without classes are asked to show."""
        reads = "text" in self.model.spec.accepted_inputs
        return CAPTION_DESCRIPTION if reads and self.held_out.captions else "none"

    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know."""
        notes = [f"nothing looked at the pictures: {self.no_network_reason}"]
        if network := self.network:
            notes = [
                f"distances are seen through {network.description} ({network.name}); they compare with "
                "others seen through it, and with none else"
            ]
        if "text" in self.model.spec.accepted_inputs and not self.held_out.captions:
            notes.append(
                "the held-out pictures have no captions; samples were drawn from empty ones"
            )
        notes += self.note_untrained_classes()
        if self.has_fewer_held_out:
            held = format_count(len(self.held_out), "picture is", "pictures are")
            notes.append(
                f"only {held} held out, fewer than the samples: where a number stands in "
                "brackets, of as many samples, compare that with the yardstick"
            )
        return tuple(notes)

    def note_untrained_classes(self) -> list[str]:
        """Which classes nobody could learn: they stand among the held-out pictures alone."""
        classes, labels = self.model.spec.classes, self.train.labels
        if self.sample_set.labels is None or labels is None or self.train.classes != classes:
            return []
        asked = self.sample_set.labels.unique().tolist()
        lone = [classes[k] for k in asked if not (labels == k).any()]
        if not lone:
            return []
        names = ", ".join(lone[:5]) + (", ..." if len(lone) > 5 else "")
        return [f"no training picture is of {names}: samples of that are of a class never learned"]

    def resample_samples(self) -> Iterator[Tensor]:
        """Rows of the samples drawn again, each class by itself; (N,) each."""
        N, labels = len(self.sample_set.pictures), self.sample_set.labels
        return draw_resamples(N, self.plan.bootstraps, self.seed, labels)

    def resample_held_out(self) -> Iterator[Tensor]:
        """Rows of the held-out pictures drawn again, each class by itself; (n,) each."""
        labels = None if self.sample_set.labels is None else self.held_out.labels
        return draw_resamples(len(self.held_out), self.plan.bootstraps, self.seed + 1, labels)

    def resample_train(self) -> Iterator[Tensor]:
        """Rows of `real_part` drawn again."""
        return draw_resamples(len(self.train_features_part), self.plan.bootstraps, self.seed + 2)

    @property
    def has_fewer_held_out(self) -> bool:
        """Whether there are fewer held-out pictures than samples."""
        return len(self.held_out) < len(self.sample_set.pictures)

    @property
    def required_network(self) -> FeatureExtractor:
        if self.network is None:
            raise UserError(self.no_network_reason)
        return self.network

    @cached_property
    def sample_features(self) -> Tensor:
        """Features of the samples, (N, D)."""
        return self.extract_features("looking at samples", self.sample_set.pictures)

    @cached_property
    def train_features(self) -> Tensor:
        """Features of the training pictures, (M, D); the next case of the same ones finds them."""
        key = (self.required_network.hash, self.train_hash)
        if key not in FEATURE_CACHE:
            while len(FEATURE_CACHE) >= CACHE_SIZE:
                FEATURE_CACHE.pop(next(iter(FEATURE_CACHE)))
            FEATURE_CACHE[key] = self.extract_features("looking at training pictures", self.train)
        return FEATURE_CACHE[key]

    @cached_property
    def train_hash(self) -> str:
        return hash_pictures(self.train)

    @cached_property
    def held_out_features(self) -> Tensor:
        """Features of the held-out pictures, (n, D)."""
        return self.extract_features("looking at held-out pictures", self.held_out)

    @cached_property
    def train_moments(self) -> Moments:
        return compute_moments(self.train_features)

    @cached_property
    def train_features_part(self) -> Tensor:
        """Features of as many training pictures as there are samples, every class in turn."""
        return self.train_features[choose_balanced(self.train, len(self.sample_set.pictures))]

    @cached_property
    def nearest_to_samples(self) -> Neighbors:
        """The training picture nearest to each sample, in pixels."""
        return find_nearest(self.sample_set.pictures, self.train, mirrored=self.plan.mirrored)

    @cached_property
    def nearest_to_held_out(self) -> Neighbors:
        """The training picture nearest to each held-out one, in pixels."""
        return find_nearest(self.held_out.pixels, self.train, mirrored=self.plan.mirrored)

    def extract_features(self, stage: str, pictures: Tensor | Pictures) -> Tensor:
        take = pictures.take if isinstance(pictures, Pictures) else pictures.__getitem__
        parts, total = [], len(pictures)
        for first in range(0, total, BLOCK):
            parts.append(self.required_network(take(slice(first, first + BLOCK))))
            self.on_progress(Progress(stage, min(first + BLOCK, total), total))
        return torch.cat(parts)


def hash_pictures(pictures: Pictures) -> str:
    """SHA-256 of pixels and classes, a part of them at a time."""
    blocks = (pictures.take(slice(k, k + BLOCK)) for k in range(0, len(pictures), BLOCK))
    labels = [] if pictures.labels is None else [pictures.labels]
    return hash_tensors(*blocks, *labels)
