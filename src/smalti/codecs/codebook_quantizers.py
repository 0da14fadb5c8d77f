"""Quantisers with a codebook: by its own loss, by averages, or through one linear map."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smalti.codecs.codebook import Book
from smalti.codecs.gradient import Rotation, StraightThrough
from smalti.codecs.nearest import nearest
from smalti.codecs.quantizer import Quantised, checked_codes, flat, unflat
from smalti.codecs.space import Euclidean, Sphere
from smalti.codecs.upkeep import KMeans, Revival, Uniform, gathered
from smalti.codecs.usage import Use
from smalti.core.config import checked
from smalti.core.processes import summed
from smalti.core.ranges import Codes, Rate, Weight, Width


@dataclass(frozen=True)
@checked
class VQConfig:
    """A codebook that gradients train."""

    codes: Codes = 512
    """Codes K."""
    width: Width = 64
    """Numbers D of a code."""
    beta: Weight = 0.25
    """Weight of the commitment term, which holds the encoder to its codes."""
    legacy: bool = False
    """Put beta on the codebook term instead, as VQGAN's first code and the VQGAN article do."""
    gradient: StraightThrough | Rotation = field(default_factory=StraightThrough)
    """How gradients pass the choice."""
    space: Euclidean | Sphere = field(default_factory=Euclidean)
    """Where latents and codes are compared."""
    start: KMeans | Uniform = field(default_factory=KMeans)
    """What the codes begin as."""
    revival: Revival = field(default_factory=Revival)
    """What becomes of dead codes."""

    def build(self) -> VQ:
        return VQ(self)


class VQ(nn.Module):
    """Vector quantisation with codebook and commitment loss (VQ-VAE, arXiv:1711.00937, eq. 3).

    z: latents (B, D, h, w); e: the nearest codes. The loss is |sg[z] - e|^2 + beta |z - sg[e]|^2,
    each a mean over all numbers.
    """

    def __init__(self, config: VQConfig):
        super().__init__()
        c = config
        self.config, self.size, self.width = c, c.codes, c.width
        self.book = Book(c.codes, c.width, c.space, c.start, c.revival, trained=True)

    def forward(self, z: Tensor) -> Quantised:
        v = self.config.space.place(flat(z))
        codes = self.book.find(v)
        e = self.book.vectors(codes)
        if self.training:
            self.book.note(v, codes)
        terms = {"codebook": F.mse_loss(e, v.detach()), "commitment": F.mse_loss(v, e.detach())}
        loss = weighted(terms, self.config.beta, self.config.legacy)
        return passed(self.config.gradient(v, e), codes, z, loss, terms, self.book.use)

    def find(self, z: Tensor) -> Tensor:
        return self.book.find(flat(z)).view(len(z), *z.shape[2:])

    def look_up(self, codes: Tensor) -> Tensor:
        return self.book.vectors(checked_codes(codes, self.size)).permute(0, 3, 1, 2)

    def settle(self) -> None:
        self.book.settle()


def weighted(terms: dict[str, Tensor], beta: float, legacy: bool) -> Tensor:
    """The two terms, with beta on the paper's, or on the other."""
    light, full = ("codebook", "commitment") if legacy else ("commitment", "codebook")
    return terms[full] + beta * terms[light]


def passed(
    v: Tensor, codes: Tensor, z: Tensor, loss: Tensor, terms: dict[str, Tensor], use: Use
) -> Quantised:
    """What goes to the decoder: vectors (B h w, D) as a map like z."""
    told = {**{name: term.detach() for name, term in terms.items()}, **use.terms()}
    return Quantised(unflat(v, z), codes.view(len(z), *z.shape[2:]), loss, told)


@dataclass(frozen=True)
@checked
class EMAConfig:
    """A codebook of running means."""

    codes: Codes = 512
    """Codes K."""
    width: Width = 64
    """Numbers D of a code."""
    beta: Weight = 0.25
    """Weight of the commitment term, which holds the encoder to its codes."""
    decay: Rate = 0.99
    """How much of a mean stays at a step."""
    gradient: StraightThrough | Rotation = field(default_factory=StraightThrough)
    """How gradients pass the choice."""
    space: Euclidean | Sphere = field(default_factory=Euclidean)
    """Where latents and codes are compared."""
    start: KMeans | Uniform = field(default_factory=KMeans)
    """What the codes begin as."""
    revival: Revival = field(default_factory=Revival)
    """What becomes of dead codes."""

    def build(self) -> EMA:
        return EMA(self)


