"""What a diffusion model asks of its network."""

from __future__ import annotations

from typing import ClassVar, Literal, Protocol, runtime_checkable

from torch import nn

from smalti.core.errors import UserError

ConditionKind = Literal["vector", "tokens", "map"]


@runtime_checkable
class NetworkConfig(Protocol):
    """The config of any network that predicts: write one, and a model can be built of it.

    The network is called as `network(x, t)`, or `network(x, t, c)` where the model is told
    something: x (B, C, H, W) noisy pictures, t (B,) levels 0 .. T-1, c (B, D) the vector of
    `layers.conditions.Conditions`. It returns (B, outputs * C, H, W).
    """

    condition_kinds: ClassVar[tuple[ConditionKind, ...]]
    """The kinds of conditions that it takes."""
    free_size: ClassVar[bool]
    """Whether pictures may have another size than in training."""

    def check_fit(self, shape: tuple[int, int, int], condition: int) -> None:
        """UserError unless the network takes pictures of this shape, and D = condition numbers."""
        ...

    def build(self, outputs: int = 1) -> nn.Module:
        """A new network; two outputs are the prediction and v, which gives the variance."""
        ...


def check_equal(name: str, actual: object, expected: object) -> None:
    """UserError unless a field of a network's config is what its model wants."""
    if actual != expected:
        raise UserError(
            f"network.{name} is {actual}, and this model wants {expected}; make them equal"
        )
