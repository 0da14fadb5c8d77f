"""The second stage of VQGAN's authors: their Net2NetTransformer, converted to a prior.

Source: CompVis/taming-transformers, taming/models/cond_transformer.py and its YAML configs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from smalti.autoregressive import Autoregressive, FrozenCodec, GPTConfig, build_config
from smalti.autoregressive.orders import Alternate, Order, RowMajor, Spiral
from smalti.convert.article_common import Size, Weights
from smalti.convert.codecs import IGNORED_WEIGHTS
from smalti.convert.model import model_from_reference
from smalti.convert.taming_gpt import translate_gpt
from smalti.core.checkpoint import write_checkpoint
from smalti.core.errors import UserError, shorten
from smalti.core.protocols import Card
from smalti.layers.condition_encoder import make_choices
from smalti.layers.symbol_sampling import Ancestral

KIND = "taming-transformer"
TOP_K = 100
"""Default of the reference's sampling."""
ORDERS: dict[str, Order] = {
    "Identity": RowMajor(),
    "AlternateParsing": Alternate(),
    "SpiralIn": Spiral(),
    "SpiralOut": Spiral(outward=True),
}
"""Their permuters."""
GPT_FIELDS = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd")
PARTS = ("transformer", "first_stage_model", "cond_stage_model", "permuter")


@dataclass(frozen=True)
class TamingTransformer:
    """Config of a published Net2NetTransformer, from its YAML."""

    gpt: dict[str, Any]
    """Settings of the Transformer."""
    codec: dict[str, Any]
    """Settings of the VQGAN: n_embed, embed_dim, ddconfig."""
    n_classes: int
    """Number of classes; 0 for a start token."""
    sos_token: int
    """Row of the token table that the start token has."""
    order: Order
    symbol_noise: float
    """1 - pkeep."""


def read_taming_transformer(content: dict[str, Any]) -> TamingTransformer:
    """Read a published config. UserError, in one line, for what cannot be converted."""
    params = read_params(content.get("model", content), "Net2NetTransformer")
    gpt = read_params(params.get("transformer_config"), "GPT")
    codec = read_params(params.get("first_stage_config"), "VQModel")
    for name in GPT_FIELDS:
        if not isinstance(gpt.get(name), int) or gpt[name] < 1:
            raise UserError(
                f"{KIND}: {name} of transformer_config is {gpt.get(name)!r}; give 1 or more"
            )
    if gpt.get("n_unmasked"):
        raise UserError(f"{KIND}: n_unmasked is {gpt['n_unmasked']}; only causal masks convert")
    if codec.get("remap"):
        raise UserError(f"{KIND}: the VQGAN has remapped codes, which are not supported")
    permuter = read_target(params.get("permuter_config") or {"target": "Identity"})
    if permuter not in ORDERS:
        raise UserError(f"{KIND}: the permuter is {permuter}; supported: {', '.join(ORDERS)}")
    pkeep = params.get("pkeep", 1.0)
    if not isinstance(pkeep, int | float) or not 0 < pkeep <= 1:
        raise UserError(f"{KIND}: pkeep is {pkeep!r}; supported: above 0, at most 1")
    n_classes, sos_token = read_condition(params)
    codec = {k: codec[k] for k in ("n_embed", "embed_dim", "ddconfig") if k in codec}
    return TamingTransformer(
        gpt, codec, n_classes, sos_token, ORDERS[permuter], round(1 - pkeep, 6)
    )


def read_params(part: Any, expected_target: str) -> dict[str, Any]:
    """The params of a part of the config, of this target."""
    target = read_target(part) if isinstance(part, dict) else ""
    params = part.get("params") if isinstance(part, dict) else None
    if target != expected_target or not isinstance(params, dict):
        raise UserError(
            f"{KIND}: the config has {target or shorten(part)} for a {expected_target}; "
            "give a Net2NetTransformer's YAML, with a GPT and a VQModel"
        )
    return params


def read_target(part: dict[str, Any]) -> str:
    """The class name of a part of the config."""
    return str(part.get("target", "")).rpartition(".")[2]


