"""A frozen, trained codec: a model predicts its codes, or diffuses its latents."""

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
from smalti.core.protocols import Codec, LatentCodec
from smalti.core.ranges import PictureShape


@dataclass(frozen=True)
@check_fields
class FrozenCodec:
    """A trained codec, referenced by name or folder."""

    model: str = "vqvae-digits"
    """Codec: a shipped name, checkpoint or run folder."""
    sha256: str = ""
    """Hash of the codec. Covers config and weights; empty accepts any codec."""
    shape: PictureShape = (1, 28, 28)
    """Channels, height, width of the pictures."""

    lossless = False
    has_pictures = True

    def load(self) -> Any:
        """Load the codec in eval mode, on the CPU. UserError when its hash does not match."""
        try:
            codec = load(self.model)
        except UserError as error:
            raise UserError(f"the codec of this model is missing: {error}") from error
        check_is_codec(codec, self.model)
        if self.sha256 and (found := hash_model(codec)) != self.sha256:
            raise UserError(
                f"{self.model} is not the codec this model was trained with: its hash starts with "
                f"{found[:8]}, expected {self.sha256[:8]}; restore the original codec"
            )
        return codec.requires_grad_(False)

    def find_folder(self) -> Path:
        """Return the folder of the codec's checkpoint. UserError if there is none."""
        return find_checkpoint(self.model)

    def refer_to(self, model: str) -> FrozenCodec:
        """Return a copy that refers to the same codec by this name or folder."""
        return replace(self, model=model)

    def pin_hash(self) -> FrozenCodec:
        """Return a copy with the codec's current hash, and a folder as an absolute path.

        For a run it is the folder of its newest step, so that the run may go on.
        """
        model, checkpoint = self.model, find_checkpoint(self.model)
        if checkpoint.is_relative_to(model):
            model = str(checkpoint.absolute())
        return replace(self, model=model, sha256=self.sha256 or hash_codec(model))


def check_is_codec(codec: Any, name: object, *, of_codes: bool = False) -> None:
    """UserError unless this model encodes pictures, as codes or as continuous latents.

    of_codes: refuse continuous latents, too.
    """
    if codec.spec.output == "latents" and of_codes:
        raise UserError(
            f"{name} has continuous latents and no codes; give a VQ-VAE or a VQGAN, or train a "
            "diffusion model in its latents (latent-ddpm)"
        )
    if codec.spec.output not in ("codes", "latents"):
        raise UserError(f"{name} is not a codec; give a VQ-VAE or a VQGAN")


def load_codec_of_codes(config: Any) -> Any:
    """Build or load the codec of a config. UserError for one of continuous latents."""
    codec = config.load()
    if isinstance(config, FrozenCodec):
        check_is_codec(codec, config.model, of_codes=True)
    return codec


@cache
def hash_codec(model: str) -> str:
    return hash_model(load(model))


class UnregisteredCodec:
    """Holds a codec outside nn.Module's registry, so that it is neither trained nor saved."""

    def __init__(self, codec: Codec | LatentCodec):
        self.codec: Any = codec
        self.values = getattr(codec, "symbol_values", None)

    def __deepcopy__(self, memo: dict[int, Any]) -> UnregisteredCodec:
        return self

    def move_codec(self, device: torch.device) -> Any:
        """Move the codec to a device and return it."""
        if isinstance(self.codec, torch.nn.Module) and self.codec.device != device:
            self.codec.to(device)
        return self.codec

    def move_values(self, device: torch.device) -> Any:
        """Move the symbols' values to a device and return them; None if they have none."""
        if self.values is not None and self.values.device != device:
            self.values = self.values.to(device)
        return self.values
