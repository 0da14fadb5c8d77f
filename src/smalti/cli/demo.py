"""`smalti demo`: a page that shows everything once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.commands import Given, as_command
from smalti.cli.watch import Watcher
from smalti.tasks import make_gallery

EXAMPLES = """[bold]Examples[/bold]

  smalti demo
  smalti demo --minutes 5 --out page"""

app = App(name="demo", help_epilogue=EXAMPLES)


def tell(what: str, seconds: float | None) -> None:
    print(f"{what} ..." if seconds is None else f"  {seconds:.1f} s", flush=True)


def show(page: Path, given: Given) -> None:
    print(f"open {page.resolve()}")


watch = partial(Watcher, tells_end=False)
model = Annotated[str, Parameter(show=False)]
how = {"named": {"out"}, "fixed": {"on_stage": tell}, "meter": watch}
app.default(as_command(make_gallery, show, **how, out=Path, model=model))
