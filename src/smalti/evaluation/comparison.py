"""Input of the measures: samples, real pictures, and the features of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.short_repr import add_short_repr
from smalti.data.pictures import Pictures
from smalti.evaluation.bootstrap import DEFAULT_RESAMPLES, draw_resamples
from smalti.evaluation.frechet import Moments, compute_moments
from smalti.evaluation.held_out_pictures import PictureReference, hash_pictures
from smalti.evaluation.neighbors import Neighbors, find_nearest
from smalti.evaluation.plan import Plan
from smalti.evaluation.sample_set import SampleSet, choose_balanced
from smalti.features import FeatureExtractor

CLASS_DESCRIPTIONS = {
    "turns": "in turn: sample i is asked to be class i mod {K}",
    "data": "as often as the training pictures have them",
}
PICTURE_DESCRIPTION = "as the held-out pictures have them, in turn, with their {names}"
CAPTION_DESCRIPTION = "none, but the captions of the held-out pictures, in turn"
BLOCK = 1000  # pictures per progress event
CACHE_SIZE = 2
FEATURE_CACHE: dict[tuple[str, str], Tensor] = {}
"""Features of recent training pictures, by the hashes of network and pictures."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class Comparison:
    """A model's samples, with training and held-out pictures to compare them with.

    Features and neighbors are computed once, when first needed.
    """

    model: Any
    sample_set: SampleSet
    held_out: Pictures
    """The baseline: held-out pictures, at most as many as there are samples."""
    reference: PictureReference
    plan: Plan = Plan()
    on_progress: OnProgress = ignore_event
    seed: int = 0
    """Seed of the bootstrap and of scoring."""

    @property
    def train(self) -> Pictures:
        return self.reference.train

    @property
    def network(self) -> FeatureExtractor | None:
        """None if there is no suitable one."""
        return self.reference.network

    @property
    def bootstraps(self) -> int:
        return self.plan.bootstraps or DEFAULT_RESAMPLES

    @property
    def batch_size(self) -> int:
        return self.plan.batch_size

    @property
    def sampler(self) -> Any:
        return self.plan.sampler or getattr(self.model.config, "sampler", None)

    def describe_protocol(self) -> dict[str, Any]:
        """The protocol's fields."""
        return {
            **self.reference.describe_protocol(),
            "n": self.plan.n,
            "seed": self.plan.seed,
            "classes": self.describe_conditions(),
            "held": len(self.held_out),
            "split_hash": hash_pictures(self.held_out),
            "mirrored": self.plan.mirrored,
            "bootstraps": self.bootstraps,
            "bootstrap_seed": self.seed,
        }

    def describe_conditions(self) -> str:
        """Describe the conditions of the samples."""
        if names := self.sample_set.condition_pictures:
            return PICTURE_DESCRIPTION.format(names=" and ".join(names))
        if K := len(self.model.spec.classes):
            return CLASS_DESCRIPTIONS[self.plan.classes].format(K=K)
        takes_text = "text" in self.model.spec.accepted_inputs
        return CAPTION_DESCRIPTION if takes_text and self.held_out.captions else "none"

    def collect_statistics(self, metrics: Iterable[str]) -> dict[str, Any]:
        """None: a comparison of samples is not paired."""
        return {}

    def notes(self) -> tuple[str, ...]:
        """Notes on how to read the numbers."""
        notes = [f"no feature network: {self.reference.no_network_reason}"]
        if network := self.network:
            notes = [
                f"features of {network.description} ({network.name}); compare only numbers "
                "of the same feature network"
            ]
        if "text" in self.model.spec.accepted_inputs and not self.held_out.captions:
            notes.append(
                "the held-out pictures have no captions; samples were drawn with empty ones"
            )
        notes += self.note_untrained_classes()
        if self.has_fewer_held_out:
            held = format_count(len(self.held_out), "picture is", "pictures are")
            notes.append(
                f"only {held} held out, fewer than the samples: compare the number in brackets, "
                "of as many samples, with the real pictures"
            )
        return (*self.reference.splits.notes, *notes)

    def note_untrained_classes(self) -> list[str]:
        """Name classes without training pictures, which the model cannot have learned."""
        classes, labels = self.model.spec.classes, self.train.labels
        if self.sample_set.labels is None or labels is None or self.train.classes != classes:
            return []
        requested = self.sample_set.labels.unique().tolist()
        untrained = [classes[k] for k in requested if not (labels == k).any()]
        if not untrained:
            return []
        names = ", ".join(untrained[:5]) + (", ..." if len(untrained) > 5 else "")
        return [f"no training pictures of class {names}: the model cannot have learned it"]

    def resample_samples(self) -> Iterator[Tensor]:
        """Resample the samples within each class; (N,) each."""
        N, labels = len(self.sample_set.pictures), self.sample_set.labels
        return draw_resamples(N, self.bootstraps, self.seed, labels)

    def resample_held_out(self) -> Iterator[Tensor]:
        """Resample the held-out pictures within each class; (n,) each."""
        labels = None if self.sample_set.labels is None else self.held_out.labels
        return draw_resamples(len(self.held_out), self.bootstraps, self.seed + 1, labels)

    def resample_train(self) -> Iterator[Tensor]:
        """Resample `train_features_part`."""
        return draw_resamples(len(self.train_features_part), self.bootstraps, self.seed + 2)

    @property
    def has_fewer_held_out(self) -> bool:
        """Whether there are fewer held-out pictures than samples."""
        return len(self.held_out) < len(self.sample_set.pictures)

    @property
    def required_network(self) -> FeatureExtractor:
        if self.network is None:
            raise UserError(self.reference.no_network_reason)
        return self.network

    @cached_property
    def sample_features(self) -> Tensor:
        """Features of the samples, (N, D)."""
        return self.extract_features("features of samples", self.sample_set.pictures)

    @cached_property
    def train_features(self) -> Tensor:
        """Features of the training pictures, (M, D); cached for the next comparison."""
        key = (self.required_network.hash, self.reference.train_hash)
        if key not in FEATURE_CACHE:
            while len(FEATURE_CACHE) >= CACHE_SIZE:
                FEATURE_CACHE.pop(next(iter(FEATURE_CACHE)))
            FEATURE_CACHE[key] = self.extract_features("features of training pictures", self.train)
        return FEATURE_CACHE[key]

    @cached_property
    def held_out_features(self) -> Tensor:
        """Features of the held-out pictures, (n, D)."""
        return self.extract_features("features of held-out pictures", self.held_out)

    @cached_property
    def train_moments(self) -> Moments:
        return compute_moments(self.train_features)

    @cached_property
    def train_features_part(self) -> Tensor:
        """Features of as many training pictures as there are samples, with balanced classes."""
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
