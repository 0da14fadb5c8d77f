"""The Inception network of published Frechet distances (FID), from torch-fidelity."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from smalti.core.errors import MissingExtra, UserError
from smalti.core.saved_steps import hash_file
from smalti.core.weights import read_weights
from smalti.features.registry import FeatureExtractor

PATH_VARIABLE = "SMALTI_INCEPTION"
WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"
DIMS = 2048


def load_inception(device: str = "cpu") -> FeatureExtractor:
    """Load the network of arXiv:1706.08500 with its 2,048 features.

    Pictures are resized to 299x299 as in TensorFlow 1.  $SMALTI_INCEPTION is the path of the
    weights; nothing is downloaded.
    """
    if find_spec("torch_fidelity") is None:
        raise MissingExtra("features inception need torch-fidelity", "inception")
    path = find_weights()
    with copy_weights_only(path) as file:
        module = import_module("torch_fidelity.feature_extractor_inceptionv3")
        extractor = module.FeatureExtractorInceptionV3(
            "inception-v3-compat", [str(DIMS)], feature_extractor_weights_path=str(file)
        )
    network = wrap_extractor(extractor.to(device).eval())
    description = "Inception v3, a classifier of ImageNet photographs"
    return FeatureExtractor(
        "inception", hash_file(path), DIMS, description, network, channels=3, device=device
    )


def find_weights() -> Path:
    """Find the weights named by $SMALTI_INCEPTION."""
    named = os.environ.get(PATH_VARIABLE)
    if not named:
        raise UserError(
            f"features inception need the weights {WEIGHTS_FILE} of torch-fidelity's releases; "
            f"download the file and set ${PATH_VARIABLE} to its path"
        )
    path = Path(named)
    if not path.is_file():
        raise UserError(
            f"${PATH_VARIABLE} is {named}, but there is no such file; "
            f"set it to the path of {WEIGHTS_FILE}"
        )
    return path


@contextmanager
def copy_weights_only(path: Path) -> Iterator[Path]:
    """Context manager of a copy of the file that contains only weights.

    Raises UserError if there are none.
    """
    try:
        weights, _ = read_weights(path)
    except UserError as error:
        raise UserError(
            f"{path} contains no weights that can be read; download {WEIGHTS_FILE}"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        torch.save(weights, copy)  # torch-fidelity's reader may execute code in a pickle
        yield copy


def wrap_extractor(extractor: Callable[[Tensor], tuple[Tensor, ...]]) -> Callable[[Tensor], Tensor]:
    """Wrap an extractor of bytes as a network of floats in [0, 1]."""

    def network(x: Tensor) -> Tensor:
        (features,) = extractor((x * 255).round().clamp(0, 255).byte())
        return features

    return network
