"""A published Net2NetTransformer of CompVis/taming-transformers becomes a prior and its codec."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

import smalti
from smalti.autoregressive import GPTConfig, Spiral
from smalti.convert import read_weights
from smalti.convert.taming_gpt import translate_gpt
from tests.command import run_command

GOLDEN = Path(__file__).parent.parent / "golden"
UNCONDITIONAL = {
    "unconditional": True,
    "cond_stage_config": {
        "target": "taming.models.dummy_cond_stage.DummyCondStage",
        "params": {"dummyparam": False},
    },
}
CLASSES = {
    "cond_stage_key": "class_label",
    "cond_stage_config": {"target": "taming.modules.util.Labelator", "params": {"n_classes": 7}},
}
COORDINATES = {
    "cond_stage_key": "coord",
    "cond_stage_config": {
        "target": "taming.modules.misc.coord.CoordStage",
        "params": {"n_embed": 64, "down_factor": 4},
    },
}
LOW_RESOLUTION = {"cond_stage_config": "__is_first_stage__", "downsample_cond_size": 4}
H, W = 8, 12  # 4 x 6 codes: the golden Transformer has 40 positions


def write_published(condition: dict[str, Any], **gpt_changes: Any) -> dict[str, Tensor]:
    """last.ckpt and model.yaml, as Lightning and their configs have them; the GPT's weights."""
    gpt, gpt_config = read_weights(GOLDEN / "taming_gpt.safetensors")
    codec, codec_config = read_weights(GOLDEN / "taming_vqgan.safetensors")
    assert gpt_config is not None and codec_config is not None
    weights = {f"transformer.{name}": value for name, value in gpt.items()}
    weights |= {f"first_stage_model.{name}": value for name, value in codec.items()}
    weights["first_stage_model.loss.discriminator.main.0.weight"] = torch.zeros(2)
    if condition.get("cond_stage_key") in ("depth", "segmentation"):
        weights |= {f"cond_stage_model.{name}": value for name, value in codec.items()}
        stage = {"target": "taming.models.vqgan.VQModel", "params": copy.deepcopy(codec_config)}
        condition = {**condition, "cond_stage_config": stage, "downsample_cond_size": 8}
    torch.save({"state_dict": weights, "epoch": 3, "callbacks": {}}, "last.ckpt")
    params = {
        "transformer_config": {
            "target": "taming.modules.transformer.mingpt.GPT",
            "params": {**gpt_config, **gpt_changes},
        },
        "first_stage_config": {
            "target": "taming.models.vqgan.VQModel",
            "params": {**codec_config, "ckpt_path": "logs/x.ckpt",
                       "lossconfig": {"target": "taming.modules.losses.DummyLoss"}},
        },
        "pkeep": 0.9,
        **condition,
    }  # fmt: skip
    model = {
        "base_learning_rate": 4.5e-6,
        "target": "taming.models.cond_transformer.Net2NetTransformer",
        "params": params,
    }
    Path("model.yaml").write_text(yaml.safe_dump({"model": model, "data": {}}))
    return gpt


def build_golden_network(weights: dict[str, Tensor]) -> Any:
    network = GPTConfig(
        vocab_size=64, context_length=40, layers=2, heads=4, width=32, dropout=0.0
    ).build()
    network.load_state_dict(translate_gpt(weights))
    return network.eval()


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


CONVERT = "convert taming-transformer last.ckpt --config model.yaml --size 8x12 --out models/prior"


