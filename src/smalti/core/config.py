"""Configs: frozen dataclasses that go to tagged JSON and come back the same."""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from functools import cache
from importlib import import_module
from numbers import Integral, Real
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

from smalti.core.errors import UserError, shorten
from smalti.core.ranges import FLOATS, INTEGERS, RULE_TYPES, OutOfRangeError, Range

C = TypeVar("C")

# The closed table of tags: nothing else can be built from a file. One line per class.
TAGS = {
    "diffusion": "smalti.diffusion.model:DiffusionConfig",
    "pixels": "smalti.diffusion.space:Pixels",
    "unet": "smalti.diffusion.unet:UNetConfig",
    "simple": "smalti.diffusion.objective:Simple",
    "hybrid": "smalti.diffusion.objective:Hybrid",
    "bound": "smalti.diffusion.objective:Bound",
    "consistency": "smalti.diffusion.consistency:Consistency",
    "consistency-tuning": "smalti.diffusion.consistency:ConsistencyTuning",
    "linear": "smalti.diffusion.schedule:Linear",
    "cosine": "smalti.diffusion.schedule:Cosine",
    "sigmoid": "smalti.diffusion.schedule:Sigmoid",
    "ddpm": "smalti.diffusion.samplers:DDPM",
    "ddim": "smalti.diffusion.samplers:DDIM",
    "dpm-solver": "smalti.diffusion.solvers:DPMSolver",
    "repaint": "smalti.diffusion.repaint:RePaint",
    "unipc": "smalti.diffusion.solvers:UniPC",
    "autoregressive": "smalti.autoregressive.model:AutoregressiveConfig",
    "plain": "smalti.autoregressive.pixelcnn.plain.network:PixelCNNConfig",
    "gated": "smalti.autoregressive.pixelcnn.gated.network:GatedPixelCNNConfig",
    "categorical": "smalti.autoregressive.output:Categorical",
    "plusplus": "smalti.autoregressive.pixelcnn.plusplus.network:PixelCNNPlusPlusConfig",
    "logistic-mixture": "smalti.autoregressive.logistic_mixture:LogisticMixture",
    "levels": "smalti.layers.pixel_levels:Levels",
    "choice": "smalti.layers.condition_encoder:Choice",
    "caption": "smalti.layers.caption:CaptionConfig",
    "ancestral": "smalti.layers.symbol_sampling:Ancestral",
    "indices": "smalti.autoregressive.indices:IndexCodec",
    "frozen": "smalti.autoregressive.frozen:FrozenCodec",
    "gpt": "smalti.autoregressive.gpt.network:GPTConfig",
    "article-ddpm-unet": "smalti.convert.article_ddpm:ArticleDDPM",
    "article-ddim-unet": "smalti.convert.article_ddim:ArticleDDIM",
    "vqvae": "smalti.codecs.vqvae:VQVAEConfig",
    "vqgan": "smalti.codecs.vqgan:VQGANConfig",
    "strided": "smalti.codecs.strided:StridedConfig",
    "residual": "smalti.codecs.residual:ResidualConfig",
    "vq": "smalti.codecs.codebook_quantizers:VQConfig",
    "ema": "smalti.codecs.codebook_quantizers:EMAConfig",
    "simvq": "smalti.codecs.codebook_quantizers:SimVQConfig",
    "gumbel": "smalti.codecs.gumbel:GumbelConfig",
    "fsq": "smalti.codecs.fsq:FSQConfig",
    "straight-through": "smalti.codecs.gradient:StraightThrough",
    "rotation": "smalti.codecs.gradient:Rotation",
    "euclidean": "smalti.codecs.space:Euclidean",
    "sphere": "smalti.codecs.space:Sphere",
    "k-means": "smalti.codecs.codebook_init:KMeans",
    "uniform": "smalti.codecs.codebook_init:Uniform",
    "revival": "smalti.codecs.codebook_init:Revival",
    "discriminator": "smalti.codecs.discriminator:DiscriminatorConfig",
    "classifier-distance": "smalti.codecs.classifier_distance:ClassifierDistance",
    "lpips": "smalti.codecs.lpips:LPIPS",
    "transformer": "smalti.translation.transformer:TransformerConfig",
    "translator": "smalti.translation.model:TranslatorConfig",
    "beam": "smalti.translation.decoding:Beam",
    "training": "smalti.training.config:Training",
    "classifier": "smalti.features.classifier:ClassifierConfig",
}

SAMPLER_TAGS = ("ddim", "ddpm", "dpm-solver", "unipc", "consistency", "repaint", "ancestral")
"""Tags of those whose options are shown where no model is named."""


