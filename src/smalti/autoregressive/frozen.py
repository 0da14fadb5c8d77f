"""A trained codec that a model draws the codes of, and leaves as it is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from smalti.core.checkpoint import find_checkpoint, load
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_model
from smalti.core.protocols import Codec
from smalti.core.ranges import PictureShape


@dataclass(frozen=True)
@check_fields
class FrozenCodec:
    """A trained codec, by its name."""

    model: str = "vqvae-digits"
    """A shipped codec's name, or the folder of a checkpoint or a run."""
    sha256: str = ""
    """The hash of its config and weights; empty takes what stands there."""
    shape: PictureShape = (1, 28, 28)
    """Channels, height and width of the pictures."""

    lossless = False
    has_pictures = True

    def load(self) -> Any:
        """The codec in eval mode, on the CPU. UserError when it is another than is wanted."""
        codec = load(self.model)
        if codec.spec.output != "codes":
            raise UserError(f"{self.model} is no codec; name a VQ-VAE or a VQGAN")
        if self.sha256 and (found := hash_model(codec)) != self.sha256:
            raise UserError(
                f"{self.model} is another codec than this model was trained with: its hash begins "
                f"with {found[:8]}, wanted is {self.sha256[:8]}; bring back the one it belongs to"
            )
        return codec.requires_grad_(False)

    def pin_hash(self) -> FrozenCodec:
        """The same, with the hash of what stands there now; a folder by its whole path."""
        model, folder = self.model, Path(self.model)
        if find_checkpoint(model).is_relative_to(folder):
            model = str(folder.absolute())
        return replace(self, model=model, sha256=self.sha256 or hash_codec(model))


@cache
def hash_codec(model: str) -> str:
    return hash_model(load(model))


class UnregisteredCodec:
    """Holds a codec where nn.Module does not find it, so that it is neither trained nor saved."""

    def __init__(self, codec: Codec):
        self.codec: Any = codec
        self.values = codec.symbol_values

    def __deepcopy__(self, memo: dict[int, Any]) -> UnregisteredCodec:
        return self

    def move_codec(self, device: torch.device) -> Any:
        """The codec, on a device."""
        if isinstance(self.codec, torch.nn.Module) and self.codec.device != device:
            self.codec.to(device)
        return self.codec

    def move_values(self, device: torch.device) -> Any:
        """The symbols' values, on a device; None where they have none."""
        if self.values is not None and self.values.device != device:
            self.values = self.values.to(device)
        return self.values
