"""Start an autoregressive model from another one, of other conditions, pictures or codes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from smalti.autoregressive.network import compute_requirements, split_conditions
from smalti.core.errors import UserError
from smalti.core.players import StartWeights
from smalti.layers.pixel_levels import Levels
from smalti.layers.start_weights import (
    Column,
    describe_new_columns,
    find_neutral_columns,
    list_columns,
    match_columns,
    replace_fields,
)

if TYPE_CHECKING:
    from smalti.autoregressive.config import AutoregressiveConfig
    from smalti.autoregressive.model import Autoregressive

CONDITION = "condition.weight"
"""The end of the names of PixelCNNs' condition weights, (F, D)."""
TOKEN_TABLES = ("network.tokens.weight", "network.head.weight")
POSITIONS = "network.positions"


def follow_start(config: AutoregressiveConfig, start: AutoregressiveConfig) -> AutoregressiveConfig:
    """The config with the start's network, output and order, and its number of pixel levels.

    UserError if one predicts pixels and the other codes.
    """
    codec, before = config.codec, start.codec
    if isinstance(codec, Levels) and isinstance(before, Levels):
        codec = replace(codec, vocab_size=before.vocab_size)
    elif isinstance(codec, Levels) or isinstance(before, Levels):
        kinds = {True: "pixels", False: "the codes of a codec"}
        given, own = (kinds[isinstance(c, Levels)] for c in (before, codec))
        raise UserError(f"start predicts {given}, but this recipe trains on {own}; give another")
    requirements = compute_requirements(
        codec.load(),
        config.shape[1:],
        start.output,
        config.conditions,
        config.condition_dropout,
        config.max_shift,
        start.order,
        start.shared_table,
    )
    sizes = {"condition_width": 0, **start.network.derive_fields(requirements)}
    return replace(
        config,
        codec=codec,
        network=replace_fields(start.network, **sizes),
        output=start.output,
        order=start.order,
        shared_table=start.shared_table,
    )


def convert_weights(model: Autoregressive, start: Autoregressive) -> StartWeights:
    """The start's weights, with the values of conditions found by their names.

    Of a GPT the rows of symbols are taken if there are equally many, and the positions of symbols
    if the grid is the same.
    """
    weights, own = dict(start.state_dict()), model.state_dict()
    before, after = list_vector(start), list_vector(model)
    for name in own:
        if name.endswith(CONDITION) and own[name].shape[1] == len(after):
            w = weights.get(name, own[name])
            if name in weights and w.shape[1] != len(before):
                continue  # condition maps, whose features have no names
            columns = before if name in weights else ()
            knows_none = start.config.condition_dropout > 0
            neutral = find_neutral_columns(w, columns, knows_none) if columns else {}
            weights[name] = match_columns(w, columns, after, neutral)
    if all(name in weights and name in own for name in (*TOKEN_TABLES, POSITIONS)):
        weights.update(convert_tables(model, start, weights, own))
    return StartWeights(weights, describe_new_columns(before, after))


def convert_tables(
    model: Autoregressive, start: Autoregressive, weights: dict[str, Tensor], own: dict[str, Tensor]
) -> dict[str, Tensor]:
    """A GPT's tables of tokens and positions: new rows are the model's own initial ones."""
    ours, theirs = model.requirements, start.requirements
    found: dict[str, Tensor] = {}
    if ours.n_symbols == theirs.n_symbols and not (ours.shared_table or theirs.shared_table):
        before, after = list_rows(start), list_rows(model)
        places = {row: k for k, row in enumerate(before)}
        for name in TOKEN_TABLES:
            table = own[name].clone()
            for k, row in enumerate(after):
                if row in places:
                    table[k] = weights[name][places[row]]
            found[name] = table
    if ours.grid == theirs.grid and ours.order == theirs.order:
        positions, n = own[POSITIONS].clone(), min(len(own[POSITIONS]), len(weights[POSITIONS]))
        positions[-n:] = weights[POSITIONS][-n:]  # conditions come first
        found[POSITIONS] = positions
    return found


def list_rows(model: Autoregressive) -> list[Column]:
    """What each row of a GPT's token table is; rows of picture conditions and shifts by number."""
    r = model.requirements
    names = [c.name for c in model.spec.conditions if c.values]
    rows: list[Column] = [("symbol", k) for k in range(r.vocab_size)]
    for name, (first, none) in zip(names, r.prefix_rows, strict=False):
        (values,) = [c.values for c in model.spec.conditions if c.name == name]
        for k, value in enumerate(values):
            rows[first + k] = (name, value)
        if none < len(rows):
            rows[none] = (name, None)
    return rows


def list_vector(model: Autoregressive) -> tuple[Column, ...]:
    """What each number of a PixelCNN's condition vector is."""
    vectors, _ = split_conditions(model.config.conditions)
    own = list_columns(vectors, model.conditions.reserve_none)
    return (*own, *(("shift", k) for k in range(model.requirements.n_shifts)))
