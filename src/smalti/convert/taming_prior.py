"""Build the prior and the codecs of a published Net2NetTransformer (taming_transformer.py)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from smalti.autoregressive import (
    Autoregressive,
    Choice,
    CoordinateCodec,
    FrozenCodec,
    GPTConfig,
    PictureCondition,
    build_config,
)
from smalti.convert.article_common import Size, Weights
from smalti.convert.codecs import IGNORED_WEIGHTS
from smalti.convert.model import model_from_reference
from smalti.convert.taming_gpt import translate_gpt
from smalti.convert.taming_transformer import (
    KIND,
    TamingCondition,
    TamingTransformer,
    select_codec,
)
from smalti.core.checkpoint import write_checkpoint
from smalti.core.errors import UserError, shorten
from smalti.core.protocols import Card
from smalti.layers.condition_encoder import make_choices
from smalti.layers.symbol_sampling import Ancestral

TOP_K = 100
"""Default of the reference's sampling."""
CODEC_KINDS = {"VQModel": "taming-vqgan", "VQSegmentationModel": "taming-segmentation"}
"""Conditions with a codec of their own, and the kind that it converts as."""
PARTS = ("transformer", "first_stage_model", "cond_stage_model", "permuter")


def convert_taming_transformer(
    config: TamingTransformer, weights: Weights, size: Size | None, folder: Path
) -> tuple[Autoregressive, tuple[str, ...]]:
    """Build the prior of a published checkpoint, and write its codec to folder/codec.

    size: height and width of the pictures; the VQGAN's resolution for None.
    Returns the prior in eval mode, and the names of weights that it does not need. UserError for
    missing, unknown or misshapen weights.
    """
    parts = split_weights(weights)
    codec = save_codec(config.codec, parts["first_stage_model"], size, folder / "codec")
    cond_weights = parts["cond_stage_model"]
    conditions = make_conditions(config.condition, cond_weights, codec.shape, folder)
    K, gpt = config.codec["n_embed"], config.gpt
    model = build_config(
        codec,
        GPTConfig(
            layers=gpt["n_layer"],
            heads=gpt["n_head"],
            width=gpt["n_embd"],
            dropout=float(gpt.get("resid_pdrop", 0)),
        ),
        conditions=conditions,
        shared_table=not config.condition.sos_token,
        symbol_noise=config.symbol_noise,
        order=config.order,
        sampler=Ancestral(top_k=min(TOP_K, K)),
    ).build()
    check_permuter(parts["permuter"], model)
    trained = cut_tables(translate_transformer(parts["transformer"]), config, model)
    load_weights(model.network, trained)
    skipped = (name for name in weights if is_skipped(name, config.condition))
    return model.eval(), tuple(skipped)


def split_weights(weights: Weights) -> dict[str, Weights]:
    """Split a checkpoint's weights by part, without the prefix. UserError for unknown ones."""
    parts: dict[str, Weights] = {part: {} for part in PARTS}
    for name, value in weights.items():
        part, _, rest = name.partition(".")
        if part not in parts:
            raise UserError(f"{KIND}: weight {shorten(name)} is unknown; check the kind")
        parts[part][rest] = value
    for part in ("transformer", "first_stage_model"):
        if not parts[part]:
            raise UserError(f"{KIND}: the file has no weights of {part}; check the kind")
    return parts


def is_skipped(name: str, condition: TamingCondition) -> bool:
    """Whether a weight is not part of the prior or its codecs."""
    part, _, rest = name.partition(".")
    if part == "cond_stage_model" and condition.kind not in CODEC_KINDS:
        return True
    return part.endswith("_stage_model") and bool(IGNORED_WEIGHTS.match(rest))


def check_permuter(buffers: Weights, model: Autoregressive) -> None:
    """UserError unless the file's permutation, if it has one, is that of the model's order."""
    theirs = buffers.get("forward_shuffle_idx")
    h, w = model.requirements.grid[1:]
    ours = model.config.order.list_places(h, w)
    if theirs is not None and not torch.equal(theirs.long().cpu(), ours):
        raise UserError(
            f"{KIND}: the file's order of {len(theirs)} codes is not that of "
            f"{type(model.config.order).__name__} for {h} x {w}; check the config and --size"
        )


