"""`smalti inpaint`: holes in a picture filled with its own patches, or by a model."""

from __future__ import annotations

from pathlib import Path

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.samplers import make_model_verb
from smalti.core.messages import format_count
from smalti.tasks import Inpainting, inpaint

EXAMPLES = """[bold]Examples[/bold]

  smalti inpaint photo.jpg hole.png
  smalti inpaint seven.png hole.png --model ddpm-digits --class 7 -n 8"""


def print_inpainting(inpainting: Inpainting, arguments: CommandArguments) -> None:
    for loss in inpainting.conversion_notes:
        print(f"{arguments['picture']} {loss}")
    n, share, where = len(inpainting.seeds), inpainting.hole.mean(), arguments["out"] / "grid.png"
    ways = f" in {format_count(n, 'way')}" if arguments["model"] or n > 1 else ""
    print(f"{share:.0%} filled{ways} in {arguments['seconds']:.1f} s: {where}")


command = make_command(
    inpaint, print_inpainting, keyword_only={"model"}, results_root="inpaintings", picture=Path
)
app = make_model_verb("inpaint", command, fills=True, about={"help_epilogue": EXAMPLES})
