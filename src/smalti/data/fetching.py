"""Google's emoji, brought here by npm and packed."""

from __future__ import annotations

import subprocess
import tarfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import numpy as np

from smalti.core.errors import UserError
from smalti.core.folders import check_free, check_writable, folder_for
from smalti.data.decode import look_of
from smalti.data.duplicates import Duplicates, find_duplicates, leaks, print_of
from smalti.data.emoji import (
    CATALOGUE,
    PACKAGE,
    PICTURES,
    VERSION,
    Emoji,
    read_catalogue,
    split_of,
)
from smalti.data.files import open_image
from smalti.data.gather import Progress
from smalti.data.packing import Packed, write_pack
from smalti.data.packs import FILES, pack_source
from smalti.data.source import SPLITS, Source

SIZES = (32, 64)
SEED = 0  # of the split, which must stay what trained models know it as
LICENCE = "Noto Emoji by Google, Apache License 2.0; catalogue by emoji-data, MIT"  # its README
WAIT = 600  # seconds that npm may take


@dataclass(frozen=True)
class Fetched:
    """A pack of emoji, and what stands in it twice."""

    path: Path
    packed: Packed
    bases: int
    """Emoji, all variants of one counted once."""
    duplicates: Duplicates
    leaking: int
    """Pairs, equal or nearly so, of which the two sides stand in different splits."""

    @property
    def distinct(self) -> int:
        """Pictures of different pixels."""
        return self.packed.shape[0] - self.duplicates.copies


def fetch_emoji(out: Path, progress: Progress | None = None) -> list[Fetched]:
    """Download the package and write the packs emoji-32 and emoji-64 into the folder `out`.

    Category is the class, name the caption, white the background.  UserError when npm is missing
    or fails, or the package is not the one that is known.
    """
    with TemporaryDirectory(prefix="smalti-") as folder:
        for size in SIZES:
            check_free(out / f"emoji-{size}", FILES)
        check_writable(out)
        package = unpack(download(Path(folder)), Path(folder))
        source, bases = emoji_source(package)
        return [pack_emoji(source, bases, out, size, progress) for size in SIZES]


def pack_emoji(
    source: Source, bases: int, out: Path, size: int, progress: Progress | None
) -> Fetched:
    look, path = look_of(size, "rgb", "white", crop=True), out / f"emoji-{size}"
    rows = {split: np.arange(part.start, part.stop) for split, part in source.splits.items()}
    how = {"package": f"{PACKAGE}@{VERSION}", "licence": LICENCE, "seed": SEED}
    named = replace(source, name=path.name)
    with folder_for(path, FILES) as folder:
        packed = write_pack(folder, named, look, rows, how, progress=progress)
    array = pack_source(path).array
    assert array is not None
    duplicates = find_duplicates({k: print_of(pixels) for k, pixels in enumerate(array)})
    return Fetched(path, packed, bases, duplicates, len(leaks(duplicates, packed.splits)))


def download(folder: Path) -> Path:
    """The package's archive, by npm's own client."""
    wanted = f"{PACKAGE}@{VERSION}"
    try:
        subprocess.run(
            ["npm", "pack", wanted, "--silent"],
            cwd=folder, check=True, capture_output=True, text=True, timeout=WAIT,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise UserError(
            "npm is not installed, and the emoji come by it; install Node.js, which brings it"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"`npm pack {wanted}` took over {WAIT} s; try again later") from error
    except (subprocess.CalledProcessError, OSError) as error:
        said = (getattr(error, "stderr", None) or str(error)).strip().splitlines()
        reason = next(
            (line for line in said if "code" not in line.lower()), said[0] if said else ""
        )
        raise UserError(
            f"`npm pack {wanted}` failed ({reason.strip()}); is the network up?"
        ) from error
    archives = sorted(folder.glob("*.tgz"))
    if not archives:
        raise UserError(f"`npm pack {wanted}` left no archive; try it by hand")
    return archives[0]


def unpack(archive: Path, folder: Path) -> Path:
    """The catalogue and the pictures of the package, and nothing else of it, into the folder."""
    try:
        with tarfile.open(archive) as tar:
            wanted = [member for member in tar if member.isfile() and is_needed(member.name)]
            tar.extractall(folder, members=wanted, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{archive.name} cannot be unpacked ({error}); fetch it again") from error
    return folder / "package"


def is_needed(name: str) -> bool:
    path = PurePosixPath(name)
    return name == f"package/{CATALOGUE}" or (
        str(path.parent) == f"package/{PICTURES}" and path.suffix == ".png"
    )


def emoji_source(package: Path) -> tuple[Source, int]:
    """The emoji of the unpacked package, split by split in the catalogue's order; their bases."""
    emoji = read_catalogue(package)
    sides = split_of(emoji, SEED)
    rows: list[Emoji] = []
    splits: dict[str, range] = {}
    for split in SPLITS:
        part = [one for one, side in zip(emoji, sides, strict=True) if side == split]
        if part:
            splits[split] = range(len(rows), len(rows) + len(part))
        rows += part
    classes = tuple(sorted({one.category for one in emoji}))
    files = [package / PICTURES / one.image for one in rows]
    source = Source(
        name="emoji",
        titles=[f"{PICTURES}/{one.image}" for one in rows],
        opened=lambda k: open_image(files[k]),
        labels=np.array([classes.index(one.category) for one in rows], np.int64),
        classes=classes,
        captions=tuple(one.caption for one in rows),
        splits=splits,
    )
    return source, len({one.base for one in rows})
