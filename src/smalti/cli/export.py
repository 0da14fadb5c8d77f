"""`smalti export`: a model as one folder."""

from __future__ import annotations

import shlex

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.convert import NEXT
from smalti.tasks import ExportedModel, export_model

EXAMPLES = """[bold]Examples[/bold]

  smalti export runs/gpt models/birds
  smalti export runs/gpt models/birds --precision float16"""

app = App(name="export", help_epilogue=EXAMPLES)


def print_export(exported: ExportedModel, arguments: CommandArguments) -> None:
    inside = f", with {' and '.join(exported.codecs)}" if exported.codecs else ""
    print(f"{exported.n_bytes / 1e6:.1f} MB{inside}: {exported.folder}")
    output = getattr(getattr(exported.model, "spec", None), "output", "")
    if output in NEXT:
        print(f"  next  {NEXT[output].format(shlex.quote(str(exported.folder)))}")


app.default(make_command(export_model, print_export))
