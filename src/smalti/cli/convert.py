"""`smalti convert`: a published checkpoint into a smalti model."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from cyclopts import App, Parameter

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.messages import format_count
from smalti.tasks import ConvertedModel, convert_checkpoint
from smalti.tasks._convert import KINDS

EXAMPLES = """[bold]Examples[/bold]

  smalti convert dldemos-ddim-unet ddim.pth --size 64 --out models/ddim
  smalti convert taming-vqgan last.ckpt --config model.yaml --out models/vqgan
  smalti convert taming-transformer last.ckpt --config model.yaml --out prior"""

NEXT = {
    "picture": "smalti sample {} -n 16",
    "codes": "smalti reconstruct {} PICTURES",
    "indices": "smalti convert ... --codec CODEC, to draw pictures",
}
"""The next command, by what the model outputs."""

KINDS_HELP = "[bold]Kinds[/bold]\n\n" + "\n".join(f"  {kind}" for kind in KINDS)

app = App(name="convert", help_epilogue=f"{KINDS_HELP}\n\n{EXAMPLES}")


def print_converted(converted: ConvertedModel, arguments: CommandArguments) -> None:
    print_skipped_weights(converted.skipped_weights, arguments["file"])
    model, out, where = converted.model, arguments["out"], shlex.quote(str(arguments["out"]))
    weights = sum(p.numel() for p in model.parameters())
    print(f"{weights / 1e6:.2f} M parameters, {describe_output(model)}: {out}")
    print(f"  next  {NEXT[model.spec.output].format(where)}")


def print_skipped_weights(skipped: tuple[str, ...], file: str) -> None:
    """Names the weights that were not converted, such as Lightning's extras."""
    if skipped:
        own_names = (name.removeprefix("first_stage_model.") for name in skipped)
        roots = ", ".join(sorted({name.partition(".")[0] for name in own_names}))
        left = format_count(len(skipped), f"weight of {roots} is", f"weights of {roots} are")
        print(f"{file}: {left} not part of the model, skipped")


def describe_output(model: Any) -> str:
    C, H, W = model.config.shape
    if model.spec.output == "indices":
        return f"{H} x {W} codes"
    return f"pictures of {H} x {W} pixels in {'gray' if C == 1 else f'{C} channels'}"


kind = Annotated[str, Parameter(help="Kind of checkpoint, listed below.")]
app.default(make_command(convert_checkpoint, print_converted, required={"out"}, kind=kind))
