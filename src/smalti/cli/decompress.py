"""`smalti decompress`: the pictures that were compressed, as they were."""

from __future__ import annotations

from pathlib import Path

from cyclopts import App

from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Switch
from smalti.core.messages import count
from smalti.tasks import decompress

EXAMPLES = """[bold]Examples[/bold]

  smalti decompress digits.smalti again
  smalti decompress scan.smalti scans --model runs/pixelcnn"""

app = App(name="decompress", help_epilogue=EXAMPLES)


@app.default
def decompress_file(
    file: Path,
    out: Path,
    /,
    *,
    model: str | None = None,
    anyway: Switch = False,
) -> None:
    """Bring back the pictures of a file of `smalti compress`, as PNGs under their old names.

    Parameters
    ----------
    file
        What `smalti compress` wrote.
    out
        A new folder for the pictures.
    model
        The model that compressed them; the one that the file names unless told otherwise.
    anyway
        Try although versions differ from those recorded. A checksum tells whether it went well;
        nothing is written when not.
    """
    with ProgressMeter() as meter:
        done = decompress(file, out, model=model, anyway=anyway, on_progress=meter)
    print(
        f"{count(len(done.pixels), 'picture')} in {done.seconds:.1f} s, their checksum right: {out}"
    )
