"""Quantizers with a codebook: trained by a loss, by moving averages, or by one linear map."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.codebook import Codebook
from smalti.codecs.codebook_init import KMeans, Revival, Uniform, sum_by_code
from smalti.codecs.gradient import Rotation, StraightThrough
from smalti.codecs.nearest import find_nearest
from smalti.codecs.quantizer import (
    QuantizerOutput,
    check_codes,
    flatten_positions,
    unflatten_positions,
)
from smalti.codecs.space import Euclidean, Sphere
from smalti.codecs.usage import CodebookUsage
from smalti.core.config import check_fields
from smalti.core.processes import sum_over_processes
from smalti.core.ranges import CodebookSize, FractionBelowOne, Weight, Width


@dataclass(frozen=True)
@check_fields
class VQConfig:
    """VQ: a codebook trained by gradients."""

    codebook_size: CodebookSize = 512
    """Number of codes K."""
    width: Width = 64
    """Dimension D of a code."""
    beta: Weight = 0.25
    """Weight of the commitment loss."""
    legacy: bool = False
    """Apply beta to the codebook loss instead. As in VQGAN's first code and the VQGAN article."""
    gradient: StraightThrough | Rotation = field(default_factory=StraightThrough)
    """Gradient estimator."""
    space: Euclidean | Sphere = field(default_factory=Euclidean)
    """Space of the nearest-neighbor search."""
    init: KMeans | Uniform = field(default_factory=KMeans)
    """Initialization of the codebook."""
    revival: Revival = field(default_factory=Revival)
    """Revival of dead codes."""

    def build(self) -> VQ:
        return VQ(self)


class VQ(nn.Module):
    """Vector quantization with codebook and commitment loss (VQ-VAE, arXiv:1711.00937, eq. 3).

    z: latents (B, D, h, w); e: the nearest codes. The loss is |sg[z] - e|^2 + beta |z - sg[e]|^2,
    each averaged over all elements.
    """

    def __init__(self, config: VQConfig):
        super().__init__()
        c = config
        self.config, self.codebook_size, self.width = c, c.codebook_size, c.width
        self.codebook = Codebook(c.codebook_size, c.width, c.space, c.init, c.revival, trained=True)

    def forward(self, z: Tensor) -> QuantizerOutput:
        v = self.config.space.project(flatten_positions(z))
        codes = self.codebook.find_nearest(v)
        e = self.codebook.embed(codes)
        if self.training:
            self.codebook.record(v, codes)
        terms = {"codebook": F.mse_loss(e, v.detach()), "commitment": F.mse_loss(v, e.detach())}
        loss = combine_terms(terms, self.config.beta, self.config.legacy)
        return make_output(self.config.gradient(v, e), codes, z, loss, terms, self.codebook.usage)

    def quantize(self, z: Tensor) -> Tensor:
        return self.codebook.find_nearest(flatten_positions(z)).view(len(z), *z.shape[2:])

    def dequantize(self, codes: Tensor) -> Tensor:
        return self.codebook.embed(check_codes(codes, self.codebook_size)).permute(0, 3, 1, 2)

    def after_step(self) -> None:
        self.codebook.after_step()


def combine_terms(terms: dict[str, Tensor], beta: float, legacy: bool) -> Tensor:
    """Sum both terms, with beta on the commitment term, or on the codebook term if legacy."""
    light, full = ("codebook", "commitment") if legacy else ("commitment", "codebook")
    return terms[full] + beta * terms[light]


def make_output(
    v: Tensor,
    codes: Tensor,
    z: Tensor,
    loss: Tensor,
    terms: dict[str, Tensor],
    usage: CodebookUsage,
) -> QuantizerOutput:
    """Build a quantizer's output from vectors (B h w, D), reshaped like z."""
    logged = {**{name: term.detach() for name, term in terms.items()}, **usage.compute_terms()}
    codes = codes.view(len(z), *z.shape[2:])
    return QuantizerOutput(unflatten_positions(v, z), codes, loss, logged)


@dataclass(frozen=True)
@check_fields
class EMAConfig:
    """EMA: a codebook of moving averages."""

    codebook_size: CodebookSize = 512
    """Number of codes K."""
    width: Width = 64
    """Dimension D of a code."""
    beta: Weight = 0.25
    """Weight of the commitment loss."""
    decay: FractionBelowOne = 0.99
    """Decay of the moving averages."""
    gradient: StraightThrough | Rotation = field(default_factory=StraightThrough)
    """Gradient estimator."""
    space: Euclidean | Sphere = field(default_factory=Euclidean)
    """Space of the nearest-neighbor search."""
    init: KMeans | Uniform = field(default_factory=KMeans)
    """Initialization of the codebook."""
    revival: Revival = field(default_factory=Revival)
    """Revival of dead codes."""

    def build(self) -> EMA:
        return EMA(self)


