"""The trained model that is mixed with counts, referenced by name or folder."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from smalti.autoregressive.orders import Order, RowMajor
from smalti.core.checkpoint import find_checkpoint, load
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_model

RASTER = RowMajor()


@dataclass(frozen=True)
@check_fields
class BaseModel:
    """A trained autoregressive model of pixels, referenced by name or folder."""

    model: str = "pixelcnnpp-digits"
    """The model: a shipped name, checkpoint or run folder."""
    sha256: str = ""
    """Hash of the model. Covers config and weights; empty accepts any model."""

    def load(self) -> Any:
        """Load the model in eval mode, on the CPU. UserError when its hash does not match."""
        try:
            with torch.device("cpu"):
                model = load(self.model)
        except UserError as error:
            raise UserError(f"the model that is mixed with counts is missing: {error}") from error
        check_base(model, self.model)
        if self.sha256 and (found := hash_model(model)) != self.sha256:
            raise UserError(
                f"{self.model} is not the model that was mixed with counts: its hash starts with "
                f"{found[:8]}, expected {self.sha256[:8]}; restore the original model"
            )
        return model.requires_grad_(False)

    def find_folder(self) -> Path:
        """Return the folder of the model's checkpoint. UserError if there is none."""
        return find_checkpoint(self.model)

    def refer_to(self, model: str) -> BaseModel:
        """Return a copy that refers to the same model by this name or folder."""
        return replace(self, model=model)

    def pin_hash(self) -> BaseModel:
        """Return a copy with the model's current hash, and a folder as an absolute path.

        For a run it is the folder of its newest step, so that the run may go on.
        """
        model, checkpoint = self.model, find_checkpoint(self.model)
        if checkpoint.is_relative_to(model):
            model = str(checkpoint.absolute())
        return replace(self, model=model, sha256=self.sha256 or hash_base(model))


@cache
def hash_base(model: str) -> str:
    return hash_model(load(model))


def check_base(model: object, name: str) -> None:
    """UserError unless a model predicts the levels of pixels row by row."""
    if not getattr(model, "is_lossless", False) or hasattr(model, "base"):
        raise UserError(
            f"{name} has no exact likelihood of pixels to mix with counts; give a PixelCNN"
        )
    order: Order = getattr(getattr(model, "config", None), "order", RASTER)
    if not order.is_raster:
        raise UserError(
            f"{name} predicts pixels in the order {type(order).__name__}; counts need one that "
            "goes row by row"
        )