def to_json(config: object) -> Any:
    """A config as plain JSON values; every dataclass carries its `tag`."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
        return {"tag": find_config_tag(type(config)), **fields}
    if isinstance(config, (tuple, list)):
        return [to_json(value) for value in config]
    if config is None or isinstance(config, (bool, int, float, str)):
        return config
    raise TypeError(f"{config!r} of type {type(config).__name__} does not go into a config file")


def from_json(value: object) -> Any:
    """The config that `to_json` wrote. UserError names a wrong tag, field or value."""
    if not isinstance(value, dict):
        return value
    if "tag" not in value:
        keys = shorten(sorted(value))
        raise UserError(f"config has no tag among its keys {keys}; every config names its type")
    cls = find_config_class(value["tag"])
    hints = collect_hints(cls)
    fields = {key: v for key, v in value.items() if key != "tag"}
    if unknown := sorted(set(fields) - set(hints)):
        raise UserError(
            f"config {value['tag']!r} has an unknown field {shorten(unknown[0])}; "
            f"known are {', '.join(hints)}"
        )
    try:
        return cls(
            **{k: coerce_value(v, hints[k], f"{value['tag']}.{k}") for k, v in fields.items()}
        )
    except TypeError as error:
        raise UserError(f"config {value['tag']!r} does not fit its type: {error}") from error


def find_config_class(tag: str) -> type:
    if not isinstance(tag, str) or tag not in TAGS:
        raise UserError(f"config names an unknown type {shorten(tag)}; known are {', '.join(TAGS)}")
    module, name = TAGS[tag].split(":")
    return getattr(import_module(module), name)


def find_config_tag(cls: type) -> str:
    place = format_class_path(cls)
    for tag, target in TAGS.items():
        if target == place:
            return tag
    raise TypeError(f"{place} has no line in the table of tags (smalti.core.config.TAGS)")


@cache
def collect_hints(cls: type) -> dict[str, Any]:
    """The type hint of every field of a dataclass, with its ranges."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def check_fields(cls: type[C]) -> type[C]:
    """Let a dataclass refuse values that do not fit the hints of its fields; stands below
    `@dataclass(frozen=True)`. Its `__post_init__` comes after, and can trust the types.
    """
    own = getattr(cls, "__post_init__", None)

    def __post_init__(self: Any) -> None:
        tag = next(
            (f"{t}." for t, place in TAGS.items() if place == format_class_path(type(self))), ""
        )
        for name, hint in collect_hints(type(self)).items():
            object.__setattr__(self, name, coerce_value(getattr(self, name), hint, f"{tag}{name}"))
        if own:
            own(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
    return cls


def format_class_path(cls: type) -> str:
    """As the table of tags writes it."""
    return f"{cls.__module__}:{cls.__qualname__}"


def coerce_value(value: object, hint: object, name: str) -> Any:
    """The value as the type hint wants it: lists become tuples, tags become configs.

    UserError, which names `name`, for another type, and for a number outside the hint's range: in
    `Annotated`, else that of `core/ranges.py` for all numbers.
    """
    if isinstance(value, dict):
        value = from_json(value)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return coerce_in_range(
            value, args[0], [rule for rule in args[1:] if isinstance(rule, RULE_TYPES)], name
        )
    if origin in (Union, types.UnionType):
        return coerce_to_union(value, args, hint, name)
    if origin is tuple and isinstance(value, (list, tuple)):
        inner = args[:1] * len(value) if args[1:] == (...,) else args
        if len(inner) == len(value):
            return tuple(coerce_value(v, h, name) for v, h in zip(value, inner, strict=True))
    elif origin is Literal and isinstance(value, (str, int)) and value in args:
        return value
    elif hint in (int, float) and isinstance(value, Real) and not isinstance(value, bool):
        return coerce_number(value, hint, name)
    elif hint in (None, type(None)) and value is None:
        return None
    elif isinstance(value, bool) and hint is not bool:  # to Python, True is an int
        pass
    elif isinstance(hint, type) and isinstance(value, hint):
        return check_text(value, name) if isinstance(value, str) else value
    raise UserError(f"{name} is {shorten(value)}; wanted {describe_hint(hint)}")


def coerce_in_range(value: object, hint: object, rules: list[Any], name: str) -> Any:
    """The value as the hint wants it, where the rules allow it. A number that is none of the range
    is told the declared range, not that of all numbers.
    """
    if hint in (int, float) and isinstance(value, Real) and not isinstance(value, bool):
        for rule in rules:
            rule.check(value, name)
        rules = []
    value = coerce_value(value, hint, name)
    for rule in rules:
        rule.check(value, name)
    return value


def coerce_to_union(value: object, options: tuple[object, ...], hint: object, name: str) -> Any:
    """The value as the first of several types wants it that it fits."""
    for option in options:
        try:
            return coerce_value(value, option, name)
        except OutOfRangeError:  # of the right type: this says best what is wrong
            raise
        except UserError:
            continue
    raise UserError(f"{name} is {shorten(value)}; wanted {describe_hint(hint)}")


def coerce_number(value: Real, kind: type, name: str) -> int | float:
    """An int or a float, finite and not of thousands of digits."""
    if kind is int and not isinstance(value, Integral):
        raise UserError(f"{name} is {shorten(value)}; wanted int")
    plain = int(value) if isinstance(value, Integral) else float(value)  # NumPy's are none
    if isinstance(plain, float) and not math.isfinite(plain):
        raise OutOfRangeError(f"{name} is {plain}; give a finite number")
    limits = INTEGERS if kind is int else FLOATS
    limits.check(plain, name)
    return kind(plain)


def check_text(text: str, name: str) -> str:
    if "\0" in text:
        raise UserError(f"{name} is {shorten(text)}, which holds a NUL; leave it out")
    return text


def describe_hint(hint: object) -> str:
    """A type hint, for people."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        rules = [str(rule) for rule in args[1:] if isinstance(rule, Range)]
        return ", ".join([describe_hint(args[0]), *rules])
    if origin in (Union, types.UnionType):
        return " or ".join(map(describe_hint, args))
    if origin is Literal:
        return " or ".join(map(repr, args))
    if origin is tuple:
        inner = (
            f"{describe_hint(args[0])}, ..."
            if args[1:] == (...,)
            else ", ".join(map(describe_hint, args))
        )
        return f"tuple ({inner})"
    return "None" if hint is type(None) else getattr(hint, "__name__", str(hint))
