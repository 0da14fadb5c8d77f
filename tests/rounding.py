"""A pytest plugin that rounds as another processor might: `pytest -p tests.rounding`.

What a processor may round its own way is which row of a batch a number stands in, how large the
call is, and in which order a sum goes. Here every sum and every function is moved by up to one
unit in the last place of its terms, by chance that the operation, the shapes and the place in the
result decide: the same call twice gives the same bits, another batch does not. Sums of short
binary fractions stay, for they are exact anywhere.
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
"""Whose rounding is that of the terms, which may cancel."""
FUNCTIONS = {
    ATEN.exp, ATEN.log, ATEN.sigmoid, ATEN.tanh, ATEN.silu, ATEN.elu, ATEN.sin, ATEN.cos,
    ATEN._softmax, ATEN._log_softmax, ATEN.logsumexp, ATEN.log1p, ATEN.expm1, ATEN.softplus,
    ATEN.erf, ATEN.rsqrt, ATEN.pow, ATEN.var, ATEN.std, ATEN.var_mean, ATEN.linalg_vector_norm,
    ATEN.native_group_norm, ATEN.native_layer_norm, ATEN.native_batch_norm,
    ATEN.native_group_norm_backward, ATEN.silu_backward, ATEN._softmax_backward_data,
    ATEN._scaled_dot_product_flash_attention_for_cpu, ATEN.upsample_bilinear2d,
    ATEN.grid_sampler_2d, ATEN.cumsum, ATEN._cdist_forward,
}  # fmt: skip
"""Whose rounding is that of the result."""


class Rounding(TorchDispatchMode):
    """Moves the results of PyTorch's operations within."""

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
    """Each number by up to one unit in the last place of its terms; 0, whole results, inf stay."""
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
