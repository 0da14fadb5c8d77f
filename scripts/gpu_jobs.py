"""The jobs of `gpu_round.py`, most important first: edit this list."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from smalti.autoregressive import GPTConfig
from smalti.data.packs import is_pack
from smalti.data.pictures import Pictures, Splits
from smalti.data.reading import read_splits
from smalti.diffusion import (
    Consistency,
    DiffusionConfig,
    DistributionMatching,
    Simple,
    UNetConfig,
)
from smalti.diffusion.space import Pixels
from smalti.layers.condition_encoder import make_choices
from smalti.recipes import find_recipe
from smalti.recipes.diffusion import distill
from smalti.recipes.pictures import load_digit_splits
from smalti.recipes.selected_conditions import select_conditions
from smalti.training import Training


@dataclass(frozen=True)
class TrainingJob:
    """A model to train until time is up."""

    name: str
    make_config: Callable[..., Any]
    """The model's config for these pictures, and for the codec if there is one."""
    training: Training
    """Its steps are a first estimate; the clock sets them."""
    data: str | None = None
    """A pack below --data; None for the digits of the package."""
    conditions: tuple[str, ...] | None = None
    """Names of the conditions: class, text, or attributes. None: classes and captions."""
    crop: int | None = None
    """Cut the pictures into squares of this side, which overlap by half in training."""
    recipe: str = ""
    """For the card: the recipe that is trained longer here."""
    compiled_parts: tuple[str, ...] = ()
    """Paths of the modules to compile."""
    discriminator_from: float = 0.0
    """Fraction of the steps after which a VQGAN's discriminator starts."""
    keep_best: bool = False
    """Keep the save with the lowest validation loss, not the last one."""
    in_bits: bool = False
    """Report the validation loss in bits, not nats."""
    seconds: float | None = None
    """Maximum seconds of training; None: until the round ends."""
    initial_model: str | None = None
    """A model with the initial weights; {work}/NAME is that of another job."""
    codec: str | None = None
    """A codec that `make_config` takes; {work}/NAME is that of another job."""
    initial_weights: str | None = None
    """An earlier run of this job, whose weights training begins with; a teacher stays the initial
    model."""
    full_precision: bool = False
    """Disable TF32, for objectives with small differences of outputs."""


@dataclass(frozen=True)
class CommandJob:
    """Another program. {data}, {out}, {python} and {seconds} in its command are replaced."""

    name: str
    command: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    seconds: float | None = None


AnyJob = TrainingJob | CommandJob

# -------------------------------------------------------------------------------- jobs


def make_translator_job(name: str, *options: str) -> CommandJob:
    words = ("{python}", "scripts/train_translator.py", "{data}/../translate/pairs.jsonl.xz")
    return CommandJob(name, (*words, "--out", "{out}/run", "--seconds", "{seconds}", *options))


def pixel_emoji(pictures: Pictures) -> DiffusionConfig:
    """A U-Net of the size of ddpm-emoji in pixels, for comparison: it predicts x_0."""
    config: DiffusionConfig = find_recipe("ddpm-emoji").make_config(pictures)
    network = UNetConfig(
        channels=pictures.shape[0],
        widths=(48, 88, 112),
        attention=(False, False, True),
        condition_width=config.condition_width,
        dropout=0.05,
    )
    return replace(
        config,
        network=network,
        space=Pixels(),
        prediction="x0",
        objective=Simple(loss_space="v"),
    )


def widen_latent_digits(pictures: Pictures) -> DiffusionConfig:
    config: DiffusionConfig = find_recipe("latent-ddpm-digits").make_config(pictures)
    network = replace(config.network, widths=(56, 72), dropout=0.1)  # pyright: ignore
    return replace(config, network=network)


def match_emoji(pictures: Pictures) -> DiffusionConfig:
    config: DiffusionConfig = find_recipe("ddpm-emoji").make_config(pictures)
    return distill(replace(config, sampler=Consistency(4)), DistributionMatching())


