"""Another picture as a condition, encoded by its own codec to tokens in front of a GPT.

In taming-transformers (`Net2NetTransformer`): `codec` is the `cond_stage_model`, `codec.shape` with
`resize="nearest"` its `downsample_cond_size`, and `AutoregressiveConfig.shared_table` the one table
of tokens that its conditions and images share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from smalti.autoregressive.caption_tokens import CaptionTokenizer
from smalti.autoregressive.codec_config import CodecConfig
from smalti.autoregressive.coordinates import make_coordinates
from smalti.core.conditions import ConditionValues
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Condition
from smalti.core.tensors import to_pictures
from smalti.layers.condition_pictures import find_edges, to_channels
from smalti.layers.frozen_codec import FrozenCodec, UnregisteredCodec, load_codec_of_codes

WRAP_MARGIN = 6
"""Codes beyond each border that the codec of a condition that tiles sees."""


@dataclass(frozen=True)
@check_fields
class PictureCondition:
    """Another picture, encoded by its own codec."""

    codec: CodecConfig = field(default_factory=FrozenCodec)
    """Codec of the condition. Pictures are resized to its shape."""
    name: str = "picture"
    """Name of the condition."""
    source: Literal["given", "low-resolution", "edges", "coordinates"] = "low-resolution"
    """Where the condition comes from in training. The picture itself in the codec's size, its
    edges, the place of its crop, or, when given, conditions of the data."""
    resize: Literal["area", "nearest"] = "area"
    """How pictures are resized: averaged, or picked."""

    @property
    def follows_shifts(self) -> bool:
        """Whether it is derived from pictures after they are shifted."""
        return self.source not in ("given", "coordinates")

    @property
    def is_on_disk(self) -> bool:
        """Whether its codec is loaded from disk."""
        return isinstance(self.codec, FrozenCodec)

    def pin_hash(self) -> PictureCondition:
        """Return a copy whose frozen codec has its current hash."""
        pinned = self.codec.pin_hash() if isinstance(self.codec, FrozenCodec) else self.codec
        return replace(self, codec=pinned)

    def build(self) -> PictureEncoder:
        return PictureEncoder(self)


class PictureEncoder:
    """Encodes the pictures of a condition as tokens; not trained, nor saved with the model."""

    is_picture = True

    def __init__(self, config: PictureCondition):
        self.config, self.name = config, config.name
        self.holder = UnregisteredCodec(load_codec_of_codes(config.codec))
        codec = self.holder.codec
        self.vocab_size = int(codec.vocab_size)
        self.size, self.wraps = config.codec.shape[1:], False
        self.grid = (1, *codec.compute_code_shape(self.size))[-3:]  # (C, h, w)

    @property
    def n_tokens(self) -> int:
        C, h, w = self.grid
        return C * h * w

    @property
    def is_always_known(self) -> bool:
        """Whether it needs no value: without one, coordinates are those of a whole canvas."""
        return self.config.source == "coordinates"

    @property
    def takes_labels(self) -> bool:
        """Whether its pictures are label maps."""
        return bool(getattr(self.holder.codec, "takes_labels", False))

    @property
    def is_derived(self) -> bool:
        """Whether it is made of the pictures themselves."""
        return self.config.source in ("low-resolution", "edges")

    def derive(self, x: Tensor) -> Tensor | None:
        """Derive the condition of pictures x (N, C, H, W); None where the data must have it."""
        if self.config.source == "given":
            return None
        if self.is_always_known:
            return make_coordinates(len(x), (x.shape[2], x.shape[3]), x.device)
        return x

    @torch.no_grad()
    def encode(self, value: Tensor | list[str], device: torch.device) -> Tensor:
        """Encode pictures (n, C, H, W), or codes (n, h, w) as integers, to tokens (n, c)."""
        if isinstance(value, Tensor) and value.dtype == torch.int64:
            return self.check_codes(value).to(device)
        x = to_pictures(value, self.name).to(device).float()
        if self.config.source == "edges":
            x = find_edges(to_channels(x, 1, self.name), self.wraps)
        x = to_channels(x, self.config.codec.shape[0], self.name)
        if x.shape[2:] != self.size:
            x = F.interpolate(x, size=self.size, mode=self.config.resize)
        with torch.autocast(device.type, enabled=False):
            z = self.encode_wrapped(x) if self.wraps else self.holder.move_codec(device).encode(x)
        return z.reshape(len(x), *self.grid).permute(0, 2, 3, 1).flatten(1)

    def encode_wrapped(self, x: Tensor) -> Tensor:
        """Encode pictures that tile: the codec sees the other side beyond each border."""
        codec, (h, w) = self.holder.move_codec(x.device), self.grid[1:]
        f = max(1, self.size[0] // h)
        if not self.config.is_on_disk or self.size != (h * f, w * f):
            return codec.encode(x)
        m = min(WRAP_MARGIN, h, w)
        z = codec.encode(F.pad(x, (m * f,) * 4, mode="circular"))
        return z[..., m : m + h, m : m + w]

    def check_codes(self, codes: Tensor) -> Tensor:
        """Arrange codes (n, h, w) or (n, C, h, w) as tokens (n, c)."""
        codes = codes[:, None] if codes.ndim == 3 else codes
        if codes.shape[1:] != self.grid:
            raise UserError(
                f"codes of {self.name} have shape {tuple(codes.shape[1:])}, but its codec's have "
                f"{self.grid}; give those, or pictures"
            )
        if codes.numel() and not 0 <= int(codes.min()) <= int(codes.max()) < self.vocab_size:
            raise UserError(
                f"codes of {self.name} are from {int(codes.min())} to {int(codes.max())}; "
                f"its codec's are 0 to {self.vocab_size - 1}"
            )
        return codes.permute(0, 2, 3, 1).flatten(1)


class PictureEncoders:
    """All conditions of a model that are several tokens: pictures and captions."""

    def __init__(
        self,
        encoders: Sequence[PictureEncoder | CaptionTokenizer],
        dropout: float,
        kind: Literal["tokens", "map"] = "tokens",
    ):
        self.encoders, self.dropout = tuple(encoders), dropout
        self.spec = tuple(
            Condition(
                e.name,
                kind,
                allows_none=dropout > 0,
                is_picture=e.is_picture,
                has_default=e.is_always_known,
                takes_labels=e.takes_labels,
                is_derived=e.is_derived,
            )
            for e in self.encoders
        )

    @property
    def sees_coordinates(self) -> bool:
        """Whether the network knows where a crop stands, so that it may be cropped."""
        return any(e.is_always_known for e in self.encoders)

    def list_grids(self) -> list[tuple[int, tuple[int, ...]]]:
        """List the number of symbols and the grid (C, h, w) of each picture."""
        return [(e.vocab_size, e.grid) for e in self.encoders if isinstance(e, PictureEncoder)]

    def derive(self, values: ConditionValues, x: Tensor) -> ConditionValues:
        """Add the conditions that are derived from pictures x, where none is given."""
        derived = {e.name: e.derive(x) for e in self.encoders if e.name not in values}
        return {**values, **{name: value for name, value in derived.items() if value is not None}}

    def derive_coordinates(self, values: ConditionValues, x: Tensor) -> ConditionValues:
        """Add the coordinates of whole pictures x, to be cropped as they are."""
        size = x.shape[2], x.shape[3]
        names = [e.name for e in self.encoders if e.is_always_known and e.name not in values]
        return {**values, **{name: make_coordinates(len(x), size, x.device) for name in names}}

    def encode(
        self, values: ConditionValues, n: int, device: torch.device, training: bool
    ) -> list[Tensor]:
        """Encode each condition of n pictures as tokens (n, c); K where there is none.

        In training each is hidden independently with probability `dropout`.
        """
        parts = []
        for e in self.encoders:
            value = values.get(e.name)
            if value is None and isinstance(e, PictureEncoder) and e.is_always_known:
                value = make_coordinates(n, e.size)
            if value is not None:
                tokens = e.encode(value, device)
            elif self.dropout:
                tokens = torch.full((n, e.n_tokens), e.vocab_size, device=device)
            else:
                raise UserError(
                    f"this model was not trained without {e.name}; "
                    f"give one for each of {n} pictures"
                )
            if training and self.dropout and not e.is_always_known:
                hidden = torch.rand(n, 1, device=device) < self.dropout
                tokens = tokens.masked_fill(hidden, e.vocab_size)
            parts.append(tokens)
        return parts
