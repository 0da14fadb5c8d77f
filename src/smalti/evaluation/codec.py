"""Evaluation of codecs: reconstructions of held-out pictures, and codebook usage."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smalti.codecs.codec import Codec
from smalti.codecs.health import Health, build_health
from smalti.codecs.kl_autoencoder import ACTIVE_NATS, KLAutoencoder
from smalti.core.errors import UserError
from smalti.core.files import write_atomically
from smalti.core.messages import format_count
from smalti.core.pictures import make_grid, save_png
from smalti.core.progress import OnProgress, Progress
from smalti.core.sampling import check_finite_pictures
from smalti.core.short_repr import add_short_repr
from smalti.core.similarity import psnr, ssim
from smalti.data import Splits
from smalti.data.pictures import Pictures
from smalti.evaluation.cost import count_parameters
from smalti.evaluation.frechet import compute_moments, frechet_distance
from smalti.evaluation.held_out_pictures import PictureReference, hash_pictures, open_reference
from smalti.evaluation.measures import Measure
from smalti.evaluation.plan import Plan
from smalti.evaluation.report import Row
from smalti.features import FeatureExtractor

BATCH_SIZE = 64
MAX_PAIRS = 32


@dataclass(frozen=True, eq=False)
@add_short_repr
class CodecComparison:
    """Reconstructions of held-out pictures, and how often each code was used."""

    codec: Codec | KLAutoencoder
    reference: PictureReference
    health: Health | None
    """How often each code was used; None for continuous latents."""
    pairs: Tensor
    """(2n, C, H, W): pictures, each followed by its reconstruction."""
    per_picture: dict[str, Tensor]
    """psnr and ssim (N,); with a network, features `real` of pictures and `ours` of
    reconstructions (N, D); of continuous latents, `nats` (N, D) of each channel at a position."""
    batch_size: int = BATCH_SIZE
    sampler: None = None

    @property
    def held_out(self) -> Pictures:
        return self.reference.held_out

    @property
    def network(self) -> FeatureExtractor | None:
        return self.reference.network

    def describe_protocol(self) -> dict[str, Any]:
        """The protocol's fields for reconstructions instead of samples."""
        return {
            **self.reference.describe_protocol(),
            "n": len(self.held_out),
            "seed": 0,
            "classes": "none: the held-out pictures themselves",
            "held": len(self.held_out),
            "split_hash": hash_pictures(self.held_out),
            "mirrored": False,
            "bootstraps": 0,
            "bootstrap_seed": 0,
        }

    def collect_statistics(self, metrics: Iterable[str]) -> dict[str, Any]:
        """None: a comparison of samples is not paired."""
        return {}

    def notes(self) -> tuple[str, ...]:
        notes = self.reference.splits.notes
        if self.network is None:
            return notes
        return (*notes, f"features of {self.network.description} ({self.network.name})")


def prepare_codec_comparison(
    codec: Codec | KLAutoencoder,
    splits: Splits,
    plan: Plan,
    on_progress: OnProgress,
) -> CodecComparison:
    """Reconstruct a whole split; all measures use the same reconstructions."""
    reference = open_reference(codec, splits, plan)
    held_out, network = reference.held_out, reference.network
    if held_out.shape[0] != codec.spec.channels:
        raise UserError(
            f"{held_out.name} contains pictures of {held_out.shape}, but the codec takes "
            f"{codec.spec.channels} channels; give data with {codec.spec.channels} channels"
        )
    per_picture: dict[str, list[Tensor]] = {k: [] for k in ("psnr", "ssim", "real", "ours", "nats")}
    counts: Tensor | int = 0
    pairs = []
    for first in range(0, len(held_out), BATCH_SIZE):
        x = held_out.take_floats(slice(first, first + BATCH_SIZE))
        if isinstance(codec, Codec):
            codes = codec.encode(x)
            y = codec.decode(codes, (x.shape[2], x.shape[3])).cpu()
            counts = counts + torch.bincount(codes.flatten().cpu(), minlength=codec.vocab_size)
        else:
            y = codec.reconstruct(x).cpu()
            per_picture["nats"].append(codec.measure_nats(x))
        check_finite_pictures(y)
        per_picture["psnr"].append(psnr(x, y))
        per_picture["ssim"].append(ssim(x, y))
        if network:
            per_picture["real"].append(network(x))
            per_picture["ours"].append(network(y))
        if first < MAX_PAIRS:
            pairs.append(torch.stack([x, y], dim=1).flatten(0, 1))
        on_progress(
            Progress("reconstructing", min(first + BATCH_SIZE, len(held_out)), len(held_out))
        )
    health = None
    if isinstance(codec, Codec) and isinstance(counts, Tensor):
        health = build_health(codec, counts)
    joined = {k: torch.cat(v) for k, v in per_picture.items() if v}
    first_pairs = torch.cat(pairs)[: 2 * MAX_PAIRS]
    return CodecComparison(codec, reference, health, first_pairs, joined)


