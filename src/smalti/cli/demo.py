"""`smalti demo`: a page that shows everything once."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.event_printer import EventPrinter
from smalti.tasks import make_gallery

EXAMPLES = """[bold]Examples[/bold]

  smalti demo
  smalti demo --minutes 5 --out page"""

app = App(name="demo", help_epilogue=EXAMPLES)


def print_stage(stage: str, seconds: float | None) -> None:
    print(f"{stage} ..." if seconds is None else f"  {seconds:.1f} s", flush=True)


def print_page_path(page: Path, arguments: CommandArguments) -> None:
    print(f"open {page.resolve()}")


event_printer = partial(EventPrinter, prints_end=False)
model = Annotated[str, Parameter(show=False)]
how = {"keyword_only": {"out"}, "fixed": {"on_stage": print_stage}, "progress_bar": event_printer}
app.default(make_command(make_gallery, print_page_path, **how, out=Path, model=model))
