"""Codecs as their users see them: any size, tiles, health, bad input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

import smalti
from smalti.codecs import measure_health
from smalti.codecs.health import Health
from smalti.codecs.tiles import decode_tiled, encode_tiled, split_tiles
from smalti.core.checkpoint import save
from smalti.core.similarity import psnr, ssim
from smalti.recipes import RECIPES, find_recipe
from smalti.vq import EMAConfig, ResidualConfig, StridedConfig, VQConfig, VQGANConfig, VQVAEConfig
from tests.expect import expect_user_error

WIDE = {"widths": (8, 16), "blocks": 1, "latent_channels": 8, "groups": 4}


def build_strided(shape: tuple[int, int, int] = (3, 16, 16)) -> Any:
    network = StridedConfig(channels=shape[0], width=12, halvings=2, blocks=1)
    return VQVAEConfig(shape, network, EMAConfig(16, 4)).build().eval()


def build_residual(stem: int = 1, attention: tuple[bool, bool] = (False, False)) -> Any:
    network = ResidualConfig(channels=3, attention=attention, stem=stem, **WIDE)
    return VQVAEConfig((3, 16, 16), network, VQConfig(16, 4)).build().eval()


CODECS = {
    "strided": build_strided,
    "residual": build_residual,
    "stem": lambda: build_residual(stem=2),
    "attention": lambda: build_residual(attention=(False, True)),
}
every = pytest.mark.parametrize("make", CODECS.values(), ids=CODECS.keys())


def make_uneven_pictures(n: int, H: int, W: int) -> Tensor:
    """Pictures whose parts differ in brightness and detail, as real ones do."""
    x = torch.rand(n, 3, H, W)
    x[..., : H // 2, :] = 0.9
    x[..., : W // 3] *= 0.1
    return x


# --------------------------------------------------------------------------------------- any size


@every
@pytest.mark.parametrize("size", [(16, 16), (5, 7), (1, 1), (17, 30)])
def test_any_size_is_encoded_and_decoded(make: Any, size: tuple[int, int]) -> None:
    codec, x = make(), torch.rand(2, 3, *size)
    codes = codec.encode(x)
    assert codes.shape == (2, *codec.compute_code_shape(size))
    assert codes.dtype == torch.int64 and 0 <= codes.min() <= codes.max() < codec.vocab_size
    y = codec.decode(codes, size)
    assert y.shape == x.shape and y.dtype == torch.float32
    assert 0 <= y.min() <= y.max() <= 1
    assert torch.equal(codec.reconstruct(x), y)


def test_padding_repeats_the_last_row_and_column() -> None:
    codec = build_strided()
    x = torch.rand(1, 3, 6, 7)
    wide = torch.cat([x, x[:, :, -1:].expand(-1, -1, 2, -1)], dim=2)
    wide = torch.cat([wide, wide[..., -1:]], dim=3)
    assert torch.equal(codec.encode(x), codec.encode(wide))


@every
def test_a_batch_is_its_pictures(make: Any) -> None:
    codec, x = make(), torch.rand(3, 3, 12, 8)
    codes = codec.encode(x)
    assert torch.equal(torch.cat([codec.encode(x[k : k + 1]) for k in range(3)]), codes)


def test_bad_input_is_named() -> None:
    codec = build_strided()
    nan = torch.rand(1, 3, 8, 8)
    nan[0, 0, 0, 0] = torch.nan
    for x, words in (
        (torch.rand(1, 1, 8, 8), ("(1, 1, 8, 8)", "(N, 3, H, W)")),
        (torch.rand(3, 8, 8), ("(3, 8, 8)",)),
        (torch.zeros(1, 3, 8, 8, dtype=torch.int64), ("int64", "uint8")),
        (torch.rand(1, 8, 8, 3), ("(1, 8, 8, 3)", "x.permute(0, 3, 1, 2)")),
        (torch.rand(1, 3, 8, 8) * 2, ("0 to 1",)),
        (nan, ("NaN",)),
    ):
        with expect_user_error(*words):
            codec.encode(x)
    with expect_user_error("16", "0 to 15"):
        codec.decode(torch.full((1, 2, 2), 16))
    with expect_user_error("(1, 2, 2)", "9 x 8", "(3, 2)"):
        codec.decode(torch.zeros(1, 2, 2, dtype=torch.int64), (9, 8))


def test_what_a_checkpoint_lacks_is_named(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save(build_strided(), tmp_path / "codec")
    weights = load_file(folder / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "codebook.weight" not in k},
              folder / "model.safetensors")  # fmt: skip
    with expect_user_error("lacks", "network.quantizer.codebook.weight"):
        smalti.load(folder)
    save_file({**weights, "odd": torch.zeros(1)}, folder / "model.safetensors")
    with expect_user_error("unknown", "odd"):
        smalti.load(folder)


# ------------------------------------------------------------------------------------------ tiles


@every
def test_tiles_give_the_untiled_picture(make: Any) -> None:
    torch.manual_seed(1)
    codec, x = make(), make_uneven_pictures(2, 44, 60)
    codes = codec.encode(x)
    assert (encode_tiled(codec, x, 4) == codes).float().mean() > 0.99
    whole, tiled = codec.decode(codes, (44, 60)), decode_tiled(codec, codes, (44, 60), 4)
    assert tiled.shape == whole.shape
    assert (whole - tiled).abs().mean() < 0.1 / 255
    assert (whole - tiled).abs().max() < 2 / 255


@given(st.integers(1, 20), st.integers(1, 20), st.integers(1, 8), st.integers(0, 5))
def test_the_cores_of_tiles_cover_a_map_once(h: int, w: int, side: int, overlap: int) -> None:
    count, x = torch.zeros(h, w), torch.rand(1, 1, 2 * h, 2 * w)
    for tile in split_tiles(h, w, side, overlap):
        count[tile.top : tile.bottom, tile.left : tile.right] += 1
        own = x[..., 2 * tile.top : 2 * tile.bottom, 2 * tile.left : 2 * tile.right]
        assert torch.equal(tile.crop_core(tile.crop(x, 2), 2), own)
    assert (count == 1).all()


def test_no_tile_of_nothing() -> None:
    with expect_user_error("0 codes"):
        list(split_tiles(4, 4, 0, 1))


# ----------------------------------------------------------------------------------------- health


def test_health_counts_over_the_whole_set() -> None:
    codec, x = build_strided(), torch.rand(150, 3, 8, 8)
    health = measure_health(codec, x.__getitem__, 150)
    assert torch.equal(health.counts, torch.bincount(codec.encode(x).flatten(), minlength=16))
    assert health.n_used == codec.encode(x).unique().numel()
    assert health.used_share == health.n_used / 16
    p = health.counts.double() / health.counts.sum()
    assert health.perplexity == pytest.approx(float((-(p * p.clamp(min=1e-30).log()).sum()).exp()))
    assert health.n_dead is None  # it was not trained


def test_few_codes_in_use_are_worth_a_warning() -> None:
    counts = torch.zeros(16, dtype=torch.int64)
    counts[:3] = 40
    assert (
        Health(counts).describe().startswith("warning: only 3 of 16 codes are used, perplexity 3.0")
    )
    assert (
        Health(counts // 10).describe() == "3 of 16 codes are used, perplexity 3.0"
    )  # too few to judge
    assert "warning" not in Health(torch.ones(16, dtype=torch.int64) * 40).describe()


# -------------------------------------------------------------------------------------- similarity


def test_ssim_is_1_for_equal_pictures_and_less_for_others() -> None:
    x = torch.rand(2, 3, 16, 16)
    torch.testing.assert_close(ssim(x, x), torch.ones(2, dtype=torch.float64))
    noisy = (x + 0.1 * torch.randn_like(x)).clamp(0, 1)
    assert (ssim(x, noisy) < 0.999).all() and (psnr(x, noisy) < 30).all()
    assert ssim(x[..., :3, :5], x[..., :3, :5]).shape == (2,)


def test_ssim_is_the_papers_where_one_window_fits() -> None:
    a, b = torch.rand(2, 1, 1, 11, 11, dtype=torch.float64)
    line = torch.exp(-((torch.arange(11.0, dtype=torch.float64) - 5) ** 2) / 4.5)
    w = line[:, None] * line / line.sum() ** 2
    ma, mb = (w * a).sum(), (w * b).sum()
    va, vb, cov = ((w * (p - m) * (q - n)).sum() for p, m, q, n in
                   ((a, ma, a, ma), (b, mb, b, mb), (a, ma, b, mb)))  # fmt: skip
    c1, c2 = 1e-4, 9e-4
    expected = (2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2))
    torch.testing.assert_close(ssim(a, b)[0], expected)


# ---------------------------------------------------------------------------------------- recipes


@pytest.mark.parametrize(
    "name", [n for n in RECIPES if n.startswith("vq") and not n.endswith(("gpt", "pixelcnn"))]
)
def test_recipes_build_what_they_promise(name: str) -> None:
    from smalti.cli.train import make_example_pictures

    recipe = find_recipe(name)
    config = recipe.make_config(make_example_pictures(recipe))
    with torch.device("meta"):
        factors = {config.network.downsampling_factor}
        parameters = sum(p.numel() for p in config.build().state_dict().values())
    assert factors <= {4, 8}
    assert 2 * parameters < 4e6


def test_the_articles_settings() -> None:
    from smalti.cli.train import make_example_pictures

    settings = {}
    for n in range(1, 5):
        recipe = find_recipe(f"vqvae-celebahq-{n}")
        config = recipe.make_config(make_example_pictures(recipe))
        settings[n] = (recipe.size, config.quantizer.codebook_size, recipe.training.steps)
    assert settings == {
        1: (128, 64, 14040),
        2: (128, 128, 14040),
        3: (64, 64, 9360),
        4: (64, 32, 9360),
    }
    with expect_user_error("--data", "CelebA-HQ"):
        find_recipe("vqvae-celebahq-1").read(None, size=64)


def test_the_vqgan_config_keeps_its_codec_when_converted() -> None:
    from smalti.convert.codecs import TamingVQGAN

    config = TamingVQGAN(8, 4, {"z_channels": 8, "resolution": 16, "in_channels": 3, "out_ch": 3,
                                "ch": 32, "ch_mult": [1, 2], "num_res_blocks": 1,
                                "attn_resolutions": [8], "double_z": False})  # fmt: skip
    assert isinstance(config.build_model(None), VQGANConfig)
    assert config.build_model((32, 24)).shape == (3, 32, 24)
    assert config.component_configs[0].attention == (False, True)
