"""A translator under training in one file: weights of 12 bits, config, vocabularies.

Small enough for two runs' files; shipped models are rounded further.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))
from smalti.core.config import from_json, to_json
from smalti.translation.transformer import Transformer

SIDES = ("source", "target")


def pack_weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Pack matrices as 12-bit integers, two in three bytes, with row scales; vectors as float16."""
    packed = {}
    for name, value in state.items():
        value = value.detach().float().cpu().contiguous()
        if value.ndim < 2:
            packed[name] = value.half()
            continue
        scale = value.abs().amax(1).clamp_min(1e-12) / 2047
        q = ((value / scale[:, None]).round().to(torch.int32) + 2048).flatten(0)
        low, high = q[0::2], q[1::2]
        three = [low & 255, (low >> 8) | ((high & 15) << 4), high >> 4]
        packed[f"{name}:12"] = torch.stack(three, 1).to(torch.uint8)
        packed[f"{name}:scale"] = scale
    return packed


def unpack_weights(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    state = {name: value.float() for name, value in packed.items() if ":" not in name}
    for name in [name for name in packed if name.endswith(":12")]:
        scale, (a, b, c) = packed[f"{name[:-3]}:scale"], packed[name].to(torch.int32).unbind(1)
        q = torch.stack([a | ((b & 15) << 8), (b >> 4) | (c << 4)], 1) - 2048
        state[name[:-3]] = q.view(len(scale), -1) * scale[:, None]
    return state


def save(network: Transformer, arrays: Any, path: Path, note: dict[str, Any]) -> None:
    state = network.state_dict()
    if network.config.tied_embeddings:
        del state["out.weight"]
    packed = pack_weights(state)
    for side in ("source", "target"):
        packed[f"{side}:model"] = torch.from_numpy(arrays[f"{side}_model"].copy())
    path.parent.mkdir(parents=True, exist_ok=True)
    config = json.dumps(to_json(network.config))
    save_file(packed, f"{path}.tmp", {"config": config, "note": json.dumps(note)})
    os.replace(f"{path}.tmp", path)


def load(path: Path) -> tuple[Transformer, dict[str, bytes]]:
    """Load the network in eval mode, and the two vocabularies' models by side."""
    with safe_open(path, "pt") as file:
        config = from_json(json.loads(file.metadata()["config"]))
    packed = load_file(path)
    models = {s: packed.pop(f"{s}:model").numpy().tobytes() for s in ("source", "target")}
    network, state = Transformer(config), unpack_weights(packed)
    if config.tied_embeddings:
        state["out.weight"] = state["target.weight"]
    network.load_state_dict(state)
    return network.eval(), models