def read_condition(params: dict[str, Any]) -> tuple[int, int]:
    """The number of classes, 0 for none, and the start token."""
    part = params.get("cond_stage_config")
    settings = (part.get("params") if isinstance(part, dict) else None) or {}
    target = read_target(part) if isinstance(part, dict) else str(part)
    sos_token = settings.get("sos_token", params.get("sos_token", 0))
    if not isinstance(sos_token, int) or sos_token < 0:
        raise UserError(f"{KIND}: sos_token is {sos_token!r}; give a token's number")
    if params.get("unconditional") or target in ("SOSProvider", "__is_unconditional__"):
        return 0, sos_token
    n_classes = settings.get("n_classes")
    if target == "Labelator" and isinstance(n_classes, int) and n_classes > 0:
        return n_classes, 0
    raise UserError(
        f"{KIND}: the condition is {params.get('cond_stage_key', 'depth')!r}, by {target}; "
        "classes (Labelator) and no condition are supported"
    )


def convert_taming_transformer(
    config: TamingTransformer, weights: Weights, size: Size | None, folder: Path
) -> tuple[Autoregressive, tuple[str, ...]]:
    """Build the prior of a published checkpoint, and write its codec to folder/codec.

    size: height and width of the pictures; the VQGAN's resolution for None.
    Returns the prior in eval mode, and the names of weights that it does not need. UserError for
    missing, unknown or misshapen weights.
    """
    parts = split_weights(weights)
    codec = model_from_reference("taming-vqgan", config.codec, parts["first_stage_model"], size)
    (folder / "codec").mkdir()
    write_checkpoint(folder / "codec", codec, Card("codec", f"converted from {KIND}"))
    K, gpt = codec.vocab_size, config.gpt
    model = build_config(
        FrozenCodec(str(folder / "codec"), shape=codec.config.shape),
        GPTConfig(
            layers=gpt["n_layer"],
            heads=gpt["n_head"],
            width=gpt["n_embd"],
            dropout=float(gpt.get("resid_pdrop", 0)),
        ),
        conditions=make_choices(tuple(str(k) for k in range(config.n_classes))),
        symbol_noise=config.symbol_noise,
        order=config.order,
        sampler=Ancestral(top_k=min(TOP_K, K)),
    ).build()
    check_permuter(parts["permuter"], model)
    trained = arrange_weights(config, translate_transformer(parts["transformer"]), K)
    trained["positions"] = cut_positions(trained["positions"], model)
    load_weights(model.network, trained)
    skipped = (name for name in weights if is_skipped(name))
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


def is_skipped(name: str) -> bool:
    """Whether a weight is not part of the prior or its codec."""
    part, _, rest = name.partition(".")
    first = part == "first_stage_model" and IGNORED_WEIGHTS.match(rest)
    return part == "cond_stage_model" or bool(first)


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


def arrange_weights(config: TamingTransformer, trained: Weights, K: int) -> Weights:
    """Arrange one table of tokens as ours: K codes, then the classes and "none", or the start.

    Theirs shares rows: class k and the start token have the row of a code. Logits beyond the K
    codes, and those of conditions, are 0 and never read.
    """
    for name in ("tokens.weight", "head.weight", "positions"):
        if name not in trained:
            raise UserError(f"{KIND}: the file has no {name} of the transformer; check the kind")
    tokens, vocab_size = trained["tokens.weight"], config.gpt["vocab_size"]
    needed = max(K, config.n_classes, config.sos_token + 1)
    if len(tokens) != vocab_size or vocab_size < needed:
        raise UserError(
            f"{KIND}: the token table has {len(tokens)} rows, but the config needs "
            f"{max(vocab_size, needed)}; check the config"
        )
    if config.n_classes:
        rows = torch.cat([tokens[: config.n_classes], torch.zeros_like(tokens[:1])])
    else:
        rows = tokens[config.sos_token : config.sos_token + 1]
    head = trained["head.weight"][:K]
    return {
        **trained,
        "tokens.weight": torch.cat([tokens[:K], rows]),
        "head.weight": torch.cat([head, head.new_zeros(len(rows), head.shape[1])]),
    }


def cut_positions(positions: Tensor, model: Autoregressive) -> Tensor:
    """Cut the positions to those that a picture needs. UserError if there are too few."""
    needed = model.network.config.context_length
    if len(positions) < needed:
        H, W = model.config.shape[1:]
        raise UserError(
            f"{KIND}: pictures of {H} x {W} take {needed} positions, but the Transformer has "
            f"{len(positions)}; give a smaller --size"
        )
    return positions[:needed].clone()


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


def move_codec(model: Autoregressive, codec_folder: Path) -> None:
    """Let a prior refer to its codec in another folder."""
    config = model.config
    assert isinstance(config.codec, FrozenCodec)
    codec = replace(config.codec, model=str(codec_folder.absolute()))
    model.config = replace(config, codec=codec)
