"""`smalti sample`: pictures from a model."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from smalti.cli.commands import Given, as_command
from smalti.cli.options import PicturesGiven, Switch
from smalti.cli.samplers import verb_of_models
from smalti.core.messages import count
from smalti.tasks import DrawnSamples, draw_samples

EXAMPLES = """[bold]Examples[/bold]

  smalti sample ddpm-digits -n 64
  smalti sample ddpm-digits -n 10 --class all --guidance 1.5 --gif
  smalti sample ddpm-digits --sampler dpm-solver --steps 8
  smalti sample runs/gated-pixelcnn-digits -n 16 --temperature 0.9 --gif
  smalti sample runs/pixelcnnpp-emoji -n 8 --text "red heart" --text "green apple"
  smalti sample ddpm-digits -n 4 --picture sketch.png --strength 0.7 --class 5
  smalti sample runs/ddpm --steps 50 --eta 1 --size 48x32 --out wide"""


def show(drawn: DrawnSamples, given: Given) -> None:
    took = f"{count(len(drawn.seeds), 'picture')} in {given['seconds']:.1f} s"
    print(f"{took}: {given['out'] / 'grid.png'}")


gif = Annotated[Switch, Parameter(name="--gif")]
command = as_command(
    draw_samples, show, named={"number"}, home="samples", pictures=PicturesGiven, film=gif
)
app = verb_of_models("sample", command, about={"help_epilogue": EXAMPLES})
