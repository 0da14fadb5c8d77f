"""Two players: the generator's loss, the discriminator's, and how they train together."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import smalti
from smalti.codecs import lpips as lpips_module
from smalti.codecs.adversarial import pass_back
from smalti.codecs.discriminator import (
    ActNorm,
    DiscriminatorPlayer,
    describe_balance,
    discriminator_loss,
    freeze_parameters,
)
from smalti.codecs.lpips import LPIPS, VGGDistance
from smalti.core.protocols import Batch
from smalti.data.pictures import Pictures
from smalti.features.classifier import ClassifierConfig
from smalti.training import Training, resume, run
from smalti.training.events import Note
from smalti.vq import (
    ClassifierDistance,
    DiscriminatorConfig,
    EMAConfig,
    ResidualConfig,
    VQGANConfig,
)
from tests.expect import expect_user_error

NETWORK = ResidualConfig(
    channels=1, widths=(8, 8), blocks=1, attention=(False, False), latent_channels=4, groups=4
)
TINY = VQGANConfig(
    shape=(1, 8, 8),
    network=NETWORK,
    quantizer=EMAConfig(8, 4),
    perceptual=ClassifierDistance("digits"),
    discriminator=DiscriminatorConfig(channels=1, width=4, layers=1),
    discriminator_start=2,
)
PLAN = Training(steps=5, batch_size=4, warmup=1, save_every=3, precision="32", weight_decay=0.0)
TRAIN = Pictures(torch.randint(0, 256, (12, 1, 8, 8), dtype=torch.uint8), None, (), "toys")


def batch(n: int = 4) -> Batch:
    return Batch(torch.rand(n, 1, 8, 8))


# ------------------------------------------------------------------------------------ the players


def test_the_discriminator_starts_at_its_step() -> None:
    model = TINY.build().train()
    model.named_players()
    early, late = model.loss(batch(), 1), model.loss(batch(), 2)
    assert early.carry is None and "adaptive" not in early.terms
    assert late.carry is not None and "adaptive" in late.terms
    real, fake = late.carry  # pyright: ignore
    assert not real.requires_grad and not fake.requires_grad


def test_the_generators_loss_does_not_train_the_discriminator() -> None:
    model = TINY.build().train()
    discriminator = model.named_players()["discriminator"]
    model.loss(batch(), 2).total.backward()
    assert all(p.grad is None and p.requires_grad for p in discriminator.parameters())
    assert any(p.grad is not None and p.grad.any() for p in model.parameters())


def test_no_module_is_held_twice_or_saved_with_the_codec() -> None:
    model = TINY.build()
    players = model.named_players()
    held = [{id(p) for p in player.parameters()} for player in players.values()]
    assert not held[0] & held[1]
    assert model.state_dict().keys() == TINY.build().state_dict().keys()


def test_the_adaptive_weight_equalizes_the_gradient_norms() -> None:
    model = TINY.build().train()
    model.named_players()
    x = model.to_network_range(torch.rand(4, 1, 8, 8))
    x_hat, _ = model.network.forward_train(x)
    rec, gan = (x_hat - x).abs().mean(), 7 * x_hat.square().mean()
    weight = model.compute_adaptive_weight(rec, gan)
    last = model.network.decoder.last_weight
    ours, theirs = (torch.autograd.grad(v, last, retain_graph=True)[0] for v in (rec, gan))
    assert float(weight * theirs.norm()) == pytest.approx(float(ours.norm()), rel=1e-2)


def test_passing_back_changes_neither_value_nor_gradients() -> None:
    weight = torch.randn(4, 6, requires_grad=True)
    network, pictures = torch.nn.Linear(6, 3), torch.randn(5, 4)
    found = []
    for pass_on in (lambda loss, x: loss, pass_back):
        x = pictures @ weight
        loss = pass_on(network(x).square().mean(), x)
        found.append((loss.detach(), torch.autograd.grad(3 * loss, weight)[0]))
    torch.testing.assert_close(found[0], found[1])


def test_held_out_pictures_have_no_adversarial_loss() -> None:
    model = TINY.build().train()
    model.named_players()
    with torch.no_grad():
        loss = model.eval().loss(batch(), 10)
    assert "verdict" not in loss.terms and "perceptual" in loss.terms


def test_without_weight_there_is_no_perceptual_distance() -> None:
    config = replace(TINY, perceptual_weight=0.0)
    model = config.build().train()
    model.named_players()
    early, late = model.loss(batch(), 1), model.loss(batch(), 2)
    assert "perceptual" not in early.terms and "adaptive" in late.terms
    early.total.backward()
    assert model.list_start_messages()[0].startswith("there is no perceptual distance")
    assert config.collect_facts() == {"perceptual": "none"}


def test_the_discriminator_skips_a_step_without_carry() -> None:
    discriminator = DiscriminatorPlayer(TINY.discriminator).train()
    loss = discriminator.loss(batch(), 0)
    loss.total.backward()
    assert loss.total.detach() == 0 and loss.terms == {}


@pytest.mark.parametrize("norm", ["batch", "act", "spectral"])
@pytest.mark.parametrize("gan_loss", ["hinge", "vanilla"])
def test_a_discriminator_learns_to_distinguish_black_and_white(norm: Any, gan_loss: Any) -> None:
    torch.manual_seed(0)
    discriminator = DiscriminatorPlayer(
        DiscriminatorConfig(1, 8, 1, norm=norm, gan_loss=gan_loss)
    ).train()
    optimizer = torch.optim.Adam(discriminator.parameters(), lr=1e-2)
    for _ in range(40):
        noise = 0.3 * torch.randn(2, 8, 1, 8, 8)
        optimizer.zero_grad()
        discriminator.loss(batch(), 0, carry=(noise[0] - 1, noise[1] + 1)).total.backward()
        optimizer.step()
    assert discriminator.network(torch.full((2, 1, 8, 8), -1.0)).mean() > 0
    assert discriminator.network(torch.full((2, 1, 8, 8), 1.0)).mean() < 0


def test_discriminator_losses() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    assert float(discriminator_loss(real, fake, "hinge")) == pytest.approx(0.5 * (0.5 + 1.0))
    bce = nn.functional.binary_cross_entropy_with_logits
    expected = 0.5 * (bce(real, torch.ones(2)) + bce(fake, torch.zeros(2)))
    torch.testing.assert_close(discriminator_loss(real, fake, "vanilla"), expected)


def test_actnorm_starts_with_what_it_sees() -> None:
    norm = ActNorm(3).train()
    x = 5 + 3 * torch.randn(8, 3, 4, 4)
    y = norm(x)
    torch.testing.assert_close(y.mean((0, 2, 3)), torch.zeros(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(y.std((0, 2, 3)), torch.ones(3), atol=1e-2, rtol=0)
    assert torch.equal(norm(x), y)  # once only


def test_frozen_networks_thaw_again() -> None:
    network = nn.Linear(2, 1)
    with pytest.raises(RuntimeError, match="inside"), freeze_parameters(network):
        assert not network.weight.requires_grad
        raise RuntimeError("inside")
    assert network.weight.requires_grad


def test_who_is_winning() -> None:
    assert "is winning" in describe_balance(0.99)
    assert "is losing" in describe_balance(0.5)
    assert "balance" in describe_balance(0.8)
    discriminator = DiscriminatorPlayer(TINY.discriminator)
    assert discriminator.list_save_messages() == []
    discriminator.steps.fill_(200)
    assert "logits" in discriminator.list_save_messages()[0]


# --------------------------------------------------------------------------------------- training


def read_log(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_two_players_train_save_and_resume(tmp_path: Path) -> None:
    """An interrupted and resumed run ends with the weights of an uninterrupted one."""
    notes: list[str] = []
    run(TINY, TRAIN, TRAIN, PLAN, tmp_path / "whole",
        on_event=lambda e: notes.append(e.text) if isinstance(e, Note) else None)  # fmt: skip
    lines = [line for line in read_log(tmp_path / "whole") if "loss" in line]
    assert ["discriminator_accuracy" in line for line in lines] == [False, False, True, True, True]
    assert lines[2]["norm_discriminator"] > 0
    assert any("the classifier digits, not LPIPS" in note for note in notes)
    card = json.loads((tmp_path / "whole/step-5/config.json").read_text())["card"]
    assert card["facts"]["perceptual"] == "the classifier digits, not LPIPS"

    class Enough(Exception):
        pass

    def stop(event: Any) -> None:
        if getattr(event, "step", 0) == 4:
            raise Enough

    with pytest.raises(Enough):
        run(TINY, TRAIN, TRAIN, PLAN, tmp_path / "parts", on_event=stop)
    resume(tmp_path / "parts", TRAIN, TRAIN)
    ours, theirs = (smalti.load(tmp_path / name).state_dict() for name in ("whole", "parts"))
    assert all(torch.equal(ours[key], theirs[key]) for key in ours)
    assert (tmp_path / "whole/grids/step-5.png").is_file()


# ------------------------------------------------------------------------------ perceptual distance


def write_lpips_files(folder: Path) -> tuple[Path, Path, VGGDistance]:
    """Files as they are published, with random weights."""
    torch.manual_seed(3)
    network = VGGDistance()
    vgg = {k: v for k, v in network.state_dict().items() if k.startswith("features.")}
    vgg["classifier.0.weight"] = torch.zeros(2, 2)
    heads = {f"lin{k}.model.1.weight": h.weight.data.abs() for k, h in enumerate(network.heads)}  # pyright: ignore
    for k, weight in enumerate(heads.values()):
        network.heads[k].weight.data.copy_(weight)  # pyright: ignore
    torch.save(vgg, folder / "vgg16.pth")
    torch.save(heads, folder / "lpips.pth")
    return folder / "vgg16.pth", folder / "lpips.pth", network


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lpips_module, "WIDTHS", (2, 3, 4, 4, 4))


def test_lpips_reads_the_published_formats(
    narrow: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vgg, heads, network = write_lpips_files(tmp_path)
    with expect_user_error("SMALTI_VGG16", "not set", "classifier-distance"):
        LPIPS().build()
    monkeypatch.setenv("SMALTI_VGG16", str(vgg))
    monkeypatch.setenv("SMALTI_LPIPS", str(tmp_path / "gone.pth"))
    with expect_user_error("SMALTI_LPIPS", "gone.pth"):
        LPIPS().build()
    monkeypatch.setenv("SMALTI_LPIPS", str(heads))
    found = LPIPS().build()
    x, y = torch.rand(2, 2, 3, 32, 32)
    torch.testing.assert_close(found(x, y), naive_lpips(network, x, y))
    assert float(found(x, x).abs().max()) == 0
    monkeypatch.setenv("SMALTI_LPIPS", str(vgg))
    with expect_user_error("vgg16.pth", "lin0.model.1.weight"):
        LPIPS().build()


@torch.no_grad()
def naive_lpips(network: VGGDistance, x: Tensor, y: Tensor) -> Tensor:
    """With the authors' scaling: pictures to [-1, 1], then their shift and scale."""
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    maps: list[list[Tensor]] = []
    for picture in (x, y):
        h = ((2 * picture - 1) - shift[:, None, None]) / scale[:, None, None]
        maps.append([])
        for k, stage in enumerate(lpips_module.STAGES):
            h = nn.functional.max_pool2d(h, 2) if k else h
            for place in stage:
                h = network.features[str(place)](h).relu()
            maps[-1].append(h / (h.square().sum(1, keepdim=True) + 1e-10).sqrt())
    total = torch.zeros(len(x))
    for head, a, b in zip(network.heads, *maps, strict=True):
        total += ((a - b) ** 2 * head.weight[0, :, 0, 0, None, None]).sum(1).mean((1, 2))  # pyright: ignore
    return total


