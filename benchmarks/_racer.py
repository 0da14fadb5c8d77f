"""One network in the race: it trains in time slices, with trials in between."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

import smalti
from benchmarks._judge import judge
from smalti.core.errors import UserError
from smalti.diffusion import DDIM
from smalti.training.loop import Loop
from smalti.training.readback import StepResult
from smalti.training.rng_state import read_rng_state, set_rng_state

MARKS = (0.95, 0.97)
# a trial is due when training time has grown by 10%, and by at least 10 s
TRIAL_GAP, TRIAL_GROWTH = 10.0, 1.1
BATCH_SIZE = 50  # samples drawn between two checks of the number of errors


@dataclass(frozen=True)
class Trial:
    """Results of the averaged weights after some time of training."""

    minutes: float
    step: int
    wrong: int
    """Samples not recognized as their class."""
    judged: int
    """Samples classified: fewer than planned if the errors already exceed every open mark."""
    frechet: float | None
    """Frechet distance to the training digits; None if not all were classified."""

    def passes(self, mark: float, samples: int) -> bool:
        return self.judged == samples and self.wrong <= count_allowed_errors(mark, samples)


class RaceLoop(Protocol):
    """What the race needs of a training loop."""

    @property
    def step(self) -> int: ...
    def run_steps(self) -> Iterator[StepResult]: ...
    def read_average(self) -> Any: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


@dataclass
class SmaltiLoop:
    """smalti's loop with its averaged weights."""

    loop: Loop

    @property
    def step(self) -> int:
        return self.loop.step

    def run_steps(self) -> Iterator[StepResult]:
        return self.loop.run_steps()

    def read_average(self) -> Any:
        """The model with averaged weights."""
        return self.loop.ema.module

    def state_dict(self) -> dict[str, Any]:
        return self.loop.state_dict() | {"average": self.loop.ema.module.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.loop.load_state_dict(state)
        self.loop.ema.module.load_state_dict(state["average"])


@dataclass
class Racer:
    """A network with its training loop and trials."""

    name: str
    loop: RaceLoop
    settings: dict[str, Any]
    """What must not change between two sessions; `samples` is the size of a trial."""
    out: Path
    trials: list[Trial] = field(default_factory=list)
    first_trial: float = 0.0
    """Seconds of training before which there is no trial."""
    rng: list[torch.Tensor] = field(default_factory=read_rng_state)
    seconds: float = 0.0
    """Processor time of training, of all threads: other load hardly changes it."""

    @property
    def minutes(self) -> float:
        return self.seconds / 60

    def find_mark(self, mark: float) -> tuple[float, bool | None] | None:
        """Minutes until the mark, and whether the next trial passes it too (None if not run)."""
        passed = [trial.passes(mark, self.settings["samples"]) for trial in self.trials]
        if True not in passed:
            return None
        first = passed.index(True)
        held = passed[first + 1] if first + 1 < len(passed) else None
        return self.trials[first].minutes, held

    def list_open_marks(self) -> list[float]:
        """Marks not reached, or not confirmed by another trial."""
        return [m for m in MARKS if (found := self.find_mark(m)) is None or found[1] is None]

    def train(self, seconds: float, on_trial: Callable[[Racer], None]) -> None:
        """Train for about `seconds`; trials are due by training time and do not count in it."""
        set_rng_state(self.rng)
        end, steps = self.seconds + seconds, self.loop.run_steps()
        while self.seconds < end and self.list_open_marks():
            begun = time.process_time()
            done = next(steps, None)
            self.seconds += time.process_time() - begun
            if self.seconds >= self.schedule_trial():
                self.trials.append(self.run_trial())
                on_trial(self)
            if done is None:
                break
        self.rng = read_rng_state()
        self.save()

    def schedule_trial(self) -> float:
        """Seconds of training at which the next trial is due."""
        last = self.trials[-1].minutes * 60 if self.trials else 0.0
        return max(last + TRIAL_GAP, last * TRIAL_GROWTH, self.first_trial)

    def run_trial(self) -> Trial:
        """Draw balanced samples until all are classified or too many are wrong."""
        samples, model = self.settings["samples"], self.loop.read_average()
        border = (model.config.shape[1] - 28) // 2
        max_errors = count_allowed_errors(min(self.list_open_marks()), samples)
        pictures, wrong, frechet = torch.empty(0, 1, 28, 28), 0, None
        while len(pictures) < samples and wrong <= max_errors:
            seeds = range(len(pictures), min(len(pictures) + BATCH_SIZE, samples))
            labels = torch.arange(seeds.stop) % 10
            sampler = DDIM(steps=20, eta=0, guidance=1.5)
            with torch.autocast(
                "cpu", torch.bfloat16, enabled=self.settings["precision"] == "bf16"
            ):
                drawn = smalti.sample(
                    model, seeds=seeds, cond=labels[seeds.start :], sampler=sampler
                )
            assert isinstance(drawn, torch.Tensor)
            drawn = drawn[:, :, border : border + 28, border : border + 28]
            pictures = torch.cat([pictures, drawn])
            quality = judge(pictures, labels)
            wrong = round((1 - quality.accuracy) * quality.n)
            frechet = round(quality.frechet, 2) if quality.n == samples else None
        return Trial(self.minutes, self.loop.step, wrong, len(pictures), frechet)

    def save(self) -> None:
        """Write NAME.pt to resume from, and NAME.jsonl with a line per trial."""
        state = {
            "settings": self.settings,
            "trials": [asdict(trial) for trial in self.trials],
            "seconds": self.seconds,
            "rng": self.rng,
            "loop": self.loop.state_dict(),
        }
        self.out.mkdir(parents=True, exist_ok=True)
        path = self.out / self.name
        torch.save(state, path.with_suffix(".pt.tmp"))
        os.replace(path.with_suffix(".pt.tmp"), path.with_suffix(".pt"))
        lines = [json.dumps({"network": self.name, **trial}) + "\n" for trial in state["trials"]]
        write_text(path.with_suffix(".jsonl"), "".join(lines))

    def restore(self) -> None:
        """Resume from NAME.pt if it exists. Raises UserError if its settings differ."""
        path = self.out / f"{self.name}.pt"
        if not path.is_file():
            return
        state = read_state(path, self.settings)
        self.trials = [Trial(**trial) for trial in state["trials"]]
        self.seconds, self.rng = state["seconds"], state["rng"]
        self.loop.load_state_dict(state["loop"])


def count_allowed_errors(mark: float, samples: int) -> int:
    """Maximum number of errors with which the mark is reached."""
    return math.floor((1 - mark) * samples + 1e-9)


def read_state(path: Path, settings: dict[str, Any]) -> dict[str, Any]:
    """Read the state in `path`. Raises UserError if its settings differ."""
    state = torch.load(path, weights_only=True)
    if changed := [k for k, v in settings.items() if state["settings"].get(k) != v]:
        was, now = state["settings"].get(changed[0]), settings[changed[0]]
        raise UserError(
            f"{path} was made with {changed[0]} {was}, now it is {now}; "
            "use the same, or another --out"
        )
    return state


def write_text(path: Path, text: str) -> None:
    """Write a file atomically."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)
