"""Picture sources: the digits that are shipped, and folders of your own."""

from __future__ import annotations

from smalti.data.directory import folder
from smalti.data.mnist import digit_pictures, digits
from smalti.data.pictures import Pictures, Splits

__all__ = ["Pictures", "Splits", "digit_pictures", "digits", "folder"]