def test_classifier_distance_takes_gray_and_color(tmp_path: Path) -> None:
    network = ClassifierDistance("emoji").build()
    gray, color = torch.rand(2, 1, 16, 16), torch.rand(2, 3, 16, 16)
    assert network(gray, gray.flip(3)).shape == (2,)
    assert (network(color, color.flip(3)) > 0).all()
    assert float(network(color, color).abs().max()) == 0
    assert not any(p.requires_grad for p in network.parameters())
    from smalti.core.checkpoint import save

    own = save(ClassifierConfig(3, 2, (4, 4)).build(), tmp_path / "own")
    assert ClassifierDistance(str(own)).build()(color, gray.expand(-1, 3, -1, -1)).shape == (2,)
    codec = save(TINY.build(), tmp_path / "codec")
    with expect_user_error("VQGAN", "feature_maps(x)"):
        ClassifierDistance(str(codec)).build()


def test_configs_have_to_fit() -> None:
    with expect_user_error("discriminator.channels", "3", "1"):
        replace(TINY, discriminator=DiscriminatorConfig(channels=3))
    with expect_user_error("network.channels", "1", "3"):
        replace(TINY, shape=(3, 8, 8), discriminator=DiscriminatorConfig(channels=3))
    with expect_user_error("width of 6", "4 groups"):
        replace(NETWORK, widths=(8, 6))
    with expect_user_error("attention"):
        replace(NETWORK, attention=(True,))