def translate_transformer(weights: Weights) -> Weights:
    try:
        return translate_gpt(weights)
    except KeyError as error:
        raise UserError(f"{KIND}: weight transformer.{error.args[0]} is missing") from error


def cut_tables(trained: Weights, config: TamingTransformer, model: Autoregressive) -> Weights:
    """Cut the token table and the positions to what the model needs.

    A start token other than 0 becomes a row of its own, after the codes. UserError if there are
    too few rows.
    """
    for name in ("tokens.weight", "head.weight", "positions"):
        if name not in trained:
            raise UserError(f"{KIND}: the file has no {name} of the transformer; check the kind")
    tokens, rows = trained["tokens.weight"], [*range(model.network.config.vocab_size)]
    if sos_token := config.condition.sos_token:
        rows[-1] = sos_token
    if not max(rows) < len(tokens) == config.gpt["vocab_size"]:
        raise UserError(
            f"{KIND}: the token table has {len(tokens)} rows, but the config needs "
            f"{max(max(rows) + 1, config.gpt['vocab_size'])}; check the config"
        )
    positions, needed = trained["positions"], model.network.config.context_length
    if len(positions) < needed:
        H, W = model.config.shape[1:]
        raise UserError(
            f"{KIND}: pictures of {H} x {W} take {needed} positions, but the Transformer has "
            f"{len(positions)}; give a smaller --size"
        )
    tables = {name: trained[name][rows] for name in ("tokens.weight", "head.weight")}
    return {**trained, **tables, "positions": positions[:needed].clone()}


def load_weights(network: torch.nn.Module, trained: Weights) -> None:
    """Load weights into a network. UserError that names the first that does not fit."""
    expected = network.state_dict()
    for name in sorted({*expected, *trained}):
        theirs, ours = trained.get(name), expected.get(name)
        if theirs is None or ours is None or theirs.shape != ours.shape:
            found = "missing" if theirs is None else f"of shape {tuple(theirs.shape)}"
            needs = "no such weight" if ours is None else f"shape {tuple(ours.shape)}"
            raise UserError(
                f"{KIND}: weight {shorten(name)} is {found}, and the config needs {needs}; "
                "check the config"
            )
    network.load_state_dict(trained)


def make_conditions(
    condition: TamingCondition, weights: Weights, shape: tuple[int, int, int], folder: Path
) -> tuple[Choice | PictureCondition, ...]:
    """Make the condition of pictures of this shape; a codec of its own is saved in the folder."""
    (C, H, W), kind, settings = shape, condition.kind, condition.settings
    h, w = (H, W) if condition.side < 0 else (condition.side, condition.side)
    if kind == "Labelator":
        return make_choices(tuple(str(k) for k in range(settings["n_classes"])))
    if kind == "CoordStage":
        coordinates = CoordinateCodec(settings["n_embed"], (1, h, w), settings["down_factor"])
        return (PictureCondition(coordinates, "coordinates", "coordinates"),)
    if kind == "__is_first_stage__":
        codec = FrozenCodec(str(folder / "codec"), shape=(C, h, w))
        return (PictureCondition(codec, "picture", "low-resolution", "nearest"),)
    if kind in CODEC_KINDS:
        codec_settings, place = select_codec(settings), folder / "condition"
        saved = save_codec(codec_settings, weights, (h, w), place, CODEC_KINDS[kind])
        return (PictureCondition(saved, condition.name, "given", "nearest"),)
    return ()


def save_codec(
    settings: dict[str, Any],
    weights: Weights,
    size: Size | None,
    folder: Path,
    kind: str = "taming-vqgan",
) -> FrozenCodec:
    """Convert a VQGAN and save it in a new folder; size: of its pictures."""
    codec = model_from_reference(kind, settings, weights, size)
    folder.mkdir()
    write_checkpoint(folder, codec, Card(folder.name, f"converted from {KIND}"))
    return FrozenCodec(str(folder), shape=codec.config.shape)
