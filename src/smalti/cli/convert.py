"""`smalti convert`: published weights into a smalti model."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from smalti.cli.output import check_free, folder_for
from smalti.convert import REFERENCES, infer_config, read_weights
from smalti.convert.model import model_from_reference
from smalti.core.checkpoint import write_into
from smalti.core.errors import UserError
from smalti.core.protocols import Card

EXAMPLES = """[bold]Examples[/bold]

  smalti convert dldemos-ddim-unet ddim.pth --out models/ddim
  smalti convert dldemos-ddim-unet ddim.pth --size 64 --out models/ddim
  smalti sample models/ddim -n 16"""

FILES = r"config\.json|model\.safetensors"
"""What a checkpoint holds."""
KINDS = ", ".join(kind.replace("_", "-") for kind in REFERENCES)

app = App(name="convert", help_epilogue=EXAMPLES)


@app.default
def convert_file(
    kind: Annotated[str, Parameter(help=f"What the weights are of: {KINDS}.")],
    file: Path,
    /,
    *,
    out: Path,
    config: Path | None = None,
    size: int | None = None,
) -> None:
    """Make a published checkpoint into a smalti model. No code in the file is run.

    Parameters
    ----------
    file
        The published weights: .pth, .pt, .ckpt or .safetensors.
    out
        Folder for the model.
    config
        The network's config as a JSON file, where the weights do not tell it.
    size
        Height and width of the pictures, where the weights leave them open.
    """
    known = [k.replace("_", "-") for k in REFERENCES]
    if kind.replace("_", "-") not in known:
        raise UserError(f"unknown kind {kind!r}; there are {', '.join(known)}")
    if size is not None and size < 1:
        raise UserError(f"--size {size} is no size; give pixels, 1 or more")
    check_free(out, FILES)
    weights, found = read_weights(file)
    told = read_json(config) if config else found
    model = model_from_reference(
        kind,
        told or infer_config(kind, weights, size),
        weights,
        (size, size) if size else None,
    )
    card = Card(name=out.name, summary=f"converted from {kind}", facts={"file": file.name})
    with folder_for(out, FILES) as folder:
        write_into(folder, model, card)
    count = sum(p.numel() for p in model.parameters())
    print(f"{count / 1e6:.2f} M parameters, pictures of {shown(model.config.shape)}: {out}")
    print(f"  next  smalti sample {shlex.quote(str(out))} -n 16")


def read_json(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text())
    except ValueError as error:  # not JSON, or not text
        raise UserError(f"{path} is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path} holds no JSON object; give the network's config as one")
    return content


def shown(shape: tuple[int, int, int]) -> str:
    C, H, W = shape
    return f"{H} x {W} pixels in {'grey' if C == 1 else f'{C} channels'}"
