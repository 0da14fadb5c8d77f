"""`smalti interpolate`: a walk between samples or pictures through the noise they start from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter, Token

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.tasks import Interpolation, interpolate

EXAMPLES = """[bold]Examples[/bold]

  smalti interpolate ddpm-digits --class 2,3,5 --frames 16 --gif
  smalti interpolate ddpm-digits --from mine.png --to yours.png"""

app = App(name="interpolate", help_epilogue=EXAMPLES)


def print_interpolation(interpolation: Interpolation, arguments: CommandArguments) -> None:
    total = interpolation.pictures.shape[0] * interpolation.pictures.shape[1]
    where = arguments["out"] / "strip.png"
    print(f"{format_count(total, 'picture')} in {arguments['seconds']:.1f} s: {where}")


def parse_endpoint(_: Any, tokens: Sequence[Token]) -> int | Path:
    """A seed, or a picture file."""
    word = tokens[0].value
    if not (word.isascii() and word.removeprefix("-").isdigit()):
        return Path(word)
    if len(word) > len(str(2**64)):
        raise UserError(f"{word} is not a seed; give 0 to 2^64 - 1, or a picture file")
    return int(word)


types: Any = {
    "first": Annotated[str, Parameter(name="--from", n_tokens=1, converter=parse_endpoint)],
    "last": Annotated[str, Parameter(name="--to", n_tokens=1, converter=parse_endpoint)],
}
app.default(
    make_command(
        interpolate, print_interpolation, keyword_only=types, results_root="interpolations", **types
    )
)
