"""What `smalti train` shows while a run goes on."""

from __future__ import annotations

import shlex
from pathlib import Path

from smalti.cli.meter import Meter
from smalti.core.documents import read_json
from smalti.core.messages import count
from smalti.core.progress import Progress
from smalti.training.events import Ended, Event, Note, Started, Stepped, Validated


class Watcher:
    """Shows a run's events. It goes into other processes: a meter's bar is made where it shows."""

    def __init__(self, tells_end: bool = True):
        self.tells_end = tells_end
        self.meter = Meter()
        self.loss: float | None = None
        self.item, self.steps = "picture", 0

    def __enter__(self) -> Watcher:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, event: Event | Progress) -> None:
        match event:
            case Progress():
                self.meter(event)
            case Started():
                self.start(event)
            case Stepped():
                self.step(event)
            case Note():
                self.meter.say(event.text)
            case Validated():
                loss = f"loss {event.loss:.4f} on held-out {self.item}s"
                self.meter.say(f"step {event.step}: {loss}")
            case Ended():
                self.end(event)

    def start(self, event: Started) -> None:
        self.item, self.steps = event.item, event.steps
        where = "" if event.devices == 1 else f" on {event.devices} devices"
        self.meter.say(
            f"{event.parameters / 1e6:.2f} M parameters, {count(event.items, event.item)}, "
            f"{count(event.steps, 'step')}, precision {event.precision}{where}"
        )
        if event.step:
            self.meter.say(f"going on from step {event.step}")
        self.meter(Progress("training", event.step, event.steps))

    def step(self, event: Stepped) -> None:
        loss = event.terms["loss"]
        self.loss = loss if self.loss is None else 0.95 * self.loss + 0.05 * loss
        notes = f"loss {self.loss:.4f}  {event.items_per_second:.0f} {self.item}s/s"
        self.meter(Progress("training", event.step, self.steps, notes))

    def end(self, event: Ended) -> None:
        self.close()
        if not self.tells_end:
            return
        run = event.checkpoint.parent
        done = "stopped" if event.interrupted else "done" if event.taken else "finished before"
        print(f"{done} at step {event.step} after {event.minutes:.1f} minutes")
        print(f"  checkpoint  {event.checkpoint}")
        grid = run / "grids" / f"step-{event.step}.png"
        if grid.is_file():
            print(f"  grid        {grid}")
        for name, command in self.next_commands(event, run, grid).items():
            print(f"  {name:11} {command}", flush=True)

    def next_commands(self, event: Ended, run: Path, grid: Path) -> dict[str, str]:
        where, plan = shlex.quote(str(run)), read_json(run / "run.json")
        if event.interrupted:
            return {"next": f"smalti train --resume --out {where}"}
        use = f"smalti sample {where} -n 64" if grid.is_file() else "smalti list"
        if "quantiser" in plan["model"]:  # a codec draws nothing by itself
            use = f"smalti reconstruct {where} PICTURES"
        recipe = plan["about"].get("recipe", "RECIPE")
        on = f"smalti train {recipe} --start {where} --seed 1 --out {where}-2"
        return {"next": use} if event.taken else {"next": use, "train on": on}

    def close(self) -> None:
        """Take the bar away, also when the run ended in an error."""
        self.meter.close()
