"""What is made once, for the commands to work on: models, a run, a compressed file, a report."""

from __future__ import annotations

from contextlib import chdir
from dataclasses import dataclass
from pathlib import Path

import torch

from smalti.cli import main
from smalti.core.checkpoint import save
from smalti.diffusion import DDIM
from smalti.features.classifier import ClassifierConfig
from smalti.vq import EMAConfig
from tests import albums
from tests.command import RUN
from tests.tiny import awake, diffusion, pixelcnn, plusplus, vqgan, vqvae


@dataclass(frozen=True)
class Kit:
    """A folder of good things; nobody writes into it."""

    at: Path
    golden: Path = Path(__file__).parents[1] / "golden"

    def read(self, name: str) -> bytes:
        return (self.at / name).read_bytes()


MODELS = {
    "diffusion": lambda: diffusion(classes=("cats", "dogs"), sampler=DDIM(steps=2)),
    "pixelcnn": lambda: pixelcnn(levels=256, width=6, head=6),
    "plusplus": lambda: plusplus(levels=256, filters=4),
    "vqvae": lambda: vqvae(EMAConfig(8, 4)),
    "vqgan": lambda: vqgan(EMAConfig(8, 4)),
}


WARM = (
    "sample {at}/pixelcnn -n 1 --out {at}/x/1",
    "sample {at}/plusplus -n 1 --out {at}/x/2",
    "sample {at}/diffusion -n 1 --steps 2 --out {at}/x/3",
    "reconstruct {at}/vqvae {at}/photos/cats/0.png --out {at}/x/4",
    "reconstruct {at}/vqgan {at}/photos/cats/0.png --out {at}/x/5",
    "complete {at}/pixelcnn {at}/photos/cats/0.png --out {at}/x/6",
    "match {at}/photos/cats/0.png {at}/photos/cats/1.png --out {at}/x/7",
    "data {at}/photos --size 8",
    "pack {at}/photos --size 8 --out {at}/x/8",
    "report {at}/run --out {at}/x/9",
    "compare {at}/report {at}/report",
    "decompress {at}/three.smalti {at}/x/10 --model {at}/pixelcnn",
)


def make_kit(at: Path) -> Kit:
    at.mkdir(parents=True, exist_ok=True)
    with chdir(at):  # where the commands leave what they make unasked
        return _make(at)


def _make(at: Path) -> Kit:
    torch.manual_seed(0)
    for name, config in MODELS.items():
        save(awake(config().build()), at / name)
    save(ClassifierConfig().build(), at / "classifier")
    photos = albums.folder(at / "photos", albums.two_classes(4))
    run = at / "run"
    words = ["train", "ddpm", "--data", str(photos), "--out", str(run), *RUN]
    assert main(words) == 0
    small = albums.folder(at / "grey", {f"{k}.png": albums.encoded(albums.noise(3, 8, 8)[k])
                                        for k in range(3)})  # fmt: skip
    pressed = str(at / "three.smalti")
    assert main(["compress", str(small), pressed, "--model", str(at / "pixelcnn")]) == 0
    assert main(["evaluate", str(run), "-n", "8", "--metrics", "memorisation", "--bootstraps", "2",
                 "--features", "digits", "--out", str(at / "report")]) == 0  # fmt: skip
    for words in WARM:  # what these load or compile is there then, in every fork
        assert main([word.format(at=at) for word in words.split()]) == 0, words
    return Kit(at)
