"""Pictures of an audit: a sheet of some, and what is alike side by side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smalti.core.pictures import grid
from smalti.data.audit import Audit
from smalti.data.decode import Look
from smalti.data.gather import Memory, gather
from smalti.data.source import Source
from smalti.data.splitting import shuffled

SHEET = 100
"""Pictures on a contact sheet."""
PAIRS = 40
"""Pairs that are shown."""


def contact_sheet(source: Source, audit: Audit, look: Look) -> Image.Image:
    """Some pictures as training would see them, chosen by chance, in the order of their classes."""
    rows = np.array(list(audit.facts))
    rows = np.sort(rows[shuffled(len(rows), seed=0)[:SHEET]])
    if source.labels is not None:
        rows = rows[np.argsort(source.labels[rows], kind="stable")]
    return grid(floats_of(source, rows, look))


def duplicate_sheet(source: Source, audit: Audit, look: Look) -> Image.Image | None:
    """Pairs side by side: what two splits share, then equal and nearly equal ones. None: no pair.

    Left the one that comes first.
    """
    equal = [(group[0], row) for group in audit.duplicates.exact for row in group[1:]]
    near = [(pair.a, pair.b) for pair in audit.duplicates.near]
    leaking = [(pair.a, pair.b) for pair in audit.leaks]
    half = PAIRS // 2
    pairs = list(dict.fromkeys([*leaking[:half], *equal[:half], *near, *leaking, *equal]))[:PAIRS]
    if not pairs:
        return None
    pictures = floats_of(source, np.array(pairs).ravel(), look)  # (2P, C, H, W)
    beside = torch.cat([pictures[0::2], pictures[1::2]], dim=3)  # (P, C, H, 2W)
    scale = math.ceil(56 / max(pictures.shape[2:]))
    return grid(beside, columns=5, pad=4, scale=scale)


def floats_of(source: Source, rows: np.ndarray, look: Look) -> Tensor:
    pile = Memory(len(rows))
    gather(source, rows, replace(look, colour="rgb"), pile)
    return torch.from_numpy(pile.pixels()).float() / 255
