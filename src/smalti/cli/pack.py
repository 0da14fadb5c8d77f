"""`smalti pack`: pictures decoded once."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.fetch import split_sizes
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Size, Switch
from smalti.core.messages import count
from smalti.core.ranges import Seed, Share
from smalti.data import Packed
from smalti.data.decode import BadPicture, Colour
from smalti.tasks import pack

EXAMPLES = """[bold]Examples[/bold]

  smalti pack photos packs/photos
  smalti pack photos.zip packs/photos --size 64 --skip-bad --test 0.1
  smalti train ddpm --data packs/photos"""

SHOWN = 5
"""Pictures left out that are named."""

app = App(name="pack", help_epilogue=EXAMPLES)


@app.default
def pack_pictures(
    pictures: Annotated[
        str, Parameter(help="A folder, archive, .npz, IDX, LMDB, pack or hf:NAME.")
    ],
    /,
    out: Path,
    *,
    size: Size = None,
    crop: Size = None,
    colour: Colour = "keep",
    background: str = "white",
    squeeze: Switch = False,
    skip_bad: Switch = False,
    valid: Share = 0.05,
    test: Share = 0.0,
    seed: Seed = 0,
) -> None:
    """Decode pictures once, into a pack to train on.

    Parameters
    ----------
    out
        Folder for the pack; a pack that lies there is replaced.
    size
        Height and width that the pictures are brought to; 32, or an older pack's own.
    crop
        Height and width that are cut out of the centre first; other parts are never seen.
    colour
        keep gives one channel when every picture is grey, and three otherwise.
    background
        What shows through transparent pixels: a colour's name or #rrggbb.
    squeeze
        Squeeze the whole picture into a square instead of cutting out the centre.
    skip_bad
        Leave out pictures that cannot be read, and name them.
    valid
        Part held out to choose by, where the data come without splits.
    test
        Part held out to measure with, where the data come without splits.
    seed
        Decides which pictures are held out.
    """
    begun = time.perf_counter()
    with ProgressMeter() as meter:
        packed = pack(
            pictures,
            out,
            size=size,
            crop=crop,
            squeeze=squeeze,
            colour=colour,
            background=background,
            skip_bad=skip_bad,
            valid=valid,
            test=test,
            seed=seed,
            on_progress=meter,
        )
    tell(packed, out, time.perf_counter() - begun)


def tell(packed: Packed, out: Path, seconds: float) -> None:
    N, C, H, W = packed.shape
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
    print(f"  took     {seconds:.1f} s, {N / seconds:.0f} pictures/s")
    print(f"  next     smalti train ddpm --data {shlex.quote(str(out))}")


def named(bad: tuple[BadPicture, ...]) -> list[str]:
    """A few of the pictures that were left out, and how many there are."""
    lines = [f"  {error}" for error in bad[:SHOWN]]
    if len(bad) > SHOWN:
        lines.append(f"  ... and {len(bad) - SHOWN} more")
    return [f"left out: {count(len(bad), 'picture')} that cannot be used", *lines] if bad else []
