"""The players of a step, in turn: most models are one, a GAN is two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import nn
from torch.optim import Optimizer

from smalti.core.players import (
    HasAfterStep,
    HasOptimizerSettings,
    HasPlayers,
    HasSaveMessages,
    HasStartMessages,
    HasTrainingState,
    NeedsTotalSteps,
)
from smalti.training.config import Training
from smalti.training.step import build_optimizer


@dataclass(frozen=True)
class PlayerState:
    """A player at the table."""

    name: str
    model: _FabricModule
    """Its module, as Fabric wraps it."""
    optimizer: Optimizer
    lr_scale: float = 1.0
    """Its learning rate, as a multiple of the training's."""

    @property
    def module(self) -> nn.Module:
        """The module itself."""
        return self.model.module


def set_up_players(fabric: Fabric, model: nn.Module, training: Training) -> list[PlayerState]:
    """Every player with its own optimizer; the first is the model, which is saved and sampled."""
    states: list[PlayerState] = []
    for name, player in (
        model.named_players() if isinstance(model, HasPlayers) else {"model": model}
    ).items():
        player.to(fabric.device)
        wrapped, optimizer = fabric.setup(player, build_optimizer(player, training))
        wrapped.mark_forward_method("loss")
        scale = player.lr_scale if isinstance(player, HasOptimizerSettings) else 1.0
        states.append(PlayerState(name, wrapped, optimizer, scale))
    return states


def collect_premises(players: list[PlayerState]) -> list[str]:
    """What the players have to say before training."""
    modules = (seat.module for seat in players)
    return [
        line for p in modules if isinstance(p, HasStartMessages) for line in p.list_start_messages()
    ]


def collect_notes(players: list[PlayerState]) -> list[str]:
    """What they have to say at a save."""
    return [
        line
        for s in players
        if isinstance(s.module, HasSaveMessages)
        for line in s.module.list_save_messages()
    ]


def call_after_step(players: list[PlayerState]) -> None:
    """The step is over, for players that want to know."""
    for seat in players:
        if isinstance(seat.module, HasAfterStep):
            seat.module.after_step()


def plan_steps(players: list[PlayerState], steps: int | None) -> None:
    """So many steps are planned, for players that want to know."""
    for seat in players:
        if steps is not None and isinstance(seat.module, NeedsTotalSteps):
            seat.module.set_total_steps(steps)


def find_resumed_modules(players: list[PlayerState]) -> list[tuple[str, HasTrainingState]]:
    """Modules that keep more for training than their weights, by the player's name and theirs."""
    found = ((f"{seat.name}.{n}", m) for seat in players for n, m in seat.module.named_modules())
    return [(name, module) for name, module in found if isinstance(module, HasTrainingState)]


def collect_training_states(players: list[PlayerState]) -> dict[str, Any]:
    return {name: module.training_state_dict() for name, module in find_resumed_modules(players)}
