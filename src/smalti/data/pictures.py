"""Pictures as bytes, in memory or mapped from a file: what training indexes most often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from smalti.core.device import move_to_device
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_tensors, hash_texts
from smalti.core.protocols import Batch
from smalti.data.shuffle import ShuffledBatches
from smalti.data.splitting import draw_permutation, ensure_train_classes

FINGERPRINT_ROWS = 256  # pictures that a fingerprint looks at, however many there are


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures of one size, with a class and a caption each or none at all.

    stored_pixels: uint8 (M, C, H, W), C is 1 (gray) or 3 (RGB); may be mapped from a file.
    labels: int64 (N,), each a place in `classes`; None where there are no classes.
    name: where the pictures come from, for logs and model cards.
    captions: what each shows, in words; () where that is not known.
    rows: int64 (N,), which of the stored ones these are, so that a part costs no copy; None: all.
    Raises UserError when these do not fit together.
    """

    stored_pixels: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    name: str
    captions: tuple[str, ...] = ()
    rows: Tensor | None = None
    item_name: ClassVar[str] = "picture"

    def __post_init__(self) -> None:
        if self.stored_pixels.dtype != torch.uint8 or self.stored_pixels.ndim != 4:
            given = f"{self.stored_pixels.dtype} {tuple(self.stored_pixels.shape)}"
            raise UserError(f"{self.name}: pixels are {given}; give uint8 (N, C, H, W)")
        if self.labels is not None:
            self._check_labels(self.labels)
        if self.captions and len(self.captions) != len(self):
            raise UserError(
                f"{self.name}: {len(self.captions)} captions for {len(self)} pictures; "
                "give one to each or none"
            )

    def _check_labels(self, labels: Tensor) -> None:
        if labels.dtype != torch.int64 or labels.shape != (len(self),):
            given = f"{labels.dtype} {tuple(labels.shape)}"
            raise UserError(f"{self.name}: labels are {given}; give int64 ({len(self)},)")
        if len(self) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes):
            raise UserError(
                f"{self.name}: labels reach from {int(labels.min())} to {int(labels.max())}; "
                f"with {len(self.classes)} classes give 0 to {len(self.classes) - 1}"
            )

    def __len__(self) -> int:
        return len(self.stored_pixels if self.rows is None else self.rows)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape))
        more = [f"{len(self.classes):,} classes"] if self.classes else []
        more += ["captions"] if self.captions else []
        return f"<Pictures {self.name}: {', '.join([f'{len(self):,} of {size}', *more])}>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture."""
        channels, height, width = self.stored_pixels.shape[1:]
        return channels, height, width

    @property
    def pixels(self) -> Tensor:
        """All of them as uint8 (N, C, H, W); for a part with `rows` a copy, made at every use."""
        return self.stored_pixels if self.rows is None else self.stored_pixels[self.rows]

    def take(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """The chosen pictures as uint8 (B, C, H, W); no others are touched."""
        return self.stored_pixels[indices if self.rows is None else self.rows[indices]]

    def take_floats(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """The chosen pictures as float32 (B, C, H, W) in [0, 1]."""
        return self.take(indices).float() / 255

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """The chosen pictures with their labels and captions; bytes are sent, not floats."""
        x = move_to_device(self.take(indices), device).float() / 255  # (B, C, H, W)
        return self.load_annotations(indices, device)._replace(pictures=x)

    def load_annotations(self, indices: Tensor, device: torch.device) -> Batch:
        """Labels and captions of the chosen pictures, without their pixels."""
        labels = None if self.labels is None else move_to_device(self.labels[indices], device)
        text = [self.captions[k] for k in indices.tolist()] if self.captions else None
        return Batch(None, labels, text)

    def plan_batches(self, seed: int, batch_size: int) -> ShuffledBatches:
        """Batches of `batch_size` pictures for every step."""
        return ShuffledBatches(len(self), batch_size, seed)

    def split_indices(self, batch_size: int) -> tuple[Tensor, ...]:
        """Indices of all pictures in their order, `batch_size` at a time."""
        return torch.arange(len(self)).split(batch_size)

    def compute_fingerprint(self) -> str:
        """A hash of evenly spaced pictures and of all labels and captions."""
        n = len(self)
        rows = torch.linspace(0, n - 1, min(n, FINGERPRINT_ROWS), dtype=torch.float64).long()
        return hash_texts(hash_tensors(self.take(rows), labels=self.labels), *self.captions)

    def collect_facts(self) -> dict[str, Any]:
        """What a resume names when it has changed."""
        captions = hash_texts(*self.captions) if self.captions else ""
        return {"shape": [*self.shape], "classes": [*self.classes], "captions": captions}

    def split(self, valid: float | int, seed: int = 0) -> tuple[Pictures, Pictures]:
        """Two parts, for training and for validation, that share no picture and copy none.

        valid: how many pictures to set aside (an int), or what part of them (a float in (0, 1)).
        The same seed and number of pictures split the same way on every machine: the raw output
        of NumPy's Philox is sorted, for its shuffle may change between versions.  A class that
        would stand in the second part alone gives a picture to the first (`keep_classes`).
        Raises UserError when a part would be empty.
        """
        if isinstance(valid, bool) or not (isinstance(valid, int) or 0 < valid < 1):
            raise UserError(f"valid is {valid}; give a number of pictures or a part in (0, 1)")
        count = valid if isinstance(valid, int) else max(1, round(valid * len(self)))
        if not 0 < count < len(self):
            raise UserError(
                f"valid is {valid}, but {self.name} holds {len(self)} pictures; "
                "leave at least one to each part"
            )
        order = draw_permutation(len(self), seed)
        labels = None if self.labels is None else self.labels.numpy()
        train, held = ensure_train_classes([order[count:], order[:count]], labels)
        return self.select(torch.from_numpy(train), "train"), self.select(
            torch.from_numpy(held), "valid"
        )

    def select(self, indices: Tensor | slice, name: str) -> Pictures:
        """Some of the pictures, in the order chosen, without a copy of their pixels."""
        positions = torch.arange(len(self))[indices]
        if isinstance(indices, slice) and self.rows is None:
            stored, rows = self.stored_pixels[indices], None
        else:
            stored, rows = (
                self.stored_pixels,
                positions if self.rows is None else self.rows[positions],
            )
        return replace(
            self,
            stored_pixels=stored,
            rows=rows,
            labels=None if self.labels is None else self.labels[positions],
            captions=tuple(self.captions[k] for k in positions.tolist()) if self.captions else (),
            name=f"{self.name}/{name}",
        )


@dataclass(frozen=True, eq=False)
class Splits:
    """Pictures to train on, to choose by, and to measure with once."""

    train: Pictures
    valid: Pictures
    test: Pictures | None = None
    """None where the data come without a test split: then `valid` is what is held out."""
    notes: tuple[str, ...] = ()
    """Lines that whoever trains on them should be told."""

    def __repr__(self) -> str:
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        counts = (f"{len(part):,} {split}" for split, part in parts.items() if part is not None)
        size = "x".join(map(str, self.train.shape))
        return f"<Splits {self.train.name.removesuffix('/train')}: {', '.join(counts)} of {size}>"
