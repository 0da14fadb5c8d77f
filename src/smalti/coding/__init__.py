"""Lossless compression of pictures by any autoregressive model."""

from smalti.coding._compress import compress, decompress
from smalti.coding.file import Header, read_header

__all__ = ["Header", "compress", "decompress", "read_header"]
