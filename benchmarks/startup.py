"""Startup time, and the overhead of a first use.

`import smalti` and `smalti --help`, compared with an empty Python program; then the first picture
of verbs that compile, with an empty cache and in the next process. `import torch` is counted
separately. Wall-clock seconds, and CPU seconds in brackets: on a busy machine only these are
meaningful.

    python -m benchmarks.startup
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from PIL import Image

RUNS = 11
CODES = {
    "python -c pass": "pass",
    "import smalti": "import smalti",
    "smalti --help": "from smalti.cli import main; main(['--help'])",
    "smalti list": "from smalti.cli import main; main(['list'])",
}
USES = {
    "sample gated-pixelcnn-digits": "sample gated-pixelcnn-digits -n 4 --out OUT",
    "sample pixelcnnpp-digits": "sample pixelcnnpp-digits -n 4 --out OUT",
    "sample pixelcnnpp-emoji": "sample pixelcnnpp-emoji -n 4 --out OUT",
    "sample vqvae-digits-gpt": "sample vqvae-digits-gpt -n 4 --out OUT",
    "complete gated-pixelcnn-digits": "complete gated-pixelcnn-digits DIGIT -n 4 --out OUT",
    "compress pixelcnnpp-digits": "compress DIGIT OUT --model pixelcnnpp-digits",
    "reconstruct vqvae-digits": "reconstruct vqvae-digits DIGIT --out OUT",
    "match": "match PHOTO PHOTO --out OUT",
    "inpaint": "inpaint PHOTO HOLE --out OUT",
}
"""Names and command lines; capitals are files."""
USE = """
import json, sys, time
def clocks():
    return time.perf_counter(), time.process_time()
begun = clocks()
import torch
imported = clocks()
from smalti.cli import main
assert main(sys.argv[1:]) == 0
print(json.dumps([begun, imported, clocks()]))
"""


def time_python(code: str) -> float:
    """Wall-clock time of a new Python process that runs `code`."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def measure_starts() -> None:
    taken: dict[str, list[float]] = {name: [] for name in CODES}
    for run in range(RUNS + 1):
        for name, code in CODES.items():  # interleaved, so that other load affects all alike
            if run:  # the first round fills the caches
                taken[name].append(time_python(code))
            else:
                time_python(code)
    base = median(taken["python -c pass"])
    for name, times in taken.items():
        middle = median(times)
        print(f"{name:16} {middle * 1000:6.0f} ms  {middle / base:5.1f} x  ({RUNS} runs)")


def measure_first_uses(folder: Path) -> None:
    """Print a row for each verb: the first process, and the next."""
    write_pictures(folder)
    print(f"\n{'seconds':32} {'import torch':>16} {'first use':>16} {'second process':>16}")
    for n, (name, words) in enumerate(USES.items()):
        cells = []
        for run in ("first", "second"):
            paths = {"OUT": folder / f"{run}-{n}"}
            paths |= {word: folder / f"{word}.png" for word in ("DIGIT", "PHOTO", "HOLE")}
            tokens = [str(paths.get(word, word)) for word in words.split()]
            torch, use = time_use(tokens, folder / f"cache-{n}")
            cells += [torch, use] if run == "first" else [use]
        print(f"{name:32} " + " ".join(f"{cell:>16}" for cell in cells), flush=True)


def time_use(tokens: list[str], cache: Path) -> tuple[str, str]:
    """Time importing torch, and the rest, with compiled code cached in `cache`."""
    done = subprocess.run(
        [sys.executable, "-c", USE, *tokens],
        check=True, capture_output=True, text=True,
        env={**os.environ, "NUMBA_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    begun, imported, ended = json.loads(done.stdout.splitlines()[-1])
    spans = [
        [later - earlier for earlier, later in zip(*pair, strict=True)]
        for pair in ((begun, imported), (imported, ended))
    ]
    torch, use = (f"{wall:.1f} ({cpu:.1f})" for wall, cpu in spans)
    return torch, use


def write_pictures(folder: Path) -> None:
    gray = Image.linear_gradient("L")
    gray.resize((28, 28)).save(folder / "DIGIT.png")
    gray = gray.resize((96, 96))
    Image.merge("RGB", [gray, gray.rotate(90), gray]).save(folder / "PHOTO.png")
    hole = Image.new("L", (96, 96))
    hole.paste(255, (40, 40, 56, 56))
    hole.save(folder / "HOLE.png")


def main() -> None:
    measure_starts()
    with tempfile.TemporaryDirectory() as folder:
        measure_first_uses(Path(folder))


if __name__ == "__main__":
    main()
