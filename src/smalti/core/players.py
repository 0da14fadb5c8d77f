"""Optional protocols of players and datasets, which training checks with `isinstance`.

A player implements those it needs; a class need not inherit from them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from smalti.core.protocols import Batch, Dataset, ModelConfig


@runtime_checkable
class HasPlayers(Protocol):
    """A model that is trained by several players, such as a GAN."""

    def named_players(self) -> dict[str, nn.Module]: ...  # in playing order, itself first


@runtime_checkable
class NeedsTotalSteps(Protocol):
    """A player that needs the total number of steps before the first one."""

    def set_total_steps(self, total_steps: int) -> None: ...


@runtime_checkable
class HasPhases(Protocol):
    """A model whose objective changes in training."""

    def list_phases(self) -> list[int]: ...  # steps at which the learning rate's schedule restarts


@runtime_checkable
class NeedsTrainingData(Protocol):
    """A player that takes something from its data before the first step, such as a vocabulary."""

    def set_training_data(self, data: Dataset) -> None: ...


@runtime_checkable
class HasAfterStep(Protocol):
    """A player with an update after every optimizer step, on all processes at once."""

    def after_step(self) -> None: ...


@runtime_checkable
class HasStartMessages(Protocol):
    """A player with messages for the user before training."""

    def list_start_messages(self) -> list[str]: ...


@runtime_checkable
class HasSaveMessages(Protocol):
    """A player with messages for the user at every save."""

    def list_save_messages(self) -> list[str]: ...


@runtime_checkable
class HasOptimizerSettings(Protocol):
    """A player with optimizer settings of its own."""

    betas: tuple[float, float]
    """Betas of AdamW."""
    lr_scale: float
    """Its learning rate as a multiple of the training's."""


@runtime_checkable
class HasValidation(Protocol):
    """A player that evaluates its saved weights on held-out pictures at every save."""

    def validate(
        self, read_pictures: Callable[[slice], Tensor], n: int
    ) -> tuple[dict[str, Any], list[str]]:
        """Return numbers for the log and messages; `read_pictures` reads some of the n pictures."""
        ...


@runtime_checkable
class HasTrainingCheck(Protocol):
    """A model's config that checks, before a run starts, what its training requires."""

    def check_training(self) -> None: ...  # UserError


@runtime_checkable
class HasTrainingState(Protocol):
    """A module in a player with training state other than its weights."""

    def training_state_dict(self) -> dict[str, Any]: ...
    def load_training_state_dict(self, state: dict[str, Any]) -> None: ...


@runtime_checkable
class HasMirrored(Protocol):
    """A dataset that has its items mirrored, too: codes, which cannot be mirrored themselves."""

    def make_flipped_batch(self, indices: Tensor, flipped: Tensor, device: torch.device) -> Batch:
        """As `make_batch`, with the mirrored items where flipped (B,). UserError without them."""
        ...


@runtime_checkable
class HasExamples(Protocol):
    """A dataset of texts with their references, some of which a preview shows."""

    def list_examples(self, n: int) -> list[tuple[str, str]]: ...  # at most n


@runtime_checkable
class FollowsStart(Protocol):
    """A model's config that takes over the architecture of a model whose weights it starts from."""

    def follow_start(self, start: ModelConfig) -> ModelConfig:
        """This config with the start's architecture, for its own pictures and conditions.

        UserError for a start of another family.
        """
        ...


@runtime_checkable
class HasAugmentation(Protocol):
    """A model's config that can have its training pictures augmented."""

    def add_augmentation(self) -> ModelConfig: ...


class StartWeights(NamedTuple):
    """Weights of another model, by the names of this one."""

    weights: dict[str, Tensor]
    notes: tuple[str, ...] = ()
    """What else than whole weights begins anew, such as "2 classes"."""


@runtime_checkable
class ConvertsStart(Protocol):
    """A model that rearranges the weights of a start for other conditions and channels."""

    def convert_start(self, start: nn.Module) -> StartWeights: ...


@runtime_checkable
class NeedsStart(Protocol):
    """A model that also learns from the model that its run starts from."""

    def set_start(self, start: nn.Module | None) -> None: ...  # UserError if it needs another
