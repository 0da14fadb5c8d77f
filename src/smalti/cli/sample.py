"""`smalti sample`: pictures from a model."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from smalti.cli.commands import CommandArguments, make_command
from smalti.cli.options import PictureFiles, Switch
from smalti.cli.samplers import make_model_verb
from smalti.core.messages import format_count
from smalti.tasks import DrawnSamples, draw_samples

EXAMPLES = """[bold]Examples[/bold]

  smalti sample ddpm-digits -n 10 --class all --guidance 1.5 --gif
  smalti sample ddpm-digits --sampler dpm-solver --steps 8
  smalti sample pixelcnnpp-emoji -n 8 --text "red heart" --gif"""


def print_samples(samples: DrawnSamples, arguments: CommandArguments) -> None:
    summary = f"{format_count(len(samples.seeds), 'picture')} in {arguments['seconds']:.1f} s"
    print(f"{summary}: {arguments['out'] / 'grid.png'}")


gif = Annotated[Switch, Parameter(name="--gif")]
command = make_command(
    draw_samples,
    print_samples,
    keyword_only={"n"},
    results_root="samples",
    pictures=PictureFiles,
    upscale=str | None,
    gif=gif,
)
app = make_model_verb("sample", command, takes_conditions=True, about={"help_epilogue": EXAMPLES})
