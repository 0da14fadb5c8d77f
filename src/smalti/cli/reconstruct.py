"""`smalti reconstruct`: pictures into a model's own terms and back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from smalti.cli.draw import chosen_device, split_words
from smalti.cli.meter import ProgressMeter
from smalti.cli.options import Classes, Size, Switch
from smalti.core.messages import count
from smalti.core.model import name_model
from smalti.core.ranges import Batch, Levels, Rounds, Width
from smalti.tasks import Reconstruction, reconstruct

EXAMPLES = """[bold]Examples[/bold]

  smalti reconstruct vqvae-digits seven.png three.png
  smalti reconstruct runs/vqgan photos --out pairs
  smalti reconstruct runs/vqgan large.jpg --own-size --tile 512
  smalti reconstruct ddpm-digits seven.png three.png
  smalti reconstruct runs/ddpm photos/*.jpg --steps 100 --refine 3"""

app = App(name="reconstruct", help_epilogue=EXAMPLES)


@app.default
def reconstruct_pictures(
    model: str,
    pictures: Sequence[Path],
    /,
    *,
    steps: Levels = 50,
    refine: Rounds = 1,
    classes: Classes = (),
    size: Size = None,
    own_size: Switch = False,
    tile: Width | None = None,
    batch: Batch = 64,
    out: Path | None = None,
    device: str = "auto",
) -> None:
    """Turn pictures into a codec's codes, or the noise that a model draws them from, and back.

    How near the second picture comes to the first is given as a PSNR in dB.

    Parameters
    ----------
    model
        A shipped model's name, a run or a checkpoint.
    pictures
        Picture files, for a codec also folders; cropped and resized to the model's size.
    steps
        DDIM steps, each way, of a diffusion model.
    refine
        Iterations that bring a step up nearer to the reverse of the step down; 0 is the plain way.
    classes
        Class names or numbers, with commas, that the pictures take turns at; else "no class".
    size
        Height and width in pixels (64 or 48x64), for models that can draw other sizes than they
        were trained on.
    own_size
        Leave every picture at its own size; of a codec only.
    tile
        Pixels of a tile's side, for pictures larger than memory; of a codec only.
    batch
        Pictures taken at a time.
    out
        Folder for the results; reconstructions/MODEL unless told otherwise.
    device
        cpu, cuda, cuda:1, mps ...; auto takes CUDA where there is one.
    """
    begun = time.perf_counter()
    out = out or Path("reconstructions") / name_model(model)
    with ProgressMeter() as meter:
        found = reconstruct(
            model,
            pictures,
            steps=steps,
            refine=refine,
            classes=split_words(classes),
            size=size,
            own_size=own_size,
            tile=tile,
            batch=batch,
            device=chosen_device(device),
            out=out,
            on_progress=meter,
        )
    seconds, where = time.perf_counter() - begun, out / "grid.png" if found.has_grid else out
    show(found, f"{seconds:.1f} s: {where}")


def show(found: Reconstruction, closing: str) -> None:
    indices = [""] * len(found.files)
    mean = ""
    if found.ssim is not None:
        indices = [f"  SSIM {index:.3f}" for index in found.ssim]
        mean = f"  SSIM {found.mean_ssim:.3f}"
    for dB, index, file in zip(found.psnr, indices, found.files, strict=True):
        print(f"{show_psnr(dB)} dB{index}  {file}")
    print(f"{show_psnr(found.mean_psnr)} dB{mean}  in the mean, {closing}")
    if found.codes is not None:
        codes = count(found.codes, "code is", "codes are")
        print(f"  {found.codes_used} of {codes} used in these pictures")


def show_psnr(dB: float | None) -> str:
    return "  same" if dB is None else f"{dB:6.1f}"
