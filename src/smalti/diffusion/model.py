"""A diffusion model: network, noise schedule, objective and sampler."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor, nn

from smalti.core.conditions import (
    ConditionValues,
    list_input_fields,
    merge_shorthands,
    resolve_conditions,
)
from smalti.core.config import coerce_value
from smalti.core.model import Model
from smalti.core.players import StartWeights
from smalti.core.protocols import (
    Batch,
    Dataset,
    Loss,
    Score,
    Spec,
    list_samplers,
)
from smalti.core.ranges import SideLength
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.diffusion.config import DiffusionConfig
from smalti.diffusion.consistency import Consistency, ConsistencyTuning
from smalti.diffusion.fine_tuning import convert_weights
from smalti.diffusion.inputs import (
    choose_sampler,
    encode_hole,
    keep_known_pixels,
    plan_timesteps,
    prepare_start,
)
from smalti.diffusion.latents import LatentSpace
from smalti.diffusion.likelihood import BoundEstimator
from smalti.diffusion.matching import TUNING, DistributionMatching
from smalti.diffusion.objective import draw_noisy_batch, split_output
from smalti.diffusion.process import compute_x0
from smalti.diffusion.repaint import RePaint
from smalti.diffusion.samplers import DDIM, DDPM, Denoiser, DiffusionState, Sampler
from smalti.diffusion.score import estimate_score
from smalti.diffusion.solvers import DPMSolver, UniPC
from smalti.diffusion.space import Space
from smalti.diffusion.teacher import Teacher, make_teacher, require_teacher
from smalti.diffusion.windows import WindowedPrediction, check_tiles, plan_windows
from smalti.layers.condition_encoder import ConditionEncoder
from smalti.layers.eval_mode import eval_mode

SAMPLERS = DDIM, DDPM, DPMSolver, UniPC, RePaint, Consistency
DEFAULT_ESTIMATOR = BoundEstimator()


class Diffusion(Model):
    """DDPM (arXiv:2006.11239) with any schedule, prediction and sampler.

    `loss` is the training objective, `stream` samples, `render` converts a state to pictures in
    [0, 1]. `network(x, t)`, or `network(x, t, c)` with conditions, is described in `NetworkConfig`;
    x is in the range of the config's space.
    """

    alpha_bars: Tensor

    def __init__(self, config: DiffusionConfig):
        super().__init__()
        self.config, self.objective = config, config.objective
        self.teacher: Teacher | None = None
        self.space: Space = config.space.build()
        self.network = config.network.build(1 + config.objective.learns_variance)
        self.conditions = ConditionEncoder(
            config.conditions, config.condition_dropout, reserve_none=True
        )
        self.register_buffer("alpha_bars", config.schedule.compute_alpha_bars(), persistent=False)
        free = config.network.free_size
        maps = (config.picture.describe(),) if config.picture else ()
        conditions = (*self.conditions.spec, *maps)
        self.spec = Spec(
            output="picture",
            channels=config.shape[0],
            size=config.shape[1:],
            free_size=free,
            conditions=conditions,
            accepted_inputs=(
                *list_input_fields(conditions),
                "initial_noise",
                *(() if maps else ("picture", "strength")),
                *("known", "mask"),
                *(("size",) if free else ()),
            ),
            samplers=list_samplers(config.sampler, *(kind() for kind in SAMPLERS)),
        )

    def convert_start(self, start: nn.Module) -> StartWeights:
        """Weights of another diffusion model, rearranged for this one's conditions and channels."""
        return convert_weights(self, start) if isinstance(start, Diffusion) else StartWeights({})

    def set_total_steps(self, total_steps: int) -> None:
        """Spread the stages of distillation over the run."""
        objective = self.objective
        if isinstance(objective, ConsistencyTuning) and objective.steps is None:
            self.objective = replace(objective, steps=total_steps)
        if isinstance(objective, DistributionMatching) and objective.total_steps is None:
            self.objective = replace(objective, total_steps=total_steps)

    def list_phases(self) -> list[int]:
        """Steps at which the learning rate's schedule restarts."""
        objective = self.objective
        return objective.list_phases() if isinstance(objective, DistributionMatching) else []

    def set_start(self, start: nn.Module | None) -> None:
        """Take the model that a run starts from as the teacher, if the objective has one."""
        if getattr(self.config.objective, "teacher_guidance", None) is not None:
            self.teacher = make_teacher(start, self)

    def named_players(self) -> dict[str, nn.Module]:
        """The model, and in distribution matching the auxiliary models of its samples."""
        auxiliary = self.teacher.auxiliary if self.teacher else None
        return {"model": self, **({"auxiliary": auxiliary} if auxiliary else {})}

    def set_training_data(self, data: Dataset) -> None:
        """Measure the latents of the training data, in a latent space."""
        if isinstance(self.space, LatentSpace):
            self.space.measure(data)

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """The objective at random levels; randomness is torch's default generator."""
        config, augmented = self.config, None
        if config.augmentation and self.training:
            pictures, augmented = config.augmentation.augment(batch.require_pictures())
            batch = batch._replace(pictures=pictures)
        return self.compute_loss(batch, self.space.encode_batch(batch), step, augmented=augmented)

    def compute_loss(
        self,
        batch: Batch,
        x0: Tensor,
        step: int,
        maps: Tensor | None = None,
        augmented: Tensor | None = None,
    ) -> Loss:
        """The objective for x0 (B, D, h, w) with the conditions of a batch.

        maps: the picture condition beside x0; None for the batch's. augmented: how the pictures
        were changed, (B, A).
        """
        config, objective = self.config, self.objective
        c = self.conditions.to_vector(merge_shorthands(batch), len(x0))
        c = self.prepend_augmentation(c, len(x0), augmented)
        if config.picture and maps is None:
            maps = config.picture.encode_training(batch, x0)
        predict = partial(self.predict, maps=maps)
        if isinstance(objective, DistributionMatching):
            if not objective.is_tuning(step):
                return require_teacher(self.teacher).match(self, batch, x0, c, maps)
            objective = TUNING
        if isinstance(objective, ConsistencyTuning):
            teach = self.teacher.build_predictor(batch, len(x0), maps) if self.teacher else None
            return objective.loss(predict, x0, c, config.prediction, self.alpha_bars, step, teach)
        noisy = draw_noisy_batch(x0, self.alpha_bars)
        output = predict(noisy.x, noisy.t, c)
        return objective.loss(noisy, output, config.prediction, self.alpha_bars)

    def prepend_augmentation(
        self, c: Tensor | None, n: int, augmented: Tensor | None = None
    ) -> Tensor | None:
        """Put the augmentation's parameters (n, A) before n condition vectors, if the model has it.

        Without them: zeros, which mean unchanged pictures, as in sampling.
        """
        if self.config.augmentation is None:
            return c
        if augmented is None:
            augmented = self.alpha_bars.new_zeros(n, self.config.augmentation.width)
        augmented = augmented.to(self.conditions.zero)
        return augmented if c is None else torch.cat([augmented, c], dim=1)

    def predict(self, x: Tensor, t: Tensor, c: Tensor | None, maps: Tensor | None = None) -> Tensor:
        """The network's output. maps: (n, M, h, w), a picture condition beside x."""
        x = x if maps is None else torch.cat([x, maps.to(x.dtype)], dim=1)
        return self.network(x, t) if c is None else self.network(x, t, c)

    def stream(
        self, rng: Rng, inputs: SamplingInputs = SamplingInputs(), sampler: Sampler | None = None
    ) -> Iterator[DiffusionState]:
        """Yield the states of sampling: pure noise first, then one state per step.

        Choices that are not given are drawn per sample; captions default to empty.
        inputs.initial_noise is x_T, (n, C, H, W), in a latent space (n, D, h, w); inputs.size is
        another height and width. With inputs.picture, sampling starts at an intermediate level from
        that picture with noise (SDEdit), unless the model has a picture as a condition;
        inputs.known and inputs.mask are a hole to fill (RePaint).
        """
        given = inputs
        if self.config.picture:  # it is the condition, not a start
            inputs = replace(inputs, picture=None)
        T = self.config.schedule.T
        sampler = choose_sampler(inputs, self.config.sampler, sampler, T)
        timesteps = plan_timesteps(inputs, sampler, T)
        size = coerce_value(inputs.size, tuple[SideLength, SideLength] | None, "size")
        device, size = self.alpha_bars.device, size or self.config.shape[1:]
        shape = self.compute_noise_shape(size)
        self.config.network.check_fit(shape, self.config.condition_width)
        # drawn also when x_T is given, so that later draws stay the same
        fresh_noise = rng.normal(*shape).to(device)
        picture_shape = (len(rng), self.config.shape[0], *size)
        a_t = self.alpha_bars[timesteps[0]]
        x = prepare_start(inputs, fresh_noise, a_t, self.space, picture_shape)
        conditions = self.draw_conditions(rng, given)
        maps = self.encode_map(conditions, x, size, rng)
        wraps = getattr(sampler, "seamless", False)
        check_tiles(size, self.space.downsampling_factor, wraps)
        windows = plan_windows(self.config.windows, self.compute_noise_shape(), x, wraps)
        denoise = self.build_denoiser(
            conditions, len(rng), sampler.clip, sampler.guidance, maps, windows
        )

        def draw_noise() -> Tensor:
            return rng.normal(*shape).to(device)

        if isinstance(sampler, RePaint):
            hole = encode_hole(inputs, picture_shape, device, self.space)
            states = sampler.stream(denoise, x, self.alpha_bars, draw_noise, timesteps, hole=hole)
        else:
            states = sampler.stream(denoise, x, self.alpha_bars, draw_noise, timesteps)
        if not self.space.is_latent:
            return states
        known = keep_known_pixels(inputs, picture_shape, device)
        return (replace(state, size=size, known=known, wraps=wraps) for state in states)

    def compute_noise_shape(self, size: tuple[int, int] | None = None) -> tuple[int, int, int]:
        """Shape (D, h, w) of x for pictures of this height and width; None: the model's."""
        C, H, W = self.config.shape
        return self.config.space.compute_shape((C, *(size or (H, W))))

    def encode_map(
        self, conditions: ConditionValues, x: Tensor, size: tuple[int, int], rng: Rng
    ) -> Tensor | None:
        """The picture condition beside x, for pictures of this size; None without one."""
        if self.config.picture is None:
            return None
        H, W = self.config.shape[1:]
        scale = size[0] / H, size[1] / W
        return self.config.picture.encode_sampling(conditions, x.float(), scale, rng)

    def draw_conditions(self, rng: Rng, inputs: SamplingInputs) -> ConditionValues:
        """Resolve the conditions of the samples. Choices that are not given are drawn,
        if they need a value.
        """
        conditions = resolve_conditions(inputs, self.spec, len(rng))
        for condition in self.spec.conditions:
            K = 0 if condition.has_default else len(condition.values)
            if K:  # drawn also when given: later draws stay the same
                conditions.setdefault(condition.name, (rng.uniform() * K).long())
        return conditions

    def build_denoiser(
        self,
        conditions: ConditionValues,
        n: int,
        clip: bool,
        guidance: float,
        maps: Tensor | None = None,
        windows: WindowedPrediction | None = None,
    ) -> Denoiser:
        """Build the denoiser that a sampler calls. conditions: of n pictures, as resolved.
        maps: of their picture condition, which guidance leaves as it is. windows: None for whole
        pictures.

        Classifier-free guidance w gives uncond + w (cond - uncond), eq. 6 of arXiv:2207.12598,
        whose w + 1 is ours. 0 is unconditional, with a single network call.
        """
        with torch.no_grad(), eval_mode(self):
            c_uncond = None if guidance == 1 else self.conditions.to_unconditional_vector(n)
            c = self.conditions.to_vector(conditions, n) if guidance else c_uncond
            c = self.prepend_augmentation(c, n)
            if c_uncond is not None:
                c_uncond = self.prepend_augmentation(c_uncond, n)

        def predict_x0(x: Tensor, t: int) -> tuple[Tensor, Tensor | None]:
            def predict_some(x: Tensor, samples: Tensor, maps: Tensor | None) -> Tensor:
                mine, other = (None if one is None else one[samples] for one in (c, c_uncond))
                return self.predict_guided(x, t, mine, other, guidance, maps)

            if windows is None:
                output = self.predict_guided(x.float(), t, c, c_uncond, guidance, maps)
            else:
                output = windows(predict_some, x.float(), maps)
            return self.read_output(output.double(), x, self.alpha_bars[t], clip)

        return Denoiser(predict_x0)

    @torch.no_grad()
    def predict_guided(
        self,
        x: Tensor,
        t: int | Tensor,
        c: Tensor | None,
        c_uncond: Tensor | None,
        guidance: float,
        maps: Tensor | None = None,
    ) -> Tensor:
        """The network's output at level t for c (n, D), guided away from c_uncond (n, D).

        t: of all, or of each (n,).
        """
        ts = torch.as_tensor(t, device=x.device).expand(len(x))
        with eval_mode(self):
            if c is None or c_uncond is None or not guidance:
                return self.predict(x, ts, c, maps)
            twice = None if maps is None else torch.cat([maps, maps])
            c = torch.cat([c, c_uncond])
            both = self.predict(torch.cat([x, x]), torch.cat([ts, ts]), c, twice)
        cond, uncond = both.chunk(2)
        guided = uncond + guidance * (cond - uncond)
        C = x.shape[1]  # the variance is not guided
        return torch.cat([guided[:, :C], cond[:, C:]], dim=1)

    def read_output(
        self, output: Tensor, x: Tensor, a_t: Tensor, clip: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Convert the network's output for x to the predicted x0, and to v if learned."""
        output, v = split_output(output, x.shape[1], self.config.objective.learns_variance)
        x0 = compute_x0(self.config.prediction, output, x, a_t)
        return (self.space.clip(x0) if clip else x0), v

    def score(self, batch: Batch, rng: Rng, estimator: BoundEstimator = DEFAULT_ESTIMATOR) -> Score:
        """Estimate the variational bound on -log p(x), or -log p(x | class) if there are labels.

        batch.pictures are 8-bit levels / 255; UserError for other values. Row i depends only on
        stream i. The terms are those of DDPM's eq. 5: L_T, the sum of L_t, and L_0.
        """
        return estimate_score(self, batch, rng, estimator)

    def render(self, state: DiffusionState) -> Tensor:
        """Convert a state to pictures, (n, C, H, W) float32 in [0, 1].

        In a latent space the codec decodes them.
        """
        pictures = self.space.decode(state.x, state.size or self.config.shape[1:], state.wraps)
        return pictures if state.known is None else state.known.paste(pictures)
