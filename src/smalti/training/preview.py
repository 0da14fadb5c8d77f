"""Previews at every save: samples of the model, reconstructions of a codec, or translations."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from smalti.core.conditions import find_picture_condition
from smalti.core.drawing import draw_in_batches
from smalti.core.pictures import make_grid
from smalti.core.players import HasExamples
from smalti.core.protocols import Batch, Dataset, GenerativeModel, LatentCodec, Spec
from smalti.core.sampling import sample
from smalti.core.sampling_inputs import SamplingInputs
from smalti.training.examples import Example

PREVIEW_SIZE = 64  # pictures in a preview
EXAMPLE_COUNT = 8  # texts in a preview


def draw_preview(
    model: nn.Module, parts: int, train: Dataset, valid: Dataset, device: torch.device
) -> Image.Image | None:
    """Draw samples, or for a codec pairs of pictures and reconstructions. None for other models.

    parts: number of parts that a batch is split into, to save memory.
    """
    if isinstance(model, GenerativeModel) and model.spec.output == "picture":
        captions = read_captions(valid) or read_captions(train)
        pictures, labels = read_condition_pictures(model.spec, valid if len(valid) else train)
        samples = draw_samples(model, PREVIEW_SIZE // parts or 1, captions, pictures, labels)
        return make_grid(samples if pictures is None else place_beside(pictures, samples))
    if not isinstance(model, LatentCodec):
        return None
    x = load_first_batch(valid if len(valid) else train, PREVIEW_SIZE // 2).require_pictures()
    latents, size = [model.encode_latents(p.to(device)) for p in x.split(8)], x.shape[2:]
    x_hat = torch.cat([model.decode_latents(z, (size[0], size[1])).cpu() for z in latents])
    pairs = torch.stack([x, x_hat], dim=1).flatten(0, 1)
    return make_grid(pairs, columns=8)


def translate_examples(model: nn.Module, train: Dataset, valid: Dataset) -> list[Example]:
    """Translate some held-out texts. Empty for models and datasets of other kinds."""
    data = valid if len(valid) else train
    if not isinstance(model, GenerativeModel) or model.spec.output != "text":
        return []
    if not isinstance(data, HasExamples):
        return []
    texts = data.list_examples(EXAMPLE_COUNT)
    outputs = sample(model, len(texts), cond=[source for source, _ in texts])
    return [Example(*pair, str(output)) for pair, output in zip(texts, outputs, strict=True)]


def load_first_batch(data: Dataset, n: int) -> Batch:
    return data.make_batch(torch.arange(min(n, len(data))), torch.device("cpu"))


def read_captions(data: Dataset) -> list[str]:
    return load_first_batch(data, PREVIEW_SIZE).text or [] if len(data) else []


def read_condition_pictures(spec: Spec, data: Dataset) -> tuple[Tensor | None, Tensor | None]:
    """Read pictures (N, C, H, W) for the model's picture condition, if it has one, and classes."""
    name = find_picture_condition(spec.conditions)
    if name is None or not len(data):
        return None, None
    batch = load_first_batch(data, PREVIEW_SIZE // 2)
    value = batch.conditions.get(name, batch.pictures)
    if not isinstance(value, Tensor):
        return None, None
    return value, batch.labels if spec.classes else None


def place_beside(pictures: Tensor, samples: Tensor) -> Tensor:
    """Pairs of a condition picture and its sample, in turn: (2 N, C, H, W)."""
    rows = torch.arange(len(samples)) % len(pictures)
    shown = F.interpolate(pictures[rows], samples.shape[2:])  # (N, c, H, W)
    C = max(shown.shape[1], samples.shape[1])
    both = [x.expand(-1, C, -1, -1) if x.shape[1] == 1 else x for x in (shown, samples)]
    return torch.stack(both, dim=1).flatten(0, 1)


def draw_samples(
    model: GenerativeModel,
    batch_size: int,
    captions: list[str],
    pictures: Tensor | None,
    labels: Tensor | None = None,
) -> Tensor:
    """Draw the samples of a preview, `batch_size` at a time.

    The captions, and the pictures to condition on with their classes, are cycled, if the model
    takes them. With pictures there are half as many samples.
    """
    n = PREVIEW_SIZE if pictures is None else PREVIEW_SIZE // 2
    accepted_captions = captions if "text" in model.spec.accepted_inputs else ()
    text = (
        [accepted_captions[k % len(accepted_captions)] for k in range(n)]
        if accepted_captions
        else None
    )
    rows = torch.arange(n) % (1 if pictures is None else len(pictures))
    inputs = SamplingInputs(
        text=text,
        picture=None if pictures is None else pictures[rows],
        labels=None if labels is None else labels[rows],
    )
    return draw_in_batches(model, range(n), inputs, batch_size=batch_size).pictures