@torch.no_grad()
@pytest.mark.parametrize("condition", [UNCONDITIONAL, CLASSES, {**UNCONDITIONAL, "sos_token": 5}])
def test_logits_are_the_references(condition: dict[str, Any]) -> None:
    network = build_golden_network(write_published(condition))
    assert run_command(CONVERT) == 0
    model = smalti.load("models/prior")
    z = torch.randint(0, 64, (3, 1, 4, 6), generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([0, 3, 6])
    values: Any = {"class": labels} if condition is CLASSES else {}
    front = labels if condition is CLASSES else torch.full((3,), condition.get("sos_token", 0))
    logits = network(torch.cat([front[:, None], z.flatten(1)], dim=1)[:, :-1])  # (n, T, K)
    y = model.encode_conditions(values, 3)
    ours = model.conditioning.predict(model.network, z, y, None, torch.float32)
    ours = ours.flatten(2).movedim(1, 2)
    torch.testing.assert_close(ours, logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_pictures_and_coordinates_stand_in_front() -> None:
    """Conditions encoded as by `Net2NetTransformer.encode_to_c`, on the golden Transformer."""
    z = torch.randint(0, 64, (2, 1, 4, 6), generator=torch.Generator().manual_seed(0))
    x = torch.rand(2, 3, H, W, generator=torch.Generator().manual_seed(1))
    for condition, name in (
        (COORDINATES, "coordinates"),
        (LOW_RESOLUTION, "picture"),
        ({"cond_stage_key": "depth"}, "depth"),
    ):
        golden = build_golden_network(write_published(condition))
        assert run_command(CONVERT) == 0
        model = smalti.load("models/prior")
        if name == "coordinates":
            place = torch.arange(H * W).view(1, 1, H, W) / (H * W)
            means = torch.nn.functional.interpolate(place, size=(2, 3), mode="area")
            front, values = (64 * means).round().long().flatten(1).expand(2, -1), {}
        else:
            small = torch.nn.functional.interpolate(x, size=(4, 4) if name == "picture" else (8, 8))
            front, values = model.codec.encode(small).flatten(1), {name: x}
        logits = golden(torch.cat([front, z.flatten(1)], dim=1)[:, :-1])[:, front.shape[1] - 1 :]
        y = model.encode_conditions(values, 2)
        assert torch.equal(y, front)
        ours = model.conditioning.predict(model.network, z, y, None, torch.float32)
        torch.testing.assert_close(ours.flatten(2).movedim(1, 2), logits, atol=1e-5, rtol=1e-5)
        drawn = smalti.sample(model, 2, inputs=smalti.SamplingInputs(conditions=values))
        assert isinstance(drawn, Tensor) and drawn.shape == (2, 3, H, W)


def test_a_published_prior_is_converted_and_draws(capsys: Any) -> None:
    write_published(CLASSES)
    assert run_command(CONVERT) == 0
    output = capsys.readouterr().out
    assert "1 weight of loss is not part of the model, skipped" in output
    assert "pictures of 8 x 12 pixels in 3 channels: models/prior" in output
    assert "smalti sample models/prior -n 16" in output
    files = sorted(str(path) for path in Path("models").rglob("*.*"))
    names = ["codec/config.json", "codec/model.safetensors", "config.json", "model.safetensors"]
    assert files == [f"models/prior/{name}" for name in names]
    model = json.loads(Path("models/prior/config.json").read_text())["model"]
    assert model["codec"]["model"] == str(Path("models/prior/codec").absolute())
    assert (model["symbol_noise"], model["sampler"]["top_k"]) == (0.1, 64)
    assert run_command("sample models/prior -n 2 --class 6 --out drawn") == 0
    assert run_command(CONVERT) == 0  # replaces its own files
    assert run_command("complete models/prior drawn/00000.png --keep-rows 4 -n 1 --out done") == 0


def test_permuters_are_orders() -> None:
    spiral = {"permuter_config": {"target": "taming.modules.transformer.permuter.SpiralIn"}}
    write_published({**UNCONDITIONAL, **spiral})
    assert run_command(CONVERT) == 0
    assert smalti.load("models/prior").config.order == Spiral()


@pytest.mark.parametrize(
    ("condition", "gpt", "words", "said"),
    [
        ({"cond_stage_key": "segmentation"}, {}, "", "'segmentation', whose VQGAN takes one-hot"),
        ({"cond_stage_config": {"target": "a.BertEmbedder"}}, {}, "", "'depth', by BertEmbedder"),
        ({"cond_stage_config": {"target": "a.Labelator"}}, {}, "", "n_classes of Labelator"),
        ({**LOW_RESOLUTION, "downsample_cond_size": 12}, {}, "", "take 59 positions"),
        (CLASSES, {"vocab_size": 65}, "", "has 64 rows, but the config needs 65"),
        (CLASSES, {"n_layer": 3}, "", "blocks.2"),
        (CLASSES, {"n_embd": None}, "", "n_embd of transformer_config is None"),
        (CLASSES, {"n_unmasked": 4}, "", "n_unmasked is 4"),
        ({**CLASSES, "pkeep": 0.0}, {}, "", "pkeep is 0.0"),
        ({**CLASSES, "permuter_config": {"target": "x.ZCurve"}}, {}, "", "ZCurve"),
        (CLASSES, {}, "--codec vqvae-digits", "omit it"),
        (CLASSES, {}, "--size 32x32", "take 256 positions, but the Transformer has 40"),
        ({**CLASSES, "first_stage_config": {"target": "taming.models.vqgan.GumbelVQ"}}, {}, "",
         "GumbelVQ for a VQModel"),
    ],
)  # fmt: skip
def test_what_does_not_convert_is_refused(
    condition: dict[str, Any], gpt: dict[str, Any], words: str, said: str, capsys: Any
) -> None:
    write_published(condition, **gpt)
    convert = CONVERT.replace(" --size 8x12", "") if "--size" in words else CONVERT
    assert run_command(f"{convert} {words}") == 2
    (error,) = capsys.readouterr().err.strip().splitlines()
    assert error.startswith("smalti: ") and said in error
    assert not Path("models/prior").exists()


def test_other_files_are_refused(capsys: Any) -> None:
    write_published(CLASSES)
    content = torch.load("last.ckpt")
    weights = content["state_dict"]
    for change, said in (
        ({"other.weight": torch.zeros(1)}, "weight 'other.weight' is unknown"),
        ({"transformer.blocks.0.attn.key.weight": None}, "attn.key.weight is missing"),
        ({"transformer.head.weight": None}, "no head.weight of the transformer"),
        ({"permuter.forward_shuffle_idx": torch.arange(24).flip(0)}, "is not that of RowMajor"),
    ):
        changed = {**weights, **change}
        torch.save({k: v for k, v in changed.items() if v is not None}, "last.ckpt")
        assert run_command(CONVERT) == 2
        (error,) = capsys.readouterr().err.strip().splitlines()
        assert said in error, error
    assert run_command(CONVERT.replace(" --config model.yaml", "")) == 2
    assert "give --config" in capsys.readouterr().err
