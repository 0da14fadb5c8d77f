"""Feature networks by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.core.checkpoint import SHIPPED_FOLDER, load, read_card
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_model
from smalti.core.messages import suggest_similar
from smalti.core.short_repr import add_short_repr

BATCH_SIZE = 250  # pictures at a time, to bound memory
DIGIT_CLASSES = tuple("0123456789")
EXTRACTOR_NAMES = ("digits", "emoji", "inception")
LUMA_WEIGHTS = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in luma, as in Pillow (ITU-R 601)."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class FeatureExtractor:
    """A network from pictures (N, C, H, W) in [0, 1], of any C and size, to vectors (N, D)."""

    name: str
    hash: str
    """SHA-256 of its config and weights; only numbers of equal hashes are comparable."""
    dims: int
    """D."""
    description: str
    """Short description of the network and its training data."""
    network: Callable[[Tensor], Tensor]
    """(B, channels, *size) in [0, 1] -> (B, D)."""
    channels: int
    size: tuple[int, int] | None = None
    """Height and width that pictures are resized to; None for no resizing."""
    classes: tuple[str, ...] = ()
    """Class names of `classify`; empty if there are none."""
    head: Callable[[Tensor], Tensor] | None = None
    """(B, D) -> logits (B, K)."""
    device: str = "cpu"

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W), [0, 1] or bytes -> (N, D) float32 on the CPU."""
        parts = [self.network(self.preprocess(x)).cpu().float() for x in pictures.split(BATCH_SIZE)]
        return torch.cat(parts) if parts else torch.empty(0, self.dims)

    @torch.no_grad()
    def classify(self, features: Tensor) -> Tensor:
        """Classify features, (N, D) -> (N,).  Raises UserError without classes."""
        if self.head is None or not self.classes:
            raise UserError(f"features {self.name} have no classes; choose others")
        return self.head(features.to(self.device)).argmax(dim=1).cpu()

    def preprocess(self, pictures: Tensor) -> Tensor:
        """Convert pictures to the network's channels and size, as floats in [0, 1]."""
        x = pictures.to(self.device)
        x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
        if x.shape[1] != self.channels:
            x = to_gray(x) if self.channels == 1 else x.expand(-1, self.channels, -1, -1)
        if self.size and x.shape[2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", antialias=True).clamp(0, 1)
        return x

    def describe_preprocessing(self, shape: tuple[int, int, int]) -> str:
        """Describe the preprocessing of pictures of shape (C, H, W)."""
        C, H, W = shape
        steps = [] if self.channels == C else ["gray" if self.channels == 1 else "gray as RGB"]
        if self.size and self.size != (H, W):
            steps.append(f"{H}x{W} to {self.size[0]}x{self.size[1]}, bilinear")
        return ", ".join(steps) or "as they are"


def to_gray(x: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 1, H, W)."""
    weights = torch.tensor(LUMA_WEIGHTS, device=x.device)[:, None, None]
    return (x * weights).sum(dim=1, keepdim=True)


def find_features(name: str | Path, device: str = "cpu") -> FeatureExtractor:
    """Load a feature network: "digits", "emoji", "inception", or a checkpoint's folder.

    A checkpoint is any smalti model with `features(x)`.  Raises UserError if the network, a
    package, a file of weights or `features` is missing.
    """
    if name == "digits":
        description = "a classifier of the 8,500 training digits"
        return load_shipped(
            "digits", description, size=(28, 28), classes=DIGIT_CLASSES, device=device
        )
    if name == "emoji":
        return load_shipped("emoji", "a classifier of emoji by their category", device=device)
    if name == "inception":
        from smalti.features.inception import load_inception

        return load_inception(device)
    if not Path(name).is_dir():
        known = f"choose {', '.join(EXTRACTOR_NAMES)}, or a checkpoint's folder"
        raise UserError(
            f"no features {str(name)!r}; {suggest_similar(str(name), EXTRACTOR_NAMES) or known}"
        )
    return load_from_checkpoint(name, str(name), "a custom network", device=device)


def choose_features_name(shape: tuple[int, int, int], classes: tuple[str, ...]) -> str:
    """Resolve "auto" for pictures of shape (C, H, W) with these classes."""
    return "digits" if shape == (1, 28, 28) and classes == DIGIT_CLASSES else "emoji"


def load_shipped(name: str, description: str, **options: Any) -> FeatureExtractor:
    folder = SHIPPED_FOLDER / f"{name}-classifier"
    if not (folder / "config.json").is_file():
        raise UserError(
            f"features {name!r} are not included in this smalti: {folder.name} is missing; "
            "choose others, or give a checkpoint's folder"
        )
    return load_from_checkpoint(folder, name, description, **options)


def load_from_checkpoint(
    folder: str | Path,
    name: str,
    description: str,
    size: tuple[int, int] | None = None,
    classes: tuple[str, ...] = (),
    device: str = "cpu",
) -> FeatureExtractor:
    """Load a checkpoint with `features(x)`; its card may have `size` and `classes`."""
    model, facts = load(folder, device=device), read_card(folder).facts
    if not callable(getattr(model, "features", None)):
        kind = type(model).__name__
        raise UserError(f"{folder} is a {kind}, which has no features(x); give another --features")
    channels = getattr(model.config, "channels", 3)
    side = facts.get("size")
    size = size or ((side, side) if isinstance(side, int) else None)
    dims = measure_dims(model.features, channels, size or (32, 32), device)
    card_classes = facts.get("classes")
    classes = classes or (tuple(map(str, card_classes)) if isinstance(card_classes, list) else ())
    head = getattr(model, "head", None)
    return FeatureExtractor(
        name,
        hash_model(model),
        dims,
        description,
        model.features,
        channels,
        size,
        classes,
        head,
        device,
    )


@torch.no_grad()
def measure_dims(
    network: Callable[[Tensor], Tensor], C: int, size: tuple[int, int], device: str
) -> int:
    """Measure D with one black picture."""
    return network(torch.zeros(1, C, *size, device=device)).shape[1]
