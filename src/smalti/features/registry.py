"""Feature networks by name: what pictures are looked at through when they are compared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.core.brief import brief
from smalti.core.checkpoint import SHIPPED, load, read_card
from smalti.core.errors import UserError
from smalti.core.fingerprint import model_hash
from smalti.core.messages import find_like

BATCH = 250  # pictures at a time, for little memory
DIGITS = tuple("0123456789")
NAMES = ("digits", "emoji", "inception")
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in brightness, as Pillow has them (ITU-R 601)."""


@dataclass(frozen=True, eq=False)
@brief
class Features:
    """A network from pictures (N, C, H, W) in [0, 1], of any C and size, to vectors (N, D)."""

    name: str
    hash: str
    """SHA-256 of its config and weights: numbers of other hashes do not compare."""
    dims: int
    """D."""
    about: str
    """What the network has learned from, in plain words."""
    network: Callable[[Tensor], Tensor]
    """(B, channels, *size) in [0, 1] -> (B, D)."""
    channels: int
    size: tuple[int, int] | None = None
    """Pictures are brought to this height and width first; None looks at them as they are."""
    classes: tuple[str, ...] = ()
    """Names of the classes that `recognise` tells apart; empty where it tells none."""
    head: Callable[[Tensor], Tensor] | None = None
    """(B, D) -> logits (B, K)."""
    device: str = "cpu"

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        """(N, C, H, W), [0, 1] or bytes -> (N, D) float32 on the CPU."""
        parts = [self.network(self.fitted(x)).cpu().float() for x in pictures.split(BATCH)]
        return torch.cat(parts) if parts else torch.empty(0, self.dims)

    @torch.no_grad()
    def recognise(self, features: Tensor) -> Tensor:
        """The class seen in each of these features, (N, D) -> (N,).  UserError without classes."""
        if self.head is None or not self.classes:
            raise UserError(f"features {self.name} tell no classes apart; choose others")
        return self.head(features.to(self.device)).argmax(dim=1).cpu()

    def fitted(self, pictures: Tensor) -> Tensor:
        """Pictures as the network wants them: its channels, its size, floats in [0, 1]."""
        x = pictures.to(self.device)
        x = x.float() / 255 if x.dtype == torch.uint8 else x.float()
        if x.shape[1] != self.channels:
            x = grey(x) if self.channels == 1 else x.expand(-1, self.channels, -1, -1)
        if self.size and x.shape[2:] != self.size:
            x = F.interpolate(x, self.size, mode="bilinear", antialias=True).clamp(0, 1)
        return x

    def way(self, shape: tuple[int, int, int]) -> str:
        """What happens to pictures of this (C, H, W) before they are looked at, in words."""
        C, H, W = shape
        steps = [] if self.channels == C else ["grey" if self.channels == 1 else "grey as RGB"]
        if self.size and self.size != (H, W):
            steps.append(f"{H}x{W} to {self.size[0]}x{self.size[1]}, bilinear")
        return ", ".join(steps) or "as they are"


def grey(x: Tensor) -> Tensor:
    """(N, 3, H, W) -> (N, 1, H, W)."""
    weights = torch.tensor(GREY, device=x.device)[:, None, None]
    return (x * weights).sum(dim=1, keepdim=True)


def find_features(name: str | Path, device: str = "cpu") -> Features:
    """The feature network of that name: "digits", "emoji", "inception", or a checkpoint's folder.

    A checkpoint is any model of smalti that has `features(x)`.  Raises UserError with what is
    missing: a network that does not ship, a package, a file of weights, `features`.
    """
    if name == "digits":
        about = "a classifier of the 8,500 training digits"
        return shipped("digits", about, size=(28, 28), classes=DIGITS, device=device)
    if name == "emoji":
        return shipped("emoji", "a classifier of emoji by their category", device=device)
    if name == "inception":
        from smalti.features.inception import inception

        return inception(device)
    if not Path(name).is_dir():
        known = f"there are {', '.join(NAMES)}, or a checkpoint's folder"
        raise UserError(f"no features {str(name)!r}; {find_like(str(name), NAMES) or known}")
    return of_checkpoint(name, str(name), "a network of your own", device=device)


def features_name_for(shape: tuple[int, int, int], classes: tuple[str, ...]) -> str:
    """What "auto" is for pictures of this (C, H, W) and these classes."""
    return "digits" if shape == (1, 28, 28) and classes == DIGITS else "emoji"


def shipped(name: str, about: str, **known: Any) -> Features:
    folder = SHIPPED / f"{name}-classifier"
    if not (folder / "config.json").is_file():
        raise UserError(
            f"features {name!r} do not ship with this smalti: {folder.name} is missing; "
            "choose others, or give a checkpoint's folder"
        )
    return of_checkpoint(folder, name, about, **known)


def of_checkpoint(
    folder: str | Path,
    name: str,
    about: str,
    size: tuple[int, int] | None = None,
    classes: tuple[str, ...] = (),
    device: str = "cpu",
) -> Features:
    """A checkpoint with `features(x)`; its card may tell `size` and the names of its `classes`."""
    model, facts = load(folder, device=device), read_card(folder).facts
    if not callable(getattr(model, "features", None)):
        kind = type(model).__name__
        raise UserError(f"{folder} is a {kind}, which has no features(x); give another --features")
    channels = getattr(model.config, "channels", 3)
    side = facts.get("size")
    size = size or ((side, side) if isinstance(side, int) else None)
    dims = probe(model.features, channels, size or (32, 32), device)
    told = facts.get("classes")
    classes = classes or (tuple(map(str, told)) if isinstance(told, list) else ())
    head = getattr(model, "head", None)
    return Features(
        name, model_hash(model), dims, about, model.features, channels, size, classes, head, device
    )


@torch.no_grad()
def probe(network: Callable[[Tensor], Tensor], C: int, size: tuple[int, int], device: str) -> int:
    """D, by looking at one black picture."""
    return network(torch.zeros(1, C, *size, device=device)).shape[1]
