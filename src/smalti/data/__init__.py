"""Picture sources: what is shipped, what is fetched, and whatever lies on your disk.

The names below load on first use: pictures can be read without PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.core.lazy import on_first_use

if TYPE_CHECKING:
    from smalti.data.mnist import digit_pictures, digits
    from smalti.data.packing import Packed, pack
    from smalti.data.packs import home
    from smalti.data.pictures import Pictures, Splits
    from smalti.data.reading import emoji_pictures, folder, read, read_splits, size_of

__all__ = [
    "Packed",
    "Pictures",
    "Splits",
    "digit_pictures",
    "digits",
    "emoji_pictures",
    "folder",
    "home",
    "pack",
    "read",
    "read_splits",
    "size_of",
]

__getattr__, __dir__ = on_first_use(__name__)
