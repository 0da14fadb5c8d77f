"""Pictures as codes, encoded once before a prior is trained."""

from __future__ import annotations

from functools import partial

from smalti.autoregressive import AutoregressiveConfig, FrozenCodec, PictureCondition
from smalti.autoregressive.augment import list_shifts, shift_all
from smalti.core.device import check_device
from smalti.core.progress import OnProgress
from smalti.core.protocols import Dataset
from smalti.data.code_cache import encode_with_cache
from smalti.data.pictures import Splits

MAX_ENCODED_SHIFT = 1
"""Largest shift for which every shifted picture is encoded before training."""


def encode_once(
    config: object, flip: bool, splits: Splits, on_progress: OnProgress
) -> tuple[Dataset, Dataset]:
    """Training and validation data for a model: codes for a prior, pictures for other models.

    With a `max_shift` of 1 each picture is encoded in 9 shifts. With larger ones a prior is trained
    on pictures: (2s + 1)^2 shifts of each would take minutes to encode before the first step, and
    the codec takes 5 to 13 % of a step of the shipped priors. So is a prior with conditions that
    are made of the pictures.
    """
    if not isinstance(config, AutoregressiveConfig) or not isinstance(config.codec, FrozenCodec):
        return splits.train, splits.valid
    is_derived = any(isinstance(c, PictureCondition) for c in config.conditions)
    if is_derived or config.max_shift > MAX_ENCODED_SHIFT or (config.max_shift and flip):
        return splits.train, splits.valid
    shifts = list_shifts(config.max_shift) if config.max_shift else ()
    codec = config.codec.load().to(check_device("auto"))
    encode = partial(
        encode_with_cache,
        codec=codec,
        codec_sha256=config.codec.sha256,
        device=codec.device,
        on_progress=on_progress,
    )
    transforms = [partial(shift_all, down=down, right=right) for down, right in shifts]
    return encode(splits.train, mirrored=flip, shifts=transforms), encode(splits.valid)
