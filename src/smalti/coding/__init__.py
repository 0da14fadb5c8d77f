"""Lossless compression of pictures by any model that goes through them symbol by symbol."""

from smalti.coding.file import Header, read_header
from smalti.coding.squeeze import compress, decompress

__all__ = ["Header", "compress", "decompress", "read_header"]
