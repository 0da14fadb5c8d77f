"""A published Net2NetTransformer of CompVis/taming-transformers becomes a prior and its codec."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor

import smalti
from smalti.autoregressive import GPTConfig, Spiral
from smalti.convert import read_weights
from smalti.convert.taming_gpt import translate_gpt
from tests.command import read_pixels, run_command
from tests.naive import taming

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
SEGMENTATION = {"cond_stage_key": "segmentation"}
SEGMENTED_BY_MANY = {**SEGMENTATION, "labels": 300}
LABELS = 5
H, W = 8, 12  # 4 x 6 codes: the golden Transformer has 40 positions


def write_published(condition: dict[str, Any], **gpt_changes: Any) -> dict[str, Tensor]:
    """last.ckpt and model.yaml, as Lightning and their configs have them; the GPT's weights."""
    gpt, gpt_config = read_weights(GOLDEN / "taming_gpt.safetensors")
    codec, codec_config = read_weights(GOLDEN / "taming_vqgan.safetensors")
    assert gpt_config is not None and codec_config is not None
    weights = {f"transformer.{name}": value for name, value in gpt.items()}
    weights |= {f"first_stage_model.{name}": value for name, value in codec.items()}
    weights["first_stage_model.loss.discriminator.main.0.weight"] = torch.zeros(2)
    if condition.get("cond_stage_key") == "depth":
        weights |= {f"cond_stage_model.{name}": value for name, value in codec.items()}
        stage = {"target": "taming.models.vqgan.VQModel", "params": copy.deepcopy(codec_config)}
        condition = {**condition, "cond_stage_config": stage, "downsample_cond_size": 8}
    if condition.get("cond_stage_key") == "segmentation":
        weights, condition = add_segmentation(weights, codec, codec_config, condition)
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


