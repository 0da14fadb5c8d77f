"""Codes and latents of pictures on disk, so that every picture is encoded once by a codec.

$SMALTI_DATA/codes/CODEC/PICTURES.safetensors holds the codes of up to `BLOCK` pictures, named by
hashes of the codec and of all their pixels; latents/ holds continuous latents. Each file is written
atomically, so that an interrupted encoding goes on where it stopped.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from smalti.core.errors import UserError
from smalti.core.files import write_atomically
from smalti.core.fingerprint import hash_tensors
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.protocols import Codec, LatentCodec
from smalti.data.codes import Codes, choose_dtype, encode_bytes
from smalti.data.latents import EncodedLatents, encode_latent_bytes
from smalti.data.packs import find_data_home
from smalti.data.pictures import Pictures

Transform = Callable[[Tensor], Tensor]
BLOCK = 4096
"""Pictures in a file."""


def encode_with_cache(
    pictures: Pictures,
    codec: Codec,
    codec_sha256: str,
    device: torch.device,
    *,
    mirrored: bool = False,
    shifts: Sequence[Transform] = (),
    on_progress: OnProgress = ignore_event,
) -> Codes:
    """Encode all pictures with a codec on `device`, or read their codes from the cache.

    mirrored: encode the mirrored pictures, too. shifts: functions that shift pictures
    (N, C, H, W), by each of which they are encoded, too; the middle one leaves them.
    """
    folder = find_data_home() / "codes" / codec_sha256[:16]
    transforms = [keep_pictures, *((mirror_pictures,) if mirrored else ()), *shifts]

    def encode(x: Tensor) -> Tensor:
        return read_or_encode(x, codec, folder, device)

    variants = encode_variants(pictures, encode, transforms, on_progress)
    mirrored_codes = variants[1] if mirrored else None
    return Codes(
        variants[0], pictures, codec_sha256, mirrored_codes, tuple(variants[1 + mirrored :])
    )


def encode_latents_with_cache(
    pictures: Pictures,
    codec: LatentCodec,
    codec_sha256: str,
    device: torch.device,
    *,
    mirrored: bool = False,
    on_progress: OnProgress = ignore_event,
) -> EncodedLatents:
    """As `encode_with_cache`, to continuous latents."""
    folder = find_data_home() / "latents" / codec_sha256[:16]
    transforms = [keep_pictures, *((mirror_pictures,) if mirrored else ())]

    def encode(x: Tensor) -> Tensor:
        path = folder / f"{hash_tensors(x)[:32]}.safetensors"
        z = read_latents(path, codec, x)
        if z is None:
            z = encode_latent_bytes(x, codec, device)
            write_cached(path, {"latents": z})
        return z

    variants = encode_variants(pictures, encode, transforms, on_progress)
    return EncodedLatents(variants[0], pictures, codec_sha256, variants[1] if mirrored else None)


def encode_variants(
    pictures: Pictures,
    encode: Callable[[Tensor], Tensor],
    transforms: Sequence[Callable[[Tensor], Tensor]],
    on_progress: OnProgress,
) -> list[Tensor]:
    """Encode all pictures in blocks, once for each transform of pictures (N, C, H, W)."""
    variants: list[Tensor] = []
    for k, transform in enumerate(transforms):
        parts = []
        for rows in pictures.split_indices(BLOCK):
            done = int(rows[0]) + k * len(pictures)
            on_progress(Progress("encoding", done, len(transforms) * len(pictures)))
            parts.append(encode(transform(pictures.take(rows))))
        variants.append(torch.cat(parts))
    return variants


def keep_pictures(x: Tensor) -> Tensor:
    return x


def mirror_pictures(x: Tensor) -> Tensor:
    return x.flip(3)


def read_or_encode(x: Tensor, codec: Codec, folder: Path, device: torch.device) -> Tensor:
    """Codes (B, C, h, w) of pictures x (B, C, H, W) uint8, from the cache if they are there."""
    path = folder / f"{hash_tensors(x)[:32]}.safetensors"
    codes = read_codes(path, codec, x)
    if codes is None:
        codes = encode_bytes(x, codec, device)
        write_cached(path, {"codes": codes})
    return codes


def write_cached(path: Path, tensors: dict[str, Tensor]) -> None:
    """Write a file of the cache; one that cannot be written costs time alone."""
    try:
        write_atomically(path, lambda new: save_file(tensors, new))
    except (OSError, UserError) as error:
        logging.getLogger("smalti").warning("%s are not cached: %s", next(iter(tensors)), error)


def read_codes(path: Path, codec: Codec, x: Tensor) -> Tensor | None:
    """Read the codes of pictures x; None if they are missing or damaged."""
    codes = read_cached(path, "codes")
    grid = (1, *codec.compute_code_shape((x.shape[2], x.shape[3])))[-3:]
    if codes is None or codes.shape != (len(x), *grid):
        return None
    fits = codes.dtype == choose_dtype(codec.vocab_size)
    return codes if fits and int(codes.max()) < codec.vocab_size and codes.min() >= 0 else None


def read_latents(path: Path, codec: LatentCodec, x: Tensor) -> Tensor | None:
    """Read the latents of pictures x; None if they are missing or damaged."""
    z = read_cached(path, "latents")
    grid = codec.compute_code_shape((x.shape[2], x.shape[3]))
    if z is None or z.shape != (len(x), codec.latent_channels, *grid):
        return None
    return z if z.dtype == torch.float16 and bool(z.isfinite().all()) else None


def read_cached(path: Path, name: str) -> Tensor | None:
    """Read a tensor of a file of the cache; None if it is missing or damaged."""
    try:
        return load_file(path)[name]
    except (OSError, SafetensorError, KeyError):
        return None
