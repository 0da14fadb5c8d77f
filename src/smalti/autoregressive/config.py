"""The config of an autoregressive model."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from smalti.autoregressive.codec_config import CodecConfig
from smalti.autoregressive.guidance import check_guidance
from smalti.autoregressive.network import (
    ROW_MAJOR,
    FrontCondition,
    NetworkConfig,
    PriorConditions,
    Requirements,
    check_network,
    compute_requirements,
    fill_network_sizes,
    split_conditions,
)
from smalti.autoregressive.orders import Order, RowMajor
from smalti.autoregressive.output import Categorical, Output
from smalti.autoregressive.pixelcnn.gated.network import GatedPixelCNNConfig
from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import Codec, ModelConfig
from smalti.core.ranges import FractionBelowOne, PictureShape, Range
from smalti.layers.condition_encoder import describe_conditions
from smalti.layers.frozen_codec import FrozenCodec, load_codec_of_codes
from smalti.layers.pixel_levels import Levels
from smalti.layers.start_weights import require_family
from smalti.layers.symbol_sampling import Ancestral

if TYPE_CHECKING:
    from smalti.autoregressive.model import Autoregressive


@dataclass(frozen=True)
@check_fields
class AutoregressiveConfig:
    """An autoregressive model: a network over the symbols of a codec."""

    codec: CodecConfig = field(default_factory=Levels)
    """Codec: pixel levels, or a trained codec's codes."""
    network: NetworkConfig = field(default_factory=GatedPixelCNNConfig)
    """Network that predicts the symbols."""
    output: Output = field(default_factory=Categorical)
    """Output distribution of a symbol."""
    conditions: PriorConditions = ()
    """Conditions: classes, choices, captions or pictures."""
    condition_dropout: FractionBelowOne = 0.0
    """Probability of dropping a condition in training."""
    joint_dropout: FractionBelowOne = 0.0
    """Probability of dropping all conditions at once. Guidance of models with several conditions
    needs such pictures; condition_dropout must be above 0."""
    shared_table: bool = False
    """Conditions share the symbols' tokens. As in taming-transformers; otherwise they have own rows
    of a GPT's token table."""
    symbol_noise: FractionBelowOne = 0.0
    """Fraction of input symbols randomized in training."""
    max_shift: Annotated[int, Range(0, 1_024)] = 0
    """Largest random shift in training, in pixels. The network is conditioned on the shift."""
    order: Order = field(default_factory=RowMajor)
    """Order of a GPT's symbols."""
    sampler: Ancestral = field(default_factory=Ancestral)
    """Default sampler of the model."""

    def __post_init__(self) -> None:
        if not self.max_shift < min(self.shape[1:]):
            raise UserError(
                f"max_shift is {self.max_shift}; give at least 0 and less than the picture's side"
            )
        if self.joint_dropout and not self.condition_dropout:
            raise UserError(
                f"joint_dropout is {self.joint_dropout}, but condition_dropout is 0; give both"
            )
        vectors, pictures = split_conditions(self.conditions)
        if self.max_shift and not all(c.follows_shifts for c in pictures):
            raise UserError(
                f"max_shift is {self.max_shift}, but {pictures[0].name} would not shift with the "
                "picture; give max_shift 0"
            )
        if not pictures:
            spec = describe_conditions(vectors, self.condition_dropout)
            check_guidance(self.sampler.guidance, spec)
        # codecs on disk are loaded when the model is built
        if not isinstance(self.codec, FrozenCodec) and not any(c.is_on_disk for c in pictures):
            check_network(self.network, self.compute_requirements(load_codec_of_codes(self.codec)))

    @property
    def shape(self) -> PictureShape:
        """Channels, height and width of the pictures."""
        return self.codec.shape

    def compute_requirements(self, codec: Codec) -> Requirements:
        """Compute what the network must provide. UserError when the other parts do not fit."""
        return compute_requirements(
            codec,
            self.shape[1:],
            self.output,
            self.conditions,
            self.condition_dropout,
            self.max_shift,
            self.order,
            self.shared_table,
        )

    def follow_start(self, start: ModelConfig) -> AutoregressiveConfig:
        """The config with the network of `start`, whose weights it begins with."""
        from smalti.autoregressive.fine_tuning import follow_start

        return follow_start(self, require_family(start, self, AutoregressiveConfig))

    def build(self) -> Autoregressive:
        from smalti.autoregressive.model import Autoregressive

        return Autoregressive(self)


SOFTMAX = Categorical()


def build_config(
    codec: CodecConfig,
    network: NetworkConfig,
    output: Output = SOFTMAX,
    conditions: PriorConditions = (),
    condition_dropout: float = 0.0,
    max_shift: int = 0,
    order: Order = ROW_MAJOR,
    shared_table: bool = False,
    **others: Any,
) -> AutoregressiveConfig:
    """Build a config, filling in the network's default sizes to fit the other parts.

    A frozen codec is pinned by its hash. others: further fields of the config.
    """
    codec = codec.pin_hash() if isinstance(codec, FrozenCodec) else codec
    conditions = tuple(c.pin_hash() if isinstance(c, FrontCondition) else c for c in conditions)
    parts = output, conditions, condition_dropout
    requirements = compute_requirements(
        load_codec_of_codes(codec), codec.shape[1:], *parts, max_shift, order, shared_table
    )
    return AutoregressiveConfig(
        codec,
        fill_network_sizes(network, requirements),
        *parts,
        max_shift=max_shift,
        order=order,
        shared_table=shared_table,
        **others,
    )
