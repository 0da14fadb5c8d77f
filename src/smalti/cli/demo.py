"""`smalti demo`: a page that shows everything once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Switch
from smalti.cli.watch import Watcher
from smalti.core.ranges import Minutes
from smalti.tasks import make_gallery

EXAMPLES = """[bold]Examples[/bold]

  smalti demo
  smalti demo --minutes 5 --out page"""

app = App(name="demo", help_epilogue=EXAMPLES)


@app.default
def show_everything(
    *,
    out: Path = Path("gallery"),
    minutes: Minutes = 2.0,
    quick: Switch = False,
    model: Annotated[str, Parameter(show=False)] = "ddpm-digits",
) -> None:
    """Make a page that shows everything once.

    Parameters
    ----------
    out
        Folder for the page and its pictures.
    minutes
        How long the model that is trained here may train.
    quick
        Train for a few steps only, to see that everything works.
    """
    watcher = Watcher(tells_end=False)
    with ProgressMeter() as meter:

        def tell(what: str, seconds: float | None) -> None:
            meter.close()
            print(f"{what} ..." if seconds is None else f"  {seconds:.1f} s", flush=True)

        try:
            page = make_gallery(
                out,
                minutes=minutes,
                quick=quick,
                model=model,
                on_progress=meter,
                on_stage=tell,
                watch=watcher,
            )
        finally:
            watcher.close()
    print(f"open {page.resolve()}")
