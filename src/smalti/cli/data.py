"""`smalti data`: a look at pictures before training on them."""

from __future__ import annotations

import shlex

from cyclopts import App

from smalti.cli.commands import Given, as_command
from smalti.cli.findings import show_findings
from smalti.core.messages import count
from smalti.core.size import show_size
from smalti.data.audit import Audit
from smalti.tasks import Audited, audit

EXAMPLES = """[bold]Examples[/bold]

  smalti data photos
  smalti data photos.zip --size 64 --epochs 200
  smalti data hf:ylecun/mnist --out looks/mnist"""

WHITE = ("--background", "white")

app = App(name="data", help_epilogue=EXAMPLES)


def show(audited: Audited, given: Given) -> None:
    show_findings(audited.found)
    tell(audited)
    for file in audited.files:
        print(f"{'report' if file.name == 'report.json' else '':9} {file}")
    print(f"next      {next_command(audited.found, given)}")


def tell(audited: Audited) -> None:
    """What training takes, and what was measured to know it."""
    time, epochs, n = audited.time, audited.epochs, audited.found.splits["train"]
    if not n:
        print("training  no picture is left to train on: give more of them")
        return
    print(
        f"training  {epochs:g} epochs of {count(n, 'picture')} by `ddpm` are "
        f"{count(time.steps(n, epochs), 'step')}, "
        f"about {time.minutes(n, epochs):.3g} minutes; 10 minutes are "
        f"{time.epochs(n, 10):.3g} epochs"
    )
    H, W = audited.found.size
    print(
        f"          ({time.parameters / 1e6:.2f} M parameters, {time.seconds_per_step:.3g} s for a "
        f"step of {time.batch}, timed on {time.measured} pictures of {H} x {W} on {time.device})"
    )


def retype(given: Given) -> dict[str, str]:
    """The options that say how pictures are read, as typed; those left out are not here."""
    every = {
        "--size": show_size(given["size"]) if given["size"] else None,
        "--colour": given["colour"] if given["colour"] != "keep" else None,
        "--background": shlex.quote(given["background"]),
        "--squeeze": "" if given["squeeze"] else None,
    }
    return {k: v for k, v in every.items() if v is not None and (k, v) != WHITE}


def next_command(found: Audit, given: Given) -> str:
    """Training, or a pack first where training could not read the pictures this way."""
    pictures, options = shlex.quote(given["pictures"]), retype(given)
    words = "".join(f" {name} {value}".rstrip() for name, value in options.items())
    if found.bad or options.keys() - {"--size"}:
        skip = " --skip-bad" if found.bad else ""
        return f"smalti pack {pictures} packs/{shlex.quote(found.name)}{words}{skip}"
    return f"smalti train ddpm --data {pictures}{words}"


app.default(as_command(audit, show, fixed={"into": "looks"}))
