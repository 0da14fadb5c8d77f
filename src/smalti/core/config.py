"""Configs: frozen dataclasses that go to tagged JSON and come back the same."""

from __future__ import annotations

import dataclasses
import types
import typing
from importlib import import_module
from typing import Any, Literal, Union, get_args, get_origin

from smalti.core.errors import UserError

# The closed table of tags: nothing else can be built from a file. One line per class.
TAGS = {
    "diffusion": "smalti.diffusion.model:DiffusionConfig",
    "unet": "smalti.diffusion.unet:UNetConfig",
    "simple": "smalti.diffusion.objective:Simple",
    "hybrid": "smalti.diffusion.objective:Hybrid",
    "bound": "smalti.diffusion.objective:Bound",
    "linear": "smalti.diffusion.schedule:Linear",
    "cosine": "smalti.diffusion.schedule:Cosine",
    "sigmoid": "smalti.diffusion.schedule:Sigmoid",
    "ddpm": "smalti.diffusion.samplers:DDPM",
    "ddim": "smalti.diffusion.samplers:DDIM",
    "dpm-solver": "smalti.diffusion.solvers:DPMSolver",
    "repaint": "smalti.diffusion.repaint:RePaint",
    "unipc": "smalti.diffusion.solvers:UniPC",
    "pixelcnn": "smalti.pixelcnn.model:PixelCNNConfig",
    "plain": "smalti.pixelcnn.plain:PlainConfig",
    "gated": "smalti.pixelcnn.gated:GatedConfig",
    "categorical": "smalti.pixelcnn.output:Categorical",
    "plusplus": "smalti.pixelcnn.plusplus:PlusPlusConfig",
    "logistic-mixture": "smalti.pixelcnn.mixture:LogisticMixture",
    "caption": "smalti.layers.caption:CaptionConfig",
    "ancestral": "smalti.layers.choosing:Ancestral",
    "prior": "smalti.autoregressive.model:PriorConfig",
    "frozen": "smalti.autoregressive.frozen:Frozen",
    "gpt": "smalti.autoregressive.gpt.network:GPTConfig",
    "article-ddpm-unet": "smalti.convert.article_ddpm:ArticleDDPM",
    "article-ddim-unet": "smalti.convert.article_ddim:ArticleDDIM",
    "vqvae": "smalti.vq.vqvae:VQVAEConfig",
    "vqgan": "smalti.vq.vqgan:VQGANConfig",
    "strided": "smalti.vq.strided:StridedConfig",
    "residual": "smalti.vq.residual:ResidualConfig",
    "vq": "smalti.vq.learned:VQConfig",
    "ema": "smalti.vq.learned:EMAConfig",
    "simvq": "smalti.vq.learned:SimVQConfig",
    "gumbel": "smalti.vq.gumbel:GumbelConfig",
    "fsq": "smalti.vq.finite:FSQConfig",
    "straight-through": "smalti.vq.gradient:StraightThrough",
    "rotation": "smalti.vq.gradient:Rotation",
    "euclidean": "smalti.vq.space:Euclidean",
    "sphere": "smalti.vq.space:Sphere",
    "k-means": "smalti.vq.upkeep:KMeans",
    "uniform": "smalti.vq.upkeep:Uniform",
    "revival": "smalti.vq.upkeep:Revival",
    "critic": "smalti.vq.critic:CriticConfig",
    "looks": "smalti.vq.perceptual:Looks",
    "lpips": "smalti.vq.lpips:LPIPS",
    "training": "smalti.training.config:Training",
    "classifier": "smalti.features.classifier:ClassifierConfig",
}


def to_json(config: Any) -> Any:
    """A config as plain JSON values; every dataclass carries its `tag`."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
        return {"tag": tag_of(type(config)), **fields}
    if isinstance(config, (tuple, list)):
        return [to_json(value) for value in config]
    if config is None or isinstance(config, (bool, int, float, str)):
        return config
    raise TypeError(f"{config!r} of type {type(config).__name__} does not go into a config file")


def from_json(value: Any) -> Any:
    """The config that `to_json` wrote. UserError names a wrong tag, field or value."""
    if not isinstance(value, dict):
        return value
    if "tag" not in value:
        raise UserError(
            f"config has no tag among its keys {sorted(value)}; every config names its type"
        )
    cls = class_of(value["tag"])
    hints = typing.get_type_hints(cls)
    given = {key: v for key, v in value.items() if key != "tag"}
    if unknown := sorted(set(given) - set(hints)):
        raise UserError(
            f"config {value['tag']!r} has an unknown field {unknown[0]!r}; "
            f"known are {', '.join(hints)}"
        )
    try:
        return cls(**{k: fitted(v, hints[k], f"{value['tag']}.{k}") for k, v in given.items()})
    except TypeError as error:
        raise UserError(f"config {value['tag']!r} does not fit its type: {error}") from error


def class_of(tag: str) -> type:
    if not isinstance(tag, str) or tag not in TAGS:
        raise UserError(f"config names an unknown type {tag!r}; known are {', '.join(TAGS)}")
    module, name = TAGS[tag].split(":")
    return getattr(import_module(module), name)


def tag_of(cls: type) -> str:
    place = f"{cls.__module__}:{cls.__qualname__}"
    for tag, target in TAGS.items():
        if target == place:
            return tag
    raise TypeError(f"{place} has no line in the table of tags (smalti.core.config.TAGS)")


def fitted(value: Any, hint: Any, place: str) -> Any:
    """The JSON value as the type hint wants it: lists become tuples, tags become configs."""
    if isinstance(value, dict):
        value = from_json(value)
    origin, args = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        for option in args:
            try:
                return fitted(value, option, place)
            except UserError:
                continue
        raise UserError(f"config {place} is {value!r}; wanted {hint}")
    if origin is tuple and isinstance(value, (list, tuple)):
        inner = args[:1] * len(value) if args[1:] == (...,) else args
        if len(inner) == len(value):
            return tuple(fitted(v, h, place) for v, h in zip(value, inner, strict=True))
    elif origin is Literal and value in args:
        return value
    elif hint is float and isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    elif hint in (None, type(None)) and value is None:
        return None
    elif isinstance(value, bool) and hint is not bool:  # to Python, True is an int
        pass
    elif isinstance(hint, type) and isinstance(value, hint):
        return value
    raise UserError(f"config {place} is {value!r}; wanted {hint}")
