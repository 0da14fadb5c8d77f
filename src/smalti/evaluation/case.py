"""What the measures look at: samples, real pictures, and both through one network."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.fingerprint import tensor_hash
from smalti.data.pictures import Pictures
from smalti.evaluation.bootstrap import DRAWS, resamples
from smalti.evaluation.draws import Drawn, Progress, in_turn
from smalti.evaluation.frechet import Moments, moments
from smalti.evaluation.neighbours import Neighbours, nearest
from smalti.features import Features

PART = 1000  # pictures between two words of progress
KEPT = 2
SEEN: dict[tuple[str, str], Tensor] = {}
"""Features of the last training pictures, by the hashes of network and pictures."""


@dataclass(frozen=True, eq=False)
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
    seed: int = 0
    """Of the bootstrap, and of what scoring draws."""
    bootstraps: int = DRAWS
    mirrored: bool = False
    progress: Progress | None = None

    def samples_again(self) -> Iterator[Tensor]:
        """Rows of the samples drawn again, each class by itself; (N,) each."""
        N, labels = len(self.drawn.pictures), self.drawn.labels
        return resamples(N, self.bootstraps, self.seed, labels)

    def held_again(self) -> Iterator[Tensor]:
        """Rows of the held-out pictures drawn again, each class by itself; (n,) each."""
        labels = None if self.drawn.labels is None else self.held.labels
        return resamples(len(self.held), self.bootstraps, self.seed + 1, labels)

    def real_again(self) -> Iterator[Tensor]:
        """Rows of `real_part` drawn again."""
        return resamples(len(self.real_part), self.bootstraps, self.seed + 2)

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
        return nearest(self.drawn.pictures, self.train, mirrored=self.mirrored)

    @cached_property
    def near_held(self) -> Neighbours:
        """The training picture nearest to each held-out one, in pixels."""
        return nearest(self.held.pixels, self.train, mirrored=self.mirrored)

    def looked(self, what: str, pictures: Tensor | Pictures) -> Tensor:
        take = pictures.take if isinstance(pictures, Pictures) else pictures.__getitem__
        parts, total = [], len(pictures)
        for first in range(0, total, PART):
            parts.append(self.seen_by(take(slice(first, first + PART))))
            if self.progress:
                self.progress(what, min(first + PART, total), total)
        return torch.cat(parts)


def pictures_hash(pictures: Pictures) -> str:
    """SHA-256 of pixels and classes, a part of them at a time."""
    blocks = (pictures.take(slice(k, k + PART)) for k in range(0, len(pictures), PART))
    labels = [] if pictures.labels is None else [pictures.labels]
    return tensor_hash(*blocks, *labels)
