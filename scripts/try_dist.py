"""Build the sdist, the wheel from it, and use the wheel in a new environment.

    python scripts/try_dist.py            # `make dist`: dist/, and a tour from a read-only install
    python scripts/try_dist.py --build    # only build, and check what is inside; no network

The environment is made with pip, under the versions of constraints.txt, and is removed at the end.
The installation is made read-only, and where this runs as root, the tour runs without root's right
to write everywhere (by util-linux's setpriv).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "src/smalti"
BUILT = ("__pycache__", ".nbi", ".nbc", ".pyc")
"""What source folders contain that is built on use."""


def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--build", action="store_true", help="only build and check")
    parser.add_argument("--out", type=Path, default=ROOT / "dist")
    options = parser.parse_args(argv)
    sdist, wheel = build(options.out)
    for file in (sdist, wheel):
        print(f"{file.stat().st_size / 1e6:6.1f} MB  {file}", flush=True)
    check_contents(wheel)
    if not options.build:
        try_wheel(wheel)


def build(out: Path) -> tuple[Path, Path]:
    """Build the sdist of the working tree, and the wheel of the unpacked sdist."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    sdist = out / call_backend("build_sdist", ROOT, out)
    with tempfile.TemporaryDirectory() as place:
        with tarfile.open(sdist) as tar:
            tar.extractall(place, filter="data")
        (source,) = Path(place).iterdir()
        return sdist, out / call_backend("build_wheel", source, out)


def call_backend(hook: str, source: Path, out: Path) -> str:
    """Call a hook of setuptools in a source folder; returns the name of the file."""
    code = f"import setuptools.build_meta as b; print(b.{hook}({str(out.resolve())!r}))"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=source, text=True, check=True, stdout=subprocess.PIPE
    )
    return done.stdout.splitlines()[-1]


def check_contents(wheel: Path) -> None:
    """Compare the wheel's files with those of the package's folder; exit if they differ."""
    folder = ROOT / PACKAGE
    ours = {
        str(Path("smalti") / file.relative_to(folder))
        for file in folder.rglob("*")
        if file.is_file() and not any(part in str(file) for part in BUILT)
    }
    with zipfile.ZipFile(wheel) as archive:
        inside = {name for name in archive.namelist() if name.startswith("smalti/")}
        size = sum(info.file_size for info in archive.infolist())
    if ours != inside:
        missing, foreign = sorted(ours - inside), sorted(inside - ours)
        sys.exit(f"the wheel lacks {missing[:9]} and should not have {foreign[:9]}")
    n = sum(name.endswith("model.safetensors") for name in inside)
    print(f"{size / 1e6:6.1f} MB  unpacked: {len(inside)} files, {n} models")


def try_wheel(wheel: Path) -> None:
    """Install the wheel with pip in a new environment, read-only, and go on the tour."""
    with tempfile.TemporaryDirectory(prefix="smalti-dist-") as place:
        folder = Path(place)
        folder.chmod(0o755)
        begun = time.perf_counter()
        subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
        python = folder / "venv" / "bin" / "python"
        pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*pip, "--constraint", ROOT / "constraints.txt", wheel], check=True)
        print(f"installed in {time.perf_counter() - begun:.0f} s", flush=True)
        code = "import smalti; print(smalti.__path__[0])"
        found = subprocess.run(
            [python, "-c", code], text=True, check=True, stdout=subprocess.PIPE, cwd=folder
        )
        installed = Path(found.stdout.strip())
        for path in (installed, *installed.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
        files = list_files(installed)
        work = folder / "work"
        work.mkdir()
        for words in ("--version", "list ddpm-digits", "demo --quick", "demo --quick --out again"):
            run_without_rights([python.parent / "smalti", *words.split()], work)
        if list_files(installed) != files:
            sys.exit("the read-only installation has changed")
        print(f"the wheel works: {time.perf_counter() - begun:.0f} s in all")


def run_without_rights(command: list[str | Path], work: Path) -> None:
    """Run a command in a folder that is its home; it cannot write what is read-only."""
    rights = ["setpriv", "--bounding-set=-dac_override"] if os.geteuid() == 0 else []
    env = {"PATH": os.environ["PATH"], "HOME": str(work)}
    print("$", "smalti", *command[1:], flush=True)
    subprocess.run([*rights, *command], cwd=work, env=env, check=True)


def list_files(folder: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


if __name__ == "__main__":
    main()
