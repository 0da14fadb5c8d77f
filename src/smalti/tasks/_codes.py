"""encode_pictures, decode_codes, draw_codebook: between pictures and the codes of a codec."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from smalti.codecs.codec import Codec
from smalti.core.errors import UserError, shorten
from smalti.core.progress import OnProgress, Progress, ignore_event
from smalti.core.ranges import BatchSize, CountOrZero, Width
from smalti.core.sampling import check_finite_pictures
from smalti.core.short_repr import add_short_repr
from smalti.core.similarity import psnr
from smalti.tasks._reconstruct import round_psnr
from smalti.tasks.codec_reconstruction import read_codec_pictures
from smalti.tasks.inputs import Pictures, list_pictures, select_model

CodeRows = tuple[tuple[int, ...], ...]
"""h rows of w codes each."""
DIMMEST, BRIGHTEST = 0.12, 0.92
"""Ends of the colors of codes."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class EncodedPictures:
    """Pictures, their codes, and what the codes decode to."""

    pictures: Tensor
    """(n, C, H, W) in [0, 1], as the codec was given them."""
    codes: Tensor
    """(n, h, w) int64, 0 to `codebook_size` - 1."""
    reconstructions: Tensor
    """(n, C, H, W) in [0, 1]."""
    psnr: list[float | None]
    """PSNR in dB of each reconstruction; None if it is identical."""
    codebook_size: int
    code_side: int
    """Side in pixels of the square that a code stands for."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class DecodedCodes:
    """Pictures of codes."""

    pictures: Tensor
    """(n, C, H, W) in [0, 1]."""


@dataclass(frozen=True, eq=False)
@add_short_repr
class DrawnCodebook:
    """The codes of a codebook as pictures."""

    tiles: Tensor
    """(k, C, f, f) in [0, 1]: the middle of 3 x 3 times the same code, decoded."""
    colors: Tensor
    """(k, 3) in [0, 1]: codes with similar vectors have similar colors."""
    first: int
    """Code of the first tile."""
    codebook_size: int


def encode_pictures(
    model: object,
    pictures: Pictures,
    *,
    size: int | tuple[int, int] | None = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
) -> EncodedPictures:
    """Encode pictures as the codes of a codec, and decode these.

    model: Codec: shipped model, run or checkpoint.
    pictures: Picture files. They are cropped and resized to one size.
    size: Height and width (default: the model's). In pixels, as 64 or 48x64.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.

    From Python, pictures may also be arrays or tensors. UserError for a model that is no codec.
    """
    selected = select_model(model, device, ability="encode")
    codec, each = selected.model, list_pictures(pictures)
    x = read_codec_pictures(codec, each, selected.check_size(size) or codec.spec.size)
    on_progress(Progress("encoding", 0, 1))
    codes = codec.encode(x)
    y = codec.decode(codes, (x.shape[2], x.shape[3])).cpu()
    check_finite_pictures(y)
    on_progress(Progress("encoding", 1, 1))
    f = codec.network.downsampling_factor
    return EncodedPictures(x, codes.cpu(), y, round_psnr(psnr(x, y)), codec.vocab_size, f)


def decode_codes(
    model: object,
    codes: CodeRows | Tensor,
    *,
    size: int | tuple[int, int] | None = None,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
) -> DecodedCodes:
    """Decode codes to pictures.

    model: Codec: shipped model, run or checkpoint.
    codes: Rows of codes of one picture. From Python also a tensor (h, w) or (n, h, w).
    size: Height and width to crop to (default: no cropping). In pixels, as 64 or 48x64.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.

    UserError for codes out of range, for rows of several lengths, and for a model that is no codec.
    """
    selected = select_model(model, device, ability="encode")
    on_progress(Progress("decoding", 0, 1))
    pictures = selected.model.decode(stack_codes(codes), selected.check_size(size)).cpu()
    check_finite_pictures(pictures)
    on_progress(Progress("decoding", 1, 1))
    return DecodedCodes(pictures)


def stack_codes(codes: CodeRows | Tensor) -> Tensor:
    """Codes (n, h, w); of one picture, n is 1. UserError if they are no grid of integers."""
    if not isinstance(codes, Tensor):
        try:
            codes = torch.tensor(codes)
        except (TypeError, ValueError, RuntimeError, OverflowError):
            raise UserError(
                f"codes are {shorten(codes)}; give rows of integers, all of one length"
            ) from None
    codes = codes[None] if codes.ndim == 2 else codes
    if codes.ndim != 3 or not codes.numel():
        raise UserError(f"codes have shape {tuple(codes.shape)}; give (h, w) or (n, h, w)")
    return codes


def draw_codebook(
    model: object,
    *,
    first: CountOrZero = 0,
    n: Width = 1024,
    batch_size: BatchSize = 256,
    device: str = "auto",
    on_progress: OnProgress = ignore_event,
) -> DrawnCodebook:
    """Draw each code of a codec as it looks among its own kind.

    model: Codec: shipped model, run or checkpoint.
    first: First code to draw.
    n: Codes to draw, at most.
    batch_size: Codes per batch.
    device: Device: auto, cpu, cuda, cuda:1 or mps. The default prefers CUDA.

    UserError for a model that is no codec, and for a first code beyond the codebook.
    """
    codec: Codec = select_model(model, device, ability="encode").model
    K, f = codec.vocab_size, codec.network.downsampling_factor
    if first >= K:
        raise UserError(f"first is {first}, but the codebook has {K} codes; give 0 to {K - 1}")
    codes = torch.arange(first, min(K, first + n))
    tiles: list[Tensor] = []
    for done in range(0, len(codes), batch_size):
        on_progress(Progress("decoding", done, len(codes)))
        part = codes[done : done + batch_size, None, None].expand(-1, 3, 3)
        tiles.append(codec.decode(part)[..., f : 2 * f, f : 2 * f].cpu())
    on_progress(Progress("decoding", len(codes), len(codes)))
    return DrawnCodebook(torch.cat(tiles), color_codes(codec, codes), first, K)


@torch.no_grad()
def color_codes(codec: Codec, codes: Tensor) -> Tensor:
    """Colors (k, 3): the ranks of the codes' vectors along their three principal axes."""
    z = codec.network.quantizer.dequantize(codes.to(codec.device)[:, None, None])
    vectors = z.flatten(1).cpu().double()  # (k, D)
    centered = vectors - vectors.mean(0)
    u, s, _ = torch.linalg.svd(centered, full_matrices=False)
    axes = (u * s)[:, :3]
    strongest = axes.abs().argmax(0)
    axes = axes * axes[strongest, torch.arange(axes.shape[1])].sign()  # a sign that is the same
    ranks = axes.argsort(0).argsort(0).float() / max(1, len(codes) - 1)
    colors = torch.full((len(codes), 3), 0.5)
    colors[:, : ranks.shape[1]] = ranks
    return DIMMEST + (BRIGHTEST - DIMMEST) * colors
