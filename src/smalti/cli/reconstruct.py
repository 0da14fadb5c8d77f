"""`smalti reconstruct`: encode pictures and decode them again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cyclopts import App

from smalti.cli.commands import CommandArguments, make_command
from smalti.core.messages import format_count
from smalti.tasks import Reconstruction, reconstruct

EXAMPLES = """[bold]Examples[/bold]

  smalti reconstruct vqvae-digits seven.png three.png
  smalti reconstruct runs/vqgan large.jpg --keep-size --tile-size 512"""

app = App(name="reconstruct", help_epilogue=EXAMPLES)


def print_reconstruction(reconstruction: Reconstruction, arguments: CommandArguments) -> None:
    indices, mean = [""] * len(reconstruction.files), ""
    if reconstruction.ssim is not None:
        indices = [f"  SSIM {index:.3f}" for index in reconstruction.ssim]
        mean = f"  SSIM {reconstruction.mean_ssim:.3f}"
    for dB, index, file in zip(reconstruction.psnr, indices, reconstruction.files, strict=True):
        print(f"{format_psnr(dB)} dB{index}  {file}")
    where = arguments["out"] / "grid.png" if reconstruction.has_grid else arguments["out"]
    closing = f"on average, {arguments['seconds']:.1f} s: {where}"
    print(f"{format_psnr(reconstruction.mean_psnr)} dB{mean}  {closing}")
    if reconstruction.codebook_size is not None:
        codes = format_count(reconstruction.codebook_size, "code is", "codes are")
        print(f"  {reconstruction.codes_used} of {codes} used in these pictures")


def format_psnr(dB: float | None) -> str:
    return "  same" if dB is None else f"{dB:6.1f}"


app.default(
    make_command(
        reconstruct, print_reconstruction, results_root="reconstructions", pictures=Sequence[Path]
    )
)
