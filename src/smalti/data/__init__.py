"""Datasets of pictures: shipped, downloaded, or from your disk.

The names below are imported on first use, so the package imports without PyTorch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from smalti.core.lazy import attach_lazy_names

if TYPE_CHECKING:
    from smalti.data.mnist import digit_pictures, digits
    from smalti.data.packing import PackSummary, pack
    from smalti.data.packs import find_data_home
    from smalti.data.pictures import Pictures, Splits
    from smalti.data.reading import emoji_pictures, folder, read, read_size, read_splits

__all__ = [
    "PackSummary",
    "Pictures",
    "Splits",
    "digit_pictures",
    "digits",
    "emoji_pictures",
    "find_data_home",
    "folder",
    "pack",
    "read",
    "read_size",
    "read_splits",
]

__getattr__, __dir__ = attach_lazy_names(__name__)