def measure_likeness(comparison: CodecComparison) -> list[Row]:
    """Measure PSNR and SSIM: means over the pictures, with standard errors."""
    units = (("psnr", "dB"), ("ssim", ""))
    return [build_likeness_row(name, comparison.per_picture[name], unit) for name, unit in units]


def build_likeness_row(name: str, values: Tensor, unit: str) -> Row:
    """Build a row of the mean of finite values: an exact reconstruction has infinite PSNR."""
    v = values[values.isfinite()]
    if not len(v):
        return Row(name, None, note="left out: every reconstruction is exact")
    same = format_count(len(values) - len(v), "picture")
    note = f"without {same} reconstructed exactly" if len(v) < len(values) else ""
    return Row(
        name, float(v.mean()), compute_standard_error(v), better="higher", unit=unit, note=note
    )


def compute_standard_error(values: Tensor) -> float | None:
    error = float(values.std() / math.sqrt(len(values))) if len(values) > 1 else math.nan
    return error if math.isfinite(error) else None


def measure_feature_distance(comparison: CodecComparison) -> list[Row]:
    """Measure the distance of reconstructions to their pictures, in features."""
    if comparison.network is None:
        raise UserError(comparison.reference.no_network_reason)
    real, ours = comparison.per_picture["real"].double(), comparison.per_picture["ours"].double()
    length = real.square().sum(1).mean()
    if not length > 0:
        raise UserError("all features are 0")
    distances = (real - ours).square().sum(1) / length
    error = compute_standard_error(distances)
    row = Row("feature distance", float(distances.mean()), error, better="lower")
    if len(real) < 2:
        return [row, Row("frechet", None, note="left out: it needs 2 pictures or more")]
    return [row, Row("frechet", frechet_distance(ours, compute_moments(real)), better="lower")]


def measure_codebook(comparison: CodecComparison) -> list[Row]:
    health = comparison.health
    assert health is not None
    rows = [
        Row(
            "codes used", float(health.n_used), note=f"of {health.codebook_size}, over all pictures"
        ),
        Row("codes used share", health.used_share, better="higher"),
        Row("perplexity", health.perplexity, better="higher"),
    ]
    if health.n_dead is not None and health.n_revived is not None:
        rows.append(Row("dead codes", float(health.n_dead), better="lower", note="in training"))
        rows.append(Row("revived codes", float(health.n_revived), note="over the whole training"))
    return [*rows, Row("parameters", float(count_parameters(comparison.codec)))]


def measure_latents(comparison: CodecComparison) -> list[Row]:
    """Measure how much the continuous latents carry, and in how many channels."""
    nats = comparison.per_picture["nats"].mean(0)  # (D,) of each channel, at a position
    active, D = int((nats > ACTIVE_NATS).sum()), len(nats)
    return [
        Row("channels used", float(active), note=f"of {D}, with over {ACTIVE_NATS} nats each"),
        Row("nats a position", float(nats.sum())),
        Row("parameters", float(count_parameters(comparison.codec))),
    ]


def plot_codes(comparison: CodecComparison, path: Path) -> None:
    """Plot how often each code is used, the most frequent first."""
    from matplotlib.figure import Figure

    health = comparison.health
    assert health is not None
    figure = Figure(figsize=(7, 3.4), dpi=120, layout="constrained")
    axes = figure.subplots()
    share = 100 * health.counts.double() / health.counts.sum().clamp(min=1)
    ordered: Sequence[float] = share.sort(descending=True).values.tolist()
    axes.fill_between(range(len(ordered)), ordered, step="mid", color="C0")
    axes.axhline(100 / health.codebook_size, color="gray", linestyle="--", label="uniform")
    axes.set_xlabel("codes, the most frequent first")
    axes.set_ylabel("% of all positions")
    title = f"{health.n_used} of {health.codebook_size} codes used, "
    title += f"perplexity {health.perplexity:.1f}"
    if health.n_dead is not None:
        title += f", {health.n_dead} dead and {health.n_revived} revived"
    axes.set_title(title, fontsize=10)
    axes.set_xlim(0, max(1, health.codebook_size - 1))
    axes.set_ylim(bottom=0)
    axes.legend(loc="upper right", frameon=False)
    write_atomically(path, lambda temporary: figure.savefig(temporary, format="png"))


MEASURES = {
    "likeness": Measure(measure_likeness, ("psnr", "ssim")),
    "features": Measure(measure_feature_distance, ("feature distance", "frechet")),
    "codebook": Measure(
        measure_codebook, ("codes used", "codes used share", "perplexity", "parameters")
    ),
}
LATENT_MEASURES = {
    **{name: MEASURES[name] for name in ("likeness", "features")},
    "latents": Measure(measure_latents, ("channels used", "nats a position", "parameters")),
}
"""Measures of a codec of continuous latents."""
SHEETS = {
    "reconstructions.png": lambda comparison, path: save_png(
        make_grid(comparison.pairs, columns=8), path
    ),
    "codes.png": plot_codes,
}
"""A report's pictures by name, and the function that writes each."""
LATENT_SHEETS = {"reconstructions.png": SHEETS["reconstructions.png"]}
