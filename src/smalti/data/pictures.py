"""Pictures as bytes, in memory or mapped from a file: what training indexes most often."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from smalti.core.device import send
from smalti.core.errors import UserError
from smalti.core.fingerprint import tensor_hash, text_hash
from smalti.core.protocols import Batch
from smalti.data.order import EqualCounts
from smalti.data.splitting import keep_classes, shuffled

ROWS = 256  # pictures that a fingerprint looks at, however many there are


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures of one size, with a class and a caption each or none at all.

    stored: uint8 (M, C, H, W), C is 1 (grey) or 3 (RGB); may be mapped from a file.
    labels: int64 (N,), each a place in `classes`; None where there are no classes.
    name: where the pictures come from, for logs and model cards.
    captions: what each shows, in words; () where that is not known.
    rows: int64 (N,), which of the stored ones these are, so that a part costs no copy; None: all.
    Raises UserError when these do not fit together.
    """

    stored: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    name: str
    captions: tuple[str, ...] = ()
    rows: Tensor | None = None
    item: ClassVar[str] = "picture"

    def __post_init__(self) -> None:
        if self.stored.dtype != torch.uint8 or self.stored.ndim != 4:
            given = f"{self.stored.dtype} {tuple(self.stored.shape)}"
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
        return len(self.stored if self.rows is None else self.rows)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape))
        more = [f"{len(self.classes):,} classes"] if self.classes else []
        more += ["captions"] if self.captions else []
        return f"<Pictures {self.name}: {', '.join([f'{len(self):,} of {size}', *more])}>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture."""
        channels, height, width = self.stored.shape[1:]
        return channels, height, width

    @property
    def pixels(self) -> Tensor:
        """All of them as uint8 (N, C, H, W); for a part with `rows` a copy, made at every use."""
        return self.stored if self.rows is None else self.stored[self.rows]

    def take(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """The chosen pictures as uint8 (B, C, H, W); no others are touched."""
        return self.stored[indices if self.rows is None else self.rows[indices]]

    def floats(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """The chosen pictures as float32 (B, C, H, W) in [0, 1]."""
        return self.take(indices).float() / 255

    def batch(self, indices: Tensor, device: torch.device) -> Batch:
        """The chosen pictures with their labels and captions; bytes are sent, not floats."""
        x = send(self.take(indices), device).float() / 255  # (B, C, H, W)
        return self.describe(indices, device)._replace(pictures=x)

    def describe(self, indices: Tensor, device: torch.device) -> Batch:
        """Labels and captions of the chosen pictures, without their pixels."""
        labels = None if self.labels is None else send(self.labels[indices], device)
        text = [self.captions[k] for k in indices.tolist()] if self.captions else None
        return Batch(None, labels, text)

    def plan(self, seed: int, size: int) -> EqualCounts:
        """Batches of `size` pictures for every step."""
        return EqualCounts(len(self), size, seed)

    def parts(self, size: int) -> tuple[Tensor, ...]:
        """Indices of all pictures in their order, `size` at a time."""
        return torch.arange(len(self)).split(size)

    def fingerprint(self) -> str:
        """A hash of evenly spaced pictures and of all labels and captions."""
        n = len(self)
        rows = torch.linspace(0, n - 1, min(n, ROWS), dtype=torch.float64).long()
        return text_hash(tensor_hash(self.take(rows), labels=self.labels), *self.captions)

    def facts(self) -> dict[str, Any]:
        """What a resume names when it has changed."""
        captions = text_hash(*self.captions) if self.captions else ""
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
        order = shuffled(len(self), seed)
        labels = None if self.labels is None else self.labels.numpy()
        train, held = keep_classes([order[count:], order[:count]], labels)
        return self.part(torch.from_numpy(train), "train"), self.part(
            torch.from_numpy(held), "valid"
        )

    def part(self, chosen: Tensor | slice, name: str) -> Pictures:
        """Some of the pictures, in the order chosen, without a copy of their pixels."""
        places = torch.arange(len(self))[chosen]
        if isinstance(chosen, slice) and self.rows is None:
            stored, rows = self.stored[chosen], None
        else:
            stored, rows = self.stored, places if self.rows is None else self.rows[places]
        return replace(
            self,
            stored=stored,
            rows=rows,
            labels=None if self.labels is None else self.labels[places],
            captions=tuple(self.captions[k] for k in places.tolist()) if self.captions else (),
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
