"""`smalti serve`: the studio, a web page for every model."""

from __future__ import annotations

import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.options import Switch
from smalti.core.errors import MissingExtra
from smalti.core.ranges import Range

EXAMPLES = """[bold]Examples[/bold]

  smalti serve --open
  smalti serve --models ddpm-digits --models runs/ddpm
  smalti serve --host 0.0.0.0 --port 9000"""
Port = Annotated[int, Range(0, 65_535)]
SlotCount = Annotated[int, Range(1, 64)]
app = App(name="serve", help_epilogue=EXAMPLES)


@app.default
def serve_studio(
    *,
    port: Annotated[Port, Parameter(help="Port; 0 for any that is free.")] = 8765,
    host: Annotated[
        str, Parameter(help="Address to listen at; 0.0.0.0 for all.", metavar="ADDRESS")
    ] = "127.0.0.1",
    models: Annotated[
        tuple[str, ...],
        Parameter(
            name=("--models", "--model"),
            help="Shipped model, run or checkpoint (default: all shipped).",
            metavar="MODEL",
            negative_iterable=(),
            consume_multiple=True,
            show_default=False,
        ),
    ] = (),
    folder: Annotated[Path, Parameter(help="Where results are kept.", metavar="PATH")] = Path(
        "studio"
    ),
    slots: Annotated[SlotCount, Parameter(help="Jobs that run at the same time.")] = 1,
    open: Annotated[Switch, Parameter(help="Open the page in a browser.")] = False,
) -> None:
    """Open a web page to draw, repair, match, translate and train.

    Listens to this machine alone unless --host says otherwise; then a secret token is needed, which
    the printed address has.
    """
    try:
        from smalti.web.server import serve
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in ("starlette", "uvicorn"):
            raise
        raise MissingExtra("the studio needs starlette and uvicorn", "serve") from error

    def show_address(address: str) -> None:
        print(f"The studio is open at {address}", flush=True)
        print("Press Ctrl-C to close it.", flush=True)
        if open:
            webbrowser.open(address)

    with suppress(KeyboardInterrupt):  # the way to close it
        serve(folder, host=host, port=port, models=models, slots=slots, on_ready=show_address)
