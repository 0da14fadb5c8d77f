"""`smalti convert`: published weights into a smalti model."""

from __future__ import annotations

import shlex
from typing import Annotated, Any

from cyclopts import App, Parameter

from smalti.cli.commands import Given, as_command
from smalti.core.messages import count
from smalti.tasks import Converted, convert_checkpoint
from smalti.tasks._convert import KINDS

EXAMPLES = """[bold]Examples[/bold]

  smalti convert dldemos-ddim-unet ddim.pth --out models/ddim
  smalti convert dldemos-ddim-unet ddim.pth --size 64 --out models/ddim
  smalti convert taming-vqgan last.ckpt --config model.yaml --out models/vqgan
  smalti sample models/ddim -n 16"""

NEXT = {
    "picture": "smalti sample {} -n 16",
    "codes": "smalti reconstruct {} PICTURES",
    "indices": "smalti convert ... --codec CODEC, to draw pictures",
}
"""What to do with a model, by what it puts out."""

app = App(name="convert", help_epilogue=EXAMPLES)


def show(done: Converted, given: Given) -> None:
    say_left_out(done.left_out, given["file"])
    model, out, where = done.model, given["out"], shlex.quote(str(given["out"]))
    weights = sum(p.numel() for p in model.parameters())
    print(f"{weights / 1e6:.2f} M parameters, {shown(model)}: {out}")
    print(f"  next  {NEXT[model.spec.output].format(where)}")


def say_left_out(extras: tuple[str, ...], file: str) -> None:
    """Lightning's extras: what a codec does not need is named, and left out."""
    if extras:
        roots = ", ".join(sorted({name.partition(".")[0] for name in extras}))
        left = count(len(extras), f"weight of {roots} is", f"weights of {roots} are")
        print(f"{file}: {left} not the codec's and left out")


def shown(model: Any) -> str:
    C, H, W = model.config.shape
    if model.spec.output == "indices":
        return f"{H} x {W} codes"
    return f"pictures of {H} x {W} pixels in {'grey' if C == 1 else f'{C} channels'}"


kind = Annotated[str, Parameter(help=f"What the weights are of: {', '.join(KINDS)}.")]
app.default(as_command(convert_checkpoint, show, needs={"out"}, kind=kind))
