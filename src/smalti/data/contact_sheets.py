"""Pictures of an audit: a sheet of some, and what is alike side by side."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smalti.core.pictures import make_grid
from smalti.data.audit import Audit
from smalti.data.decode import Preprocessing
from smalti.data.decode_all import MemoryWriter, decode_into
from smalti.data.source import Source
from smalti.data.splitting import draw_permutation

MAX_PICTURES = 100
"""Pictures on a contact sheet."""
MAX_PAIRS = 40
"""Pairs that are shown."""


def draw_contact_sheet(source: Source, audit: Audit, preprocessing: Preprocessing) -> Image.Image:
    """Some pictures as training would see them, chosen by chance, in the order of their classes."""
    rows = np.array(list(audit.pictures))
    rows = np.sort(rows[draw_permutation(len(rows), seed=0)[:MAX_PICTURES]])
    if source.labels is not None:
        rows = rows[np.argsort(source.labels[rows], kind="stable")]
    return make_grid(load_floats(source, rows, preprocessing))


def draw_duplicate_sheet(
    source: Source, audit: Audit, preprocessing: Preprocessing
) -> Image.Image | None:
    """Pairs side by side: what two splits share, then equal and nearly equal ones. None: no pair.

    Left the one that comes first.
    """
    equal = [(group[0], row) for group in audit.duplicates.exact for row in group[1:]]
    near = [(pair.a, pair.b) for pair in audit.duplicates.near]
    leaking = [(pair.a, pair.b) for pair in audit.leaks]
    half = MAX_PAIRS // 2
    pairs = list(dict.fromkeys([*leaking[:half], *equal[:half], *near, *leaking, *equal]))[
        :MAX_PAIRS
    ]
    if not pairs:
        return None
    pictures = load_floats(source, np.array(pairs).ravel(), preprocessing)  # (2P, C, H, W)
    beside = torch.cat([pictures[0::2], pictures[1::2]], dim=3)  # (P, C, H, 2W)
    scale = math.ceil(56 / max(pictures.shape[2:]))
    return make_grid(beside, columns=5, padding=4, scale=scale)


def load_floats(source: Source, rows: np.ndarray, preprocessing: Preprocessing) -> Tensor:
    writer = MemoryWriter(len(rows))
    decode_into(source, rows, replace(preprocessing, color="rgb"), writer)
    return torch.from_numpy(writer.to_array()).float() / 255
