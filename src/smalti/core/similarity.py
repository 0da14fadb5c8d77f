"""Similarity of two pictures: PSNR and SSIM."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

WINDOW, SIGMA = 11, 1.5
C1, C2 = 0.01**2, 0.03**2


def psnr(a: Tensor, b: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of pictures (n, C, H, W) in [0, 1]: (n,) float64, in dB."""
    mse = (a.double() - b.double()).square().mean((1, 2, 3))
    return -10 * mse.log10()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of pictures (n, C, H, W) in [0, 1]: (n,) float64, 1 for equal ones.

    Eq. 13 of Wang and others (IEEE Transactions on Image Processing 13, 2004) with their Gaussian
    window of 11 x 11, sigma 1.5, at all positions inside the picture; the mean over positions and
    channels. Smaller pictures use the largest odd window that fits.
    """
    a, b = a.double(), b.double()
    C, H, W = a.shape[1:]
    n = min(WINDOW, H, W)
    n -= 1 - n % 2
    steps = torch.arange(n, dtype=a.dtype, device=a.device) - n // 2
    line = torch.exp(-steps.square() / (2 * SIGMA**2))
    window = (line[:, None] * line / line.sum() ** 2).expand(C, 1, n, n)

    def mean(x: Tensor) -> Tensor:
        return F.conv2d(x, window, groups=C)  # (n, C, H', W')

    ma, mb = mean(a), mean(b)
    va, vb = mean(a * a) - ma**2, mean(b * b) - mb**2
    cov = mean(a * b) - ma * mb
    index = (2 * ma * mb + C1) * (2 * cov + C2) / ((ma**2 + mb**2 + C1) * (va + vb + C2))
    return index.mean((1, 2, 3))
