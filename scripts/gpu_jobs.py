"""What `gpu_round.py` trains, in the order of its worth: edit this list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from smalti.data.packs import is_pack
from smalti.data.pictures import Pictures, Splits
from smalti.data.reading import read_splits
from smalti.diffusion import DiffusionConfig, UNetConfig
from smalti.layers.conditions import named_choice
from smalti.pixelcnn import AutoregressiveConfig, GatedConfig, Levels, fit
from smalti.recipes import find
from smalti.recipes.codecs import vqgan
from smalti.recipes.pictures import digit_splits
from smalti.training import Training
from smalti.vq import ResidualConfig


@dataclass(frozen=True)
class TrainingJob:
    """A model to train until time is up."""

    name: str
    model: Callable[[Pictures], Any]
    """The model's config for these pictures."""
    training: Training
    """Its steps are a first guess: the clock says how many there are."""
    data: str | None = None
    """A pack below --data; None for the digits of the package."""
    crop: int | None = None
    """Cut the pictures into squares of this side, which overlap by half in training."""
    recipe: str = ""
    """For the card: the recipe that this is a longer run of."""
    compile: tuple[str, ...] = ()
    """Parts of the model that are compiled, by their path."""
    critic_from: float = 0.0
    """Share of the steps after which a VQGAN's critic joins."""
    keep_best: bool = False
    """Keep the save with the lowest held-out loss, not the last."""
    bits: bool = False
    """The held-out loss is told in bits, not nats."""
    seconds: float | None = None
    """Most seconds of training; None: until the round ends."""
    start: str | None = None
    """A model whose weights it begins with."""
    exact: bool = False
    """Products of all 24 bits, where small differences of outputs are learned from."""


@dataclass(frozen=True)
class CommandJob:
    """Another program. {data}, {out}, {python} and {seconds} in its words are filled in."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None


AnyJob = TrainingJob | CommandJob

# ------------------------------------------------------------------------------ models


def texture_codec(pictures: Pictures) -> Any:
    """Narrower: 0.9 M parameters."""
    own = vqgan(pictures)
    assert isinstance(own.network, ResidualConfig)
    return replace(own, network=replace(own.network, widths=(32, 48, 64)))


# -------------------------------------------------------------------------------- jobs

CODEC = Training(steps=20_000, batch=48, rate=6e-4, weight_decay=0.0, ema=0.999)


def translator(variant: str, *options: str) -> CommandJob:
    words = ("{python}", "scripts/train_translator.py", "--data", "{data}/../translate/data")
    out = ("--out", "{out}/translator.safetensors", "--seconds", "{seconds}")
    return CommandJob(
        f"translator-{variant}", (*words, *out, "--variant", variant, "--workers", "2", *options)
    )


JOBS: tuple[AnyJob, ...] = (
    translator("b", "--seed", "1"),
    TrainingJob(
        "pixelcnnpp-digits",
        find("pixelcnnpp-digits").model,
        find("pixelcnnpp-digits").training,
        recipe="pixelcnnpp-digits",
        compile=("network",),
        keep_best=True,
        bits=True,
    ),
    TrainingJob(
        "vqgan-emoji4",
        vqgan,
        find("vqgan-emoji4").training,
        data="emoji4-64",
        recipe="vqgan-emoji4",
        critic_from=0.4,
    ),
    translator("a", "--no-compile"),
    TrainingJob(
        "letters",
        find("letters").model,
        find("letters").training,
        data="letters-32",
        recipe="letters",
        compile=("network",),
    ),
    TrainingJob(
        "vqvae-digits-gpt",
        find("vqvae-digits-gpt").model,
        find("vqvae-digits-gpt").training,
        recipe="vqvae-digits-gpt",
        compile=("network",),
        keep_best=True,
    ),
    TrainingJob(
        "consistency-digits",
        find("consistency-digits").model,
        replace(find("consistency-digits").training, steps=20_000, batch=256, ema=0.9995),
        recipe="consistency-digits",
        compile=("network",),
        start="ddpm-digits",
        exact=True,
    ),
    TrainingJob(
        "textures-codec",
        texture_codec,
        replace(CODEC, flip=True),
        data="textures-128",
        crop=64,
        recipe="textures-codec",
        critic_from=0.4,
    ),
)

# ----------------------------------------------------------------------------- rehearsal

QUICK = Training(steps=40, batch=8, rate=1e-3, warmup=2, ema=0.9)


def tiny_ddpm(pictures: Pictures) -> DiffusionConfig:
    network = UNetConfig(widths=(8,), blocks=1, attention=(True,), heads=2, groups=4, condition=11)
    return DiffusionConfig(pictures.shape, network, conditions=named_choice(pictures.classes))


def tiny_pixelcnn(pictures: Pictures) -> AutoregressiveConfig:
    network = GatedConfig(width=8, blocks=1, first=3, head=8)
    return fit(Levels(4, pictures.shape), network, conditions=named_choice(pictures.classes))


def faulty(pictures: Pictures) -> Any:
    raise ArithmeticError("this job is to fail")


REHEARSAL: tuple[AnyJob, ...] = (
    TrainingJob("ddpm", tiny_ddpm, QUICK, seconds=2),
    TrainingJob("pixelcnn", tiny_pixelcnn, QUICK, keep_best=True, bits=True, seconds=2),
    TrainingJob("faulty", faulty, QUICK),
    CommandJob("command", ("{python}", "-c", "open('{out}/hello.txt', 'w').write('{seconds}')")),
)


def read_pictures(job: TrainingJob, data: Path, few: int | None = None) -> Splits:
    """The job's pictures, whole in memory; no more than `few` to a split where that is given."""
    if job.data is None:
        splits = digit_splits()
    else:
        folder = data / job.data
        splits = read_splits(str(folder), size=stored_size(folder))
    if job.crop is not None:
        train, valid = cut(splits.train, job.crop, job.crop // 2), cut(splits.valid, job.crop)
        splits = Splits(train, valid)
    if few is None:
        return splits
    train, valid = (p.part(slice(few), "few") for p in (splits.train, splits.valid))
    return Splits(train, valid)


def cut(pictures: Pictures, side: int, stride: int | None = None) -> Pictures:
    """All squares of `side`, `stride` apart."""
    squares = pictures.pixels.unfold(2, side, stride or side).unfold(3, side, stride or side)
    squares = squares.permute(0, 2, 3, 1, 4, 5)  # (N, h, w, C, side, side)
    each = squares.shape[1] * squares.shape[2]
    labels = None if pictures.labels is None else pictures.labels.repeat_interleave(each)
    stored = squares.flatten(0, 2).contiguous()
    return Pictures(stored, labels, pictures.classes, pictures.name)


def stored_size(folder: Path) -> int:
    """Side of a pack's pictures."""
    from smalti.data.packs import mapped

    if not is_pack(folder):
        raise FileNotFoundError(f"{folder} is no pack")
    return mapped(folder / "pixels.npy").shape[2]
