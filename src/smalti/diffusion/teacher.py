"""The teacher of consistency distillation: the trained model that a student starts from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from smalti.core.conditions import merge_shorthands
from smalti.core.errors import UserError
from smalti.core.protocols import Batch
from smalti.diffusion.consistency import PredictPicture
from smalti.diffusion.likelihood import extract

if TYPE_CHECKING:
    from smalti.diffusion.model import Diffusion


class Teacher:
    """A frozen diffusion model. It is no module, so that no student saves its weights."""

    def __init__(self, model: Diffusion, guidance: float):
        self.model, self.guidance = model.eval().requires_grad_(False), guidance

    @torch.no_grad()
    def build_predictor(self, batch: Batch, n: int, maps: Tensor | None) -> PredictPicture:
        """Build the guided prediction of x0 for noisy pictures of a batch of n."""
        model, guidance = self.model, self.guidance
        c = model.conditions.to_vector(merge_shorthands(batch), n)
        c_uncond = None
        if guidance != 1 and c is not None:
            c_uncond = model.prepend_augmentation(model.conditions.to_unconditional_vector(n), n)
        c = model.prepend_augmentation(c, n)

        def predict_picture(x: Tensor, t: Tensor) -> Tensor:
            output = model.predict_guided(x, t, c, c_uncond, guidance, maps)
            return model.read_output(output, x, extract(model.alpha_bars, t), clip=True)[0]

        return predict_picture


def make_teacher(start: nn.Module | None, guidance: float, student: Diffusion) -> Teacher:
    """The teacher for a student. UserError without a start, or for one of another kind."""
    from smalti.diffusion.model import Diffusion

    if not isinstance(start, Diffusion):
        given = "no start is given" if start is None else f"start is a {type(start).__name__}"
        raise UserError(
            f"objective.teacher_guidance is {guidance:g}, but {given}; give the diffusion model "
            "to distill as start, or no teacher_guidance"
        )
    own, theirs = student.spec, start.spec
    if [c.values for c in own.conditions] != [c.values for c in theirs.conditions]:
        raise UserError(
            "the teacher, which is the start, has other conditions than this data's; give the "
            "data that it was trained on"
        )
    return Teacher(start.to(student.alpha_bars.device), guidance)
