"""A dataset of codec codes, encoded once, to train a model of codes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from smalti.core.conditions import SHIFT
from smalti.core.device import move_to_device
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_texts
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.protocols import Batch, Codec
from smalti.data.pictures import Pictures
from smalti.data.shuffle import ShuffledBatches


@dataclass(frozen=True, eq=False)
class Codes:
    """N pictures as codes, with their labels and captions.

    stored_codes: (N, C, h, w) in the smallest integer dtype for the codec's vocabulary.
    pictures: the encoded pictures. codec_sha256: a hash of the codec.
    mirrored_codes: those of the mirrored pictures, as `stored_codes`; None if not encoded.
    shifted_codes: those of the pictures in each shift, the middle one unshifted; then a batch has
    random ones, and their indices as the condition `SHIFT`.
    """

    stored_codes: Tensor
    pictures: Pictures
    codec_sha256: str
    mirrored_codes: Tensor | None = None
    shifted_codes: tuple[Tensor, ...] = ()
    item_name: ClassVar[str] = "picture"

    @property
    def name(self) -> str:
        """The name of the pictures."""
        return self.pictures.name

    def __len__(self) -> int:
        return len(self.stored_codes)

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """Gather codes int64 (B, C, h, w), labels and captions of the given pictures."""
        if not self.shifted_codes:
            return self._annotate(self.stored_codes[indices], indices, device)
        shifts = torch.randint(len(self.shifted_codes), (len(indices),))
        pairs = zip(shifts.tolist(), indices.tolist(), strict=True)
        codes = torch.stack([self.shifted_codes[s][k] for s, k in pairs])
        batch = self._annotate(codes, indices, device)
        return batch._replace(conditions={**batch.conditions, SHIFT: shifts.to(device)})

    def make_flipped_batch(self, indices: Tensor, flipped: Tensor, device: torch.device) -> Batch:
        """As `make_batch`, with the mirrored pictures where flipped (B,). UserError without."""
        if self.mirrored_codes is None:
            raise UserError(
                f"training.flip mirrors pictures, but {self.name} is encoded without; encode the "
                "mirrored pictures, too, or leave it out"
            )
        plain, mirrored = self.stored_codes[indices], self.mirrored_codes[indices]
        codes = torch.where(flipped[:, None, None, None], mirrored, plain)
        return self._annotate(codes, indices, device)

    def _annotate(self, codes: Tensor, indices: Tensor, device: torch.device) -> Batch:
        codes = move_to_device(codes, device).long()
        return self.pictures.load_annotations(indices, device)._replace(codes=codes)

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


def encode_pictures(
    pictures: Pictures,
    codec: Codec,
    codec_sha256: str,
    device: torch.device,
    *,
    batch_size: int = 256,
    on_progress: OnProgress = ignore_event,
) -> Codes:
    """Encode all pictures with a codec on `device`, `batch_size` at a time.

    codec_sha256: the codec's hash.
    """
    parts = []
    for k, rows in enumerate(pictures.split_indices(batch_size)):
        on_progress(Progress("encoding", k * batch_size, len(pictures)))
        parts.append(encode_bytes(pictures.take(rows), codec, device, batch_size))
    return Codes(torch.cat(parts), pictures, codec_sha256)


def encode_bytes(x: Tensor, codec: Codec, device: torch.device, batch_size: int = 64) -> Tensor:
    """Encode pictures x (N, C, H, W) uint8 as codes (N, C, h, w), on the CPU."""
    parts = []
    for part in x.split(batch_size):
        codes = codec.encode(move_to_device(part, device).float() / 255)
        codes = codes if codes.ndim == 4 else codes[:, None]
        parts.append(codes.to("cpu", choose_dtype(codec.vocab_size)))
    return torch.cat(parts)


def choose_dtype(vocab_size: int) -> torch.dtype:
    """The smallest integer dtype for symbols below vocab_size."""
    if vocab_size <= 2**8:
        return torch.uint8
    return torch.int16 if vocab_size <= 2**15 else torch.int32
