"""LPIPS from its published weights."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.classifier_distance import compare_features, match_channels
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.weights import read_weights

VGG_VARIABLE, HEADS_VARIABLE = "SMALTI_VGG16", "SMALTI_LPIPS"
STAGES = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
"""Indices of the convolutions in `features` of torchvision's vgg16, grouped by its poolings."""
WIDTHS = (64, 128, 256, 512, 512)
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
@check_fields
class LPIPS:
    """LPIPS with VGG16, read from your files.

    $SMALTI_VGG16 and $SMALTI_LPIPS are their paths.
    """

    @property
    def description(self) -> str:
        return "LPIPS (VGG16)"

    def build(self) -> VGGDistance:
        network = VGGDistance()
        network.load_state_dict(
            {
                **read_vgg_weights(find_weights_file(VGG_VARIABLE)),
                **read_head_weights(find_weights_file(HEADS_VARIABLE)),
            }
        )
        return network.eval().requires_grad_(False)


class VGGDistance(nn.Module):
    """LPIPS (arXiv:1801.03924, eq. 1), version 0.1 with VGG16.

    features.N are the convolutions under torchvision's names, heads.N (1, D, 1, 1) the weights of
    the channels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.ModuleDict()
        c = 3
        for stage, width in zip(STAGES, WIDTHS, strict=True):
            for index in stage:
                self.features[str(index)] = nn.Conv2d(c, width, 3, padding=1)
                c = width
        self.heads = nn.ModuleList(nn.Conv2d(w, 1, 1, bias=False) for w in WIDTHS)

    def extract_features(self, x: Tensor) -> list[Tensor]:
        """Features before each pooling and at the end, of x (B, 3, H, W) in [0, 1]."""
        mean, std = (x.new_tensor(v)[:, None, None] for v in (MEAN, STD))
        x, features = (x - mean) / std, []
        for k, stage in enumerate(STAGES):
            if k:
                x = F.max_pool2d(x, 2)
            for index in stage:
                x = F.relu(self.features[str(index)](x))
            features.append(x)
        return features

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Pictures x, y (B, C, H, W) in [0, 1] -> (B,)."""
        x, y = (v if v.shape[1] == 3 else match_channels(v, 3) for v in (x, y))
        triples = zip(self.heads, self.extract_features(x), self.extract_features(y), strict=True)
        return torch.stack([h(compare_features(a, b)).mean((1, 2, 3)) for h, a, b in triples]).sum(
            0
        )


def find_weights_file(variable: str) -> Path:
    """Find the file named by an environment variable. UserError if there is none."""
    path = os.environ.get(variable)
    if not path or not Path(path).is_file():
        what = (
            "VGG16's weights (vgg16-397923af.pth)"
            if variable == VGG_VARIABLE
            else "LPIPS's heads (vgg.pth)"
        )
        problem = f"is {path}, which is not a file" if path else "is not set"
        raise UserError(
            f"LPIPS needs {what}, but ${variable} {problem}; set it, "
            "or give --model.perceptual classifier-distance"
        )
    return Path(path)


def read_vgg_weights(path: Path) -> dict[str, Tensor]:
    """Read the convolutions' weights of torchvision's state dict."""
    weights = read_weights(path)[0]
    indices = [str(k) for stage in STAGES for k in stage]
    return select_weights(weights, {f"features.{k}.{part}": f"features.{k}.{part}"
                            for k in indices for part in ("weight", "bias")}, path)  # fmt: skip


def read_head_weights(path: Path) -> dict[str, Tensor]:
    """Read the heads of the lpips package's file: lin0.model.1.weight and so on."""
    weights = read_weights(path)[0]
    return select_weights(
        weights, {f"heads.{k}.weight": f"lin{k}.model.1.weight" for k in range(5)}, path
    )


def select_weights(
    weights: dict[str, Tensor], names: dict[str, str], path: Path
) -> dict[str, Tensor]:
    """Select weights by `names` (ours -> theirs). UserError if one is missing."""
    if missing := [theirs for theirs in names.values() if theirs not in weights]:
        raise UserError(
            f"{path} lacks {missing[0]} and {len(missing) - 1} more; is it the right file?"
        )
    return {ours: weights[theirs].float() for ours, theirs in names.items()}
