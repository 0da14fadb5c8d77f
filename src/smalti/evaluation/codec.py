"""How good a codec is: what comes back of held-out pictures, and how alive its codebook is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smalti.codecs.codec import Codec
from smalti.codecs.health import Health, health_of
from smalti.core.brief import brief
from smalti.core.errors import UserError
from smalti.core.files import replace
from smalti.core.likeness import psnr, ssim
from smalti.core.messages import count
from smalti.core.pictures import grid, save_png
from smalti.core.progress import OnProgress, Progress
from smalti.core.sampling import check_finite
from smalti.data import Splits
from smalti.data.pictures import Pictures
from smalti.evaluation.case import pictures_hash
from smalti.evaluation.cost import parameters_of
from smalti.evaluation.frechet import frechet_distance, moments
from smalti.evaluation.measures import Measure
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Row
from smalti.features import Features

BATCH = 64
SHOWN = 32


@dataclass(frozen=True, eq=False)
@brief
class CodecCase:
    """What came back of held-out pictures, and how often each code stood for some of it."""

    codec: Codec
    held: Pictures
    network: Features | None
    no_network: str
    health: Health
    pairs: Tensor
    """(2n, C, H, W): pictures, each before what came back."""
    seen: dict[str, Tensor]
    """psnr and ssim (N,); where there is a network, features of the `real` and of `ours` (N, D)."""
    batch: int = BATCH
    sampler: None = None

    def terms(self) -> dict[str, Any]:
        """The protocol's fields of what was not drawn, but brought back."""
        return {
            "n": len(self.held),
            "seed": 0,
            "classes": "none: the held-out pictures themselves",
            "held": len(self.held),
            "split_hash": pictures_hash(self.held),
            "mirrored": False,
            "bootstraps": 0,
            "bootstrap_seed": 0,
        }

    def notes(self) -> tuple[str, ...]:
        if self.network is None:
            return ()
        return (f"seen through {self.network.about} ({self.network.name})",)


def reconstruct_all(
    codec: Codec,
    splits: Splits,
    held: Pictures,
    network: Features | None,
    reason: str,
    plan: Plan,
    on_progress: OnProgress,
) -> CodecCase:
    """A whole split to codes and back; all numbers are of the same reconstructions."""
    if held.shape[0] != codec.spec.channels:
        raise UserError(
            f"{held.name} holds pictures of {held.shape}, but the codec takes "
            f"{codec.spec.channels} channels; give data of its channels"
        )
    seen: dict[str, list[Tensor]] = {k: [] for k in ("psnr", "ssim", "real", "ours")}
    counts, pairs = torch.zeros(codec.count, dtype=torch.int64), []
    for first in range(0, len(held), BATCH):
        x = held.floats(slice(first, first + BATCH))
        codes = codec.encode(x)
        y = codec.decode(codes, (x.shape[2], x.shape[3])).cpu()
        check_finite(y)
        counts += torch.bincount(codes.flatten().cpu(), minlength=codec.count)
        seen["psnr"].append(psnr(x, y))
        seen["ssim"].append(ssim(x, y))
        if network:
            seen["real"].append(network(x))
            seen["ours"].append(network(y))
        if first < SHOWN:
            pairs.append(torch.stack([x, y], dim=1).flatten(0, 1))
        on_progress(Progress("reconstructing", min(first + BATCH, len(held)), len(held)))
    health = health_of(codec, counts)
    told = {k: torch.cat(v) for k, v in seen.items() if v}
    shown = torch.cat(pairs)[: 2 * SHOWN]
    return CodecCase(codec, held, network, reason, health, shown, told)


def likeness(case: CodecCase) -> list[Row]:
    """PSNR and SSIM, means over the pictures with their standard errors."""
    units = (("psnr", "dB"), ("ssim", ""))
    return [likeness_row(name, case.seen[name], unit) for name, unit in units]


def likeness_row(name: str, values: Tensor, unit: str) -> Row:
    """The mean of what is finite: a picture that comes back exactly has a PSNR without end."""
    v = values[values.isfinite()]
    if not len(v):
        return Row(name, None, note="left out: every picture came back exactly")
    same = count(len(values) - len(v), "picture")
    note = f"without {same} that came back exactly" if len(v) < len(values) else ""
    return Row(name, float(v.mean()), error_of_mean(v), better="higher", unit=unit, note=note)


def error_of_mean(values: Tensor) -> float | None:
    error = float(values.std() / math.sqrt(len(values))) if len(values) > 1 else math.nan
    return error if math.isfinite(error) else None


def distances(case: CodecCase) -> list[Row]:
    """How far reconstructions are from the pictures themselves, in features."""
    if case.network is None:
        raise UserError(case.no_network)
    real, ours = case.seen["real"].double(), case.seen["ours"].double()
    length = real.square().sum(1).mean()
    if not length > 0:
        raise UserError("the network sees nothing in them")
    apart = (real - ours).square().sum(1) / length
    row = Row("feature distance", float(apart.mean()), error_of_mean(apart), better="lower")
    if len(real) < 2:
        return [row, Row("frechet", None, note="left out: it takes 2 pictures or more")]
    return [row, Row("frechet", frechet_distance(ours, moments(real)), better="lower")]


def codebook(case: CodecCase) -> list[Row]:
    health = case.health
    rows = [
        Row("codes used", float(health.used), note=f"of {health.size}, over all of them"),
        Row("codes used share", health.share, better="higher"),
        Row("perplexity", health.perplexity, better="higher"),
    ]
    if health.dead is not None and health.revived is not None:
        rows.append(Row("dead codes", float(health.dead), better="lower", note="in training"))
        rows.append(Row("revived codes", float(health.revived), note="over all of training"))
    return [*rows, Row("parameters", float(parameters_of(case.codec)))]


def plot_codes(case: CodecCase, path: Path) -> None:
    """The codes' shares, the most frequent first, beside an even share."""
    from matplotlib.figure import Figure

    health = case.health
    figure = Figure(figsize=(7, 3.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    share = 100 * health.counts.double() / health.counts.sum().clamp(min=1)
    ordered: Sequence[float] = share.sort(descending=True).values.tolist()
    axes.fill_between(range(len(ordered)), ordered, step="mid", color="C0")
    axes.axhline(100 / health.size, color="grey", linestyle="--", label="an even share")
    axes.set_xlabel("codes, the most frequent first")
    axes.set_ylabel("% of all places")
    lost = "" if health.dead is None else f", {health.dead} dead and {health.revived} revived"
    title = f"{health.used} of {health.size} codes used, perplexity {health.perplexity:.1f}{lost}"
    axes.set_title(title, fontsize=10)
    axes.set_xlim(0, max(1, health.size - 1))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", frameon=False)
    replace(path, lambda temporary: figure.savefig(temporary, format="png"))


MEASURES = {
    "likeness": Measure(likeness, ("psnr", "ssim")),
    "features": Measure(distances, ("feature distance", "frechet")),
    "codebook": Measure(codebook, ("codes used", "codes used share", "perplexity", "parameters")),
}
SHEETS = {
    "reconstructions.png": lambda case, path: save_png(grid(case.pairs, columns=8), path),
    "codes.png": plot_codes,
}
"""The pictures of a report, and what writes each of a case."""