EMOJI = find_recipe("ddpm-emoji")
EMOJI_TRAINING = replace(EMOJI.training, batch_size=256, warmup=200, ema=0.9995)
MATCHING = replace(find_recipe("consistency-digits").training, batch_size=256, ema=0.999)
JOBS: tuple[AnyJob, ...] = (
    TrainingJob(
        "ddpm-emoji",
        EMOJI.make_config,
        EMOJI_TRAINING,
        data="emoji4-64",
        conditions=EMOJI.conditions,
        recipe="ddpm-emoji",
        compiled_parts=("network",),
    ),
    TrainingJob(
        "consistency-digits",
        find_recipe("consistency-digits").make_config,
        MATCHING,
        recipe="consistency-digits",
        compiled_parts=("network",),
        initial_model="ddpm-digits",
        full_precision=True,
    ),
    TrainingJob(
        "emoji-gpt",
        partial(
            find_recipe("emoji-gpt").make_config,
            network=GPTConfig(layers=4, heads=4, width=176, dropout=0.1),
            symbol_noise=0.1,
        ),
        replace(find_recipe("emoji-gpt").training, batch_size=128, ema=0.9995),
        data="emoji4-64",
        conditions=EMOJI.conditions,
        recipe="emoji-gpt",
        compiled_parts=("network",),
    ),
    TrainingJob(
        "ddpm-emoji-pixels",
        pixel_emoji,
        EMOJI_TRAINING,
        data="emoji4-64",
        conditions=EMOJI.conditions,
        recipe="ddpm-emoji",
        compiled_parts=("network",),
    ),
    TrainingJob(
        "latent-ddpm-digits",
        widen_latent_digits,
        replace(find_recipe("latent-ddpm-digits").training, batch_size=256, ema=0.9995),
        recipe="latent-ddpm-digits",
        compiled_parts=("network",),
        keep_best=True,
    ),
    TrainingJob(
        "autoencoder-emoji",
        find_recipe("autoencoder-emoji").make_config,
        replace(
            find_recipe("autoencoder-emoji").training,
            batch_size=128,
            learning_rate=1e-3,
            precision="32",
        ),
        data="emoji4-64",
        conditions=(),
        recipe="autoencoder-emoji",
        initial_weights="autoencoder-emoji",
    ),
    TrainingJob(
        "gated-pixelcnn-letters",
        find_recipe("gated-pixelcnn-letters").make_config,
        replace(find_recipe("gated-pixelcnn-letters").training, batch_size=64),
        data="letters-32",
        recipe="gated-pixelcnn-letters",
        compiled_parts=("network",),
        keep_best=True,
        in_bits=True,
    ),
    TrainingJob(
        "consistency-emoji",
        match_emoji,
        replace(MATCHING, batch_size=128),
        data="emoji4-64",
        conditions=EMOJI.conditions,
        recipe="distilled",
        compiled_parts=("network",),
        initial_model="{work}/ddpm-emoji",
        full_precision=True,
    ),
    TrainingJob(
        "edges2emoji",
        find_recipe("edges2emoji").make_config,
        replace(find_recipe("edges2emoji").training, batch_size=128),
        data="emoji4-64",
        conditions=find_recipe("edges2emoji").conditions,
        recipe="edges2emoji",
        compiled_parts=("network",),
        keep_best=True,
    ),
    TrainingJob(
        "textures",
        find_recipe("textures").make_config,
        replace(find_recipe("textures").training, batch_size=128, flip=True),
        data="textures-free-128",
        crop=64,
        recipe="textures",
        compiled_parts=("network",),
        keep_best=True,
    ),
    TrainingJob(
        "pixelcnnpp-digits",
        find_recipe("pixelcnnpp-digits").make_config,
        find_recipe("pixelcnnpp-digits").training,
        recipe="pixelcnnpp-digits",
        compiled_parts=("network",),
        keep_best=True,
        in_bits=True,
    ),
    make_translator_job("translator-b", "--r-drop", "4", "--dropout", "0.2", "--seed", "1"),
)

# ----------------------------------------------------------------------------- rehearsal

QUICK = Training(steps=40, batch_size=8, learning_rate=1e-3, warmup=2, ema=0.9)


def tiny_ddpm_config(pictures: Pictures) -> DiffusionConfig:
    network = UNetConfig(
        widths=(8,), blocks=1, attention=(True,), heads=2, groups=4, condition_width=11
    )
    return DiffusionConfig(pictures.shape, network, conditions=make_choices(pictures.classes))


REHEARSAL: tuple[AnyJob, ...] = (
    TrainingJob("ddpm", tiny_ddpm_config, QUICK, keep_best=True, in_bits=True, seconds=1),
    CommandJob("faulty", ("{python}", "-c", "raise ArithmeticError('this job is to fail')")),
    CommandJob("command", ("{python}", "-c", "open('{out}/hello.txt', 'w').write('{seconds}')")),
)


def read_pictures(job: TrainingJob, data: Path, max_pictures: int | None = None) -> Splits:
    """Read the job's pictures into memory; at most `max_pictures` per split if given."""
    if job.data is None:
        splits = load_digit_splits()
    else:
        folder = data / job.data
        splits = read_splits(str(folder), size=read_side(folder))
    splits = select_conditions(splits, job.conditions)
    if job.crop is not None:
        train, valid = (
            cut_squares(splits.train, job.crop, job.crop // 2),
            cut_squares(splits.valid, job.crop),
        )
        splits = Splits(train, valid)
    if max_pictures is None:
        return splits
    train, valid = (p.select(slice(max_pictures), "few") for p in (splits.train, splits.valid))
    return Splits(train, valid)


def cut_squares(pictures: Pictures, side: int, stride: int | None = None) -> Pictures:
    """Cut all squares of `side`, `stride` apart."""
    squares = pictures.pixels.unfold(2, side, stride or side).unfold(3, side, stride or side)
    squares = squares.permute(0, 2, 3, 1, 4, 5)  # (N, h, w, C, side, side)
    each = squares.shape[1] * squares.shape[2]
    labels = None if pictures.labels is None else pictures.labels.repeat_interleave(each)
    stored = squares.flatten(0, 2).contiguous()
    return Pictures(stored, labels, pictures.classes, pictures.name)


def read_side(folder: Path) -> int:
    """Read the side length of a pack's pictures."""
    from smalti.data.packs import map_array

    if not is_pack(folder):
        raise FileNotFoundError(f"{folder} is not a pack")
    return map_array(folder / "pixels.npy").shape[2]
