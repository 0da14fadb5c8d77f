"""A dataset of pictures as bytes, in memory or memory-mapped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import torch
from torch import Tensor

from smalti.core.device import move_to_device
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_tensors, hash_texts
from smalti.core.protocols import Batch
from smalti.data.attributes import Attribute
from smalti.data.shuffle import ShuffledBatches
from smalti.data.splitting import draw_permutation, ensure_train_classes

FINGERPRINT_ROWS = 256  # at most this many pictures are hashed


@dataclass(frozen=True, eq=False)
class Pictures:
    """N pictures of one size, optionally with labels and captions.

    stored_pixels: uint8 (M, C, H, W), C is 1 (gray) or 3 (RGB); may be memory-mapped.
    labels: int64 (N,), indices into `classes`; None without classes.
    name: the origin of the pictures, for logs and model cards.
    captions: one description per picture, or ().
    rows: int64 (N,), indices into the stored pictures, so that a subset is a view; None: all.
    file_names: path of each picture inside its folder or archive, or ().
    conditions: N other pictures by name, which a model may be conditioned on.
    attributes: further values of each picture by name, such as its style.
    Raises UserError if these do not fit together.
    """

    stored_pixels: Tensor
    labels: Tensor | None
    classes: tuple[str, ...]
    name: str
    captions: tuple[str, ...] = ()
    rows: Tensor | None = None
    file_names: tuple[str, ...] = ()
    conditions: Mapping[str, Pictures] = field(default_factory=dict)
    attributes: Mapping[str, Attribute] = field(default_factory=dict)
    item_name: ClassVar[str] = "picture"

    def __post_init__(self) -> None:
        if self.stored_pixels.dtype != torch.uint8 or self.stored_pixels.ndim != 4:
            actual = f"{self.stored_pixels.dtype} {tuple(self.stored_pixels.shape)}"
            raise UserError(f"{self.name}: pixels are {actual}; give uint8 (N, C, H, W)")
        if self.labels is not None:
            self._check_labels(self.labels)
        if self.captions and len(self.captions) != len(self):
            raise UserError(
                f"{self.name}: {len(self.captions)} captions for {len(self)} pictures; "
                "give one for each picture, or none"
            )

    def _check_labels(self, labels: Tensor) -> None:
        if labels.dtype != torch.int64 or labels.shape != (len(self),):
            actual = f"{labels.dtype} {tuple(labels.shape)}"
            raise UserError(f"{self.name}: labels are {actual}; give int64 ({len(self)},)")
        if len(self) and not 0 <= int(labels.min()) <= int(labels.max()) < len(self.classes):
            raise UserError(
                f"{self.name}: labels are from {int(labels.min())} to {int(labels.max())}; "
                f"with {len(self.classes)} classes give 0 to {len(self.classes) - 1}"
            )

    def __len__(self) -> int:
        return len(self.stored_pixels if self.rows is None else self.rows)

    def __repr__(self) -> str:
        size = "x".join(map(str, self.shape))
        more = [f"{len(self.classes):,} classes"] if self.classes else []
        more += ["captions"] if self.captions else []
        more += sorted(self.attributes)
        return f"<Pictures {self.name}: {', '.join([f'{len(self):,} of {size}', *more])}>"

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of every picture."""
        channels, height, width = self.stored_pixels.shape[1:]
        return channels, height, width

    @property
    def pixels(self) -> Tensor:
        """All pictures as uint8 (N, C, H, W); a copy on every access if `rows` is set."""
        return self.stored_pixels if self.rows is None else self.stored_pixels[self.rows]

    def take(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """Gather pictures as uint8 (B, C, H, W), reading no others."""
        return self.stored_pixels[indices if self.rows is None else self.rows[indices]]

    def take_floats(self, indices: Tensor | Sequence[int] | slice) -> Tensor:
        """Gather pictures as float32 (B, C, H, W) in [0, 1]."""
        return self.take(indices).float() / 255

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """Gather pictures, labels and captions on `device`; bytes are transferred, not floats."""
        x = move_to_device(self.take(indices), device).float() / 255  # (B, C, H, W)
        others = {
            name: p.make_batch(indices, device).pictures for name, p in self.conditions.items()
        }
        conditions = {name: value for name, value in others.items() if value is not None}
        annotations = self.load_annotations(indices, device)
        return annotations._replace(pictures=x, conditions={**conditions, **annotations.conditions})

    def load_annotations(self, indices: Tensor, device: torch.device) -> Batch:
        """Gather labels, captions and attributes of the given pictures, without pixels."""
        labels = None if self.labels is None else move_to_device(self.labels[indices], device)
        text = [self.captions[k] for k in indices.tolist()] if self.captions else None
        values = {
            name: move_to_device(attribute.labels[indices], device)
            for name, attribute in self.attributes.items()
        }
        return Batch(None, labels, text, values)

    def plan_batches(self, seed: int, batch_size: int) -> ShuffledBatches:
        """Plan shuffled batches of `batch_size` pictures."""
        return ShuffledBatches(len(self), batch_size, seed)

    def split_indices(self, batch_size: int) -> tuple[Tensor, ...]:
        """Split the indices of all pictures, in order, into batches of `batch_size`."""
        return torch.arange(len(self)).split(batch_size)

    def compute_fingerprint(self) -> str:
        """Hash evenly spaced pictures, all labels and captions, and condition pictures."""
        n = len(self)
        rows = torch.linspace(0, n - 1, min(n, FINGERPRINT_ROWS), dtype=torch.float64).long()
        others = [p.compute_fingerprint() for _, p in sorted(self.conditions.items())]
        own = hash_tensors(self.take(rows), labels=self.labels)
        return hash_texts(own, *self.captions, *others)

    def collect_facts(self) -> dict[str, Any]:
        """Collect the facts that a resumed run compares."""
        captions = hash_texts(*self.captions) if self.captions else ""
        facts = {"shape": [*self.shape], "classes": [*self.classes], "captions": captions}
        if self.attributes:
            facts["attributes"] = {
                name: hash_texts(hash_tensors(one.labels), *one.values)
                for name, one in self.attributes.items()
            }
        return facts

    def split(self, valid: float | int, seed: int = 0) -> tuple[Pictures, Pictures]:
        """Split into disjoint views for training and validation.

        valid: number of validation pictures (an int), or their fraction (a float in (0, 1)).
        The same seed and number of pictures give the same split on every machine: the raw output
        of NumPy's Philox is sorted, because its shuffle may change between versions.  A class that
        would only be in validation gives a picture to training (`ensure_train_classes`).
        Raises UserError if a part would be empty.
        """
        if isinstance(valid, bool) or not (isinstance(valid, int) or 0 < valid < 1):
            raise UserError(f"valid is {valid}; give a number of pictures or a fraction in (0, 1)")
        count = valid if isinstance(valid, int) else max(1, round(valid * len(self)))
        if not 0 < count < len(self):
            raise UserError(
                f"valid is {valid}, but {self.name} holds {len(self)} pictures; "
                "leave at least one picture for each part"
            )
        order = draw_permutation(len(self), seed)
        labels = None if self.labels is None else self.labels.numpy()
        train, held = ensure_train_classes([order[count:], order[:count]], labels)
        return self.select(torch.from_numpy(train), "train"), self.select(
            torch.from_numpy(held), "valid"
        )

    def select(self, indices: Tensor | slice, name: str) -> Pictures:
        """Select pictures, in the given order, as a view of the pixels."""
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
            file_names=tuple(self.file_names[k] for k in positions.tolist())
            if self.file_names
            else (),
            conditions={k: p.select(indices, name) for k, p in self.conditions.items()},
            attributes={k: one.select(positions) for k, one in self.attributes.items()},
            name=f"{self.name}/{name}",
        )


@dataclass(frozen=True, eq=False)
class Splits:
    """Training, validation and test pictures."""

    train: Pictures
    valid: Pictures
    test: Pictures | None = None
    """None if the data have no test split: then `valid` is the held-out split."""
    notes: tuple[str, ...] = ()
    """Messages for the user."""

    def __repr__(self) -> str:
        parts = {"train": self.train, "valid": self.valid, "test": self.test}
        counts = (f"{len(part):,} {split}" for split, part in parts.items() if part is not None)
        size = "x".join(map(str, self.train.shape))
        return f"<Splits {self.train.name.removesuffix('/train')}: {', '.join(counts)} of {size}>"
