"""Ranges of numbers for type hints of configs and options."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any

from smalti.core.errors import UserError, shorten


class OutOfRangeError(UserError):
    """A value of the right type, but outside its range."""


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`; an end can be excluded."""

    low: float = -math.inf
    high: float = math.inf
    excludes_low: bool = False
    """Whether `low` itself is excluded."""
    excludes_high: bool = False
    """Whether `high` itself is excluded."""

    def check(self, value: Any, name: str) -> None:
        """OutOfRangeError, which names `name`, unless the number is in the range."""
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
        """OutOfRangeError, which names `name`, unless the length is in the range."""
        if not self.min_length <= len(value) <= self.max_length:
            entries = "an empty list" if not value else f"a list of {len(value)}"
            raise OutOfRangeError(
                f"{name} is {entries}; give {self.min_length} to {self.max_length} entries"
            )


@dataclass(frozen=True)
class ProductLimit:
    """Tuples whose product is at most `max_product`."""

    max_product: int

    def check(self, value: Any, name: str) -> None:
        """OutOfRangeError, which names `name`, if the product is larger."""
        if math.prod(value) > self.max_product:
            shape = " x ".join(map(str, value))
            raise OutOfRangeError(f"{name} is {shape}; give {self.max_product:,} numbers at most")


RULE_TYPES = (Range, LengthRange, ProductLimit)
INTEGERS = Range(-(2**63), 2**64 - 1)
"""The range of other integers: signed and unsigned 64 bits."""
FLOATS = Range(-1e300, 1e300)
"""The range of other floats: finite, with room to calculate."""

Width = Annotated[int, Range(1, 65_536)]
"""Channels, features, heads, groups, side lengths."""
Depth = Annotated[int, Range(1, 256)]
"""Number of layers or blocks."""
ExtraDepth = Annotated[int, Range(0, 256)]
"""Number of additional layers or blocks."""
Count = Annotated[int, Range(1, 2**24)]
"""Number of codes, classes, pictures."""
CountOrZero = Annotated[int, Range(0, 2**24)]
"""The same, or 0."""
SamplingSteps = Annotated[int, Range(1, 100_000)]
"""Sampling steps."""
NoiseLevelCount = Annotated[int, Range(2, 100_000)]
"""Noise levels of a schedule."""
TrainingSteps = Annotated[int, Range(1, 10**9)]
"""Optimizer steps."""
Seed = Annotated[int, Range(0, 2**64 - 1)]
"""Random seeds."""
SampleCount = Annotated[int, Range(1, 1_000_000)]
"""Number of samples, all kept in memory."""
BatchSize = Annotated[int, Range(1, 65_536)]
"""Pictures processed together."""
SideLength = Annotated[int, Range(1, 4_096)]
"""Height or width of samples, in pixels."""
FrameCount = Annotated[int, Range(2, 10_000)]
"""Pictures of an interpolation, endpoints included."""
RepeatCount = Annotated[int, Range(0, 10_000)]
"""Number of repetitions; 0 for none."""
BootstrapCount = Annotated[int, Range(2, 100_000)]
"""Bootstrap resamples."""
ThreadCount = Annotated[int, Range(1, 256)]
"""Threads of this process."""
Minutes = Annotated[float, Range(0, 1_000_000, excludes_low=True)]
"""Training time."""
Fraction = Annotated[float, Range(0, 1)]
"""A fraction, 0 to 1."""
FractionBelowOne = Annotated[float, Range(0, 1, excludes_high=True)]
"""A fraction below 1: dropout, decay of a moving average."""
Weight = Annotated[float, Range(0, 1e9)]
"""Weight of a term; 0 disables it."""
Positive = Annotated[float, Range(0, 1e9, excludes_low=True)]
"""A positive number."""
Guidance = Annotated[float, Range(-1e4, 1e4)]
"""Strength of classifier-free guidance."""
Strength = Annotated[float, Range(0, 1, excludes_low=True)]
"""Fraction of the sampling steps to run on a picture, as in SDEdit."""
PictureShape = Annotated[tuple[Width, Width, Width], ProductLimit(2**26)]
"""Channels, height and width."""
Widths = Annotated[tuple[Width, ...], LengthRange()]
"""Channels of every resolution level."""
LevelFlags = Annotated[tuple[bool, ...], LengthRange()]
"""One flag per resolution level."""
CodebookSize = Annotated[int, Range(2, 2**24)]
"""Codebook size K."""
Exponent = Annotated[float, Range(-700, 700)]
"""A number whose exponential is finite."""
