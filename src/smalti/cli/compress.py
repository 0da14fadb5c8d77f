"""`smalti compress`: pictures into one file, losslessly."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.messages import format_count
from smalti.tasks import CompressedFile, compress

EXAMPLES = """[bold]Examples[/bold]

  smalti compress digits digits.smalti --model gated-pixelcnn-digits
  smalti compress digits d.smalti --model pixelcnnpp-digits --heat-map bits.png
  smalti compress scan.png scan.smalti --model runs/pixelcnn --class 7"""

app = App(name="compress", help_epilogue=EXAMPLES)


def print_compressed(compressed: CompressedFile, arguments: CommandArguments) -> None:
    header, out = compressed.header, arguments["out"]
    print("\n".join(compressed.notes), end="\n" * bool(compressed.notes))
    pictures = f"{format_count(header.count, 'picture')} in {arguments['seconds']:.1f} s"
    print(
        f"{pictures}: {len(compressed.content):,} bytes in {out}, {header.payload_bytes:,} of them "
        f"pixel data, {compressed.bits_per_dim:.3f} bits per value instead of 8"
    )
    gray = compressed.bit_shares["gray"]
    if arguments["heat_map"]:
        print(f"  heat map  {arguments['heat_map']}")
    print(
        f"  bits  gray levels are {gray.fraction:.1%} of the values and take "
        f"{gray.bits_fraction:.1%} of the bits, {gray.bits_each:.2f} each"
    )
    print("  kept  pixels, rotated as EXIF says; metadata is not kept")
    print(f"  next  smalti decompress {shlex.quote(str(out))} FOLDER")


label = Annotated[str | None, Parameter(name="--class", metavar="CLASS")]
types = {"pictures": str, "model": str, "label": label, "heat_map": Path | None}
app.default(make_command(compress, print_compressed, required={"out"}, **types))
