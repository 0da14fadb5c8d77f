"""`smalti demo`: a tour of everything, on a page."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.display import bold, make_console
from smalti.cli.event_printer import EventPrinter
from smalti.cli.listing import print_commands
from smalti.tasks import Gallery, make_gallery

EXAMPLES = """[bold]Examples[/bold]

  smalti demo
  smalti demo --minutes 5 --out page"""

app = App(name="demo", help_epilogue=EXAMPLES)


def print_stage(stage: str, seconds: float | None, left_out: str) -> None:
    if seconds is None:
        print(f"{stage} ...", flush=True)
    else:
        print(f"  {left_out or f'{seconds:.1f} s'}", flush=True)


def print_gallery(gallery: Gallery, arguments: CommandArguments) -> None:
    console = make_console()
    print(f"\nThe page is ready after {gallery.seconds:.0f} seconds. Open it in a browser:")
    console.print(bold(f"  {gallery.page.resolve()}"), soft_wrap=True)
    print_commands(console, gallery.next_commands)


event_printer = partial(EventPrinter, prints_end=False)
how = {"keyword_only": {"out"}, "fixed": {"on_stage": print_stage}, "progress_bar": event_printer}
app.default(make_command(make_gallery, print_gallery, **how, out=Path))
