"""What the measures look at: samples, real pictures, and both through one network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from smalti.core.brief import brief
from smalti.core.errors import UserError
from smalti.core.fingerprint import tensor_hash
from smalti.core.messages import count
from smalti.core.progress import OnProgress, Progress, ignore
from smalti.data.pictures import Pictures
from smalti.evaluation.bootstrap import resamples
from smalti.evaluation.draws import Drawn, in_turn
from smalti.evaluation.frechet import Moments, moments
from smalti.evaluation.neighbours import Neighbours, nearest
from smalti.evaluation.plan import Plan
from smalti.features import Features

CLASSES = {
    "turns": "in turn: sample i is asked to be class i mod {K}",
    "data": "as often as the training pictures have them",
}
TOLD = "none, but the captions of the held-out pictures, in turn"
PART = 1000  # pictures between two words of progress
KEPT = 2
SEEN: dict[tuple[str, str], Tensor] = {}
"""Features of the last training pictures, by the hashes of network and pictures."""


@dataclass(frozen=True, eq=False)
@brief
class Case:
    """One model's samples beside the pictures that it was trained on and those held out.

    Features and neighbours are worked out once, when a measure first asks for them.
    """

    model: Any
    drawn: Drawn
    train: Pictures
    held: Pictures
    """The yardstick: held-out pictures, as many as there are samples where there are so many."""
    network: Features | None
    """None where there is none that suits: `no_network` says why."""
    no_network: str = ""
    plan: Plan = Plan()
    on_progress: OnProgress = ignore
    seed: int = 0
    """Of the bootstrap, and of what scoring draws."""

    @property
    def batch(self) -> int:
        return self.plan.batch

    @property
    def sampler(self) -> Any:
        return self.plan.sampler or getattr(self.model.config, "sampler", None)

    def terms(self) -> dict[str, Any]:
        """The protocol's fields of how samples were drawn, and of the yardstick."""
        K = len(self.model.spec.classes)
        return {
            "n": self.plan.n,
            "seed": self.plan.seed,
            "classes": CLASSES[self.plan.classes].format(K=K) if K else self.told(),
            "held": len(self.held),
            "split_hash": pictures_hash(self.held),
            "mirrored": self.plan.mirrored,
            "bootstraps": self.plan.bootstraps,
            "bootstrap_seed": self.seed,
        }

    def told(self) -> str:
        """What samples of a model without classes are asked to show."""
        reads = "text" in self.model.spec.given
        return TOLD if reads and self.held.captions else "none"

    def notes(self) -> tuple[str, ...]:
        """What a reader of the numbers should know."""
        notes = [f"nothing looked at the pictures: {self.no_network}"]
        if network := self.network:
            notes = [
                f"distances are seen through {network.about} ({network.name}); they compare with "
                "others seen through it, and with none else"
            ]
        if "text" in self.model.spec.given and not self.held.captions:
            notes.append(
                "the held-out pictures have no captions; samples were drawn from empty ones"
            )
        notes += self.lone_classes()
        if self.few:
            held = count(len(self.held), "picture is", "pictures are")
            notes.append(
                f"only {held} held out, fewer than the samples: where a number stands in "
                "brackets, of as many samples, compare that with the yardstick"
            )
        return tuple(notes)

    def lone_classes(self) -> list[str]:
        """Which classes nobody could learn: they stand among the held-out pictures alone."""
        classes, labels = self.model.spec.classes, self.train.labels
        if self.drawn.labels is None or labels is None or self.train.classes != classes:
            return []
        asked = self.drawn.labels.unique().tolist()
        lone = [classes[k] for k in asked if not (labels == k).any()]
        if not lone:
            return []
        names = ", ".join(lone[:5]) + (", ..." if len(lone) > 5 else "")
        return [f"no training picture is of {names}: samples of that are of a class never learned"]

    def samples_again(self) -> Iterator[Tensor]:
        """Rows of the samples drawn again, each class by itself; (N,) each."""
        N, labels = len(self.drawn.pictures), self.drawn.labels
        return resamples(N, self.plan.bootstraps, self.seed, labels)

    def held_again(self) -> Iterator[Tensor]:
        """Rows of the held-out pictures drawn again, each class by itself; (n,) each."""
        labels = None if self.drawn.labels is None else self.held.labels
        return resamples(len(self.held), self.plan.bootstraps, self.seed + 1, labels)

    def real_again(self) -> Iterator[Tensor]:
        """Rows of `real_part` drawn again."""
        return resamples(len(self.real_part), self.plan.bootstraps, self.seed + 2)

    @property
    def few(self) -> bool:
        """Whether there are fewer held-out pictures than samples."""
        return len(self.held) < len(self.drawn.pictures)

    @property
    def seen_by(self) -> Features:
        if self.network is None:
            raise UserError(self.no_network)
        return self.network

    @cached_property
    def samples(self) -> Tensor:
        """Features of the samples, (N, D)."""
        return self.looked("looking at samples", self.drawn.pictures)

    @cached_property
    def real(self) -> Tensor:
        """Features of the training pictures, (M, D); the next case of the same ones finds them."""
        key = (self.seen_by.hash, self.train_hash)
        if key not in SEEN:
            while len(SEEN) >= KEPT:
                SEEN.pop(next(iter(SEEN)))
            SEEN[key] = self.looked("looking at training pictures", self.train)
        return SEEN[key]

    @cached_property
    def train_hash(self) -> str:
        return pictures_hash(self.train)

    @cached_property
    def aside(self) -> Tensor:
        """Features of the held-out pictures, (n, D)."""
        return self.looked("looking at held-out pictures", self.held)

    @cached_property
    def real_moments(self) -> Moments:
        return moments(self.real)

    @cached_property
    def real_part(self) -> Tensor:
        """Features of as many training pictures as there are samples, every class in turn."""
        return self.real[in_turn(self.train, len(self.drawn.pictures))]

    @cached_property
    def near(self) -> Neighbours:
        """The training picture nearest to each sample, in pixels."""
        return nearest(self.drawn.pictures, self.train, mirrored=self.plan.mirrored)

    @cached_property
    def near_held(self) -> Neighbours:
        """The training picture nearest to each held-out one, in pixels."""
        return nearest(self.held.pixels, self.train, mirrored=self.plan.mirrored)

    def looked(self, what: str, pictures: Tensor | Pictures) -> Tensor:
        take = pictures.take if isinstance(pictures, Pictures) else pictures.__getitem__
        parts, total = [], len(pictures)
        for first in range(0, total, PART):
            parts.append(self.seen_by(take(slice(first, first + PART))))
            self.on_progress(Progress(what, min(first + PART, total), total))
        return torch.cat(parts)


def pictures_hash(pictures: Pictures) -> str:
    """SHA-256 of pixels and classes, a part of them at a time."""
    blocks = (pictures.take(slice(k, k + PART)) for k in range(0, len(pictures), PART))
    labels = [] if pictures.labels is None else [pictures.labels]
    return tensor_hash(*blocks, *labels)
