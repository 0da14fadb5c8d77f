"""Make the config of a recipe's model: fitted to a start, augmented, changed by options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, cast

from smalti.core.changes import change_config
from smalti.core.errors import UserError
from smalti.core.players import FollowsStart, HasAugmentation
from smalti.core.protocols import ModelConfig
from smalti.data.pictures import Pictures

NO_CHANGES: Mapping[str, Any] = MappingProxyType({})


@dataclass(frozen=True)
class ModelMaker:
    """Called with the pictures; returns the model's config.

    Each step works on the result of the one before: the recipe's config, with the architecture of
    a start, with augmentation, with the user's changes.
    """

    make_config: Callable[..., Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Keywords of `make_config`: codec, picture."""
    start: ModelConfig | None = None
    """The config of the model whose weights a run starts from."""
    start_name: str = ""
    """What that model is called, for errors."""
    augments: bool = False
    """Whether training pictures are augmented."""
    changes: tuple[Mapping[str, Any], ...] = ()
    """Changed fields by name, in their order."""

    def __call__(self, pictures: Pictures, **options: Any) -> Any:
        config: Any = self.make_config(pictures, **{**self.options, **options})
        if self.start is not None and isinstance(config, FollowsStart):
            try:
                config = config.follow_start(self.start)
            except UserError as error:
                raise UserError(
                    f"{self.start_name}: {error}" if self.start_name else f"{error}"
                ) from error
        if self.augments:
            config = augment_config(config)
        for change in self.changes:
            config = change_config(cast(Any, config), change, "model", "model.")
        return config

    def add_options(self, **options: Any) -> ModelMaker:
        return replace(self, options={**self.options, **options})


def wrap_maker(make_config: Callable[..., Any]) -> ModelMaker:
    """The maker of a recipe."""
    return make_config if isinstance(make_config, ModelMaker) else ModelMaker(make_config)


def augment_config(config: object) -> ModelConfig:
    """The config with augmentation. UserError for a model that has none."""
    if not isinstance(config, HasAugmentation):
        raise UserError("augment is given, but this recipe's model takes none; leave it out")
    return config.add_augmentation()
