"""One network on the front: it trains in time slices and is measured at the end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

import smalti
from benchmarks._judge import judge
from benchmarks._racer import read_state
from smalti.diffusion import DDIM
from smalti.training.interrupt import Interrupt
from smalti.training.loop import Loop
from smalti.training.rng_state import read_rng_state, set_rng_state

BATCH_SIZE = 100  # samples drawn at a time


@dataclass
class Entrant:
    """A network with its training loop and its results."""

    name: str
    loop: Loop
    settings: dict[str, Any]
    """What must not change between two sessions."""
    out: Path
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Results by mark, such as the minutes of training as text."""
    rng: list[torch.Tensor] = field(default_factory=read_rng_state)
    loss: float = float("nan")
    """Running mean of the training loss."""
    counts_processor_time: bool = False
    """Whether minutes are the processor's, of all threads, which other load hardly changes."""

    @property
    def minutes(self) -> float:
        return self.loop.seconds / 60

    def train(self, seconds: float, minutes: float, should_stop: Callable[[], bool]) -> None:
        """Train for about `seconds`, up to `minutes` in total, or until `should_stop()`."""
        set_rng_state(self.rng)
        end = min(self.loop.seconds + seconds, 60 * minutes)
        begun = time.process_time() - self.loop.seconds
        for done in self.loop.run_steps():
            if self.counts_processor_time:
                self.loop.seconds = time.process_time() - begun
            first = self.loss != self.loss
            loss = done.terms["loss"]
            self.loss = loss if first else 0.98 * self.loss + 0.02 * loss
            if self.loop.seconds >= end or should_stop():
                break
        self.rng = read_rng_state()
        self.save()

    def measure(self, minutes: float, samples: int, guidances: list[float]) -> None:
        """Measure balanced samples of the averaged weights, at each guidance."""
        found = {f"{w:g}": self.judge_samples(samples, w) for w in guidances}
        done = {"minutes": self.minutes, "steps": self.loop.step, "loss": self.loss}
        self.results[f"{minutes:g}"] = {**done, "guidance": found}
        self.save()

    def judge_samples(self, samples: int, guidance: float) -> dict[str, float]:
        parts, labels = [], torch.arange(samples) % 10
        for seeds in torch.arange(samples).split(BATCH_SIZE):
            with torch.autocast(
                "cpu", torch.bfloat16, enabled=self.settings["precision"] == "bf16"
            ):
                drawn = smalti.sample(
                    self.loop.ema.module,
                    seeds=seeds.tolist(),
                    cond=labels[seeds],
                    sampler=DDIM(steps=20, eta=0, guidance=guidance),
                )
            assert isinstance(drawn, torch.Tensor)
            parts.append(drawn)
        quality = judge(torch.cat(parts), labels)
        return {"accuracy": quality.accuracy, "frechet": quality.frechet}

    def save(self) -> None:
        """Write NAME.pt to resume from."""
        state = {
            "settings": self.settings,
            "results": self.results,
            "loss": self.loss,
            "loop": self.loop.state_dict() | {"rng": [self.rng]},
            "average": self.loop.ema.module.state_dict(),
        }
        self.out.mkdir(parents=True, exist_ok=True)
        temporary = self.out / f"{self.name}.pt.tmp"
        torch.save(state, temporary)
        os.replace(temporary, self.out / f"{self.name}.pt")

    def restore(self) -> None:
        """Resume from NAME.pt if it exists. Raises UserError if its settings differ."""
        path = self.out / f"{self.name}.pt"
        if not path.is_file():
            return
        state = read_state(path, self.settings)
        self.results, self.loss = state["results"], state["loss"]
        self.loop.load_state_dict(state["loop"])
        self.loop.ema.module.load_state_dict(state["average"])
        self.rng = state["loop"]["rng"][0]


def take_turns(
    entrants: list[Entrant],
    mark: str,
    sitting: float,
    take_turn: Callable[[Entrant, Interrupt], None],
) -> None:
    """Cycle through the entrants until all have results of `mark`, Ctrl-C, or `sitting` minutes."""
    begun = time.perf_counter()
    with Interrupt() as interrupt:
        while running := [e for e in entrants if mark not in e.results]:
            for entrant in running:
                take_turn(entrant, interrupt)
                if interrupt.requested:
                    return
            if time.perf_counter() - begun > 60 * sitting:
                return
