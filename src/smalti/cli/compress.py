"""`smalti compress`: pictures into one file, without a loss."""

from __future__ import annotations

import shlex
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.commands import Given, as_command
from smalti.core.messages import count
from smalti.tasks import Compressed, compress

EXAMPLES = """[bold]Examples[/bold]

  smalti compress digits digits.smalti --model runs/gated-pixelcnn-digits
  smalti compress scan.png scan.smalti --model runs/pixelcnn --class 7
  smalti decompress digits.smalti again"""

app = App(name="compress", help_epilogue=EXAMPLES)


def show(done: Compressed, given: Given) -> None:
    header, out = done.header, given["out"]
    print("\n".join(done.notes), end="\n" * bool(done.notes))
    print(
        f"{count(header.count, 'picture')} in {given['seconds']:.1f} s: {len(done.content):,} "
        f"bytes in {out}, {header.payload:,} of them pixels, {done.bits_per_dim:.3f} bits a value "
        "instead of 8"
    )
    print("  kept  the pixels, upright where EXIF turns a picture; not the files' other contents")
    print(f"  next  smalti decompress {shlex.quote(str(out))} FOLDER")


label = Annotated[str | None, Parameter(name="--class", metavar="CLASS")]
types = {"pictures": str, "model": str, "label": label}
app.default(as_command(compress, show, needs={"out"}, **types))
