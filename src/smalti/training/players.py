"""Players: modules with their own optimizer. Most models have one, a GAN has two."""

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
)
from smalti.training.config import Training
from smalti.training.step import build_optimizer


@dataclass(frozen=True)
class PlayerState:
    """A player with its optimizer."""

    name: str
    model: _FabricModule
    """Its module, wrapped by Fabric."""
    optimizer: Optimizer
    lr_scale: float = 1.0
    """Multiplies the learning rate of the training."""

    @property
    def module(self) -> nn.Module:
        """The unwrapped module."""
        return self.model.module


def set_up_players(fabric: Fabric, model: nn.Module, training: Training) -> list[PlayerState]:
    """Build an optimizer for every player; the first is the model, which is saved and sampled."""
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
    """Collect the players' messages before training."""
    modules = (player.module for player in players)
    return [
        line for p in modules if isinstance(p, HasStartMessages) for line in p.list_start_messages()
    ]


def collect_notes(players: list[PlayerState]) -> list[str]:
    """Collect the players' messages at a save."""
    modules = (player.module for player in players)
    return [
        line for m in modules if isinstance(m, HasSaveMessages) for line in m.list_save_messages()
    ]


def call_after_step(players: list[PlayerState]) -> None:
    """Call `after_step` of the players that have it."""
    for player in players:
        if isinstance(player.module, HasAfterStep):
            player.module.after_step()


def find_resumed_modules(players: list[PlayerState]) -> list[tuple[str, HasTrainingState]]:
    """Find modules with a training state, by the names of player and module."""
    found = ((f"{p.name}.{n}", m) for p in players for n, m in p.module.named_modules())
    return [(name, module) for name, module in found if isinstance(module, HasTrainingState)]


def collect_training_states(players: list[PlayerState]) -> dict[str, Any]:
    return {name: module.training_state_dict() for name, module in find_resumed_modules(players)}
