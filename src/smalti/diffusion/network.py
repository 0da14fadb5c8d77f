"""The interface of a diffusion model's network."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol, runtime_checkable

from torch import nn

from smalti.core.errors import UserError

ConditionKind = Literal["vector", "tokens", "map"]


@runtime_checkable
class NetworkConfig(Protocol):
    """The config of a denoising network. Implement it to use a network of your own.

    The network is called as `network(x, t)`, or `network(x, t, c)` if the model has conditions:
    x (B, C, H, W) noisy pictures, t (B,) levels 0 .. T-1, c (B, D) the vector of
    `layers.condition_encoder.ConditionEncoder`. It returns (B, outputs * C, H, W).
    """

    condition_kinds: ClassVar[tuple[ConditionKind, ...]]
    """Kinds of conditions that the network accepts."""
    free_size: ClassVar[bool]
    """Whether pictures may have sizes other than in training."""

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """UserError unless the network accepts pictures of this shape and D = condition."""
        ...

    def build(self, outputs: int = 1) -> nn.Module:
        """Build a new network. With two outputs: the prediction, and v for the variance."""
        ...


def check_equal(name: str, actual: object, expected: object) -> None:
    """UserError unless a field of the network's config has the value its model needs."""
    if actual != expected:
        raise UserError(
            f"network.{name} is {actual}, but this model needs {expected}; make them equal"
        )
