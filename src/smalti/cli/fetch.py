"""`smalti fetch`: pictures that others publish, packed where smalti finds them by name."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App

from smalti.cli.commands import Given, as_command
from smalti.core.messages import count
from smalti.data.fetched import Fetched
from smalti.data.packing import Packed
from smalti.tasks import fetch

EXAMPLES = """[bold]Examples[/bold]

  smalti fetch emoji
  smalti fetch emoji4
  smalti fetch letters
  smalti fetch textures
  smalti train ddpm --data emoji-32"""

app = App(name="fetch", help_epilogue=EXAMPLES)


def show(found: Sequence[Fetched], given: Given) -> None:
    for pack in found:
        print(f"{shown(pack)}: {pack.path}{'' if pack.is_new else ' (was here already)'}")
        print(f"  {counted(pack)}")
    for licence in dict.fromkeys(pack.licence for pack in found):
        print(f"licence  {licence}")
    place = found[0].path if given["out"] else found[0].path.name
    print(f"  next  smalti train ddpm --data {place}")


def shown(fetched: Fetched) -> str:
    N, _, H, W = fetched.packed.shape
    return f"{count(N, 'picture')} of {H} x {W}, {split_sizes(fetched.packed)}"


def split_sizes(packed: Packed) -> str:
    """The splits as in: train 3331, valid 184, test 271."""
    return ", ".join(f"{split} {len(rows)}" for split, rows in packed.splits.items())


def counted(fetched: Fetched) -> str:
    near = len(fetched.duplicates.near_rows())
    return (
        f"{fetched.content}; {fetched.distinct} distinct pictures, "
        f"{near} with one that is nearly the same; {fetched.leaking} pairs alike across splits"
    )


app.default(as_command(fetch, show))
