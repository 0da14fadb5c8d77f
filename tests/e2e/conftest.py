"""A folder with models and pictures, for the commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from smalti.cli import main
from smalti.core.checkpoint import save
from smalti.core.protocols import Card
from smalti.tasks import _forecast
from tests.command import TINY_RUN
from tests.tiny import diffusion_config, randomize_zeros


@pytest.fixture(autouse=True, scope="session")
def time_few_steps() -> Iterator[None]:
    """Make the forecast of `smalti data` time four small steps, not two seconds of large ones."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_forecast, "TIMING_SECONDS", 0.0)
        patch.setattr(_forecast, "MAX_TIMED_PIXELS", 4 * 8 * 8)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model of three classes, a model without, and a folder of pictures."""
    home = tmp_path_factory.mktemp("home")
    torch.manual_seed(0)
    classes = ("cat", "dog", "3")
    save(
        randomize_zeros(diffusion_config(classes=classes).build()),
        home / "named",
        Card(name="named"),
    )
    save(
        randomize_zeros(diffusion_config(shape=(3, 8, 8)).build()),
        home / "plain",
        Card(name="plain"),
    )
    rng = np.random.default_rng(0)
    for i in range(12):
        folder = home / "photos" / ("day", "night")[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        noise = rng.integers(0, 256, (9 + i % 3, 11, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{i}.png")
    return home


@pytest.fixture(scope="module")
def trained(home: Path) -> Path:
    """A finished run of three steps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        assert main(["train", "ddpm", "--data", "photos", *TINY_RUN]) == 0
    return home / "runs" / "ddpm"


@pytest.fixture
def at_home(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh working folder in which the models and pictures can be named."""
    for name in ("named", "plain", "photos"):
        (tmp_path / name).symlink_to(home / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path