class EMA(nn.Module):
    """Codes are running means of the latents that chose them (VQ-VAE, arXiv:1711.00937, appendix
    A.1); only the commitment term is left of the loss. Sums are over all processes.

    The paper keeps N_k and m_k = N_k e_k, each with decay gamma. Here m is not kept, for it is
    N e: e moves by (1 - gamma) (sum of its latents - n e) / N, which is the same. Counts are in
    even shares of a step's latents, so that they fit into float16 whatever the batch.
    """

    count: Tensor
    sums: Tensor | None

    def __init__(self, config: EMAConfig):
        super().__init__()
        c = config
        self.config, self.size, self.width = c, c.codes, c.width
        self.book = Book(c.codes, c.width, c.space, c.start, c.revival, trained=False)
        self.register_buffer("count", torch.ones(c.codes))
        self.sums = None

    def forward(self, z: Tensor) -> Quantised:
        v = self.config.space.place(flat(z))
        codes = self.book.find(v)
        e = self.book.vectors(codes)
        if self.training:
            self.book.note(v, codes)
            sums = gathered(v.detach(), codes, self.size)[1].to(self.count.dtype)
            self.sums = sums if self.sums is None else self.sums + sums
        terms = {"commitment": F.mse_loss(v, e.detach())}
        loss = self.config.beta * terms["commitment"]
        return passed(self.config.gradient(v, e), codes, z, loss, terms, self.book.use)

    def find(self, z: Tensor) -> Tensor:
        return self.book.find(flat(z)).view(len(z), *z.shape[2:])

    def look_up(self, codes: Tensor) -> Tensor:
        return self.book.vectors(checked_codes(codes, self.size)).permute(0, 3, 1, 2)

    @torch.no_grad()
    def settle(self) -> None:
        """Move the codes, then start or revive them; a revived one counts as an average one."""
        if self.sums is None:
            return
        sums, self.sums = summed(self.sums), None
        before, revived = self.book.weight.clone(), int(self.book.use.revived)
        counts = self.book.settle()
        assert counts is not None
        if int(self.book.use.steps) == 1 or int(self.book.use.revived) > revived:
            new = (self.book.weight != before).any(1)
            self.count[new] = 1.0
            counts, sums = counts.where(~new, 0), sums.where(~new[:, None], 0)
        even = self.size / counts.sum().clamp(min=1)
        counts, sums = even * counts, even * sums
        share = 1 - self.config.decay
        self.count.lerp_(counts, share)
        step = share * (sums - counts[:, None] * self.book.weight)
        moved = self.book.weight + step / self.count[:, None].clamp(min=1e-5)
        self.book.weight.copy_(self.config.space.place(moved))


@dataclass(frozen=True)
@checked
class SimVQConfig:
    """A fixed codebook behind one linear map that gradients train."""

    codes: Codes = 1024
    """Codes K."""
    width: Width = 64
    """Numbers D of a code."""
    beta: Weight = 0.25
    """Weight of the commitment term, which holds the encoder to its codes."""
    gradient: StraightThrough | Rotation = field(default_factory=StraightThrough)
    """How gradients pass the choice."""

    def build(self) -> SimVQ:
        return SimVQ(self)


class SimVQ(nn.Module):
    """Codes are C W with C random and fixed, and W (D, D) trained (SimVQ, arXiv:2411.02038).

    Every step moves all codes at once, so none is left behind. The loss is VQ-VAE's.
    """

    fixed: Tensor

    def __init__(self, config: SimVQConfig):
        super().__init__()
        c = config
        self.config, self.size, self.width = c, c.codes, c.width
        self.register_buffer("fixed", torch.randn(c.codes, c.width) * c.width**-0.5)
        self.map = nn.Linear(c.width, c.width, bias=False)
        nn.init.orthogonal_(self.map.weight)
        self.use = Use(c.codes)

    def vectors(self) -> Tensor:
        """All codes, (K, D)."""
        with torch.autocast(self.fixed.device.type, enabled=False):
            return self.map(self.fixed)

    def forward(self, z: Tensor) -> Quantised:
        v, book = flat(z), self.vectors()
        codes = nearest(v, book)
        e = F.embedding(codes, book)
        if self.training:
            self.use.note(codes)
        terms = {"codebook": F.mse_loss(e, v.detach()), "commitment": F.mse_loss(v, e.detach())}
        loss = weighted(terms, self.config.beta, legacy=False)
        return passed(self.config.gradient(v, e), codes, z, loss, terms, self.use)

    def find(self, z: Tensor) -> Tensor:
        return nearest(flat(z), self.vectors()).view(len(z), *z.shape[2:])

    def look_up(self, codes: Tensor) -> Tensor:
        return F.embedding(checked_codes(codes, self.size), self.vectors()).permute(0, 3, 1, 2)

    def settle(self) -> None:
        self.use.settle()
