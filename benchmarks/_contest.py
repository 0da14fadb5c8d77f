"""Who takes part in the race, and with which settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from benchmarks._example_loop import BATCH_SIZE, ExampleLoop
from benchmarks._networks import ENDLESS, DiffusersUNet
from benchmarks._racer import RaceLoop, SmaltiLoop
from smalti.convert import ArticleDDPM
from smalti.data import Pictures
from smalti.diffusion import DDIM, DiffusionConfig, Linear, UNetConfig
from smalti.diffusion.network import NetworkConfig
from smalti.layers.condition_encoder import make_choices
from smalti.recipes import find_recipe
from smalti.training.config import Training
from smalti.training.device import build_fabric
from smalti.training.run_record import RunRecord
from smalti.training.start import start_loop

CLASSES = 10


@dataclass(frozen=True)
class Entry:
    """A network and how it is trained."""

    network: NetworkConfig
    training: Training
    trainer: Literal["smalti", "example"] = "smalti"
    side: int = 28
    """Height and width; digits get a black border up to it."""


OURS = replace(find_recipe("ddpm").training, steps=ENDLESS, schedule="constant")
EXAMPLE = Training(batch_size=BATCH_SIZE)  # the rest is in the example's loop
RIVAL = DiffusersUNet(classes=CLASSES)
EXAMPLE_RIVAL = DiffusersUNet(
    widths=(128, 128, 256, 256, 512, 512), attention=(4,), groups=32, head_width=8, classes=CLASSES
)
"""The example's network; six levels need 32x32."""

SMALL = Entry(UNetConfig(condition_width=CLASSES + 1), OURS)
CONTESTS: dict[str, dict[str, Entry]] = {
    "same-trainer": {
        "small": SMALL,
        "article": Entry(ArticleDDPM(img_shape=(1, 28, 28), classes=CLASSES), OURS),
        "diffusers": Entry(RIVAL, OURS),
    },
    "as-people": {
        "small": SMALL,
        "example-small": Entry(RIVAL, EXAMPLE, "example"),
        "example": Entry(EXAMPLE_RIVAL, EXAMPLE, "example", side=32),
    },
}
"""Networks by goal; ours comes first."""


def build_race_loop(
    entry: Entry, pictures: Pictures, precision: Literal["32", "bf16"], seed: int
) -> RaceLoop:
    """Build the training loop of an entry."""
    model = DiffusionConfig(
        shape=(pictures.shape[0], entry.side, entry.side),
        network=entry.network,
        conditions=make_choices(pictures.classes),
        sampler=DDIM(steps=20, eta=0),
    )
    if entry.trainer == "example":
        model = replace(model, schedule=Linear(), prediction="eps")
        return ExampleLoop(model, pictures, precision, seed)
    training = replace(entry.training, precision=precision, seed=seed)
    record = RunRecord(model, training, Path("nowhere"), {})
    return SmaltiLoop(start_loop(build_fabric(training), record, pictures))
