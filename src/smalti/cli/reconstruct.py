"""`smalti reconstruct`: pictures into a model's own terms and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from smalti.cli.commands import Given, as_command
from smalti.core.messages import count
from smalti.tasks import Reconstruction, reconstruct

EXAMPLES = """[bold]Examples[/bold]

  smalti reconstruct vqvae-digits seven.png three.png
  smalti reconstruct runs/vqgan photos --out pairs
  smalti reconstruct runs/vqgan large.jpg --own-size --tile 512
  smalti reconstruct ddpm-digits seven.png three.png
  smalti reconstruct runs/ddpm photos/*.jpg --steps 100 --refine 3"""

app = App(name="reconstruct", help_epilogue=EXAMPLES)


def show(found: Reconstruction, given: Given) -> None:
    indices, mean = [""] * len(found.files), ""
    if found.ssim is not None:
        indices = [f"  SSIM {index:.3f}" for index in found.ssim]
        mean = f"  SSIM {found.mean_ssim:.3f}"
    for dB, index, file in zip(found.psnr, indices, found.files, strict=True):
        print(f"{show_psnr(dB)} dB{index}  {file}")
    where = given["out"] / "grid.png" if found.has_grid else given["out"]
    closing = f"in the mean, {given['seconds']:.1f} s: {where}"
    print(f"{show_psnr(found.mean_psnr)} dB{mean}  {closing}")
    if found.codes is not None:
        codes = count(found.codes, "code is", "codes are")
        print(f"  {found.codes_used} of {codes} used in these pictures")


def show_psnr(dB: float | None) -> str:
    return "  same" if dB is None else f"{dB:6.1f}"


app.default(as_command(reconstruct, show, home="reconstructions", pictures=Sequence[Path]))
