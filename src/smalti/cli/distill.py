"""`smalti distill`: tune a diffusion model to draw in one to four evaluations."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.event_printer import EventPrinter
from smalti.core.ranges import Guidance, Minutes, Range, Seed, TrainingSteps
from smalti.tasks import distill

EXAMPLES = """[bold]Examples[/bold]

  smalti distill ddpm-digits
  smalti distill runs/ddpm --data photos --minutes 30 --evaluations 4
  smalti sample runs/ddpm-digits-distilled -n 64 --steps 1"""

app = App(name="distill", help_epilogue=EXAMPLES)


@app.default
def run_distill(
    model: Annotated[str, Parameter(metavar="MODEL")],
    /,
    *,
    data: Annotated[str | None, Parameter(metavar="PATH")] = None,
    evaluations: Annotated[int, Range(1, 4)] = 2,
    guidance: Guidance | None = None,
    minutes: Minutes | None = None,
    steps: TrainingSteps | None = None,
    seed: Seed = 0,
    out: Path | None = None,
) -> int:
    """Tune a diffusion model to draw in one to four evaluations.

    Parameters
    ----------
    model
        Diffusion model: shipped model, run or checkpoint.
    data
        Folder, archive or pack of pictures (default: the model's).
    evaluations
        Network evaluations of a sample, 1 to 4.
    guidance
        Guidance scale to build in (default: the model's).
    minutes
        Training time (default: 30).
    steps
        Training steps, instead of minutes.
    seed
        Seed of the noise and of the order of the pictures.
    out
        Run folder (default: runs/MODEL-distilled).
    """
    with EventPrinter() as event_printer:
        ended = distill(
            model,
            data=data,
            evaluations=evaluations,
            guidance=guidance,
            minutes=minutes,
            steps=steps,
            seed=seed,
            out=out,
            on_event=event_printer,
        )
    return 128 + (ended.signal or signal.SIGINT) if ended.interrupted else 0
