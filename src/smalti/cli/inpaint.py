"""`smalti inpaint`: holes in a picture filled with its own patches, or by a model."""

from __future__ import annotations

from pathlib import Path

from smalti.cli.commands import Given, as_command
from smalti.cli.samplers import verb_of_models
from smalti.core.messages import count
from smalti.tasks import Inpainting, inpaint

EXAMPLES = """[bold]Examples[/bold]

  smalti inpaint photo.jpg hole.png
  smalti inpaint seven.png hole.png --model ddpm-digits --class 7
  smalti inpaint photo.jpg hole.png --model runs/ddpm -n 8 --resample 10"""


def show(done: Inpainting, given: Given) -> None:
    for loss in done.losses:
        print(f"{given['picture']} {loss}")
    n, share, where = len(done.seeds), done.hole.mean(), given["out"] / "grid.png"
    ways = f" in {count(n, 'way')}" if given["model"] or n > 1 else ""
    print(f"{share:.0%} filled{ways} in {given['seconds']:.1f} s: {where}")


command = as_command(inpaint, show, named={"model"}, home="inpaintings", picture=Path)
app = verb_of_models("inpaint", command, fills=True, about={"help_epilogue": EXAMPLES})
