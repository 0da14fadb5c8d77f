"""Pictures as codes or latents, encoded once before a model over a codec is trained."""

from __future__ import annotations

from functools import partial

from smalti.autoregressive import AutoregressiveConfig, PictureCondition
from smalti.autoregressive.augment import list_shifts, shift_all
from smalti.core.device import check_device
from smalti.core.progress import OnProgress
from smalti.core.protocols import Dataset
from smalti.data.code_cache import encode_latents_with_cache, encode_with_cache
from smalti.data.pictures import Splits
from smalti.diffusion import DiffusionConfig, Latents
from smalti.layers.frozen_codec import FrozenCodec

MAX_ENCODED_SHIFT = 1
"""Largest shift for which every shifted picture is encoded before training."""


def encode_once(
    config: object, flip: bool, splits: Splits, on_progress: OnProgress
) -> tuple[Dataset, Dataset]:
    """Training and validation data for a model: codes for a prior, latents for latent diffusion,
    pictures for other models, and for latent diffusion that augments them, or derives conditions.
    """
    if isinstance(config, DiffusionConfig) and (config.picture or config.augmentation):
        return splits.train, splits.valid
    if isinstance(config, DiffusionConfig) and isinstance(config.space, Latents):
        frozen = config.space.codec
        train, valid = partial(encode_latents_with_cache, mirrored=flip), encode_latents_with_cache
    elif (frozen := find_encoding_codec(config, flip)) is not None:
        assert isinstance(config, AutoregressiveConfig)
        shifts = list_shifts(config.max_shift) if config.max_shift else ()
        transforms = [partial(shift_all, down=down, right=right) for down, right in shifts]
        train = partial(encode_with_cache, mirrored=flip, shifts=transforms)
        valid = encode_with_cache
    else:
        return splits.train, splits.valid
    codec = frozen.load().to(check_device("auto"))
    options = {"codec_sha256": frozen.sha256, "device": codec.device, "on_progress": on_progress}
    return train(splits.train, codec, **options), valid(splits.valid, codec, **options)


def find_encoding_codec(config: object, flip: bool) -> FrozenCodec | None:
    """The codec whose codes a prior is trained on; None for one that is trained on pictures.

    With a `max_shift` of 1 each picture is encoded in 9 shifts. With larger ones a prior is trained
    on pictures: (2s + 1)^2 shifts of each would take minutes to encode before the first step, and
    the codec takes 5 to 13 % of a step of the shipped priors. So is a prior with conditions that
    are made of the pictures.
    """
    if not isinstance(config, AutoregressiveConfig) or not isinstance(config.codec, FrozenCodec):
        return None
    is_derived = any(isinstance(c, PictureCondition) for c in config.conditions)
    if is_derived or config.max_shift > MAX_ENCODED_SHIFT or (config.max_shift and flip):
        return None
    return config.codec
