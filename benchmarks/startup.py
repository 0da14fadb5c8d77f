"""What starting costs: `import smalti` and `smalti --help`, beside a Python that does nothing."""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

RUNS = 11
CODES = {
    "python -c pass": "pass",
    "import smalti": "import smalti",
    "smalti --help": "from smalti.cli import main; main(['--help'])",
    "smalti list": "from smalti.cli import main; main(['list'])",
}


def seconds(code: str) -> float:
    """Wall time of a fresh Python that runs `code`."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - begun


def main() -> None:
    taken: dict[str, list[float]] = {name: [] for name in CODES}
    for run in range(RUNS + 1):
        for name, code in CODES.items():  # in turns, so that a busy moment hits all alike
            if run:  # the first round fills the caches
                taken[name].append(seconds(code))
            else:
                seconds(code)
    base = median(taken["python -c pass"])
    for name, times in taken.items():
        middle = median(times)
        print(f"{name:16} {middle * 1000:6.0f} ms  {middle / base:5.1f} x  ({RUNS} runs)")


if __name__ == "__main__":
    main()
