"""What a number may be: ranges that stand in type hints, for configs and for options."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from smalti.core.errors import UserError, shorten


class OutOfRangeError(UserError):
    """A value of the right type, but outside the range that its hint declares."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; without the ends where `excludes_low` or `excludes_high` say so."""

    low: float = -math.inf
    high: float = math.inf
    excludes_low: bool = False
    """Whether `low` itself is left out."""
    excludes_high: bool = False
    """Whether `high` itself is left out."""

    def check(self, value: Any, name: str) -> None:
        """OutOfRange, which names `name`, unless the number is in the range."""
        over = value > self.low if self.excludes_low else value >= self.low
        under = value < self.high if self.excludes_high else value <= self.high
        if not (over and under):
            raise OutOfRangeError(f"{name} is {shorten(value)}; give {self}")

    def __str__(self) -> str:
        low, high = (
            f"{end:,}" if isinstance(end, int) else f"{end:g}" for end in (self.low, self.high)
        )
        start = f"more than {low}" if self.excludes_low else f"{low} or more"
        end = f"less than {high}" if self.excludes_high else f"{high} at most"
        if not math.isinf(self.low) and not math.isinf(self.high):
            return f"{start}, {end}"
        return end if math.isinf(self.low) else start


@dataclass(frozen=True)
class LengthRange:
    """Tuples of `min_length` to `max_length` entries."""

    min_length: int = 1
    max_length: int = 32

    def check(self, value: Any, name: str) -> None:
        """OutOfRange, which names `name`, unless the tuple is so long."""
        if not self.min_length <= len(value) <= self.max_length:
            entries = "an empty list" if not value else f"a list of {len(value)}"
            raise OutOfRangeError(
                f"{name} is {entries}; give {self.min_length} to {self.max_length} entries"
            )


@dataclass(frozen=True)
class ProductLimit:
    """Tuples whose numbers multiply to `max_product` at most."""

    max_product: int

    def check(self, value: Any, name: str) -> None:
        """OutOfRange, which names `name`, when the product is larger."""
        if math.prod(value) > self.max_product:
            shape = " x ".join(map(str, value))
            raise OutOfRangeError(f"{name} is {shape}; give {self.max_product:,} numbers at most")


RULE_TYPES = (Range, LengthRange, ProductLimit)
INTEGERS = Range(-(2**63), 2**64 - 1)
"""Whole numbers without a declared range: what 64 bits hold, with or without a sign."""
FLOATS = Range(-1e300, 1e300)
"""Other numbers without a declared range; the finite ones, with room to calculate."""

Width = Annotated[int, Range(1, 65_536)]
"""Channels, features, heads, groups, pixels of a side."""
Depth = Annotated[int, Range(1, 256)]
"""Layers or blocks, one after another."""
ExtraDepth = Annotated[int, Range(0, 256)]
"""Those behind a first one that is always there."""
Count = Annotated[int, Range(1, 2**24)]
"""Codes, classes, pictures at once."""
CountOrZero = Annotated[int, Range(0, 2**24)]
"""The same, where there may be none."""
SamplingSteps = Annotated[int, Range(1, 100_000)]
"""Steps over noise levels."""
NoiseLevelCount = Annotated[int, Range(2, 100_000)]
"""Noise levels of a schedule, of which something is left to denoise."""
TrainingSteps = Annotated[int, Range(1, 10**9)]
"""Optimizer steps."""
Seed = Annotated[int, Range(0, 2**64 - 1)]
"""Of anything random."""
SampleCount = Annotated[int, Range(1, 1_000_000)]
"""Pictures that are asked for, all of which memory must hold."""
BatchSize = Annotated[int, Range(1, 65_536)]
"""Pictures that are drawn or looked at together."""
SideLength = Annotated[int, Range(1, 4_096)]
"""Pixels of a picture's height or width that is asked for."""
FrameCount = Annotated[int, Range(2, 10_000)]
"""Pictures of a walk, both ends included."""
RepeatCount = Annotated[int, Range(0, 10_000)]
"""How often something is done again; 0 for never."""
BootstrapCount = Annotated[int, Range(2, 100_000)]
"""How often numbers are drawn again for an error bar."""
ThreadCount = Annotated[int, Range(1, 256)]
"""Of this process, at once."""
Minutes = Annotated[float, Range(0, 1_000_000, excludes_low=True)]
"""Of training."""
Fraction = Annotated[float, Range(0, 1)]
"""A part of a whole."""
FractionBelowOne = Annotated[float, Range(0, 1, excludes_high=True)]
"""A part that is never the whole: of dropout, of a running mean."""
Weight = Annotated[float, Range(0, 1e9)]
"""Of a term in a sum; 0 leaves it out."""
Positive = Annotated[float, Range(0, 1e9, excludes_low=True)]
"""A number above 0, of a size to calculate with."""
Guidance = Annotated[float, Range(-1e4, 1e4)]
"""Strength of classifier-free guidance."""
Strength = Annotated[float, Range(0, 1, excludes_low=True)]
"""How far from a picture."""
PictureShape = Annotated[tuple[Width, Width, Width], ProductLimit(2**26)]
"""Channels, height and width of pictures."""
Widths = Annotated[tuple[Width, ...], LengthRange()]
"""Of every level."""
LevelFlags = Annotated[tuple[bool, ...], LengthRange()]
"""One for every level."""
CodebookSize = Annotated[int, Range(2, 2**24)]
"""Entries of a codebook."""
Exponent = Annotated[float, Range(-700, 700)]
"""A number whose exponential is one, too."""
