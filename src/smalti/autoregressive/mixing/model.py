"""A trained autoregressive model of pixels, mixed with counts of exact contexts."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smalti.autoregressive.condition_sampling import draw_conditions
from smalti.autoregressive.guidance import check_guidance, choose_by_draws
from smalti.autoregressive.known import KnownSymbols, encode_known
from smalti.autoregressive.likelihood import compute_log_probs, compute_score
from smalti.autoregressive.mixing.config import ContextMixingConfig
from smalti.autoregressive.mixing.contexts import NEIGHBORS, hash_all_contexts, hash_contexts
from smalti.autoregressive.mixing.count_tables import (
    N_COUNTS,
    N_STATES,
    CountTables,
    unpack_tables,
)
from smalti.autoregressive.mixing.kernels import (
    CERTAIN,
    SHARPNESS_EDGES,
    list_entries,
    mix_rows,
)
from smalti.autoregressive.output import SoftmaxDistribution
from smalti.autoregressive.raster_order import unravel_position
from smalti.core.canvas import Canvas
from smalti.core.conditions import ConditionValues, resolve_conditions
from smalti.core.model import Model
from smalti.core.protocols import Batch, ChooseSymbols, Loss, Score, SymbolDistribution
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.eval_mode import eval_mode
from smalti.layers.symbol_sampling import Ancestral


class ContextMixing(Model):
    """Context mixing: p(symbol k | before) of a trained model, and of counts, mixed geometrically.

    The counts are of the symbols that followed the same neighbors in training pictures, as in
    compressors of the PAQ family; they know the exact levels that repeat, and the network knows the
    rest. The base model is not trained; `fitting.py` fits the scales and weights. The likelihood is
    exact, and it samples, completes and compresses as the base model does.
    """

    def __init__(self, config: ContextMixingConfig):
        super().__init__()
        self.config = config
        self.holder = UnregisteredModel(config.base.load())
        base, n_orders = self.holder.model, len(config.orders)
        fields = tuple(name for name in base.spec.accepted_inputs if name != "size")
        self.spec = replace(
            base.spec, free_size=False, samplers=(config.sampler,), accepted_inputs=fields
        )
        self.scales = nn.Parameter(torch.ones(len(SHARPNESS_EDGES) + 1))
        self.weights = nn.Parameter(torch.zeros(n_orders, N_STATES, N_COUNTS))
        self.counts: Tensor
        self.register_buffer("counts", torch.zeros(config.counts_bytes, dtype=torch.uint8))
        self.tables_of: tuple[Tensor, CountTables] | None = None

    @property
    def device(self) -> torch.device:
        return self.scales.device

    @property
    def base(self) -> Any:
        """The model that is mixed with counts, on this model's device, in eval mode."""
        return self.holder.move(self.device)

    @property
    def network(self) -> Any:
        """The base model's network."""
        return self.base.network

    @property
    def requirements(self) -> Any:
        return self.holder.model.requirements

    @property
    def codec(self) -> Any:
        """The levels."""
        return self.base.codec

    @property
    def is_lossless(self) -> bool:
        return True

    @property
    def tables(self) -> CountTables:
        """The unpacked counts. UserError if they are damaged."""
        if self.tables_of is None or self.tables_of[0] is not self.counts:
            packed, n = self.counts.cpu().numpy(), len(self.config.orders)
            unpacked = unpack_tables(packed, n, self.requirements.n_symbols)
            self.tables_of = self.counts, unpacked
        return self.tables_of[1]

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Mean nats per symbol, by PyTorch; the base model has no gradients."""
        with torch.no_grad():
            z, values = self.resolve(batch)
            parts = [compute_log_probs(self.base, z_n, v) for z_n, v in split_pictures(z, values)]
        target = self.requirements.to_sequence(z).flatten()  # (N T,)
        hashes = self.hash_symbols(z)  # (N T, O)
        log_p = self.mix(torch.cat(parts).to(self.scales), self.list_entries(hashes))
        nats = -log_p.gather(1, target[:, None]).mean()
        return Loss(nats, {"bits_per_dim": nats.detach() / math.log(2)})

    def resolve(self, batch: Batch) -> tuple[Tensor, ConditionValues]:
        """Return a batch's symbols (N, C, h, w) and its conditions; it must have all choices."""
        n = len(batch.require_pictures())
        values = resolve_conditions(batch, self.spec, n)
        with eval_mode(self.base):  # no shifts
            z, values, _ = self.read_symbols(batch, values)
        return z, values

    def mix(self, log_q: Tensor, entries: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """Mix log-probabilities (M, K) with the entries of their contexts, differentiably."""
        top = log_q.max(1, keepdim=True).values
        edges = torch.from_numpy(SHARPNESS_EDGES).to(log_q)
        z = log_q * self.scales[torch.bucketize(top, edges, right=True)]
        rows, symbols, cells = (x.to(self.device) for x in entries)
        added = self.weights.flatten()[cells].to(z)
        z = z.index_put((rows, symbols), added, accumulate=True)
        return torch.where(top > CERTAIN, log_q, z.log_softmax(1))

    def list_entries(self, hashes: np.ndarray) -> tuple[Tensor, Tensor, Tensor]:
        """List what followed the contexts (M, O): rows, symbols and cells, (entries,) int64."""
        none = np.empty(0, np.int64)
        shape = (3, list_entries(hashes, self.tables, none, none, none))
        found = np.empty(shape, np.int64)
        list_entries(hashes, self.tables, *found)
        rows, symbols, cells = torch.from_numpy(found)
        return rows, symbols, cells

    def hash_symbols(self, z: Tensor) -> np.ndarray:
        """Hash all contexts of symbols z (N, C, h, w), picture by picture: (N T, O) uint32."""
        N, T = len(z), self.requirements.sequence_length
        hashes = np.empty((T, N, len(self.config.orders)), np.uint32)
        canvas = z.to("cpu", torch.uint8).contiguous().numpy()
        hash_all_contexts(canvas, np.array(self.config.orders), NEIGHBORS, hashes)
        return np.ascontiguousarray(hashes.swapaxes(0, 1)).reshape(N * T, -1)

    def mix_exactly(self, log_q: Tensor, hashes: np.ndarray) -> Tensor:
        """Mix log-probabilities (M, K) in float64 by the compiled kernel: (M, K)."""
        q = np.ascontiguousarray(log_q.detach().double().cpu().numpy())
        out = np.empty_like(q)
        scales, weights = (w.detach().double().cpu() for w in (self.scales, self.weights))
        mix_rows(q, hashes, self.tables, scales.numpy(), weights.flatten().numpy(), out)
        return torch.from_numpy(out)

    def to_sequence(self, z: Tensor) -> Tensor:
        """Arrange symbols (n, C, h, w) in the order of the walk's positions: (n, T)."""
        return self.requirements.to_sequence(z)

    def read_symbols(self, batch: Batch, values: ConditionValues) -> Any:
        """Encode a batch, as the base model does."""
        return self.base.read_symbols(batch, values)

    def encode(self, x: Tensor) -> Tensor:
        """Encode pictures as symbols (N, C, h, w)."""
        return self.base.encode(x)

    @torch.no_grad()
    def compute_nats(self, z: Tensor, condition_values: ConditionValues) -> Tensor:
        """Compute the nats (N,) float64 of symbols z (N, C, h, w)."""
        nats = []
        for z_n, values in split_pictures(z, condition_values):
            log_p = self.mix_exactly(
                compute_log_probs(self.base, z_n, values), self.hash_symbols(z_n)
            )
            target = self.requirements.to_sequence(z_n).cpu().T  # (T, 1)
            nats.append(-log_p.gather(1, target).sum())
        return torch.stack(nats)

    def score(self, batch: Batch, rng: Rng) -> Score:
        """Compute -log p of the pictures, given the batch's conditions, exactly.

        A missing choice is marginalized, as by `Autoregressive.score`.
        """
        return compute_score(self, batch)

    def stream(
        self, rng: Rng, inputs: SamplingInputs = SamplingInputs(), sampler: Ancestral | None = None
    ) -> Iterator[Canvas]:
        """Sample symbols, yielding the canvas after each row, as `Autoregressive.stream`."""
        sampler = sampler or self.config.sampler
        check_guidance(sampler.guidance, self.spec.conditions)
        choose = choose_by_draws(rng, self.requirements, sampler)
        drawn = draw_conditions(self, rng, inputs)
        return self.walk(choose, len(rng), drawn, sampler.guidance)

    def walk(
        self,
        choose_symbols: ChooseSymbols,
        n: int,
        inputs: SamplingInputs = SamplingInputs(),
        guidance: float = 1.0,
    ) -> Iterator[Canvas]:
        """Visit the symbols of n pictures, as `Autoregressive.walk`, with mixed distributions.

        With guidance, the base model's guided distributions are mixed.
        """
        known = encode_known(self.base, inputs, n)
        return self.base.walk(self.mix_choice(choose_symbols, n, known), n, inputs, guidance)

    def walk_resolved(
        self, choose_symbols: ChooseSymbols, n: int, condition_values: ConditionValues
    ) -> Iterator[Canvas]:
        """Visit the symbols of n pictures, as `walk`, given resolved conditions."""
        choose = self.mix_choice(choose_symbols, n, None)
        return self.base.walk_resolved(choose, n, condition_values)

    def mix_choice(
        self, choose_symbols: ChooseSymbols, n: int, known: KnownSymbols | None
    ) -> ChooseSymbols:
        """Make a choice for a walk of the base model: `choose_symbols` gets mixed distributions."""
        C, h, w = self.requirements.grid
        canvas = np.zeros((n, C, h, w), np.uint8)
        if known is not None:
            canvas[:] = self.requirements.to_grid(known.symbols).cpu().numpy()
        orders = np.array(self.config.orders)
        hashes = np.empty((n, len(orders)), np.uint32)

        def choose(k: int, symbols: SymbolDistribution) -> Tensor:
            i, j, c = unravel_position(k, C, w)
            hash_contexts(canvas, i, j, c, orders, NEIGHBORS, hashes)
            mixed = self.mix_exactly(symbols.logits, hashes)
            chosen = choose_symbols(k, SoftmaxDistribution(mixed)).cpu()
            if known is not None:  # the walk keeps these
                chosen = chosen.where(known.missing[:, k].cpu(), known.symbols[:, k].cpu())
            canvas[:, c, i, j] = chosen.numpy()
            return chosen

        return choose

    def render(self, state: Canvas) -> Tensor:
        """Decode symbols to pictures (n, C, H, W) float32 in [0, 1]."""
        return self.base.render(state)


class UnregisteredModel:
    """Holds a model outside nn.Module's registry, so that it is neither trained nor saved."""

    def __init__(self, model: Any):
        self.model = model

    def __deepcopy__(self, memo: dict[int, Any]) -> UnregisteredModel:
        return self

    def move(self, device: torch.device) -> Any:
        """Move the model to a device and return it."""
        if self.model.device != device and device.type != "meta":
            self.model.to(device)
        return self.model


def split_pictures(
    z: Tensor, condition_values: ConditionValues
) -> Iterator[tuple[Tensor, ConditionValues]]:
    """Split symbols (N, C, h, w) and their conditions into single pictures."""
    for n in range(len(z)):
        yield z[n : n + 1], {name: v[n : n + 1] for name, v in condition_values.items()}
