"""A pytest plugin that simulates the rounding of other processors: `pytest -p tests.rounding`.

Rounding may depend on the row of a batch, the size of the call and the order of a sum. Here every
sum and every function is changed by up to one unit in the last place of its terms, at random,
seeded by the operation, the shapes and the position in the result: the same call gives the same
bits, another batch does not. Sums of short binary fractions are not changed: they are exact on
any processor.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

ATEN = torch.ops.aten
SUMS = {ATEN.mm, ATEN.addmm, ATEN.bmm, ATEN.baddbmm, ATEN.mv, ATEN.dot, ATEN.addmv,
        ATEN.convolution, ATEN.convolution_backward, ATEN.sum, ATEN.mean}  # fmt: skip
"""Rounded relative to their terms, which may cancel."""
FUNCTIONS = {
    ATEN.exp, ATEN.log, ATEN.sigmoid, ATEN.tanh, ATEN.silu, ATEN.elu, ATEN.sin, ATEN.cos,
    ATEN._softmax, ATEN._log_softmax, ATEN.logsumexp, ATEN.log1p, ATEN.expm1, ATEN.softplus,
    ATEN.erf, ATEN.rsqrt, ATEN.pow, ATEN.var, ATEN.std, ATEN.var_mean, ATEN.linalg_vector_norm,
    ATEN.native_group_norm, ATEN.native_layer_norm, ATEN.native_batch_norm,
    ATEN.native_group_norm_backward, ATEN.silu_backward, ATEN._softmax_backward_data,
    ATEN._scaled_dot_product_flash_attention_for_cpu, ATEN.upsample_bilinear2d,
    ATEN.grid_sampler_2d, ATEN.cumsum, ATEN._cdist_forward,
}  # fmt: skip
"""Rounded relative to their result."""


class Rounding(TorchDispatchMode):
    """Changes the results of PyTorch's operations."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket
        given = [a for a in args if isinstance(a, Tensor)]
        shapes_only = any(tensor.device.type != "cpu" for tensor in given)
        exact = name in SUMS and not shapes_only and all(map(is_short, given))
        if name not in SUMS | FUNCTIONS or shapes_only or exact:
            return out
        key = (str(func), *(tuple(tensor.shape) for tensor in given))
        room = (kwargs or {}).get("out")
        terms = out
        if name in SUMS:
            into = {} if room is None else {"out": torch.empty_like(room)}
            terms = func(*map(take_absolute, args), **{**(kwargs or {}), **into})
        if isinstance(out, tuple):
            return tuple(
                perturb(o, t, (key, k)) for k, (o, t) in enumerate(zip(out, terms, strict=True))
            )
        result = perturb(out, terms, key)
        return result if room is None else room.copy_(result)


def take_absolute(value: Any) -> Any:
    is_real = isinstance(value, Tensor) and value.is_floating_point()
    return value.abs() if is_real else value


def is_short(x: Tensor) -> bool:
    """Whether sums and products of these numbers are exact in float32."""
    steps = x.detach().double() * 1024
    return bool((steps == steps.round()).all() and (steps.abs() < 2**22).all())


def perturb(out: Any, terms: Any, key: object) -> Any:
    """Change each number by up to one unit in the last place of its terms; not 0, integers, inf."""
    wide = (torch.float32, torch.float64)
    if not isinstance(out, Tensor) or out.dtype not in wide:
        return out
    rng = np.random.default_rng(zlib.crc32(repr((key, tuple(out.shape))).encode()))
    chance = torch.from_numpy(rng.uniform(-1, 1, tuple(out.shape)))
    eps = torch.finfo(out.dtype).eps
    near = out.double() + eps * terms.abs().double() * chance
    exact = ~out.isfinite() | (terms == 0) | ((out == out.round()) & (terms is out))
    return torch.empty_like(out).copy_(torch.where(exact, out.double(), near))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol() -> Iterator[Any]:
    with Rounding():
        return (yield)
