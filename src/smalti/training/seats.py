"""The players of a step, in turn: most models are one, a GAN is two."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule
from torch import nn
from torch.optim import Optimizer

from smalti.core.players import AfterStep, Noted, Planned, Premised, Resumed, Team, Tuned
from smalti.training.config import Training
from smalti.training.player import optimiser


@dataclass(frozen=True)
class Seat:
    """A player at the table."""

    name: str
    model: _FabricModule
    """Its module, as Fabric wraps it."""
    optimizer: Optimizer
    lr_scale: float = 1.0
    """Its learning rate, as a multiple of the training's."""

    @property
    def player(self) -> nn.Module:
        """The module itself."""
        return self.model.module


def seated(fabric: Fabric, model: nn.Module, training: Training) -> list[Seat]:
    """Every player with its own optimiser; the first is the model, which is saved and sampled."""
    seats: list[Seat] = []
    for name, player in (model.players() if isinstance(model, Team) else {"model": model}).items():
        player.to(fabric.device)
        wrapped, optimizer = fabric.setup(player, optimiser(player, training))
        wrapped.mark_forward_method("loss")
        scale = player.lr_scale if isinstance(player, Tuned) else 1.0
        seats.append(Seat(name, wrapped, optimizer, scale))
    return seats


def premises(seats: list[Seat]) -> list[str]:
    """What the players have to say before training."""
    players = (seat.player for seat in seats)
    return [line for p in players if isinstance(p, Premised) for line in p.premises()]


def notes(seats: list[Seat]) -> list[str]:
    """What they have to say at a save."""
    return [line for s in seats if isinstance(s.player, Noted) for line in s.player.notes()]


def end_step(seats: list[Seat]) -> None:
    """The step is over, for players that want to know."""
    for seat in seats:
        if isinstance(seat.player, AfterStep):
            seat.player.after_step()


def plan(seats: list[Seat], steps: int | None) -> None:
    """So many steps are planned, for players that want to know."""
    for seat in seats:
        if steps is not None and isinstance(seat.player, Planned):
            seat.player.plan(steps)


def keepers(seats: list[Seat]) -> list[tuple[str, Resumed]]:
    """Modules that keep more for training than their weights, by the player's name and theirs."""
    found = ((f"{seat.name}.{n}", m) for seat in seats for n, m in seat.player.named_modules())
    return [(name, module) for name, module in found if isinstance(module, Resumed)]


def kept_states(seats: list[Seat]) -> dict[str, Any]:
    return {name: module.training_state() for name, module in keepers(seats)}
