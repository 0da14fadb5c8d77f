"""How good samples of digits are: recognized as their class, and close to real ones."""

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
BATCH_SIZE = 250  # pictures at a time, for little memory
SLACK = 1e-4  # rounding that may carry a picture past black or white


@dataclass(frozen=True)
class Judgment:
    """What the shipped classifier makes of samples of digits."""

    accuracy: float
    """The part recognized as the class that it was asked to be, in [0, 1]."""
    frechet: float
    """Frechet distance of the samples' features to those of the 8,500 training digits."""
    n: int
    """Number of samples; compare `frechet` at equal n and with every class equally often only, as
    `real_baseline(n)` is: chance alone in the classes of 500 digits more than doubles it."""


def judge(pictures: Tensor, labels: Tensor) -> Judgment:
    """Judge digits by the shipped classifier.

    pictures: (N, 1, 28, 28) in [0, 1], white on black; labels: (N,), the class each was asked
    to be.  Raises UserError for other shapes, fewer than 2 pictures or values out of [0, 1].
    """
    check_digits(pictures, labels)
    recognized, features = classify(pictures)
    accuracy = (recognized == labels.cpu()).double().mean()
    distance = frechet_distance(features, compute_training_moments())
    return Judgment(float(accuracy), distance, len(pictures))


def compute_real_baseline(n: int = 500, split: Literal["valid", "test"] = "test") -> float:
    """The Frechet distance that n real digits get, every class equally often.

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
        raise UserError(f"{len(pictures)} pictures are too few to judge; give at least 2")
    if not (pictures.min() >= -SLACK and pictures.max() <= 1 + SLACK):  # refuses NaN too
        low, high = float(pictures.min()), float(pictures.max())
        raise UserError(f"pictures reach from {low:g} to {high:g}; give values in [0, 1]")


@torch.no_grad()
def classify(pictures: Tensor) -> tuple[Tensor, Tensor]:
    """The class recognized in each picture (N,), and its features (N, D)."""
    network = load_classifier()
    features = torch.cat([network.features(x.cpu().float()) for x in pictures.split(BATCH_SIZE)])
    return network.head(features).argmax(dim=1), features


@cache
def load_classifier() -> Classifier:
    """The shipped classifier, in eval mode on the CPU."""
    return load(
        SHIPPED_FOLDER / CLASSIFIER
    )  # a run of that name in the working directory is no judge


@cache
def compute_training_moments() -> Moments:
    """Moments of the features of the 8,500 training digits; takes a few seconds once."""
    return compute_moments(classify(digits("train")[0])[1])
