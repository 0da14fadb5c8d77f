"""Quality of samples of digits: class accuracy and Frechet distance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Literal

import torch
from torch import Tensor

from smalti.core.checkpoint import SHIPPED_FOLDER, load
from smalti.core.errors import UserError
from smalti.data import digits
from smalti.evaluation.frechet import Moments, compute_moments, frechet_distance
from smalti.features.classifier import Classifier

CLASSIFIER = "digits-classifier"
BATCH_SIZE = 250  # pictures at a time, to bound memory
SLACK = 1e-4  # rounding that may exceed black or white


@dataclass(frozen=True)
class Judgment:
    """Quality of samples of digits, measured with the shipped classifier."""

    accuracy: float
    """Share recognized as the requested class, in [0, 1]."""
    frechet: float
    """Frechet distance of the samples' features to those of the 8,500 training digits."""
    n: int
    """Number of samples. Compare `frechet` only at equal n and with balanced classes, as in
    `compute_real_baseline(n)`: random classes of 500 digits more than double it."""


def judge(pictures: Tensor, labels: Tensor) -> Judgment:
    """Measure the quality of digits with the shipped classifier.

    pictures: (N, 1, 28, 28) in [0, 1], white on black; labels: (N,), the requested classes.
     Raises UserError for other shapes, fewer than 2 pictures or values out of [0, 1].
    """
    check_digits(pictures, labels)
    recognized, features = classify(pictures)
    accuracy = (recognized == labels.cpu()).double().mean()
    distance = frechet_distance(features, compute_training_moments())
    return Judgment(float(accuracy), distance, len(pictures))


def compute_real_baseline(n: int = 500, split: Literal["valid", "test"] = "test") -> float:
    """Compute the Frechet distance of n real digits with balanced classes.

    n: a multiple of 10, at most 500 of "valid" and 1,000 of "test"; the first n / 10 of each class.
    """
    pictures, labels = digits(split)
    if n < 10 or n % 10 or n > len(pictures):
        raise UserError(
            f"n is {n}; give a multiple of 10, at most the {len(pictures)} of the {split} digits"
        )
    rows = torch.cat([(labels == k).nonzero()[: n // 10, 0] for k in range(10)])
    _, features = classify(pictures[rows])
    return frechet_distance(features, compute_training_moments())


def check_digits(pictures: Tensor, labels: Tensor) -> None:
    if pictures.shape[1:] != (1, 28, 28):
        raise UserError(f"pictures are {tuple(pictures.shape)}; digits are (N, 1, 28, 28)")
    if labels.shape != pictures.shape[:1]:
        expected = f"({len(pictures)},), one class per picture"
        raise UserError(f"labels are {tuple(labels.shape)}; give {expected}")
    if len(pictures) < 2:
        raise UserError(f"{len(pictures)} pictures are too few; give at least 2")
    if not (pictures.min() >= -SLACK and pictures.max() <= 1 + SLACK):  # refuses NaN too
        low, high = float(pictures.min()), float(pictures.max())
        raise UserError(f"pictures reach from {low:g} to {high:g}; give values in [0, 1]")


@torch.no_grad()
def classify(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the class (N,) and the features (N, D) of each picture."""
    network = load_classifier()
    features = torch.cat([network.features(x.cpu().float()) for x in pictures.split(BATCH_SIZE)])
    return network.head(features).argmax(dim=1), features


@cache
def load_classifier() -> Classifier:
    """Load the shipped classifier, in eval mode on the CPU."""
    # by path: not a run of that name in the working directory
    return load(SHIPPED_FOLDER / CLASSIFIER)


@cache
def compute_training_moments() -> Moments:
    """Compute moments of the features of the 8,500 training digits (takes a few seconds)."""
    return compute_moments(classify(digits("train")[0])[1])
