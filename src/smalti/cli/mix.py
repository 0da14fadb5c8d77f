"""`smalti mix`: mix a PixelCNN with counts of exact contexts."""

from __future__ import annotations

import shlex
from typing import Annotated

from cyclopts import App, Parameter

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.messages import format_count
from smalti.tasks import MixedModel, mix_counts

EXAMPLES = """[bold]Examples[/bold]

  smalti mix pixelcnnpp-digits runs/digits-counts
  smalti mix runs/pixelcnn runs/mixed --data photos --min-count 1"""

app = App(name="mix", help_epilogue=EXAMPLES)


def print_mixed(mixed: MixedModel, arguments: CommandArguments) -> None:
    out = shlex.quote(str(arguments["out"]))
    pictures = format_count(mixed.n_counted, "picture")
    each = ", ".join(
        f"{n:,} of {order} neighbors"
        for n, order in zip(mixed.n_contexts, mixed.model.config.orders, strict=True)
    )
    print(
        f"{pictures} counted in {arguments['seconds']:.0f} s, weights fitted to "
        f"{mixed.n_fitted:,}: {mixed.n_bytes / 1e6:.2f} MB in {out}"
    )
    print(f"  contexts  {each}")
    print(f"  next  smalti compress PICTURES FILE --model {out}")


orders = Annotated[tuple[int, ...], Parameter(consume_multiple=True, negative_iterable=())]
app.default(make_command(mix_counts, print_mixed, required={"out"}, orders=orders))
