"""Pack the files that a bare machine needs for `gpu_round.py`."""

from __future__ import annotations

import io
import shutil
import zipfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

MODELS = (
    "autoencoder-digits",
    "autoencoder-emoji",
    "ddpm-digits",
    "digits-classifier",
    "emoji-classifier",
    "vqgan-emoji",
    "vqvae-digits",
)
"""Shipped models that training or the checks load."""
SCRIPTS = ("gpu_*.py", "train_translator.py", "prepare_translation.py")
LOSSY = ("textures-128",)
"""Packs that are stored lossily, to save space."""
QUALITY = 95
"""WebP quality of these."""


def pack(root: Path, out: Path, extras: Sequence[str]) -> None:
    """Copy src and scripts of the checkout `root`, and extras, into the new folder `out`.

    extras: "FROM:TO", a folder and its path below `out`, such as packs:gpu/data or wheels:.whl.
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
    for pair in extras:
        source, _, target = pair.rpartition(":")
        copy_folder(Path(source), out / target)
    print_sizes(out)


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder; packs of pictures in it become archives, a fifth of their size."""
    target.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.iterdir()):
        if path.suffix == ".tmp":
            continue  # incomplete
        if (path / "pack.json").is_file():
            write_archive(path, target / f"{path.name}.pack.zip")
        elif path.is_dir():
            copy_folder(path, target / path.name)
        else:
            shutil.copy2(path, target)


def write_archive(folder: Path, path: Path) -> None:
    """Write a pack with each picture as WebP, lossless except for LOSSY."""
    pixels = np.load(folder / "pixels.npy", mmap_mode="r")
    options = {"quality": QUALITY} if folder.name in LOSSY else {"lossless": True, "quality": 40}
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("pack.json", "labels.npy"):
            if (folder / name).is_file():
                archive.write(folder / name, name, zipfile.ZIP_DEFLATED)
        for k, picture in enumerate(pixels):
            data = io.BytesIO()
            Image.fromarray(picture.transpose(1, 2, 0).squeeze()).convert("RGB").save(
                data, "WEBP", **options
            )
            archive.writestr(f"{k}.webp", data.getvalue())


def unpack(folder: Path) -> None:
    """Unpack the archives of `copy_folder` into packs next to them, in parallel."""
    paths = sorted(folder.glob("*.pack.zip"))
    packs = [folder / path.name.removesuffix(".pack.zip") for path in paths]
    new = [pair for pair in zip(paths, packs, strict=True) if not pair[1].is_dir()]
    if new:
        with ProcessPoolExecutor() as pool:
            list(pool.map(read_archive, *zip(*new, strict=True)))


def read_archive(path: Path, pack: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        count = sum(name.endswith(".webp") for name in names)
        pictures = [np.asarray(Image.open(archive.open(f"{k}.webp"))) for k in range(count)]
        archive.extractall(pack, [name for name in names if not name.endswith(".webp")])
    pixels = np.stack(pictures).transpose(0, 3, 1, 2)
    gray = all((pixels[:, 0] == pixels[:, c]).all() for c in (1, 2))
    np.save(pack / "pixels.npy", np.ascontiguousarray(pixels[:, :1] if gray else pixels))


def print_sizes(out: Path) -> None:
    total = 0
    for folder in sorted(out.iterdir()):
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
        total += size
        print(f"{folder.name:10} {size / 2**20:7.2f} MiB")
    print(f"{'all':10} {total / 2**20:7.2f} MiB of 64")
