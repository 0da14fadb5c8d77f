"""The players of a step, in turn: most models are one, a GAN is two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric

from smalti.training.config import Training
from smalti.training.player import optimiser


@dataclass(frozen=True)
class Seat:
    """A player at the table."""

    name: str
    model: Any
    """Its module, as Fabric wraps it."""
    optimizer: Any
    pace: float = 1.0
    """Its learning rate, as a multiple of the training's."""

    @property
    def player(self) -> Any:
        """The module itself."""
        return self.model.module


def players_of(model: torch.nn.Module) -> dict[str, torch.nn.Module]:
    """By name, in the order of a step; the first is the model, which is saved and sampled."""
    players: Any = getattr(model, "players", None)
    return players() if players else {"model": model}


def seated(fabric: Fabric, model: torch.nn.Module, training: Training) -> list[Seat]:
    """Every player with its own optimiser."""
    return [
        seat(fabric, name, player.to(fabric.device), training)
        for name, player in players_of(model).items()
    ]


def seat(fabric: Fabric, name: str, player: Any, training: Training) -> Seat:
    pace = getattr(player, "pace", 1.0)
    wrapped, optimizer = fabric.setup(player, optimiser(player, training))
    wrapped.mark_forward_method("loss")
    return Seat(name, wrapped, optimizer, pace)


def lines(seats: list[Seat], kind: str) -> list[str]:
    """What the players have to say: `premises` before training, `notes` at every save."""
    told = (getattr(seat.player, kind, None) for seat in seats)
    return [line for tell in told if tell for line in tell()]


def settle(seats: list[Seat]) -> None:
    """The step is over, for players that want to know."""
    for seat in seats:
        if over := getattr(seat.player, "settle", None):
            over()


def plan(seats: list[Seat], steps: int | None) -> None:
    """So many steps are planned, for players that want to know."""
    for seat in seats:
        if steps is not None and (told := getattr(seat.player, "plan", None)):
            told(steps)


def keepers(seats: list[Seat]) -> list[tuple[str, Any]]:
    """Modules that keep more for training than their weights, by the player's name and theirs."""
    found = ((f"{seat.name}.{n}", m) for seat in seats for n, m in seat.player.named_modules())
    return [(name, module) for name, module in found if hasattr(module, "training_state")]


def kept_states(seats: list[Seat]) -> dict[str, Any]:
    return {name: module.training_state() for name, module in keepers(seats)}
