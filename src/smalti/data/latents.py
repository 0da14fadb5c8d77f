"""A dataset of a codec's continuous latents, encoded once, to train a diffusion model on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from smalti.core.device import move_to_device
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_texts
from smalti.core.protocols import Batch, LatentCodec
from smalti.data.pictures import Pictures
from smalti.data.shuffle import ShuffledBatches


@dataclass(frozen=True, eq=False)
class EncodedLatents:
    """N pictures as latents, with their labels and captions.

    stored_latents: (N, D, h, w) float16.
    pictures: the encoded pictures. codec_sha256: a hash of the codec.
    mirrored_latents: those of the mirrored pictures; None if not encoded.
    """

    stored_latents: Tensor
    pictures: Pictures
    codec_sha256: str
    mirrored_latents: Tensor | None = None
    item_name: ClassVar[str] = "picture"

    @property
    def name(self) -> str:
        """The name of the pictures."""
        return self.pictures.name

    def __len__(self) -> int:
        return len(self.stored_latents)

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """Gather latents float32 (B, D, h, w), labels and captions of the given pictures."""
        return self._annotate(self.stored_latents[indices], indices, device)

    def make_flipped_batch(self, indices: Tensor, flipped: Tensor, device: torch.device) -> Batch:
        """As `make_batch`, with the mirrored pictures where flipped (B,). UserError without."""
        if self.mirrored_latents is None:
            raise UserError(
                f"training.flip mirrors pictures, but {self.name} is encoded without; encode the "
                "mirrored pictures, too, or leave it out"
            )
        plain, mirrored = self.stored_latents[indices], self.mirrored_latents[indices]
        latents = torch.where(flipped[:, None, None, None], mirrored, plain)
        return self._annotate(latents, indices, device)

    def _annotate(self, latents: Tensor, indices: Tensor, device: torch.device) -> Batch:
        latents = move_to_device(latents, device).float()
        return self.pictures.load_annotations(indices, device)._replace(latents=latents)

    def plan_batches(self, seed: int, batch_size: int) -> ShuffledBatches:
        """Plan shuffled batches of `batch_size` pictures."""
        return self.pictures.plan_batches(seed, batch_size)

    def split_indices(self, batch_size: int) -> tuple[Tensor, ...]:
        """Split the indices of all pictures, in order, into batches of `batch_size`."""
        return self.pictures.split_indices(batch_size)

    def compute_fingerprint(self) -> str:
        """Hash the pictures' fingerprint and the codec's hash."""
        return hash_texts(self.pictures.compute_fingerprint(), self.codec_sha256)

    def collect_facts(self) -> dict[str, Any]:
        """Collect the facts that a resumed run compares."""
        return {**self.pictures.collect_facts(), "codec": self.codec_sha256}


def encode_latent_bytes(
    x: Tensor, codec: LatentCodec, device: torch.device, batch_size: int = 64
) -> Tensor:
    """Encode pictures x (N, C, H, W) uint8 as latents (N, D, h, w) float16, on the CPU."""
    parts = []
    for part in x.split(batch_size):
        z = codec.encode_latents(move_to_device(part, device).float() / 255)
        parts.append(z.to("cpu", torch.float16))
    return torch.cat(parts)
