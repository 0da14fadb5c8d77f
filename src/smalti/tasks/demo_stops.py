"""The stops of `make_gallery`'s tour: each calls one task as its command would."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from smalti.core.drawing import draw_in_batches
from smalti.core.pictures import make_grid, save_png
from smalti.recipes import find_recipe
from smalti.tasks._complete import complete
from smalti.tasks._compress import compress
from smalti.tasks._draw_samples import draw_samples
from smalti.tasks._inpaint import inpaint
from smalti.tasks._interpolate import interpolate
from smalti.tasks._match import match
from smalti.tasks._reconstruct import reconstruct
from smalti.tasks._train import OnEvent, train
from smalti.tasks._translate import translate
from smalti.tasks.gallery import Exhibit, Picture

QUICK_STEPS = 3
N_PREVIEWED = 64
"""Pictures of a run's grid."""
RECIPE = "ddpm-digits"
SENTENCES = (
    "Save the file first.",
    "Click OK to close the window without saving.",
    "The selected picture is copied to the clipboard.",
)


@dataclass(frozen=True)
class Tour:
    """What the stops share."""

    folder: Path
    """Where files are written."""
    name: str
    """What commands call that folder."""
    quick: bool
    minutes: float
    """Length of the training, if not quick."""
    on_progress: OnEvent

    def choose(self, many: int, few: int) -> int:
        """Choose a number of pictures."""
        return few if self.quick else many

    def name_pictures(self) -> str:
        return f"{self.name}/pictures"


@dataclass(frozen=True)
class Stop:
    """A stop of the tour."""

    family: str
    title: str
    show: Callable[[Tour], Exhibit]


def show_digits(tour: Tour) -> Exhibit:
    n = tour.choose(60, 10)
    folder = tour.folder / "samples"
    options = {"classes": "all", "gif": True, "out": folder, "on_progress": tour.on_progress}
    draw_samples("ddpm-digits", n, **options)
    return Exhibit(
        "Every picture starts as noise from its seed, and the model removes the noise step by "
        "step. A row is a class.",
        f"smalti sample ddpm-digits -n {n} --class all --gif",
        (
            Picture(folder / "grid.png", "drawn digits"),
            Picture(folder / "denoising.gif", "from noise to digits"),
        ),
    )


def show_emoji(tour: Tour) -> Exhibit:
    n, names = tour.choose(20, 2), ("red apple", "wine glass", "dog face", "sailboat", "rose")
    folder, style = tour.folder / "emoji", "fluent-3d"
    options = {"text": names, "conditions": {"style": style}, "out": folder}
    draw_samples("ddpm-emoji", n, **options, on_progress=tour.on_progress)
    texts = " ".join(f'--text "{name}"' for name in names)
    return Exhibit(
        "In color, 64x64, by name and style. --guidance says how closely they are followed.",
        f"smalti sample ddpm-emoji -n {n} {texts} --style {style}",
        (Picture(folder / "grid.png", "drawn emoji"),),
    )


def show_interpolation(tour: Tour) -> Exhibit:
    folder, frames = tour.folder / "interpolation", tour.choose(10, 3)
    interpolate(
        "ddpm-digits", 3, 8, frames=frames, classes=(2, 3, 5, 8), gif=True, out=folder,
        on_progress=tour.on_progress,
    )  # fmt: skip
    return Exhibit(
        "A row goes from the noise of one seed to that of another, along the same arc for each "
        "class: the handwriting changes, the digit stays.",
        f"smalti interpolate ddpm-digits --from 3 --to 8 --class 2,3,5,8 --frames {frames} --gif",
        (Picture(folder / "strip.png", "from seed 3 to seed 8"),),
    )


