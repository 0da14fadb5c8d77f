"""What a player may have beside its loss: training asks by these protocols, and takes none amiss.

A player has what it needs and no more; a class need not name the protocols that it fulfils.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class Team(Protocol):
    """A model that is trained by several players, such as a GAN."""

    def players(self) -> dict[str, nn.Module]: ...  # by name, as they play; itself the first


@runtime_checkable
class Planned(Protocol):
    """It plans by the number of steps, and is told before the first one."""

    def plan(self, steps: int) -> None: ...


@runtime_checkable
class AfterStep(Protocol):
    """It moves something by itself after every optimiser step, on all processes at once."""

    def after_step(self) -> None: ...


@runtime_checkable
class Premised(Protocol):
    """It has lines for the user before training."""

    def premises(self) -> list[str]: ...


@runtime_checkable
class Noted(Protocol):
    """It has lines for the user at every save."""

    def notes(self) -> list[str]: ...


@runtime_checkable
class Tuned(Protocol):
    """It asks for an optimiser of its own kind."""

    betas: tuple[float, float]
    """AdamW's."""
    lr_scale: float
    """Its learning rate, as a multiple of the training's."""


@runtime_checkable
class Examined(Protocol):
    """It tells of itself at every save, with the saved weights and by held-out pictures."""

    def examine(self, take: Callable[[slice], Tensor], n: int) -> tuple[dict[str, Any], list[str]]:
        """Numbers for the log and lines for the user; `take` gives some of the n pictures."""
        ...


@runtime_checkable
class Checkable(Protocol):
    """A model's config that can tell, before a run is begun, what a training of it lacks."""

    def check(self) -> None: ...  # UserError


@runtime_checkable
class Resumed(Protocol):
    """A module in a player that keeps more for training than its weights."""

    def training_state(self) -> dict[str, Any]: ...
    def restore_training(self, state: dict[str, Any]) -> None: ...
