"""What a player may have beside its loss: training asks by these protocols, and takes none amiss.

A player has what it needs and no more; a class need not name the protocols that it fulfills.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn


@runtime_checkable
class HasPlayers(Protocol):
    """A model that is trained by several players, such as a GAN."""

    def named_players(self) -> dict[str, nn.Module]: ...  # by name, as they play; itself the first


@runtime_checkable
class NeedsTotalSteps(Protocol):
    """It plans by the number of steps, and is told before the first one."""

    def set_total_steps(self, total_steps: int) -> None: ...


@runtime_checkable
class HasAfterStep(Protocol):
    """It moves something by itself after every optimizer step, on all processes at once."""

    def after_step(self) -> None: ...


@runtime_checkable
class HasStartMessages(Protocol):
    """It has lines for the user before training."""

    def list_start_messages(self) -> list[str]: ...


@runtime_checkable
class HasSaveMessages(Protocol):
    """It has lines for the user at every save."""

    def list_save_messages(self) -> list[str]: ...


@runtime_checkable
class HasOptimizerSettings(Protocol):
    """It asks for an optimizer of its own kind."""

    betas: tuple[float, float]
    """AdamW's."""
    lr_scale: float
    """Its learning rate, as a multiple of the training's."""


@runtime_checkable
class HasValidation(Protocol):
    """It tells of itself at every save, with the saved weights and by held-out pictures."""

    def validate(
        self, read_pictures: Callable[[slice], Tensor], n: int
    ) -> tuple[dict[str, Any], list[str]]:
        """Numbers for the log and lines for the user; `read_pictures` gives some of the n pictures."""
        ...


@runtime_checkable
class HasTrainingCheck(Protocol):
    """A model's config that can tell, before a run is begun, what a training of it lacks."""

    def check_training(self) -> None: ...  # UserError


@runtime_checkable
class HasTrainingState(Protocol):
    """A module in a player that keeps more for training than its weights."""

    def training_state_dict(self) -> dict[str, Any]: ...
    def load_training_state_dict(self, state: dict[str, Any]) -> None: ...
