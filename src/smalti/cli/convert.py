"""`smalti convert`: published weights into a smalti model."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from smalti.cli.options import Size
from smalti.convert import REFERENCES, infer_config, read_weights
from smalti.convert.codecs import LEFT_OUT
from smalti.convert.model import model_from_reference
from smalti.core.checkpoint import write_into
from smalti.core.documents import read_json_object, read_yaml_object
from smalti.core.errors import UserError, shorten
from smalti.core.folders import Results, check_free, folder_for
from smalti.core.messages import count, suggest
from smalti.core.protocols import Card

EXAMPLES = """[bold]Examples[/bold]

  smalti convert dldemos-ddim-unet ddim.pth --out models/ddim
  smalti convert dldemos-ddim-unet ddim.pth --size 64 --out models/ddim
  smalti convert taming-vqgan last.ckpt --config model.yaml --out models/vqgan
  smalti sample models/ddim -n 16"""

FILES = Results(r"config\.json|model\.safetensors", "config.json", ("format", "model"))
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
    size: Size = None,
) -> None:
    """Make a published checkpoint into a smalti model. No code in the file is run.

    Parameters
    ----------
    file
        The published weights: .pth, .pt, .ckpt or .safetensors.
    out
        Folder for the model.
    config
        The network's config as a JSON or YAML file, where the weights do not tell it.
    size
        Height and width of the pictures, where the weights leave them open.
    """
    known = [k.replace("_", "-") for k in REFERENCES]
    kind = kind.replace("_", "-")
    if kind not in known:
        raise UserError(f"unknown kind {kind!r}; {suggest(kind, known)}")
    check_free(out, FILES)
    weights, found = read_weights(file)
    told = read_config_file(config) if config else found
    if kind == "taming-vqgan":
        told = told and taming_params(told)
        say_left_out(weights, file)
    with folder_for(out, FILES) as folder:
        model = model_from_reference(
            kind,
            told or infer_config(kind, weights, size),
            weights,
            size,
        )
        card = Card(name=out.name, summary=f"converted from {kind}", facts={"file": file.name})
        write_into(folder, model, card)
    count = sum(p.numel() for p in model.parameters())
    print(f"{count / 1e6:.2f} M parameters, pictures of {shown(model.config.shape)}: {out}")
    where = shlex.quote(str(out))
    codec = model.spec.output == "codes"
    print(f"  next  smalti {f'reconstruct {where} PICTURES' if codec else f'sample {where} -n 16'}")


def read_config_file(path: Path) -> dict[str, Any]:
    """A JSON or YAML file with one mapping. UserError, in one line, for another."""
    yaml = path.suffix.lower() in (".yaml", ".yml")
    return read_yaml_object(path) if yaml else read_json_object(path)


def taming_params(content: dict[str, Any]) -> dict[str, Any]:
    """What a published config of VQGAN says of the codec: n_embed, embed_dim and ddconfig.

    It stands under model.params there, beside settings of the training.
    """
    model = content.get("model", content)
    target = str(model.get("target", "VQModel")) if isinstance(model, dict) else ""
    params = model.get("params", model) if isinstance(model, dict) else {}
    params = params if isinstance(params, dict) else {}
    if target.rpartition(".")[2] != "VQModel":
        raise UserError(f"the config is of {shorten(target or content)}; give that of a VQModel")
    return {key: params[key] for key in ("n_embed", "embed_dim", "ddconfig") if key in params}


def say_left_out(weights: dict[str, Any], file: Path) -> None:
    """Lightning's extras: what a codec does not need is named, and left out."""
    extras = [name for name in weights if LEFT_OUT.match(name)]
    if extras:
        roots = ", ".join(sorted({name.partition(".")[0] for name in extras}))
        left = count(len(extras), f"weight of {roots} is", f"weights of {roots} are")
        print(f"{file}: {left} not the codec's and left out")


def shown(shape: tuple[int, int, int]) -> str:
    C, H, W = shape
    return f"{H} x {W} pixels in {'grey' if C == 1 else f'{C} channels'}"
