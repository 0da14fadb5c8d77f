"""Fixtures of all tests: reproducible random numbers, no network, GPU tests only with a GPU."""

from __future__ import annotations

import ipaddress
import os
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import settings

# A busy machine must not fail a property test; a failure must print how to see it again.
settings.register_profile("smalti", deadline=None, print_blob=True)
settings.register_profile("smalti-ci", deadline=None, print_blob=True, derandomize=True)
settings.load_profile("smalti-ci" if os.environ.get("CI") else "smalti")

NUMERIC = {
    "contract", "golden", "test_against_diffusers", "test_analogies", "test_caption",
    "test_causality", "test_checkpoint", "test_classifier", "test_codec", "test_coding",
    "test_condition_sampling", "test_coverage", "test_editing", "test_evaluate",
    "test_features", "test_files", "test_frechet", "test_fused_ops", "test_gpt",
    "test_inpainting", "test_kernel", "test_layers", "test_likelihood", "test_logistic",
    "test_match", "test_model", "test_neighbors", "test_objective", "test_patchmatch_variants",
    "test_pixelcnn", "test_plusplus", "test_prior", "test_process", "test_processes",
    "test_quantizers", "test_reconstruction", "test_recovery", "test_resume", "test_samplers",
    "test_sampling", "test_schedule", "test_solvers", "test_solvers_against_diffusers",
    "test_track", "test_training", "test_unet", "test_vqgan", "test_walkers",
}  # fmt: skip
"""Folders and files of tests whose results depend on the processor's rounding."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if NUMERIC & {item.path.stem, item.path.parent.name}:
            item.add_marker("numeric")


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")


@pytest.fixture(autouse=True)
def seed_generator() -> None:
    """Seed the global generator before every test."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(autouse=True, scope="session")
def block_network() -> Iterator[None]:
    """Fail tests that connect to other machines."""
    connect = socket.socket.connect

    def connect_locally(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and not is_local(address[0]):
            raise RuntimeError(f"a test tried to reach {address[0]}; tests need no network")
        connect(self, address)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", connect_locally)
        yield


def is_local(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", socket.gethostname())
