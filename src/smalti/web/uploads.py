"""Uploaded pictures and files: within a quota, and decoded by the same readers as any file."""

from __future__ import annotations

import re
import secrets
import shutil
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from smalti.core.errors import UserError
from smalti.core.messages import format_count
from smalti.data.decode import make_preprocessing
from smalti.data.picture_formats import open_image, suppress_pillow_warnings
from smalti.data.single_picture import read_picture_file
from smalti.web.limits import Limits

UNSAFE = re.compile(r"[^\w.() -]")
AS_IT_IS = make_preprocessing(None, "keep", "white", crop=False)


@dataclass(frozen=True)
class Upload:
    """A file of a client."""

    id: str
    name: str
    """What the client calls it; never used as a path."""
    path: Path
    n_bytes: int
    size: tuple[int, int] | None = None
    """Height and width of a picture."""

    def describe(self) -> dict[str, object]:
        """The upload as plain values."""
        size = {"height": self.size[0], "width": self.size[1]} if self.size else {}
        return {"upload": self.id, "name": self.name, "bytes": self.n_bytes, **size}


class Uploads:
    """The uploads of all clients; they end with the server."""

    def __init__(self, folder: Path, limits: Limits):
        self.folder, self.limits = folder / "uploads", limits
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        self.by_client: dict[str, OrderedDict[str, Upload]] = {}

    def add(self, client: str, name: str, content: bytes, *, is_picture: bool = True) -> Upload:
        """Keep a file. UserError if it is no picture, too large, or too much in all."""
        limits = self.limits
        if not content:
            raise UserError("the upload is empty; choose a file")
        if len(content) > limits.upload_bytes:
            raise UserError(f"the upload is larger than {limits.upload_bytes >> 20} MB; shrink it")
        upload_id = secrets.token_urlsafe(12)
        name = make_safe_name(name)
        path = self.folder / upload_id
        path.write_bytes(content)
        try:
            size = check_picture(path, name, limits) if is_picture else None
        except UserError as error:
            path.unlink()
            raise UserError(str(error).replace(str(path), name)) from error
        upload = Upload(upload_id, name, path, len(content), size)
        own = self.by_client.setdefault(client, OrderedDict())
        own[upload_id] = upload
        self.make_room(own)
        return upload

    def make_room(self, own: OrderedDict[str, Upload]) -> None:
        """Remove a client's oldest uploads beyond its quota."""
        limits = self.limits
        while len(own) > limits.uploads_kept or (
            len(own) > 1 and sum(one.n_bytes for one in own.values()) > limits.upload_quota
        ):
            _, old = own.popitem(last=False)
            old.path.unlink(missing_ok=True)

    def find(self, client: str, upload_id: str) -> Upload:
        """One of a client's own uploads. UserError for any other id."""
        found = self.by_client.get(client, {}).get(upload_id)
        if found is None:
            raise UserError("no such upload; upload the picture again")
        return found


def make_safe_name(name: str) -> str:
    """A client's name of a file, without what no terminal or page should show."""
    return UNSAFE.sub("_", name)[-100:].strip() or "upload"


def check_picture(path: Path, name: str, limits: Limits) -> tuple[int, int]:
    """Height and width of a picture. UserError if it cannot be decoded or is too large.

    Its size is read before its pixels, so that a small file cannot ask for much memory.
    """
    try:
        with suppress_pillow_warnings(), open_image(path) as image:
            w, h = image.size
    except Image.DecompressionBombError:
        raise UserError(f"{name} has too many pixels; shrink it") from None
    except Exception:
        raise UserError(f"{name} is not a readable picture; give a PNG or JPEG file") from None
    if w * h > limits.upload_pixels:
        limit = format_count(limits.upload_pixels, "pixel")
        raise UserError(f"{name} is {h} x {w} pixels; this server takes {limit} at most: shrink it")
    _, height, width = read_picture_file(path, AS_IT_IS).shape
    return height, width
