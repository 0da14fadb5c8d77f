"""The race's clock and rules, and diffusers' example as a trainer."""

from __future__ import annotations

import copy
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks._contest import CONTESTS, Entry, build_race_loop
from benchmarks._example_loop import ExampleLoop
from benchmarks._networks import DiffusersUNet
from benchmarks._racer import Racer, Trial
from benchmarks.race import build_row, list_running
from benchmarks.speedrun import VARIANTS, build_variant, train_for
from smalti.core.errors import UserError
from smalti.data import digit_pictures
from smalti.training.config import Training
from smalti.training.readback import StepResult

SETTINGS = {"samples": 100}


class BusyLoop:
    """A loop that needs 10 ms of the processor for a step."""

    step = 0

    def run_steps(self):
        while True:
            end = time.process_time() + 0.01
            while time.process_time() < end:
                pass
            self.step += 1
            yield StepResult(self.step, {"loss": 1.0}, 0.1)

    def read_average(self) -> Any:
        raise AssertionError("no trial is due")

    def state_dict(self) -> dict[str, Any]:
        return {"step": self.step}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.step = state["step"]


def make_racer(out: Path, **settings: Any) -> Racer:
    return Racer("busy-0", BusyLoop(), SETTINGS | settings, out, first_trial=100.0)


def test_the_clock_counts_the_processor_in_steps_alone_and_is_kept(tmp_path: Path):
    racer = make_racer(tmp_path)
    racer.train(0.05, lambda _: None)
    assert racer.seconds >= 0.01 * racer.loop.step
    seconds = racer.seconds
    time.sleep(0.1)  # neither waiting nor other work between two slices counts
    resumed = make_racer(tmp_path)
    resumed.restore()
    assert (resumed.seconds, resumed.loop.step) == (seconds, racer.loop.step)
    resumed.train(0.03, lambda _: None)
    assert 0.03 <= resumed.seconds - seconds < 0.1


def test_other_settings_are_refused(tmp_path: Path):
    make_racer(tmp_path).train(0.01, lambda _: None)
    with pytest.raises(UserError, match="samples 100, now it is 50"):
        make_racer(tmp_path, samples=50).restore()


def add_trials(racer: Racer, *accuracies: float) -> Racer:
    for k, accuracy in enumerate(accuracies, 1):
        racer.trials.append(Trial(float(k), k, round(100 * (1 - accuracy)), 100, 1.0))
        racer.seconds = 60.0 * k
    return racer


def test_a_mark_counts_from_its_first_trial_and_may_not_hold(tmp_path: Path):
    racer = add_trials(make_racer(tmp_path), 0.90, 0.96, 0.94, 0.97, 0.98)
    assert racer.find_mark(0.95) == (2.0, False)
    assert racer.find_mark(0.97) == (4.0, True)
    assert not racer.list_open_marks()


def test_a_rival_stops_at_a_multiple_of_our_minutes(tmp_path: Path):
    ours = add_trials(make_racer(tmp_path), 0.98, 0.98)
    rival = add_trials(make_racer(tmp_path), 0.5, 0.6, 0.7)
    assert list_running({"ours": [ours], "rival": [rival]}, limit=4.0) == [rival]
    assert list_running({"ours": [ours], "rival": [rival]}, limit=3.0) == []


@pytest.fixture(scope="module")
def tiny_loops() -> list[ExampleLoop]:
    network = DiffusersUNet(widths=(8, 8), layers=1, head_width=8, classes=10)
    entry, pictures = Entry(network, Training(), "example", side=32), digit_pictures("train")
    loops = [build_race_loop(entry, pictures, "32", seed=0) for _ in range(2)]
    return [loop for loop in loops if isinstance(loop, ExampleLoop)]


def test_the_example_trains_as_documented(tiny_loops: list[ExampleLoop]):
    loop = tiny_loops[0]
    group = loop.optimizer.param_groups[0]
    assert (group["betas"], group["weight_decay"]) == ((0.95, 0.999), 1e-6)
    steps = loop.run_steps()
    rates = [next(steps).learning_rate for _ in range(3)]
    assert rates == pytest.approx([0, 1e-4 / 500, 2e-4 / 500])
    assert loop.model.config.shape == (1, 32, 32)
    assert torch.equal(loop.data.tensors[0][:, :, :2], torch.full((8500, 1, 2, 32), -1.0))


def test_a_resumed_example_has_the_same_weights_and_average(tiny_loops: list[ExampleLoop]):
    loop, other = tiny_loops
    other.load_state_dict(copy.deepcopy(loop.state_dict()))
    batch = [t[:16] for t in loop.data.tensors]
    for each in (loop, other):
        torch.manual_seed(3)
        each.take_step(*batch)
    for p, q in zip(
        loop.read_average().parameters(), other.read_average().parameters(), strict=True
    ):
        assert torch.equal(p, q)


def test_the_examples_network_has_its_six_levels():
    network = CONTESTS["as-people"]["example"].network
    assert isinstance(network, DiffusersUNet)
    with torch.device("meta"):
        unet = network.build().unet
    down, up = ([type(b).__name__ for b in blocks] for blocks in (unet.down_blocks, unet.up_blocks))
    assert [name.startswith("Attn") for name in down] == [False] * 4 + [True, False]
    assert [name.startswith("Attn") for name in up] == [False, True] + [False] * 4


def test_a_row_says_which_seeds_reached_a_mark(tmp_path: Path):
    loops = [build_race_loop(CONTESTS["same-trainer"]["small"], digit_pictures("train"), "32", 0)]
    ours = [
        add_trials(Racer(f"x-{k}", loops[0], SETTINGS, tmp_path), 0.5, *last)
        for k, last in enumerate([(0.96, 0.97, 0.98), (0.96, 0.96)])
    ]
    row = build_row(ours, ours[:1])
    assert row["95%"]["minutes"] == [2.0, 2.0]
    assert (row["95%"]["reached"], row["95%"]["held"], row["95%"]["times_ours"]) == (2, 2, 1.0)
    assert (row["97%"]["reached"], row["97%"]["minutes"]) == (1, [3.0, 3.0])


@pytest.mark.parametrize("name", list(VARIANTS))
def test_every_variant_of_the_speedrun_takes_a_step(name: str):
    variant = VARIANTS[name]
    small = replace(variant.training, batch_size=2, schedule="constant")
    loop = build_variant(replace(variant, training=small), digit_pictures("valid"), 0, 1.0)
    assert train_for(loop, 0.001) > 0.001
    assert loop.step == 1
