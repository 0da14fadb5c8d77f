"""The interface of codec configs."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from smalti.core.protocols import Codec
from smalti.core.ranges import PictureShape


@runtime_checkable
class CodecConfig(Protocol):
    """The config of a codec: what it loads, and the shape of its pictures."""

    @property
    def shape(self) -> PictureShape: ...  # C, H, W
    @property
    def lossless(self) -> bool: ...  # whether symbols determine the picture exactly
    @property
    def has_pictures(self) -> bool: ...  # whether symbols can be decoded to pictures

    def load(self) -> Codec: ...
