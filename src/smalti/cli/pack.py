"""`smalti pack`: decode pictures once."""

from __future__ import annotations

import shlex

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.fetch import format_splits
from smalti.core.messages import format_count
from smalti.data import PackSummary
from smalti.data.decode import BadPicture
from smalti.tasks import pack

EXAMPLES = """[bold]Examples[/bold]

  smalti pack photos packs/photos
  smalti pack photos.zip packs/photos --size 64 --skip-bad --test 0.1"""

MAX_NAMED = 5
"""How many skipped pictures are named."""

app = App(name="pack", help_epilogue=EXAMPLES)


def print_pack(packed: PackSummary, arguments: CommandArguments) -> None:
    (N, C, H, W), out = packed.shape, arguments["out"]
    for line in [*list_bad_pictures(packed.bad), *packed.notes]:
        print(line)
    mode, megabytes = "gray" if C == 1 else "RGB", N * C * H * W / 1e6
    print(f"{format_count(N, 'picture')} of {H} x {W}, {mode}, {megabytes:.1f} MB: {out}")
    if packed.classes:
        print(f"  classes  {len(packed.classes)}: {', '.join(packed.classes[:8])}")
    if packed.splits:
        print(f"  splits   {format_splits(packed)}")
    print(f"  took     {arguments['seconds']:.1f} s, {N / arguments['seconds']:.0f} pictures/s")
    print(f"  next     smalti train ddpm --data {shlex.quote(str(out))}")


def list_bad_pictures(bad: tuple[BadPicture, ...]) -> list[str]:
    """How many pictures were skipped, with the first few."""
    lines = [f"  {error}" for error in bad[:MAX_NAMED]]
    if len(bad) > MAX_NAMED:
        lines.append(f"  ... and {len(bad) - MAX_NAMED} more")
    return [f"skipped {format_count(len(bad), 'unreadable picture')}", *lines] if bad else []


app.default(make_command(pack, print_pack))
