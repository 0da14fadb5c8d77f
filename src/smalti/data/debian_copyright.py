"""Parse Debian's copyright files, which give the license of every file of a package."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

Stanza = tuple[tuple[str, ...], str]
"""File patterns and the name of their license."""
FIELD = re.compile(r"^(Files|License):[ \t]*(.*(?:\n[ \t]+.*)*)", re.M)


def read_copyright(path: Path) -> list[Stanza]:
    """Read the stanzas of a machine-readable copyright file; [] for any other format."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        return []
    stanzas: list[Stanza] = []
    for paragraph in re.split(r"\n\s*\n", text):
        fields = dict(FIELD.findall(paragraph))
        if "Files" in fields and "License" in fields:
            name = fields["License"].split("\n", 1)[0].strip()
            stanzas.append((tuple(fields["Files"].split()), name))
    return stanzas


def find_license(stanzas: list[Stanza], file: str) -> str | None:
    """Find the license of a file: that of the last matching stanza, as Debian specifies."""
    for patterns, license in reversed(stanzas):
        if any(fnmatchcase(file, pattern) for pattern in patterns):
            return license
    return None


def format_licenses(stanzas: list[Stanza]) -> str:
    """List the licenses of a package's contents, without those of its packaging."""
    names = [license for files, license in stanzas if not all("debian/" in f for f in files)]
    return ", ".join(dict.fromkeys(names))