def show_pixelcnn(tour: Tour) -> Exhibit:
    n, folder = tour.choose(32, 8), tour.folder / "pixelcnn"
    options = {"classes": (2, 3, 5, 8), "gif": True, "out": folder, "on_progress": tour.on_progress}
    draw_samples("pixelcnnpp-digits", n, **options)
    return Exhibit(
        "Pixel after pixel: the model gives the probabilities of each gray level, given all "
        "pixels before it.",
        f"smalti sample pixelcnnpp-digits -n {n} --class 2,3,5,8 --gif",
        (Picture(folder / "rows.gif", "row by row"),),
    )


def show_completion(tour: Tour) -> Exhibit:
    folder, n = tour.folder / "completions", tour.choose(6, 2)
    digits = [f"digits/{k:02d}.png" for k in (0, 2, 4)]
    paths = [tour.folder / "pictures" / digit for digit in digits]
    complete("pixelcnnpp-digits", paths, n=n, out=folder, on_progress=tour.on_progress)
    words = " ".join(f"{tour.name_pictures()}/{digit}" for digit in digits)
    return Exhibit(
        "The upper half is given, the lower half is drawn, several times.",
        f"smalti complete pixelcnnpp-digits {words} -n {n}",
        (Picture(folder / "grid.png", "digit, upper half, completions"),),
    )


def show_codec(tour: Tour) -> Exhibit:
    folder, digits = tour.folder / "codec", tour.folder / "pictures" / "digits"
    found = reconstruct("vqvae-digits", digits, out=folder, on_progress=tour.on_progress)
    return Exhibit(
        "A VQ-VAE writes each digit as 7x7 numbers from 0 to 63, and reads it back: "
        f"{found.mean_psnr or math.inf:.1f} dB.",
        f"smalti reconstruct vqvae-digits {tour.name_pictures()}/digits",
        (Picture(folder / "grid.png", "digits, each with its reconstruction"),),
    )


def show_prior(tour: Tour) -> Exhibit:
    n, folder = tour.choose(32, 8), tour.folder / "prior"
    options = {"classes": (4, 6, 7, 9), "gif": True, "out": folder, "on_progress": tour.on_progress}
    draw_samples("vqvae-digits-gpt", n, **options)
    return Exhibit(
        "A GPT draws 49 codes one after another; the VQ-VAE's decoder turns them into a picture.",
        f"smalti sample vqvae-digits-gpt -n {n} --class 4,6,7,9 --gif",
        (Picture(folder / "rows.gif", "code by code"),),
    )


def show_texture(tour: Tour) -> Exhibit:
    side, folder = tour.choose(128, 64), tour.folder / "texture"
    draw_samples(
        "textures", 1, classes="tile", size=side, sampler={"seamless": True}, out=folder,
        on_progress=tour.on_progress,
    )  # fmt: skip
    return Exhibit(
        "A model of textures denoises a canvas of any size in windows. With --seamless the right "
        "edge continues at the left, the lower one at the top. Here the picture is laid side by "
        "side.",
        f"smalti sample textures -n 1 --class tile --size {side} --seamless",
        (Picture(folder / "00000.png", "tiles, in tiles", tiled=True),),
    )


def show_repair(tour: Tour) -> Exhibit:
    pictures, folder = tour.folder / "pictures", tour.folder / "repair"
    broken, hole = pictures / "broken.png", pictures / "hole.png"
    inpaint(broken, hole, out=folder, on_progress=tour.on_progress)
    return Exhibit(
        "PatchMatch fills what is white in hole.png with pieces of the rest of the picture. No "
        "training is needed, and any picture will do.",
        f"smalti inpaint {tour.name_pictures()}/broken.png {tour.name_pictures()}/hole.png",
        (Picture(broken, "broken"), Picture(folder / "00000.png", "repaired")),
    )


def show_matching(tour: Tour) -> Exhibit:
    pictures, folder = tour.folder / "pictures", tour.folder / "match"
    a, b = pictures / "morning.png", pictures / "evening.png"
    found = match(a, b, out=folder, on_progress=tour.on_progress)
    words = " ".join(f"{tour.name_pictures()}/{path.name}" for path in (a, b))
    return Exhibit(
        "For every patch of the morning, a similar one of the evening. Colors show where it was "
        f"found; the morning, laid again with glass of the evening, agrees to "
        f"{found.metrics.psnr_voted or math.inf:.1f} dB.",
        f"smalti match {words}",
        (
            Picture(b, "evening"),
            Picture(folder / "field.png", "where patches were found"),
            Picture(folder / "voted.png", "morning of evening glass"),
        ),
    )


