"""What `smalti train` shows while a run goes on."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

from smalti.cli.meter import Meter
from smalti.core.messages import count
from smalti.training.events import Ended, Event, Note, Started, Stepped, Validated


class Watcher:
    """Shows a run's events. It goes into other processes: the meter is made where it is used."""

    def __init__(self, tells_end: bool = True):
        self.tells_end = tells_end
        self.meter: Meter | None = None
        self.out = Path()
        self.interrupted = False
        self.loss: float | None = None

    def __call__(self, event: Event) -> None:
        match event:
            case Started():
                self.start(event)
            case Stepped():
                self.step(event)
            case Note():
                self.say(event.text)
            case Validated():
                self.say(f"step {event.step}: loss {event.loss:.4f} on held-out pictures")
            case Ended():
                self.end(event)

    def start(self, event: Started) -> None:
        self.out = event.out
        where = "" if event.devices == 1 else f" on {event.devices} devices"
        self.say(
            f"{event.parameters / 1e6:.2f} M parameters, {count(event.pictures, 'picture')}, "
            f"{count(event.steps, 'step')}, precision {event.precision}{where}"
        )
        if event.step:
            self.say(f"going on from step {event.step}")
        self.meter = Meter("training", event.steps, event.step).__enter__()

    def step(self, event: Stepped) -> None:
        loss = event.terms["loss"]
        self.loss = loss if self.loss is None else 0.95 * self.loss + 0.05 * loss
        if self.meter:
            notes = f"loss {self.loss:.4f}  {event.pictures_per_second:.0f} pictures/s"
            self.meter.advance(event.step - self.meter.done, notes)

    def say(self, text: str) -> None:
        if self.meter:
            self.meter.say(text)
        else:
            Meter("", 0).say(text)

    def end(self, event: Ended) -> None:
        self.close()
        self.interrupted = event.interrupted
        if not self.tells_end:
            return
        done = "stopped" if event.interrupted else "done"
        print(f"{done} at step {event.step} after {event.minutes:.1f} minutes")
        print(f"  checkpoint  {event.checkpoint}")
        grid = self.out / "grids" / f"step-{event.step}.png"
        if grid.is_file():
            print(f"  grid        {grid}")
        print(f"  next        {self.next_command(event, grid)}", flush=True)

    def next_command(self, event: Ended, grid: Path) -> str:
        run = shlex.quote(str(self.out))
        if event.interrupted:
            return f"smalti train --resume --out {run}"
        if codes_of(self.out):
            return f"smalti reconstruct {run} PICTURES"
        return f"smalti sample {run} -n 64" if grid.is_file() else "smalti list"

    def close(self) -> None:
        """Take the bar away, also when the run ended in an error."""
        if self.meter:
            self.meter.__exit__(None, None, None)
            self.meter = None


def codes_of(run: Path) -> bool:
    """Whether a run's model is a codec: then it draws nothing by itself."""
    return "quantiser" in json.loads((run / "run.json").read_text()).get("model", {})
