"""Shared inputs of the commands: models, a run, a compressed file, a report."""

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
from tests.command import TINY_RUN
from tests.tiny import (
    diffusion_config,
    pixelcnn_config,
    plusplus_config,
    randomize_zeros,
    vqgan_config,
    vqvae_config,
)


@dataclass(frozen=True)
class Kit:
    """A folder of valid inputs; it is never written to."""

    root: Path
    golden: Path = Path(__file__).parents[1] / "golden"

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()


MODELS = {
    "diffusion": lambda: diffusion_config(classes=("cats", "dogs"), sampler=DDIM(steps=2)),
    "pixelcnn": lambda: pixelcnn_config(levels=256, width=6, head_width=6),
    "plusplus": lambda: plusplus_config(levels=256, filters=4),
    "vqvae": lambda: vqvae_config(EMAConfig(8, 4)),
    "vqgan": lambda: vqgan_config(EMAConfig(8, 4)),
}


PAIRS = """\
Save the file.\t保存文件。
Close the window.\t关闭窗口。
Open the next page.\t打开下一页。
Delete the selected rows.\t删除选中的行。
"""
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
    "data {at}/pairs.tsv --out {at}/x/11",
    "translate --file {at}/text.txt --out {at}/text.zh.txt --glossary {at}/terms.tsv",
)


def make_kit(root: Path) -> Kit:
    root.mkdir(parents=True, exist_ok=True)
    with chdir(root):  # for the commands' default output
        return _make(root)


def _make(root: Path) -> Kit:
    torch.manual_seed(0)
    for name, config in MODELS.items():
        save(randomize_zeros(config().build()), root / name)
    save(ClassifierConfig().build(), root / "classifier")
    photos = albums.write_folder(root / "photos", albums.make_two_classes(4))
    run = root / "run"
    words = ["train", "ddpm", "--data", str(photos), "--out", str(run), *TINY_RUN]
    assert main(words) == 0
    noise = albums.make_noise(3, 8, 8)
    files = {f"{k}.png": albums.encode_picture(noise[k]) for k in range(3)}
    small = albums.write_folder(root / "gray", files)
    compressed = str(root / "three.smalti")
    assert main(["compress", str(small), compressed, "--model", str(root / "pixelcnn")]) == 0
    assert main(["evaluate", str(run), "-n", "8", "--metrics", "memorization", "--bootstraps", "2",
                 "--features", "digits", "--out", str(root / "report")]) == 0  # fmt: skip
    (root / "pairs.tsv").write_text(PAIRS)
    (root / "text.txt").write_text("Save the file.\n")
    (root / "terms.tsv").write_text("file\t文件\n")
    for words in WARM:  # loaded and compiled code is then shared by every fork
        assert main([word.format(at=root) for word in words.split()]) == 0, words
    return Kit(root)
