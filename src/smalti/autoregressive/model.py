"""The autoregressive model: a network that predicts the symbols of a codec one by one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn

from smalti.autoregressive.augment import (
    choose_corners,
    corrupt_symbols,
    crop_pictures,
    shift_pictures,
)
from smalti.autoregressive.condition_sampling import draw_conditions, list_unspecified
from smalti.autoregressive.conditioning import (
    TokenConditioning,
    VectorConditioning,
    hide_parts,
    to_network_input,
)
from smalti.autoregressive.config import AutoregressiveConfig
from smalti.autoregressive.fine_tuning import convert_weights
from smalti.autoregressive.guidance import check_guidance, choose_by_draws, walk_guided
from smalti.autoregressive.known import encode_known
from smalti.autoregressive.likelihood import compute_score, sum_nats
from smalti.autoregressive.map_encoder import MapEncoder
from smalti.autoregressive.network import (
    check_network,
    split_conditions,
)
from smalti.autoregressive.picture_condition import PictureEncoders
from smalti.autoregressive.walk import walk_rows
from smalti.autoregressive.windows.sampler import add_windows
from smalti.autoregressive.windows.stream import (
    decode_large,
    draws_any_size,
    read_canvas_size,
    stream_windows,
)
from smalti.core.canvas import Canvas
from smalti.core.conditions import (
    SHIFT,
    ConditionValues,
    list_input_fields,
    merge_shorthands,
    resolve_conditions,
)
from smalti.core.errors import UserError
from smalti.core.model import Model
from smalti.core.players import StartWeights
from smalti.core.protocols import (
    Batch,
    ChooseSymbols,
    Loss,
    Score,
    Spec,
    Walker,
)
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.layers.condition_encoder import ConditionEncoder
from smalti.layers.eval_mode import eval_mode
from smalti.layers.frozen_codec import UnregisteredCodec, load_codec_of_codes
from smalti.layers.symbol_sampling import Ancestral


class Autoregressive(Model):
    """p(symbols) = prod_k p(symbol k | symbols before it, conditions), in the order of the config.

    PixelCNN (arXiv:1601.06759), Gated PixelCNN (arXiv:1606.05328), PixelCNN++ (arXiv:1701.05517)
    or a GPT (arXiv:2012.09841), over the levels of pixels or over a codec's codes.

    `loss` trains it, `score` computes nats, `stream` samples row by row, `walk` visits the symbols
    one by one. Symbols are (n, C, h, w) int64, codes with C = 1.
    """

    network: Any

    def __init__(self, config: AutoregressiveConfig):
        super().__init__()
        self.config = config
        self.codec_holder = UnregisteredCodec(load_codec_of_codes(config.codec))
        self.requirements = config.compute_requirements(self.codec_holder.codec)
        check_network(config.network, self.requirements)
        kind = "vector" if "vector" in config.network.condition_kinds else "tokens"
        self.conditioning = (
            VectorConditioning(self.requirements)
            if kind == "vector"
            else TokenConditioning(self.requirements)
        )
        vectors, pictures = split_conditions(config.conditions)
        self.conditions = ConditionEncoder(vectors, config.condition_dropout, kind)
        self.pictures = PictureEncoders(
            [c.build() for c in pictures],
            config.condition_dropout,
            "tokens" if kind == "tokens" else "map",
        )
        self.maps = None
        if pictures and kind == "vector":
            self.maps = MapEncoder(self.pictures.list_grids(), self.requirements.grid[1:])
        self.network = config.network.build()
        completes = ("known", "mask") if config.codec.has_pictures else ()
        conditions = (*self.conditions.spec, *self.pictures.spec)
        free = draws_any_size(config)
        self.spec = Spec(
            output="picture" if config.codec.has_pictures else "indices",
            channels=config.shape[0],
            size=config.shape[1:],
            free_size=free,
            conditions=conditions,
            accepted_inputs=(
                *list_input_fields(conditions),
                *completes,
                *(("size",) if free else ()),
            ),
            samplers=(config.sampler, add_windows(config.sampler)) if free else (config.sampler,),
        )

    @property
    def device(self) -> torch.device:
        return next(self.network.parameters()).device

    @property
    def codec(self) -> Any:
        """The codec, on the model's device."""
        return self.codec_holder.move_codec(self.device)

    @property
    def is_lossless(self) -> bool:
        """Whether symbols determine the picture, so that it can be completed and compressed."""
        return self.config.codec.lossless

    @property
    def values(self) -> Tensor | None:
        """(K,) float64, the symbols' values as network input; None if it takes the symbols."""
        return (
            self.codec_holder.move_values(self.device)
            if self.config.network.input_kind == "values"
            else None
        )

    def convert_start(self, start: nn.Module) -> StartWeights:
        """Weights of another autoregressive model, rearranged for this one's conditions."""
        if not isinstance(start, Autoregressive):
            return StartWeights({})
        return convert_weights(self, start)

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """Mean nats per symbol."""
        names = {c.name for c in self.spec.conditions}
        values = {k: v for k, v in merge_shorthands(batch).items() if k in names}
        z, values, shifts = self.read_symbols(batch, values)
        y = self.encode_conditions(values, len(z), shifts)
        dtype = batch.require_pictures().dtype if batch.codes is None else torch.float32
        z_in = z
        if self.training and self.config.symbol_noise:
            z_in = corrupt_symbols(z, self.requirements.n_symbols, self.config.symbol_noise)
        if not getattr(self.network, "is_initialized", True):  # from the first batch
            self.network.initialize(to_network_input(self.network, z_in, self.values, dtype), y)
        parameters = self.conditioning.predict(self.network, z_in, y, self.values, dtype)
        nats = self.config.output.compute_nats(parameters, z, self.requirements.n_symbols).mean()
        if self.is_lossless:
            return Loss(nats, {"bits_per_dim": nats.detach() / math.log(2)})
        return Loss(nats, {"nats_per_code": nats.detach()})

    def read_symbols(
        self, batch: Batch, condition_values: ConditionValues
    ) -> tuple[Tensor, ConditionValues, Tensor | None]:
        """Encode a training batch: its symbols, its conditions, and the index of each shift.

        Conditions that are derived from the pictures are added; in training both are augmented.
        """
        if batch.codes is not None:
            return self.check_codes(batch.codes), condition_values, self.read_shifts(batch)
        x, values = self.crop_to_shape(batch.require_pictures(), condition_values)
        x, shifts = self.shift_randomly(x)
        return self.encode(x), self.pictures.derive(values, x), shifts

    def read_shifts(self, batch: Batch) -> Tensor | None:
        """Read the shift index (N,) of codes of shifted pictures; None if they are not shifted."""
        shifts = batch.conditions.get(SHIFT) if self.config.max_shift else None
        return shifts if isinstance(shifts, Tensor) else None

    def crop_to_shape(self, x: Tensor, values: ConditionValues) -> tuple[Tensor, ConditionValues]:
        """Crop larger pictures, for a model that is conditioned on coordinates.

        At random in training, else in the middle; coordinates, and conditions of the pictures'
        size, are cropped alike.
        """
        (C, h, w), (N, H, W) = self.config.shape, (len(x), *x.shape[2:])
        if not self.pictures.sees_coordinates or x.shape[1] != C or (h, w) == (H, W):
            return x, values
        if h > H or w > W:
            return x, values  # `encode` refuses it
        values = self.pictures.derive_coordinates(values, x)
        corners = choose_corners(N, (H - h, W - w), not self.training, x.device)
        return crop_pictures(x, corners, (h, w)), {
            name: crop_pictures(value, corners, (h, w))
            if isinstance(value, Tensor) and value.shape[2:] == (H, W)
            else value
            for name, value in values.items()
        }

    def shift_randomly(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """In training, shift pictures by up to `max_shift` pixels; also the shift index (N,)."""
        if not (self.training and (s := self.config.max_shift)):
            return x, None
        shifts = torch.randint(-s, s + 1, (len(x), 2), device=x.device)
        return shift_pictures(x, shifts), (shifts[:, 0] + s) * (2 * s + 1) + shifts[:, 1] + s

    def encode(self, x: Tensor) -> Tensor:
        """Encode pictures as symbols (N, C, h, w), in full precision even under autocast."""
        if x.shape[1:] != self.config.shape:
            raise UserError(
                f"pictures have shape {tuple(x.shape[1:])}, but this model's have "
                f"{self.config.shape}; resize them"
            )
        with torch.autocast(x.device.type, enabled=False):
            z = self.codec.encode(x if self.is_lossless else x.float())
        return z.reshape(len(x), *self.requirements.grid)

    def check_codes(self, codes: Tensor) -> Tensor:
        """Check codes (N, C, h, w) given directly. UserError when their shape is wrong."""
        if codes.shape[1:] != self.requirements.grid:
            raise UserError(
                f"codes have shape {tuple(codes.shape[1:])}, but this model's have "
                f"{self.requirements.grid}; encode pictures with its codec"
            )
        return codes

    def encode_conditions(
        self, condition_values: ConditionValues, n: int, shifts: Tensor | None = None
    ) -> Tensor | None:
        """Encode the conditions of n pictures: a vector (n, D), a map (n, D, h, w), tokens (n, c).

        shifts: (n,) shift indices; None for unshifted pictures.
        """
        if shifts is None:
            shifts = torch.full((n,), self.requirements.n_shifts // 2, device=self.device)
        pictures = self.pictures.encode(condition_values, n, self.device, self.training)
        hidden = None
        if self.training and self.config.joint_dropout:
            hidden = torch.rand(n, device=self.device) < self.config.joint_dropout
            if self.maps is not None:  # maps are the pictures' own, beside the vector
                encoders = self.pictures.encoders
                pictures = hide_parts(pictures, [e.vocab_size for e in encoders], hidden)
        y = self.conditioning.encode_conditions(
            self.conditions, condition_values, n, shifts, pictures, hidden
        )
        return y if self.maps is None else self.maps(y, pictures)

    def score(self, batch: Batch, rng: Rng) -> Score:
        """Compute -log p of the pictures' symbols, given the batch's conditions.

        Exact for pixels; for a codec it covers the codes alone. A missing choice that the model was
        not trained without is marginalized: the mean of p over all its values.
        """
        return compute_score(self, batch)

    def compute_nats(self, z: Tensor, condition_values: ConditionValues) -> Tensor:
        """Compute the nats (N,) float64 of symbols z (N, C, h, w)."""
        return sum_nats(self, z, condition_values)

    def stream(
        self, rng: Rng, inputs: SamplingInputs = SamplingInputs(), sampler: Ancestral | None = None
    ) -> Iterator[Canvas]:
        """Sample symbols, yielding the canvas after each row.

        Unspecified choices are drawn for each sample (`draw_conditions`). With inputs.known and
        inputs.mask, masked symbols are drawn and the others kept (`encode_known`). Sample i
        draws from its own stream (`choose_by_draws`). Pictures of another inputs.size are drawn
        in windows (`windows/stream.py`).
        """
        sampler = sampler or self.config.sampler
        check_guidance(sampler.guidance, self.spec.conditions)
        if (size := read_canvas_size(self, inputs, sampler)) is not None:
            return stream_windows(self, rng, self.draw_conditions(rng, inputs), sampler, size)
        choose = choose_by_draws(rng, self.requirements, sampler)
        return self.walk(choose, len(rng), self.draw_conditions(rng, inputs), sampler.guidance)

    def draw_conditions(self, rng: Rng, inputs: SamplingInputs) -> SamplingInputs:
        """Return the inputs with unspecified choices drawn; rng: one stream per sample.

        For partly known pictures they are drawn given the symbols before the first gap.
        """
        return draw_conditions(self, rng, inputs)

    def walk(
        self,
        choose_symbols: ChooseSymbols,
        n: int,
        inputs: SamplingInputs = SamplingInputs(),
        guidance: float = 1.0,
    ) -> Iterator[Canvas]:
        """Visit the symbols of n pictures in the model's order, channels innermost.

        At each position k, `choose_symbols` gets the distributions and returns the symbols (n,);
        row by row, k = (i w + j) C + c, and otherwise as in `to_sequence`. Yields the canvas after
        each row; unmasked symbols are taken from inputs.known instead, without a call where all
        pictures have one.

        guidance: scale of classifier-free guidance, which takes two network evaluations.
        """
        values = resolve_conditions(inputs, self.spec, n)
        for c in list_unspecified(self.spec.conditions, values):
            if not c.allows_none:
                raise UserError(f"this model needs {c.name}; give one for each picture")
        check_guidance(guidance, self.spec.conditions)
        known = encode_known(self, inputs, n)
        with torch.no_grad(), eval_mode(self):
            y = self.encode_conditions(values, n)
            y_none = None if guidance == 1 else self.encode_conditions({}, n)
        if y is None or y_none is None:
            return walk_rows(self, choose_symbols, n, y, known)
        return walk_guided(self, choose_symbols, n, torch.cat([y, y_none]), known, guidance)

    def walk_resolved(
        self, choose_symbols: ChooseSymbols, n: int, condition_values: ConditionValues
    ) -> Iterator[Canvas]:
        """Visit the symbols of n pictures, as `walk`, given resolved conditions."""
        y = self.encode_conditions(condition_values, n)
        return walk_rows(self, choose_symbols, n, y, None)

    def to_sequence(self, z: Tensor) -> Tensor:
        """Arrange symbols (n, C, h, w) in the order of the walk's positions: (n, T)."""
        return self.requirements.to_sequence(z)

    def build_walker(self, n: int, y: Tensor | None, start: Tensor | None = None) -> Walker:
        """Build a walker of n pictures, conditioned on y. start: (n, m) the first symbols."""
        return self.conditioning.build_walker(self.network, n, y, self.values, start)

    def render(self, state: Canvas) -> Tensor:
        """Decode symbols to pictures (n, C, H, W) float32 in [0, 1]; without a codec, to codes."""
        if state.size is not None:
            return decode_large(self.codec, state.symbols[:, 0], state.size, state.wraps)
        size = self.config.shape[1:]
        z = state.symbols
        x = self.codec.decode(z.reshape(len(z), *self.codec.compute_code_shape(size)), size)
        return x if state.known is None else state.known.paste(x)
