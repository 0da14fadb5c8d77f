"""Distillation: what a student learns from the trained model that it starts from."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

from smalti.core.conditions import merge_shorthands
from smalti.core.errors import UserError
from smalti.core.protocols import Batch, Loss
from smalti.diffusion.consistency import ConsistencyTuning, PredictPicture
from smalti.diffusion.likelihood import extract
from smalti.diffusion.matching import DistributionMatching, split_rows
from smalti.diffusion.objective import Simple
from smalti.diffusion.samplers import DDIM

if TYPE_CHECKING:
    from smalti.diffusion.model import Diffusion


class Samples(NamedTuple):
    """What the student's step gives to the auxiliary models'."""

    x: Tensor
    """(B, D, h, w), in the range of the space."""
    maps: Tensor | None
    """Their picture conditions."""


class AuxiliaryModels(nn.Module):
    """The second player of distribution matching: diffusion models of the samples of each level."""

    betas = (0.9, 0.99)

    def __init__(self, start: Diffusion, levels: int, lr_scale: float):
        super().__init__()
        objective = start.config.objective
        if not objective.learns_variance:  # else the weights need it
            objective = Simple()
        config = replace(start.config, objective=objective, sampler=DDIM(), condition_dropout=0.0)
        self.models = nn.ModuleList(config.build() for _ in range(levels))
        for model in self.models:
            model.load_state_dict(start.state_dict())
        self.lr_scale = lr_scale

    def loss(self, batch: Batch, step: int, carry: object = None) -> Loss:
        """The simple loss of the samples in `carry`, which have the conditions of the batch; none
        before there are any.
        """
        if not isinstance(carry, Samples):
            return Loss(0 * next(self.parameters()).sum(), {})
        x, maps = carry
        total = x.new_zeros(())
        for model, rows in self.split(len(x)):
            part = None if maps is None else maps[rows]
            loss = model.compute_loss(take_rows(batch, rows), x[rows], step, part)
            total = total + loss.total * len(x[rows]) / len(x)
        return Loss(total, {})

    def build_predictor(self, batch: Batch, n: int, maps: Tensor | None) -> PredictPicture:
        """Build the prediction of x0 for noisy samples of a batch of n."""
        parts = [
            (
                rows,
                build_predictor(
                    model,
                    take_rows(batch, rows),
                    rows.stop - rows.start,
                    maps if maps is None else maps[rows],
                ),
            )
            for model, rows in self.split(n)
        ]
        return lambda x, t: torch.cat([predict(x[rows], t[rows]) for rows, predict in parts])

    def split(self, n: int) -> list[tuple[Any, slice]]:
        """The models, each with its rows of a batch of n."""
        parts = zip(self.models, split_rows(n, len(self.models)), strict=True)
        return [(model, rows) for model, rows in parts if rows.start < rows.stop]


def take_rows(batch: Batch, rows: slice) -> Batch:
    """The labels and other conditions of some items of a batch."""
    return Batch(
        labels=None if batch.labels is None else batch.labels[rows],
        text=None if batch.text is None else batch.text[rows],
        conditions={name: values[rows] for name, values in batch.conditions.items()},
    )


class Teacher:
    """A frozen diffusion model, and auxiliary models if the objective needs them.

    It is no module, so that no student saves its weights.
    """

    def __init__(self, model: Diffusion, student: Diffusion):
        objective = student.config.objective
        assert isinstance(objective, ConsistencyTuning | DistributionMatching)
        self.auxiliary: AuxiliaryModels | None = None
        if isinstance(objective, DistributionMatching):
            levels = len(student.config.sampler.choose_timesteps(student.config.schedule.T))
            scale = objective.auxiliary_lr_scale
            self.auxiliary = AuxiliaryModels(model, levels, scale).to(student.alpha_bars.device)
        self.model = model.eval().requires_grad_(False)
        guidance = objective.teacher_guidance
        self.guidance = 1.0 if guidance is None else guidance

    def build_predictor(self, batch: Batch, n: int, maps: Tensor | None) -> PredictPicture:
        """Build the guided prediction of x0 for noisy pictures of a batch of n."""
        return build_predictor(self.model, batch, n, maps, self.guidance)

    def match(
        self, student: Diffusion, batch: Batch, x0: Tensor, c: Tensor | None, maps: Tensor | None
    ) -> Loss:
        """The loss of distribution matching for x0 (B, D, h, w) with conditions c and maps."""
        config, auxiliary = student.config, self.auxiliary
        assert isinstance(config.objective, DistributionMatching) and auxiliary

        def predict(x: Tensor, t: Tensor, rows: slice) -> Tensor:
            mine, its_maps = (None if one is None else one[rows] for one in (c, maps))
            return student.predict(x, t, mine, its_maps)

        loss, x = config.objective.loss(
            predict,
            x0,
            config.prediction,
            student.alpha_bars,
            config.sampler.choose_timesteps(config.schedule.T),
            self.build_predictor(batch, len(x0), maps),
            auxiliary.build_predictor(batch, len(x0), maps),
            student.space.clip if config.sampler.clip else lambda x: x,
        )
        return loss._replace(carry=Samples(x, maps))


@torch.no_grad()
def build_predictor(
    model: Diffusion, batch: Batch, n: int, maps: Tensor | None, guidance: float = 1.0
) -> PredictPicture:
    """Build the guided prediction of x0 for noisy pictures of a batch of n."""
    c = model.conditions.to_vector(merge_shorthands(batch), n)
    c_uncond = None
    if guidance != 1 and c is not None:
        c_uncond = model.prepend_augmentation(model.conditions.to_unconditional_vector(n), n)
    c = model.prepend_augmentation(c, n)

    def predict_picture(x: Tensor, t: Tensor) -> Tensor:
        output = model.predict_guided(x, t, c, c_uncond, guidance, maps)
        return model.read_output(output, x, extract(model.alpha_bars, t), clip=True)[0]

    return predict_picture


def make_teacher(start: nn.Module | None, student: Diffusion) -> Teacher:
    """The teacher for a student. UserError without a start, or for one of another kind."""
    from smalti.diffusion.model import Diffusion

    guidance = getattr(student.config.objective, "teacher_guidance", None) or 1.0
    if not isinstance(start, Diffusion):
        given = "no start is given" if start is None else f"start is a {type(start).__name__}"
        raise UserError(
            f"objective.teacher_guidance is {guidance:g}, but {given}; give the "
            "diffusion model to distill as start"
        )
    own, theirs = student.spec, start.spec
    if [c.values for c in own.conditions] != [c.values for c in theirs.conditions]:
        raise UserError(
            "the teacher, which is the start, has other conditions than this data's; give the "
            "data that it was trained on"
        )
    return Teacher(start.to(student.alpha_bars.device), student)


def require_teacher(teacher: Teacher | None) -> Teacher:
    """The teacher. UserError without one."""
    if teacher is None:
        raise UserError("distribution matching needs a teacher; give a diffusion model as start")
    return teacher
