"""Lossless files from any model whose likelihood is exact."""
