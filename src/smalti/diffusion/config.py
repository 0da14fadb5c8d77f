"""The config of a diffusion model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from smalti.core.config import check_fields
from smalti.core.errors import UserError
from smalti.core.protocols import ModelConfig
from smalti.core.ranges import Fraction, PictureShape
from smalti.diffusion.augmentation import Augmentation
from smalti.diffusion.consistency import Consistency, ConsistencyTuning
from smalti.diffusion.fine_tuning import follow_start
from smalti.diffusion.latents import Latents
from smalti.diffusion.map_condition import MapCondition
from smalti.diffusion.matching import DistributionMatching
from smalti.diffusion.network import NetworkConfig, check_equal
from smalti.diffusion.objective import Bound, Hybrid, Simple
from smalti.diffusion.process import Prediction
from smalti.diffusion.samplers import DDIM, DDPM
from smalti.diffusion.schedule import Cosine, Linear, Sigmoid
from smalti.diffusion.solvers import DPMSolver, UniPC
from smalti.diffusion.space import Pixels
from smalti.diffusion.unet import UNetConfig
from smalti.diffusion.windows import Windows
from smalti.layers.condition_encoder import ConditionConfigs, compute_width
from smalti.layers.start_weights import replace_fields, require_family

if TYPE_CHECKING:
    from smalti.diffusion.model import Diffusion


@dataclass(frozen=True)
@check_fields
class DiffusionConfig:
    """A diffusion model (DDPM)."""

    shape: PictureShape = (1, 28, 28)
    """Channels, height and width of the pictures."""
    network: NetworkConfig = field(default_factory=UNetConfig)
    """Denoising network."""
    schedule: Linear | Cosine | Sigmoid = field(default_factory=Cosine)
    """Noise schedule."""
    prediction: Prediction = "v"
    """Prediction target. The noise eps, the picture x0, or the velocity v."""
    objective: Simple | Hybrid | Bound | ConsistencyTuning | DistributionMatching = field(
        default_factory=Simple
    )
    """Training objective. Hybrid and bound can also learn the variance of a step."""
    conditions: ConditionConfigs = ()
    """Conditions: choices such as a class, and captions."""
    picture: MapCondition | None = None
    """A picture as a condition, such as one in low resolution."""
    condition_dropout: Fraction = 0.1
    """Share of pictures trained without a condition. For classifier-free guidance."""
    sampler: DDIM | DDPM | DPMSolver | UniPC | Consistency = field(default_factory=DDIM)
    """Default sampler."""
    space: Pixels | Latents = field(default_factory=Pixels)
    """Space of the diffusion process: pixels, or a codec's latents."""
    windows: Windows | None = None
    """Larger pictures are drawn in windows. Default: as a whole."""
    augmentation: Augmentation | None = None
    """Random changes of training pictures, which the network is told. Default: none."""

    def __post_init__(self) -> None:
        if self.condition_width and "vector" not in self.network.condition_kinds:
            kinds = " and ".join(self.network.condition_kinds) or "no conditions"
            raise UserError(
                f"the network accepts {kinds}, but this model's condition is a vector; "
                "give another network, or no conditions"
            )
        self.network.check_fit(self.space.compute_shape(self.shape), self.condition_width)
        maps = getattr(self.network, "map_channels", 0)
        check_equal("map_channels", maps, self.picture.channels if self.picture else 0)
        if self.picture and self.picture.source == "given" and self.augmentation:
            raise UserError(
                "augmentation changes pictures, but not the given ones beside them; leave it out"
            )
        if self.space.is_latent and isinstance(self.objective, Bound | Hybrid):
            raise UserError(
                f"objective is {type(self.objective).__name__.lower()}, a bound on the bits of "
                "pixels, but space is a codec's latents; give objective simple"
            )
        if isinstance(self.objective, DistributionMatching) and not isinstance(
            self.sampler, Consistency
        ):
            raise UserError(
                f"sampler is {type(self.sampler).__name__}, but distribution matching trains the "
                "levels of consistency sampling; give sampler consistency"
            )
        if self.conditions and not self.condition_dropout and self.sampler.guidance != 1:
            raise UserError(
                f"sampler.guidance is {self.sampler.guidance}, but with condition_dropout 0 the "
                "model never trains without conditions; give guidance 1, or a condition_dropout"
            )

    @property
    def condition_width(self) -> int:
        """Length D of the network's condition vector: the augmentation's, then the conditions'."""
        augmented = self.augmentation.width if self.augmentation else 0
        return augmented + compute_width(self.conditions, reserve_none=True)

    def follow_start(self, start: ModelConfig) -> DiffusionConfig:
        """The config with the network of `start`, whose weights it begins with."""
        return follow_start(self, require_family(start, self, DiffusionConfig))

    def add_augmentation(self) -> DiffusionConfig:
        """The config with augmentation, and a network that is told."""
        if self.augmentation:
            return self
        width = self.condition_width + Augmentation.width
        network = replace_fields(self.network, condition_width=width)
        return replace(self, augmentation=Augmentation(), network=network)

    def build(self) -> Diffusion:
        from smalti.diffusion.model import Diffusion

        return Diffusion(self)
