"""The training objective of a translator, and its compilation."""

from __future__ import annotations

import argparse
import math
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from translator_pairs import LENGTHS, compute_batch_size

from smalti.translation.tokenizer import BOS, PAD
from smalti.translation.transformer import Transformer


def smooth_loss(out: nn.Linear, x: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
    """Cross-entropy with label smoothing of 0.1, and without, per symbol except <pad>."""
    return smooth(out(x).flatten(0, 1).float().log_softmax(-1), gold.flatten())


def r_drop_loss(out: nn.Linear, x: Tensor, gold: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The same plus R-Drop: the divergence between the two halves of the batch, which are the same
    sentences under different dropout.
    """
    log_p, gold = out(x).flatten(0, 1).float().log_softmax(-1), gold.flatten()
    loss, plain = smooth(log_p, gold)
    one, other = log_p.chunk(2)
    real = (gold.chunk(2)[0] != PAD).float()
    gap = ((one.exp() - other.exp()) * (one - other)).sum(-1)  # both divergences at once
    return loss + weight / 4 * (gap * real).sum() / real.sum(), plain


def smooth(log_p: Tensor, gold: Tensor) -> tuple[Tensor, Tensor]:
    real = (gold != PAD).float()
    plain = -(log_p.gather(1, gold[:, None])[:, 0] * real).sum() / real.sum()
    spread = -(log_p.mean(-1) * real).sum() / real.sum()
    return 0.9 * plain + 0.1 * spread, plain.detach()


class GradientStep:
    """Computes loss and gradients of a batch, compiled if possible."""

    def __init__(self, network: Transformer, r_drop: float, compiled: bool):
        self.network, self.r_drop = network, r_drop
        self.weight = torch.tensor(r_drop, device=network.out.weight.device)
        self.layers = [*network.encoder, *network.decoder]
        self.loss, self.double = smooth_loss, r_drop_loss
        if compiled:
            for layer in self.layers:  # layers share their code: few compilations
                layer.compile(dynamic=True)
            self.loss = torch.compile(smooth_loss, dynamic=True)
            self.double = torch.compile(r_drop_loss, dynamic=True)

    def disable_compilation(self) -> None:
        """Switch to eager mode."""
        self.loss, self.double = smooth_loss, r_drop_loss
        for layer in self.layers:
            layer._compiled_call_impl = None
        torch._dynamo.reset()

    def __call__(self, source: Tensor, gold: Tensor, r_drop: bool) -> Tensor:
        """The plain cross-entropy, gradients added to the parameters'."""
        if r_drop:
            source, gold = source.repeat(2, 1), gold.repeat(2, 1)
        start = torch.full_like(gold[:, :1], BOS)
        target = torch.cat([start, gold[:, :-1]], dim=1)
        with torch.autocast(source.device.type, torch.bfloat16):
            memory, mask = self.network.encode(source)
            x, out = self.network.decode(target, memory, mask), self.network.out
            loss, plain = (
                self.double(out, x, gold, self.weight) if r_drop else self.loss(out, x, gold)
            )
        loss.backward()
        return plain


def warm_up(
    step: GradientStep,
    options: argparse.Namespace,
    device: torch.device,
    print_line: Callable[[str], None],
) -> None:
    """Compile for every shape; use eager mode if that fails or takes too long."""

    def stop(*_: object) -> None:
        raise TimeoutError("compiling takes too long")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, options.compile_seconds, 5)  # again, where it is swallowed
    try:
        for r_drop in (False, True) if step.r_drop else (False,):
            for length in reversed(LENGTHS):
                size = compute_batch_size(options.tokens // 2 if r_drop else options.tokens, length)
                for shorter in (3 * length // 4 // 8 * 8 or 8, length):  # unlike sides first
                    source = torch.randint(4, 999, (size, shorter), device=device)
                    gold = torch.randint(4, 999, (size, length), device=device)
                    source[:, -1:], gold[:, -2:] = PAD, PAD
                    if not math.isfinite(float(step(source, gold, r_drop))):
                        raise ValueError("the loss is not finite")
                print_line(f"compiled for {size} x {length}{' with R-Drop' * r_drop}")
    except Exception as error:  # a compiler can raise anything
        print_line(f"continuing without compilation: {type(error).__name__}: {str(error)[:200]!r}")
        step.disable_compilation()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        step.network.zero_grad(set_to_none=True)
