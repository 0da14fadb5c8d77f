"""Training as in diffusers' unconditional example with its defaults, plus class labels.

After `examples/unconditional_image_generation/train_unconditional.py` of diffusers: AdamW at 1e-4,
betas (0.95, 0.999), weight decay 1e-6, 500 steps of warm-up and a cosine over 100 epochs, batch
size 16, gradients clipped to norm 1, noise predicted at 1000 linear levels, EMA with power 3/4.
A tenth of the labels is hidden, as in smalti's training, so that samples can be guided.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from diffusers.optimization import get_scheduler
from diffusers.schedulers.scheduling_ddpm import DDPMScheduler
from diffusers.training_utils import EMAModel
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, RandomSampler, TensorDataset

from smalti.data import Pictures
from smalti.diffusion import DiffusionConfig
from smalti.training.readback import StepResult

EPOCHS = 100
BATCH_SIZE = 16
HIDDEN = 0.1  # share of labels trained as "none"


class ExampleLoop:
    """The example's loop, with the interface of smalti's that the race needs."""

    def __init__(self, config: DiffusionConfig, pictures: Pictures, precision: str, seed: int):
        torch.manual_seed(seed)
        self.model = config.build().train()
        self.average = config.build().eval()
        self.classes = len(pictures.classes)
        self.precision, self.step = precision, 0
        weights = self.model.network.parameters()
        self.optimizer = torch.optim.AdamW(
            weights, lr=1e-4, betas=(0.95, 0.999), weight_decay=1e-6, eps=1e-8
        )
        self.data = TensorDataset(*pad_pictures(pictures, config.shape[1]))
        steps = EPOCHS * -(-len(self.data) // BATCH_SIZE)
        self.schedule = get_scheduler(
            "cosine", self.optimizer, num_warmup_steps=500, num_training_steps=steps
        )
        self.ema = EMAModel(
            list(self.model.network.parameters()),
            decay=0.9999,
            use_ema_warmup=True,
            inv_gamma=1.0,
            power=3 / 4,
        )
        self.noise = DDPMScheduler(num_train_timesteps=1000, beta_schedule="linear")

    def run_steps(self) -> Iterator[StepResult]:
        """Train without end. After a resume the order of the pictures begins anew."""
        while True:
            sampler = RandomSampler(self.data)
            for x, labels in DataLoader(self.data, batch_size=BATCH_SIZE, sampler=sampler):
                yield self.take_step(x, labels)

    def take_step(self, x: Tensor, labels: Tensor) -> StepResult:
        eps = torch.randn_like(x)
        t = torch.randint(0, 1000, (len(x),))
        noisy = self.noise.add_noise(x, eps, t)  # pyright: ignore[reportArgumentType]
        labels = labels.masked_fill(torch.rand(len(x)) < HIDDEN, self.classes)
        y = F.one_hot(labels, self.classes + 1).float()
        with torch.autocast("cpu", torch.bfloat16, enabled=self.precision == "bf16"):
            predicted = self.model.network(noisy, t, y)
        loss = F.mse_loss(predicted.float(), eps)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.model.network.parameters(), 1.0)
        self.optimizer.step()
        rate = float(self.schedule.get_last_lr()[0])
        self.schedule.step()
        self.optimizer.zero_grad()
        self.ema.step(self.model.network.parameters())
        self.step += 1
        return StepResult(self.step, {"loss": float(loss.detach())}, rate)

    def read_average(self) -> torch.nn.Module:
        """The model with averaged weights."""
        self.ema.copy_to(self.average.network.parameters())
        return self.average

    def state_dict(self) -> dict[str, Any]:
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(),
            "ema": self.ema.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step = state["step"]
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.load_state_dict(state["schedule"])
        self.ema.load_state_dict(state["ema"])


def pad_pictures(pictures: Pictures, side: int) -> tuple[Tensor, Tensor]:
    """Pictures in [-1, 1] with a black border up to side x side, (N, 1, side, side); labels."""
    assert pictures.labels is not None, "the race is conditioned on classes"
    x = pictures.take_floats(slice(None)) * 2 - 1
    border = (side - x.shape[-1]) // 2
    return F.pad(x, (border,) * 4, value=-1.0), pictures.labels
