"""The small networks that metrics and perceptual losses look through."""

from __future__ import annotations