def show_compression(tour: Tour) -> Exhibit:
    digits, file = tour.folder / "pictures" / "digits", tour.folder / "digits.smalti"
    heat_map = tour.folder / "bits.png"
    options = {"heat_map": heat_map, "on_progress": tour.on_progress}
    compress(digits, file, model="pixelcnnpp-digits", **options)
    before, after = sum(p.stat().st_size for p in digits.iterdir()), file.stat().st_size
    return Exhibit(
        f"What a model expects costs few bits. The digits take {before:,} bytes as PNG files and "
        f"{after:,} here, without loss: smalti decompress brings every pixel back. Bright "
        "pixels surprised the model.",
        f"smalti compress {tour.name_pictures()}/digits digits.smalti --model pixelcnnpp-digits "
        "--heat-map bits.png",
        (Picture(heat_map, "digits, and the bits of each pixel"),),
    )


def show_translation(tour: Tour) -> Exhibit:
    found = translate("en-zh-help", SENTENCES[: tour.choose(3, 1)])
    lines = tuple((text, best.text) for text, (best, *_) in zip(SENTENCES, found, strict=False))
    words = " ".join(f'"{text}"' for text, _ in lines)
    return Exhibit(
        "A Transformer for help pages and messages of programs, offline. Files and gettext "
        "catalogs keep their placeholders.",
        f"smalti translate {words}",
        lines=lines,
    )


def show_training(tour: Tour) -> Exhibit:
    """Samples of a new model before and after training, from the same noise."""
    run = tour.folder / "run"
    recipe = find_recipe(RECIPE).change({"warmup": 50, "save_every": 10**9})
    splits = recipe.read(None, size=recipe.size)
    torch.manual_seed(recipe.training.seed)
    untrained = recipe.make_config(splits.train).build()
    before = draw_in_batches(untrained, range(N_PREVIEWED), on_progress=tour.on_progress)
    save_png(make_grid(before.pictures), tour.folder / "before.png")
    duration: dict[str, Any] = {"steps": QUICK_STEPS} if tour.quick else {"minutes": tour.minutes}
    ended = train(recipe, data=splits, out=run, on_event=tour.on_progress, **duration)
    if ended.interrupted:  # a run saves and returns; a gallery keeps nothing
        raise KeyboardInterrupt
    (last,) = (run / "grids").glob("*.png")
    options = " ".join(f"--{name} {value:g}" for name, value in duration.items())
    return Exhibit(
        f"A new diffusion model before and after {ended.step:,} steps on {len(splits.train):,} "
        "handwritten digits: strokes come first, digits later.",
        f"smalti train {RECIPE} {options} --warmup 50",
        (Picture(tour.folder / "before.png", "before"), Picture(last, "after")),
    )


STOPS = (
    Stop("Diffusion", "Handwritten digits", show_digits),
    Stop("Diffusion", "Emoji", show_emoji),
    Stop("Diffusion", "From one handwriting to another", show_interpolation),
    Stop("Diffusion", "Any size, without a seam", show_texture),
    Stop("PixelCNN", "Pixel by pixel", show_pixelcnn),
    Stop("PixelCNN", "Half a digit, and the rest", show_completion),
    Stop("Codecs", "Pictures as few numbers", show_codec),
    Stop("Priors over codes", "Drawn in codes", show_prior),
    Stop("PatchMatch", "A broken mosaic", show_repair),
    Stop("PatchMatch", "Morning of evening glass", show_matching),
    Stop("Compression", "Where the bits go", show_compression),
    Stop("Translation", "English to Chinese", show_translation),
    Stop("Training", "The first minute of a model", show_training),
)
