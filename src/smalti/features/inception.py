"""The Inception network of published Frechet distances, through torch-fidelity."""

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

from smalti.core.errors import UserError
from smalti.core.saved_steps import hash_file
from smalti.core.weights import read_weights
from smalti.features.registry import FeatureExtractor

PATH_VARIABLE = "SMALTI_INCEPTION"
WEIGHTS_FILE = "weights-inception-2015-12-05-6726825d.pth"
DIMS = 2048


def load_inception(device: str = "cpu") -> FeatureExtractor:
    """The 2,048 features of the network that arXiv:1706.08500 measured in, scaled to 299x299 as
    TensorFlow 1 did.  The file of its weights is named by $SMALTI_INCEPTION; nothing is downloaded.
    """
    if find_spec("torch_fidelity") is None:
        raise UserError(
            "features inception need torch-fidelity, which is not installed; "
            "`pip install 'smalti[inception]'`, or choose other --features"
        )
    path = find_weights()
    with copy_plain_weights(path) as file:
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
    """The file that $SMALTI_INCEPTION names."""
    named = os.environ.get(PATH_VARIABLE)
    if not named:
        raise UserError(
            f"features inception need the weights {WEIGHTS_FILE} of torch-fidelity's releases; "
            f"download the file and name it by ${PATH_VARIABLE}"
        )
    path = Path(named)
    if not path.is_file():
        raise UserError(
            f"${PATH_VARIABLE} is {named}, and there is no such file; name the weights {WEIGHTS_FILE}"
        )
    return path


@contextmanager
def copy_plain_weights(path: Path) -> Iterator[Path]:
    """While entered, a copy of the file with its weights alone, under their plain names.

    UserError when it holds none.
    """
    try:
        weights, _ = read_weights(path)
    except UserError as error:
        raise UserError(
            f"{path} holds no weights that can be read; download {WEIGHTS_FILE}"
        ) from error
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, path.name)
        torch.save(weights, copy)  # torch-fidelity's own reader may run what a pickle holds
        yield copy


def wrap_extractor(extractor: Callable[[Tensor], tuple[Tensor, ...]]) -> Callable[[Tensor], Tensor]:
    """Floats in [0, 1] to the bytes that torch-fidelity looks at."""

    def network(x: Tensor) -> Tensor:
        (features,) = extractor((x * 255).round().clamp(0, 255).byte())
        return features

    return network
