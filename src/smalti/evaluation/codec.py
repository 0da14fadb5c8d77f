"""How good a codec is: what comes back of held-out pictures, and how alive its codebook is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import smalti
from smalti.codecs.health import Health, health_of
from smalti.core.errors import UserError
from smalti.core.files import replace
from smalti.core.fingerprint import model_hash
from smalti.core.likeness import psnr, ssim
from smalti.core.messages import count
from smalti.core.pictures import grid, save_png
from smalti.core.sampling import check_finite
from smalti.data import Splits
from smalti.data.pictures import Pictures
from smalti.evaluation.case import pictures_hash
from smalti.evaluation.cost import parameters_of
from smalti.evaluation.draws import Progress, device_of
from smalti.evaluation.frechet import frechet_distance, moments
from smalti.evaluation.report import Protocol, Report, Row
from smalti.features import Features

BATCH = 64
SHOWN = 32
SHEETS = ("reconstructions.png", "codes.png")
VERSIONS = {"likeness": 1, "features": 1, "codebook": 1}


@dataclass(frozen=True, eq=False)
class CodecFound:
    """A report, and what its pictures show."""

    report: Report
    health: Health
    pairs: Tensor
    """(2n, C, H, W): pictures, each before what came back."""


def examine_codec(
    codec: Any,
    splits: Splits,
    split: str,
    held: Pictures,
    network: Features | None,
    reason: str = "",
    name: str = "codec",
    progress: Progress | None = None,
) -> CodecFound:
    """A codec on a whole split; all numbers are of the same reconstructions."""
    if held.shape[0] != codec.spec.channels:
        raise UserError(
            f"{held.name} holds pictures of {held.shape}, but the codec takes "
            f"{codec.spec.channels} channels; give data of its channels"
        )
    if not len(held):
        raise UserError(f"{held.name} holds no pictures to measure with; hold some out")
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
        if progress:
            progress("reconstructing", min(first + BATCH, len(held)), len(held))
    health = health_of(codec, counts)
    told = {k: torch.cat(v) for k, v in seen.items() if v}
    rows = (*likeness(told), *distances(told, reason), *codebook(health), cost(codec))
    protocol = protocol_of(splits, split, held, network)
    note = () if network is None else (f"seen through {network.about} ({network.name})",)
    made = {
        "smalti": smalti.__version__,
        "torch": str(torch.__version__),
        "device": device_of(codec),
        "threads": torch.get_num_threads(),
        "batch": BATCH,
    }
    report = Report(name, model_hash(codec), protocol, rows, made_with=made, notes=note)
    return CodecFound(report, health, torch.cat(pairs)[: 2 * SHOWN])


def likeness(told: dict[str, Tensor]) -> list[Row]:
    """PSNR and SSIM, means over the pictures with their standard errors."""
    return [likeness_row(name, told[name], unit) for name, unit in (("psnr", "dB"), ("ssim", ""))]


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


def distances(told: dict[str, Tensor], reason: str) -> list[Row]:
    """How far reconstructions are from the pictures themselves, in features."""
    names = ("feature distance", "frechet")
    if "real" not in told:
        return [Row(name, None, note=f"left out: {reason}") for name in names]
    real, ours = told["real"].double(), told["ours"].double()
    length = real.square().sum(1).mean()
    if not length > 0:
        return [
            Row(name, None, note="left out: the network sees nothing in them") for name in names
        ]
    apart = (real - ours).square().sum(1) / length
    rows = [Row(names[0], float(apart.mean()), error_of_mean(apart), better="lower")]
    if len(real) < 2:
        return [*rows, Row(names[1], None, note="left out: it takes 2 pictures or more")]
    return [*rows, Row(names[1], frechet_distance(ours, moments(real)), better="lower")]


def codebook(health: Health) -> list[Row]:
    rows = [
        Row("codes used", float(health.used), note=f"of {health.size}, over all of them"),
        Row("codes used share", health.share, better="higher"),
        Row("perplexity", health.perplexity, better="higher"),
    ]
    if health.dead is not None and health.revived is not None:
        rows.append(Row("dead codes", float(health.dead), better="lower", note="in training"))
        rows.append(Row("revived codes", float(health.revived), note="over all of training"))
    return rows


def cost(codec: Any) -> Row:
    return Row("parameters", float(parameters_of(codec)))


def protocol_of(splits: Splits, split: str, held: Pictures, network: Features | None) -> Protocol:
    return Protocol(
        data=splits.train.name,
        data_hash=pictures_hash(splits.train),
        reference=len(splits.train),
        split=split,
        shape=held.shape,
        features=network.name if network else "",
        features_hash=network.hash if network else "",
        resize=network.way(held.shape) if network else "",
        n=len(held),
        seed=0,
        classes="none: the held-out pictures themselves",
        held=len(held),
        split_hash=pictures_hash(held),
        mirrored=False,
        bootstraps=0,
        bootstrap_seed=0,
        metrics=dict(VERSIONS),
    )


def write_codec_sheets(found: CodecFound, folder: Path) -> None:
    """`SHEETS`: pairs, and how often each code is used."""
    save_png(grid(found.pairs, columns=8), folder / SHEETS[0])
    plot_codes(found.health, folder / SHEETS[1])


def plot_codes(health: Health, path: Path) -> None:
    """The codes' shares, the most frequent first, beside an even share."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
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
