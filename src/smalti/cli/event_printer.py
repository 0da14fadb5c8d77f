"""What `smalti train` prints during a run."""

from __future__ import annotations

import shlex
from pathlib import Path

from smalti.cli.progress_bar import ProgressBar
from smalti.core.documents import read_json
from smalti.core.messages import format_count
from smalti.core.progress import Progress
from smalti.training.events import Ended, Event, Note, Started, Stepped, Validated


class EventPrinter:
    """Prints the events of a run. Other processes get a copy, and make a bar if they need one."""

    def __init__(self, prints_end: bool = True):
        self.prints_end = prints_end
        self.progress_bar = ProgressBar()
        self.loss: float | None = None
        self.item_name, self.steps = "picture", 0

    def __enter__(self) -> EventPrinter:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __call__(self, event: Event | Progress) -> None:
        match event:
            case Progress():
                self.progress_bar(event)
            case Started():
                self.print_start(event)
            case Stepped():
                self.print_step(event)
            case Note():
                self.progress_bar.print_line(event.text)
            case Validated():
                loss = f"loss {event.loss:.4f} on held-out {self.item_name}s"
                self.progress_bar.print_line(f"step {event.step}: {loss}")
            case Ended():
                self.print_end(event)

    def print_start(self, event: Started) -> None:
        self.item_name, self.steps = event.item, event.steps
        where = "" if event.devices == 1 else f" on {event.devices} devices"
        self.progress_bar.print_line(
            f"{event.parameters / 1e6:.2f} M parameters, {format_count(event.items, event.item)}, "
            f"{format_count(event.steps, 'step')}, precision {event.precision}{where}"
        )
        if event.step:
            self.progress_bar.print_line(f"resuming from step {event.step}")
        self.progress_bar(Progress("training", event.step, event.steps))

    def print_step(self, event: Stepped) -> None:
        loss = event.terms["loss"]
        self.loss = loss if self.loss is None else 0.95 * self.loss + 0.05 * loss
        notes = f"loss {self.loss:.4f}  {event.items_per_second:.0f} {self.item_name}s/s"
        self.progress_bar(Progress("training", event.step, self.steps, notes))

    def print_end(self, event: Ended) -> None:
        self.close()
        if not self.prints_end:
            return
        run = event.checkpoint.parent
        done = (
            "stopped" if event.interrupted else "done" if event.steps_taken else "already finished"
        )
        print(f"{done} at step {event.step} after {event.minutes:.1f} minutes")
        print(f"  checkpoint  {event.checkpoint}")
        grid = run / "grids" / f"{event.checkpoint.name}.png"
        if grid.is_file():
            print(f"  grid        {grid}")
        for name, command in self.suggest_commands(event, run, grid).items():
            print(f"  {name:11} {command}", flush=True)

    def suggest_commands(self, event: Ended, run: Path, grid: Path) -> dict[str, str]:
        where, plan = shlex.quote(str(run)), read_json(run / "run.json")
        if event.interrupted:
            return {"next": f"smalti train --resume --out {where}"}
        use = f"smalti sample {where} -n 64" if grid.is_file() else "smalti list"
        if "quantizer" in plan["model"]:  # a codec alone cannot sample
            use = f"smalti reconstruct {where} PICTURES"
        recipe = plan["about"].get("recipe", "RECIPE")
        if plan["model"]["tag"] == "translator":
            use, recipe = f"smalti translate --model {where} TEXT", f"{recipe} --corpus FILES"
        on = f"smalti train {recipe} --start {where} --seed 1 --out {where}-2"
        return {"next": use} if event.steps_taken else {"next": use, "train on": on}

    def close(self) -> None:
        """Remove the bar."""
        self.progress_bar.close()
