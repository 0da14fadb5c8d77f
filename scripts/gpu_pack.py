"""The tree that a bare machine needs for `gpu_round.py`: little enough to travel."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path

MODELS = ("ddpm-digits", "digits-classifier", "emoji-classifier", "vqvae-digits")
"""Shipped models that training or the checks load."""
SCRIPTS = ("gpu_*.py", "train_translator.py")


def pack(root: Path, out: Path, take: Sequence[str]) -> None:
    """src and scripts of the checkout `root`, and what is taken along, into the new folder `out`.

    take: "FROM:TO", a folder and its place below `out`, such as packs:gpu/data or wheels:.whl.
    """
    if out.exists():
        raise SystemExit(f"{out} exists; give a new folder")
    models = root / "src/smalti/assets/models"
    others = {path.name for path in models.iterdir()} - set(MODELS)

    def ignore(folder: str, names: list[str]) -> set[str]:
        drop = others if Path(folder) == models else set()
        return {n for n in names if n in drop or n == "__pycache__" or n.endswith(".egg-info")}

    shutil.copytree(root / "src", out / "src", ignore=ignore)
    (out / "scripts").mkdir()
    for pattern in SCRIPTS:
        for path in (root / "scripts").glob(pattern):
            shutil.copy2(path, out / "scripts")
    for pair in take:
        source, _, target = pair.rpartition(":")
        bring(Path(source), out / target)
    tell_sizes(out)


def bring(source: Path, target: Path) -> None:
    """A copy of the folder; packs of pictures in it become archives, a fifth of their size."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.suffix == ".tmp":
            continue  # not whole yet
        if (path / "pack.json").is_file():
            with tarfile.open(target / f"{path.name}.tar.xz", "w:xz", preset=6) as archive:
                archive.add(path, path.name)
        elif path.is_dir():
            bring(path, target / path.name)
        else:
            shutil.copy2(path, target)


def unpack(folder: Path) -> None:
    """The archives that `bring` made, beside them."""
    for path in sorted(folder.glob("*.tar.xz")):
        if not (folder / path.name.removesuffix(".tar.xz")).is_dir():
            with tarfile.open(path) as archive:
                archive.extractall(folder, filter="data")


def tell_sizes(out: Path) -> None:
    total = 0
    for folder in sorted(out.iterdir()):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        total += size
        print(f"{folder.name:10} {size / 2**20:7.2f} MiB")
    print(f"{'all':10} {total / 2**20:7.2f} MiB of 64")
