"""The config of the second stage of VQGAN's authors: their Net2NetTransformer.

Source: CompVis/taming-transformers, taming/models/cond_transformer.py and its YAML configs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from smalti.autoregressive.orders import Alternate, Order, RowMajor, Spiral
from smalti.core.errors import UserError, shorten

KIND = "taming-transformer"
ORDERS: dict[str, Order] = {
    "Identity": RowMajor(),
    "AlternateParsing": Alternate(),
    "SpiralIn": Spiral(),
    "SpiralOut": Spiral(outward=True),
}
"""Their permuters."""
CONDITION_SETTINGS = {
    "Labelator": ("n_classes",),
    "CoordStage": ("n_embed", "down_factor"),
    "VQModel": ("n_embed", "embed_dim"),
    "VQSegmentationModel": ("n_embed", "embed_dim"),
    "__is_first_stage__": (),
}
"""Their conditions, and the settings that are needed."""
GPT_FIELDS = ("vocab_size", "block_size", "n_layer", "n_head", "n_embd")


@dataclass(frozen=True)
class TamingCondition:
    """The condition of a published Net2NetTransformer."""

    kind: str
    """Class of their cond_stage_model, such as Labelator; "" for none."""
    name: str
    """cond_stage_key: class_label, depth, ..."""
    settings: dict[str, Any]
    """Params of their cond_stage_model."""
    side: int
    """Height and width that the condition is resized to; -1 to keep its size."""
    sos_token: int
    """Row of the token table that the start token has."""


@dataclass(frozen=True)
class TamingTransformer:
    """Config of a published Net2NetTransformer, from its YAML."""

    gpt: dict[str, Any]
    """Settings of the Transformer."""
    codec: dict[str, Any]
    """Settings of the VQGAN: n_embed, embed_dim, ddconfig."""
    condition: TamingCondition
    """What stands in front of the codes."""
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
    permuter = read_target(params.get("permuter_config") or {"target": "Identity"})
    if permuter not in ORDERS:
        raise UserError(f"{KIND}: the permuter is {permuter}; supported: {', '.join(ORDERS)}")
    pkeep = params.get("pkeep", 1.0)
    if not isinstance(pkeep, int | float) or not 0 < pkeep <= 1:
        raise UserError(f"{KIND}: pkeep is {pkeep!r}; supported: above 0, at most 1")
    noise = round(1 - pkeep, 6)
    return TamingTransformer(
        gpt, select_codec(codec), read_condition(params), ORDERS[permuter], noise
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


def read_condition(params: dict[str, Any]) -> TamingCondition:
    """The condition; UserError for one that is not supported."""
    part, name = params.get("cond_stage_config"), str(params.get("cond_stage_key", "depth"))
    settings = (part.get("params") if isinstance(part, dict) else None) or {}
    kind = read_target(part) if isinstance(part, dict) else str(part)
    sos_token = settings.get("sos_token", params.get("sos_token", 0))
    side = params.get("downsample_cond_size", -1)
    if not isinstance(sos_token, int) or sos_token < 0:
        raise UserError(f"{KIND}: sos_token is {sos_token!r}; give a token's number")
    if not isinstance(side, int) or side == 0:
        raise UserError(f"{KIND}: downsample_cond_size is {side!r}; give a side, or -1")
    if params.get("unconditional") or kind in ("SOSProvider", "__is_unconditional__"):
        return TamingCondition("", name, {}, -1, sos_token)
    if kind not in CONDITION_SETTINGS:
        raise UserError(
            f"{KIND}: the condition is {name!r}, by {kind}; "
            f"supported: none, {', '.join(CONDITION_SETTINGS)}"
        )
    for field in CONDITION_SETTINGS[kind]:
        if not isinstance(settings.get(field), int) or settings[field] < 1:
            raise UserError(f"{KIND}: {field} of {kind} is {settings.get(field)!r}; give 1 or more")
    if kind == "VQModel" and name == "segmentation":  # as before there was a class of its own
        kind = "VQSegmentationModel"
    return TamingCondition(kind, name, settings, side, 0)


def select_codec(params: dict[str, Any]) -> dict[str, Any]:
    """A VQGAN's settings among those of its training. UserError for remapped codes."""
    if params.get("remap"):
        raise UserError(f"{KIND}: the VQGAN has remapped codes, which are not supported")
    return {k: params[k] for k in ("n_embed", "embed_dim", "ddconfig") if k in params}