class EMA(nn.Module):
    """Codes are moving averages of their latents (VQ-VAE, arXiv:1711.00937, appendix A.1).

    The loss is the commitment term only. Sums are over all processes.

    The paper keeps N_k and m_k = N_k e_k, each with decay gamma. Here m is not stored, since it is
    N e: e moves by (1 - gamma) (sum of its latents - n e) / N, which is equivalent. Counts are in
    units of an even share of a step's latents, so that they fit into float16 for any batch size.
    """

    count: Tensor
    sums: Tensor | None

    def __init__(self, config: EMAConfig):
        super().__init__()
        c = config
        self.config, self.codebook_size, self.width = c, c.codebook_size, c.width
        self.codebook = Codebook(
            c.codebook_size, c.width, c.space, c.init, c.revival, trained=False
        )
        self.register_buffer("count", torch.ones(c.codebook_size))
        self.sums = None

    def forward(self, z: Tensor) -> QuantizerOutput:
        v = self.config.space.project(flatten_positions(z))
        codes = self.codebook.find_nearest(v)
        e = self.codebook.embed(codes)
        if self.training:
            self.codebook.record(v, codes)
            sums = sum_by_code(v.detach(), codes, self.codebook_size)[1].to(self.count.dtype)
            self.sums = sums if self.sums is None else self.sums + sums
        terms = {"commitment": F.mse_loss(v, e.detach())}
        loss = self.config.beta * terms["commitment"]
        return make_output(self.config.gradient(v, e), codes, z, loss, terms, self.codebook.usage)

    def quantize(self, z: Tensor) -> Tensor:
        return self.codebook.find_nearest(flatten_positions(z)).view(len(z), *z.shape[2:])

    def dequantize(self, codes: Tensor) -> Tensor:
        return self.codebook.embed(check_codes(codes, self.codebook_size)).permute(0, 3, 1, 2)

    @torch.no_grad()
    def after_step(self) -> None:
        """Initialize or revive codes, then update them. A new code starts with an even count."""
        if self.sums is None:
            return
        sums, self.sums = sum_over_processes(self.sums), None
        before, revived = self.codebook.weight.clone(), int(self.codebook.usage.revived)
        counts = self.codebook.after_step()
        assert counts is not None
        if int(self.codebook.usage.steps) == 1 or int(self.codebook.usage.revived) > revived:
            new = (self.codebook.weight != before).any(1)
            self.count[new] = 1.0
            counts, sums = counts.where(~new, 0), sums.where(~new[:, None], 0)
        even = self.codebook_size / counts.sum().clamp(min=1)
        counts, sums = even * counts, even * sums
        share = 1 - self.config.decay
        self.count.lerp_(counts, share)
        step = share * (sums - counts[:, None] * self.codebook.weight)
        moved = self.codebook.weight + step / self.count[:, None].clamp(min=1e-5)
        self.codebook.weight.copy_(self.config.space.project(moved))


@dataclass(frozen=True)
@check_fields
class SimVQConfig:
    """SimVQ: a fixed codebook and a trained linear map."""

    codebook_size: CodebookSize = 1024
    """Number of codes K."""
    width: Width = 64
    """Dimension D of a code."""
    beta: Weight = 0.25
    """Weight of the commitment loss."""
    gradient: StraightThrough | Rotation = field(default_factory=StraightThrough)
    """Gradient estimator."""

    def build(self) -> SimVQ:
        return SimVQ(self)


class SimVQ(nn.Module):
    """Codes are C W with C random and fixed, and W (D, D) trained (SimVQ, arXiv:2411.02038).

    Every step moves all codes at once, so none dies. The loss is VQ-VAE's.
    """

    fixed: Tensor

    def __init__(self, config: SimVQConfig):
        super().__init__()
        c = config
        self.config, self.codebook_size, self.width = c, c.codebook_size, c.width
        self.register_buffer("fixed", torch.randn(c.codebook_size, c.width) * c.width**-0.5)
        self.map = nn.Linear(c.width, c.width, bias=False)
        nn.init.orthogonal_(self.map.weight)
        self.usage = CodebookUsage(c.codebook_size)

    def compute_codebook(self) -> Tensor:
        """Compute all codes, (K, D)."""
        with torch.autocast(self.fixed.device.type, enabled=False):
            return self.map(self.fixed)

    def forward(self, z: Tensor) -> QuantizerOutput:
        v, book = flatten_positions(z), self.compute_codebook()
        codes = find_nearest(v, book)
        e = F.embedding(codes, book)
        if self.training:
            self.usage.record(codes)
        terms = {"codebook": F.mse_loss(e, v.detach()), "commitment": F.mse_loss(v, e.detach())}
        loss = combine_terms(terms, self.config.beta, legacy=False)
        return make_output(self.config.gradient(v, e), codes, z, loss, terms, self.usage)

    def quantize(self, z: Tensor) -> Tensor:
        return find_nearest(flatten_positions(z), self.compute_codebook()).view(
            len(z), *z.shape[2:]
        )

    def dequantize(self, codes: Tensor) -> Tensor:
        return F.embedding(check_codes(codes, self.codebook_size), self.compute_codebook()).permute(
            0, 3, 1, 2
        )

    def after_step(self) -> None:
        self.usage.after_step()
