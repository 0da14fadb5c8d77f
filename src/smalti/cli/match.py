"""`smalti match`: where every patch of a picture is found in another, or of a video in one."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Switch
from smalti.core.messages import count
from smalti.core.ranges import Rounds, Seed, Threads, Width
from smalti.patchmatch.matching import Method
from smalti.tasks import Matching, match

EXAMPLES = """[bold]Examples[/bold]

  smalti match a.png b.png
  smalti match a.png b.png --method accurate
  smalti match a.png b.png --patch 7 --both-ways
  smalti match clip.gif                          every frame against the first
  smalti match frames/ reference.png             frames against a picture"""

app = App(name="match", help_epilogue=EXAMPLES)


@app.default
def match_pictures(
    a: Path,
    b: Path | None = None,
    /,
    *,
    patch: Width = 3,
    iterations: Rounds | None = None,
    method: Method = "classic",
    mask: Path | None = None,
    seed: Seed = 0,
    both_ways: Switch = False,
    cold: Switch = False,
    threads: Annotated[Threads | None, Parameter(show_default=False)] = None,
    out: Path | None = None,
) -> None:
    """Find for every patch of A a patch of B that looks like it, and put A together from B.

    Parameters
    ----------
    a
        A picture; or a video, as an animation (GIF, ...) or a folder of frames.
    b
        Where to look. For a video it may be left out, and is then the first frame.
    patch
        Width of the patches in pixels; odd.
    iterations
        Rounds of propagation and search: 5; for a frame of a video that has one before it, 2.
    method
        classic searches at random; accurate looks through a tree of patches, and comes nearer.
    mask
        A picture of B's size: nothing is taken where it is white.
    seed
        Of what is random.
    both_ways
        Match B against A, too, and tell which matches lead back to where they began.
    cold
        Begin every frame of a video at random, not with what the last one found.
    threads
        At most so many at once; as many as there are cores unless told otherwise.
    out
        Folder for the results; matches/A unless told otherwise.
    """
    begun = time.perf_counter()
    out = out or Path("matches") / a.stem
    with ProgressMeter() as meter:
        found = match(
            a,
            b,
            patch=patch,
            iterations=iterations,
            method=method,
            mask=mask,
            seed=seed,
            both_ways=both_ways,
            cold=cold,
            threads=threads,
            out=out,
            on_progress=meter,
        )
    seconds = time.perf_counter() - begun
    print(sentence(found), f"{seconds:.1f} s: {out}")


def sentence(found: Matching) -> str:
    """What stands on the terminal; None is the PSNR of equal pictures."""
    facts = found.figures
    copied, voted = (
        "the same" if value is None else f"{value:.1f} dB"
        for value in (facts.psnr_copied, facts.psnr_voted)
    )
    what = f"{count(len(found.frames), 'frame')}, " if found.frames else ""
    back = "" if facts.consistent is None else f", {facts.consistent:.0%} lead back"
    return (
        f"{what}mean squared difference {facts.mean_distance:.2f}; put together from B: "
        f"{copied} copied, {voted} voted{back};"
    )
