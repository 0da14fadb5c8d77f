"""A recipe: pictures, model and training."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from smalti.autoregressive import CaptionTokens
from smalti.core.changes import change_config
from smalti.core.checkpoint import load
from smalti.core.errors import UserError
from smalti.core.protocols import ModelConfig
from smalti.core.size import Size
from smalti.data.pictures import Splits
from smalti.recipes.model_maker import NO_CHANGES, wrap_maker
from smalti.recipes.picture_option import PictureOption
from smalti.recipes.selected_conditions import TEXT
from smalti.training.config import Training

CAPTIONS = CaptionTokens(length=8, buckets=64)
"""Captions of priors: words of the training captions have own rows, others share the buckets."""


class SplitsReader(Protocol):
    """Reads the pictures at a path, or the default ones for None, in this size, with splits."""

    def __call__(
        self,
        path: str | None,
        *,
        size: Size,
        progress: Callable[[int, int], None] | None = None,
        group_by: str | None = None,
    ) -> Splits: ...  # group_by: as in `read_splits`; None where it is not passed


@dataclass(frozen=True)
class Recipe:
    """A complete run, for `smalti train NAME`.

    The name, the summary and the training time are in the table; `find_recipe` fills them in.
    """

    read: SplitsReader
    """(data path or None, size) -> pictures to train on, to validate and to test."""
    make_config: Callable[..., Any]
    """Makes the model's config from the pictures: their channels, classes and size. That of a prior
    has keywords `codec` and `picture`, too."""
    training: Training
    size: Size = 32
    """Height and width that pictures are resized to."""
    name: str = ""
    summary: str = ""
    minutes: float = 10.0
    """Training time if neither steps nor minutes are given."""
    codec: str | None = None
    """The codec whose codes a prior models; None for other models. Without `codec_recipe` it is the
    default."""
    codec_recipe: str = ""
    """The recipe that trains such a codec on your pictures. With your pictures the codec must be
    given."""
    conditions: tuple[str, ...] | None = None
    """Names of the conditions: class, text, or attributes of the pictures. None: the classes, and
    captions where `make_config` takes them."""
    takes_picture: bool = False
    """Whether a diffusion model takes a picture as a condition: `make_config` has a keyword
    `picture`."""
    few: int = 0
    """Training pictures below which they are augmented, unless the user decides; 0 for never."""

    def follow_start(self, start: ModelConfig, name: str = "") -> Recipe:
        """Return a recipe whose model has the architecture of a trained one, to start from it."""
        maker = wrap_maker(self.make_config)
        return replace(self, make_config=replace(maker, start=start, start_name=name))

    def augment(self) -> Recipe:
        """Return a recipe that augments its training pictures."""
        maker = wrap_maker(self.make_config)
        return replace(self, make_config=replace(maker, augments=True))

    def change(
        self, training: Mapping[str, Any] = NO_CHANGES, model: Mapping[str, Any] = NO_CHANGES
    ) -> Recipe:
        """Return a recipe with changed fields of the training and of the model's config.

        Fields are given by name: training={"learning_rate": 1e-3},
        model={"network.widths": (8, 16)}.
        """
        changed = replace(self, training=change_config(self.training, training, "training"))
        maker = wrap_maker(self.make_config)
        if not model:
            return changed
        return replace(changed, make_config=replace(maker, changes=(*maker.changes, model)))

    def use_codec(self, codec: str) -> Recipe:
        """Return a prior's recipe for another codec, a shipped name, checkpoint or run.

        The size of the pictures becomes the codec's. UserError if this recipe takes no codec, or
        if the model is no codec.
        """
        if self.codec is None:
            raise UserError(f"codec {codec} is given, but {self.name} takes none; leave it out")
        H, W = read_picture_size(codec)
        size = H if H == W else (H, W)
        make_config = wrap_maker(self.make_config).add_options(codec=codec)
        return replace(self, codec=codec, make_config=make_config, size=size)


def use_conditions(recipe: Recipe, names: Sequence[str] | None) -> Recipe:
    """A recipe whose model takes these conditions, of pictures with `select_conditions`.

    A prior takes captions only if they are named.
    """
    if recipe.codec is None or recipe.takes_picture or names is None or TEXT not in names:
        return recipe
    maker = wrap_maker(recipe.make_config)
    return replace(recipe, make_config=maker.add_options(captions=CAPTIONS))


def condition_on_picture(recipe: Recipe, option: PictureOption) -> Recipe:
    """A recipe with a picture as a condition. UserError if this recipe's model takes none."""
    if recipe.codec is None and not recipe.takes_picture:
        raise UserError(f"picture is given, but {recipe.name} takes none; leave it out")
    maker = wrap_maker(recipe.make_config)
    return replace(recipe, make_config=maker.add_options(picture=option))


def read_picture_size(codec: str) -> tuple[int, int]:
    """(H, W) of the pictures that a codec was trained on. UserError if it is not a codec."""
    spec = load(codec).spec
    if spec.output not in ("codes", "latents"):
        raise UserError(f"{codec} is not a codec; give a VQ-VAE or a VQGAN")
    return spec.size
