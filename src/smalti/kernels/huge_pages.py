"""Memory in huge pages, for what a kernel reads in full at every step."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def allocate(shapes: Sequence[Sequence[int]], dtype: torch.dtype) -> list[Tensor]:
    """Allocate uninitialized CPU tensors in a row.

    NumPy asks Linux for huge pages for arrays of 4 MB and more, PyTorch does not; without them a
    processor looks up the address of every 4 KB.
    """
    sizes = [math.prod(shape) for shape in shapes]
    memory = torch.from_numpy(np.empty(sum(sizes) * dtype.itemsize, np.uint8)).view(dtype)
    return [x.view(*shape) for x, shape in zip(memory.split(sizes), shapes, strict=True)]
