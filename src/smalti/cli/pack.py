"""`smalti pack`: pictures decoded once."""

from __future__ import annotations

import shlex

from cyclopts import App

from smalti.cli.commands import Given, as_command
from smalti.cli.fetch import split_sizes
from smalti.core.messages import count
from smalti.data import Packed
from smalti.data.decode import BadPicture
from smalti.tasks import pack

EXAMPLES = """[bold]Examples[/bold]

  smalti pack photos packs/photos
  smalti pack photos.zip packs/photos --size 64 --skip-bad --test 0.1
  smalti train ddpm --data packs/photos"""

SHOWN = 5
"""Pictures left out that are named."""

app = App(name="pack", help_epilogue=EXAMPLES)


def show(packed: Packed, given: Given) -> None:
    (N, C, H, W), out = packed.shape, given["out"]
    for line in [*named(packed.bad), *packed.notes]:
        print(line)
    mega = N * C * H * W / 1e6
    print(
        f"{count(N, 'picture')} of {H} x {W}, {'grey' if C == 1 else 'RGB'}, {mega:.1f} MB: {out}"
    )
    if packed.classes:
        print(f"  classes  {len(packed.classes)}: {', '.join(packed.classes[:8])}")
    if packed.splits:
        print(f"  splits   {split_sizes(packed)}")
    print(f"  took     {given['seconds']:.1f} s, {N / given['seconds']:.0f} pictures/s")
    print(f"  next     smalti train ddpm --data {shlex.quote(str(out))}")


def named(bad: tuple[BadPicture, ...]) -> list[str]:
    """A few of the pictures that were left out, and how many there are."""
    lines = [f"  {error}" for error in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(f"  ... and {len(bad) - SHOWN} more")
    return [f"left out: {count(len(bad), 'picture')} that cannot be used", *lines] if bad else []


app.default(as_command(pack, show))
