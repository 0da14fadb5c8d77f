"""A dataset of codec codes, encoded once, to train a model of codes on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from smalti.core.device import move_to_device
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
    """

    stored_codes: Tensor
    pictures: Pictures
    codec_sha256: str
    item_name: ClassVar[str] = "picture"

    @property
    def name(self) -> str:
        """The name of the pictures."""
        return self.pictures.name

    def __len__(self) -> int:
        return len(self.stored_codes)

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """Gather codes int64 (B, C, h, w), labels and captions of the given pictures."""
        codes = move_to_device(self.stored_codes[indices], device).long()
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
    small = torch.uint8 if codec.vocab_size <= 2**8 else torch.int16
    dtype = small if codec.vocab_size <= 2**15 else torch.int32
    parts = []
    for k, rows in enumerate(pictures.split_indices(batch_size)):
        on_progress(Progress("encoding", k * batch_size, len(pictures)))
        codes = codec.encode(pictures.make_batch(rows, device).require_pictures())
        parts.append((codes if codes.ndim == 4 else codes[:, None]).to("cpu", dtype))
    return Codes(torch.cat(parts), pictures, codec_sha256)
