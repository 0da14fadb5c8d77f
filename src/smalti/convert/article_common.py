"""Shared code of conversions: `Reference`, and parts of the two article U-Nets.

Source of the architecture: the DDPM and DDIM articles of SingleZombie/DL-Demos (GitHub).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from smalti.core.errors import UserError
from smalti.core.ranges import CountOrZero, PictureShape, SamplingSteps, Width, Widths
from smalti.diffusion.network import ConditionKind, check_equal

Weights = dict[str, Tensor]
Size = tuple[int, int]


class ReferenceConfig(Protocol):
    """Config of a reference: a dataclass with the reference's own fields."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def build(self) -> nn.Module: ...


@dataclass(frozen=True)
class Reference:
    """How to convert one kind of reference checkpoint."""

    config: type[ReferenceConfig]
    """Fields as in the reference's config; only `classes` is optional."""
    infer_config: Callable[[Weights, Size | None], dict[str, object]]
    """(weights, size or None) -> config."""
    translate_weights: Callable[[Weights], Weights] = dict
    """Translates weights to the names and shapes of smalti's network."""


def rename_weight(name: str, replacements: tuple[tuple[str, str], ...]) -> str:
    """Apply all replacements (pattern, replacement) to a weight's name, in order."""
    for pattern, ours in replacements:
        name = re.sub(pattern, ours, name)
    return name


@dataclass(frozen=True)
class ArticleUNet:
    """Common config fields of both U-Nets. Defaults are the articles' for MNIST."""

    n_steps: SamplingSteps = 1000
    """Number of noise levels T. t is in 0 .. T-1."""
    img_shape: PictureShape = (1, 28, 28)
    """Shape of a picture, (C, H, W). Fixed with layer norm, a default with group norm."""
    channels: Widths = (10, 20, 40, 80)
    """Width of every level, finest first."""
    pe_dim: Width = 128
    """Width of the time encoding, even."""
    classes: CountOrZero = field(default=0, kw_only=True)
    """Number of classes. 0 is the article's network (conditioning is our addition)."""

    condition_kinds: ClassVar[tuple[ConditionKind, ...]] = ("vector",)
    free_size: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.pe_dim % 2:
            raise UserError(f"pe_dim is {self.pe_dim!r}; give a positive even integer")
        levels = len(self.channels)
        if min(compute_level_sizes(self.img_shape, levels)[-1]) < 1:
            raise UserError(
                f"img_shape is {self.img_shape!r}: too small for {levels} levels; "
                f"height and width must be at least {2 ** (levels - 1)}"
            )

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """UserError for another shape of pictures or number of classes."""
        check_equal("img_shape", self.img_shape, shape)
        check_equal("classes", self.classes, max(condition - 1, 0))

    def check_outputs(self, outputs: int) -> None:
        """UserError for objectives that learn a variance, which these networks do not output."""
        if outputs != 1:
            raise UserError(
                "the article's network has no variance output, which this objective needs; give "
                "another network or objective"
            )


class SinusoidTable(nn.Module):
    """Frozen sinusoidal table, sec. 3.5 of arXiv:1706.03762: t (N,) -> (N, D)."""

    def __init__(self, n_steps: int, width: int) -> None:
        super().__init__()
        t = torch.arange(n_steps, dtype=torch.float32)[:, None]
        two_i = torch.arange(0, width, 2, dtype=torch.float32)
        angle = t / 10000 ** (two_i / width)
        table = torch.stack((angle.sin(), angle.cos()), dim=2)  # (n_steps, D / 2, 2)
        self.embedding = nn.Embedding.from_pretrained(table.reshape(n_steps, width), freeze=True)

    def forward(self, t: Tensor) -> Tensor:
        return self.embedding(t)


def make_class_table(classes: int, width: int) -> nn.Embedding | None:
    """Embedding of classes + 1 vectors, the last for "no class"; None without classes."""
    return nn.Embedding(classes + 1, width) if classes else None


def add_class(time: Tensor, table: nn.Embedding | None, y: Tensor | None) -> Tensor:
    """Add class embeddings to time (N, D).

    y: classes (N,), one-hots (N, classes + 1), or None for "no class".
    Raises UserError if y is given to a network without classes.
    """
    if table is None:
        if y is None:
            return time
        raise UserError("y was given to a network without classes; omit it, or set classes > 0")
    if y is None:
        y = torch.full((len(time),), table.num_embeddings - 1, device=time.device)
    return time + (y @ table.weight if y.is_floating_point() else table(y))


def pad_and_concat(skip: Tensor, x: Tensor) -> Tensor:
    """Pad x (N, C, h, w) to the height and width of skip (N, C, H, W): (N, 2 C, H, W).

    The reference swaps the two paddings, which fails unless they are equal; this does not.
    """
    dh, dw = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
    x = F.pad(x, (dw // 2, dw - dw // 2, dh // 2, dh - dh // 2))
    return torch.cat((skip, x), dim=1)


def compute_level_sizes(img_shape: tuple[int, ...], levels: int) -> list[tuple[int, int]]:
    """(H, W) of every level; each is half the one before, rounded down."""
    _, h, w = img_shape
    return [(h >> i, w >> i) for i in range(levels)]


def read_shape(weights: Weights, key: str, dims: int) -> tuple[int, ...]:
    """Shape of one weight. UserError if it is missing or does not have `dims` dimensions."""
    if key not in weights:
        raise UserError(f"the weights have no '{key}'; they are of another network")
    shape = tuple(weights[key].shape)
    if len(shape) != dims:
        raise UserError(f"weight '{key}' has shape {shape}, expected {dims} dimensions")
    return shape


def infer_common_config(weights: Weights, mid: str) -> dict[str, object]:
    """Infer the common fields except img_shape; `classes` only if there are any.

    `channels` are the outputs of the downsampling convolutions and of the weight `mid`.
    """
    n_steps, pe_dim = read_shape(weights, "pe.embedding.weight", 2)
    levels = sum(1 for key in weights if key.startswith("downs.") and key.endswith(".weight"))
    keys = [f"downs.{i}.weight" for i in range(levels)] + [mid]
    config: dict[str, object] = {"n_steps": n_steps, "pe_dim": pe_dim}
    config["channels"] = [read_shape(weights, key, 4)[0] for key in keys]
    if "class_table.weight" in weights:
        config["classes"] = read_shape(weights, "class_table.weight", 2)[0] - 1
    return config


def resolve_size(inferred: tuple[int, int], requested: Size | None) -> tuple[int, int]:
    """The size (H, W) fixed by layer norm. UserError if another one is requested."""
    if requested is not None and requested != inferred:
        raise UserError(f"size {requested} was given, but the weights are for {inferred}; omit it")
    return inferred