def add_segmentation(
    weights: dict[str, Tensor], codec: dict[str, Tensor], config: Any, condition: dict[str, Any]
) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Their VQGAN of label maps: the golden one, with a channel per label."""
    K, g = condition.get("labels", LABELS), torch.Generator().manual_seed(2)
    first = {
        "encoder.conv_in.weight": torch.randn(32, K, 3, 3, generator=g),
        "decoder.conv_out.weight": torch.randn(K, 32, 3, 3, generator=g),
        "decoder.conv_out.bias": torch.randn(K, generator=g),
        "colorize": torch.randn(3, K, 1, 1, generator=g),
    }
    settings = copy.deepcopy(config)
    settings["ddconfig"] |= {"in_channels": K, "out_ch": K}
    stage = {
        "target": "taming.models.vqgan.VQSegmentationModel",
        "params": {**settings, "n_labels": K, "image_key": "segmentation"},
    }
    own = {f"cond_stage_model.{name}": value for name, value in {**codec, **first}.items()}
    rest = {k: v for k, v in condition.items() if k != "labels"}
    return weights | own, {**rest, "cond_stage_config": stage, "downsample_cond_size": 8}


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


@torch.no_grad()
def test_label_maps_stand_in_front_one_hot() -> None:
    """As theirs: `np.eye(n_labels)[segmentation]` into the encoder, without a change of range."""
    gpt = write_published(SEGMENTATION)
    assert run_command(CONVERT) == 0
    model = smalti.load("models/prior")
    theirs = torch.load("last.ckpt")["state_dict"]
    own = {k.removeprefix("cond_stage_model."): v for k, v in theirs.items()}
    settings = yaml.safe_load(Path("model.yaml").read_text())["model"]["params"]
    settings = settings["cond_stage_config"]["params"]
    z = torch.randint(0, 64, (2, 1, 4, 6), generator=torch.Generator().manual_seed(0))
    labels = torch.randint(0, LABELS, (2, H, W), generator=torch.Generator().manual_seed(1))
    one_hot = torch.eye(LABELS)[labels].movedim(3, 1)  # (2, K, H, W)
    small = torch.nn.functional.interpolate(one_hot, size=(8, 8))
    front = taming.encode(own, settings["n_embed"], settings["ddconfig"], small).flatten(1)
    tokens = torch.cat([front, z.flatten(1)], dim=1)
    logits = taming.compute_logits(gpt, 4, tokens[:, :-1])[:, front.shape[1] - 1 :]
    y = model.encode_conditions({"segmentation": labels[:, None].to(torch.uint8)}, 2)
    assert torch.equal(y, front)
    ours = model.conditioning.predict(model.network, z, y, None, torch.float32)
    torch.testing.assert_close(ours.flatten(2).movedim(1, 2), logits, atol=1e-4, rtol=1e-4)


def test_a_prior_of_label_maps_draws_from_files(capsys: Any) -> None:
    write_published(SEGMENTATION)
    assert run_command(CONVERT) == 0
    assert "2 weights of cond_stage_model, loss are not part" in capsys.readouterr().out
    labels = np.arange(H * W, dtype=np.uint8).reshape(H, W) // 8 % LABELS
    gray, indexed = Image.fromarray(labels), Image.fromarray(labels.repeat(3, 0).repeat(3, 1))
    indexed.putpalette([9, 200, 30, 7, 7, 7, 255, 0, 0])  # colors that look like other labels
    gray.save("gray.png")
    indexed.save("indexed.png")
    command = "sample models/prior -n 1 --temperature 0 --picture"
    assert run_command(f"{command} gray.png --out gray") == 0
    assert run_command(f"{command} indexed.png --out indexed") == 0  # indices, and no blending
    assert (read_pixels("gray/00000.png") == read_pixels("indexed/00000.png")).all()
    assert run_command("reconstruct models/prior/condition gray.png --out back") == 0
    assert read_pixels("back/00000.png")[:, -8:].max() < LABELS
    assert run_command("sample models/prior -n 1 --size 12x16 --picture gray.png --out big") == 0
    Image.fromarray(labels + 1).save("other.png")
    Image.fromarray(np.zeros((H, W, 3), np.uint8)).save("color.png")
    for file, said in (("other.png", "has label 5, but this codec's are 0 to 4"),
                       ("color.png", "color.png cannot be read (it is no label map")):  # fmt: skip
        capsys.readouterr()
        assert run_command(f"{command} {file} --out none") == 2
        (error,) = capsys.readouterr().err.strip().splitlines()
        assert said in error


def test_a_codec_of_label_maps_converts_alone(capsys: Any) -> None:
    write_published(SEGMENTATION)
    weights = torch.load("last.ckpt")["state_dict"]
    own = {k.removeprefix("cond_stage_model."): v for k, v in weights.items() if "cond_st" in k}
    torch.save({"state_dict": own}, "codec.ckpt")
    stage = yaml.safe_load(Path("model.yaml").read_text())["model"]["params"]["cond_stage_config"]
    Path("codec.yaml").write_text(yaml.safe_dump({"model": stage}))
    convert = "convert taming-{} codec.ckpt --config codec.yaml --out models/codec"
    assert run_command(convert.format("vqgan")) == 2
    assert "VQSegmentationModel'; convert it as taming-segmentation" in capsys.readouterr().err
    assert run_command(convert.format("segmentation")) == 0
    assert smalti.load("models/codec").config.shape == (1, 32, 32)


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
    assert model["codec"]["model"] == "./codec"
    assert (model["symbol_noise"], model["sampler"]["top_k"]) == (0.1, 64)
    assert run_command("sample models/prior -n 2 --class 6 --out drawn") == 0
    assert run_command(CONVERT) == 0  # replaces its own files
    assert run_command("complete models/prior drawn/00000.png --keep-rows 4 -n 1 --out done") == 0
    Path("models").rename("moved")
    assert run_command("sample moved/prior -n 2 --class 6 --out again") == 0
    assert (read_pixels("drawn/grid.png") == read_pixels("again/grid.png")).all()


def test_permuters_are_orders() -> None:
    spiral = {"permuter_config": {"target": "taming.modules.transformer.permuter.SpiralIn"}}
    write_published({**UNCONDITIONAL, **spiral})
    assert run_command(CONVERT) == 0
    assert smalti.load("models/prior").config.order == Spiral()


@pytest.mark.parametrize(
    ("condition", "gpt", "words", "said"),
    [
        (SEGMENTED_BY_MANY, {}, "", "in_channels is 300 labels; supported: 2 to 256"),
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
