"""Contact sheets of an audit: a random selection, and duplicates side by side."""

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
"""Pairs on a duplicate sheet."""


def draw_contact_sheet(source: Source, audit: Audit, preprocessing: Preprocessing) -> Image.Image:
    """Draw random pictures, preprocessed as for training, sorted by class."""
    rows = np.array(list(audit.pictures))
    rows = np.sort(rows[draw_permutation(len(rows), seed=0)[:MAX_PICTURES]])
    if source.labels is not None:
        rows = rows[np.argsort(source.labels[rows], kind="stable")]
    return make_grid(load_floats(source, rows, preprocessing))


def draw_duplicate_sheet(
    source: Source, audit: Audit, preprocessing: Preprocessing
) -> Image.Image | None:
    """Draw pairs side by side: leaks, then equal, then nearly equal pictures.

    The earlier picture is on the left.  Returns None if there are no pairs.
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
