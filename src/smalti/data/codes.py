"""Pictures as a codec's codes, encoded once: what a model over codes is trained on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from smalti.core.device import send
from smalti.core.fingerprint import text_hash
from smalti.core.progress import OnProgress, Progress, ignore
from smalti.core.protocols import Batch, Codec
from smalti.data.order import EqualCounts
from smalti.data.pictures import Pictures


@dataclass(frozen=True, eq=False)
class Codes:
    """N pictures as codes, with the labels and captions that they have.

    stored: (N, C, h, w) in the smallest integers that hold the codec's symbols.
    pictures: what was encoded. codec: a hash of what encoded it.
    """

    stored: Tensor
    pictures: Pictures
    codec: str
    item: ClassVar[str] = "picture"

    @property
    def name(self) -> str:
        """Where the pictures come from."""
        return self.pictures.name

    def __len__(self) -> int:
        return len(self.stored)

    def batch(self, indices: Tensor, device: torch.device) -> Batch:
        """The chosen pictures' codes, int64, with their labels and captions."""
        codes = send(self.stored[indices], device).long()
        return self.pictures.describe(indices, device)._replace(codes=codes)

    def plan(self, seed: int, size: int) -> EqualCounts:
        """Batches of `size` pictures for every step."""
        return self.pictures.plan(seed, size)

    def parts(self, size: int) -> tuple[Tensor, ...]:
        """Indices of all pictures in their order, `size` at a time."""
        return self.pictures.parts(size)

    def fingerprint(self) -> str:
        """A hash of the pictures' and the codec's."""
        return text_hash(self.pictures.fingerprint(), self.codec)

    def facts(self) -> dict[str, Any]:
        """What a resume names when it has changed."""
        return {**self.pictures.facts(), "codec": self.codec}


def encode_pictures(
    pictures: Pictures,
    codec: Codec,
    sha256: str,
    device: torch.device,
    *,
    batch: int = 256,
    on_progress: OnProgress = ignore,
) -> Codes:
    """All pictures through a codec on `device`, `batch` at a time; sha256: the codec's hash."""
    small = torch.uint8 if codec.count <= 2**8 else torch.int16
    dtype = small if codec.count <= 2**15 else torch.int32
    parts = []
    for k, rows in enumerate(pictures.parts(batch)):
        on_progress(Progress("encoding", k * batch, len(pictures)))
        codes = codec.encode(pictures.batch(rows, device).require_pictures())
        parts.append((codes if codes.ndim == 4 else codes[:, None]).to("cpu", dtype))
    return Codes(torch.cat(parts), pictures, sha256)
