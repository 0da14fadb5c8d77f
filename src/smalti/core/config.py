"""Configs: frozen dataclasses that are written as tagged JSON and read back equal."""

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
    "diffusion": "smalti.diffusion.config:DiffusionConfig",
    "pixels": "smalti.diffusion.space:Pixels",
    "augmentation": "smalti.diffusion.augmentation:Augmentation",
    "latents": "smalti.diffusion.latents:Latents",
    "map-condition": "smalti.diffusion.map_condition:MapCondition",
    "unet": "smalti.diffusion.unet:UNetConfig",
    "simple": "smalti.diffusion.objective:Simple",
    "hybrid": "smalti.diffusion.objective:Hybrid",
    "bound": "smalti.diffusion.objective:Bound",
    "consistency": "smalti.diffusion.consistency:Consistency",
    "consistency-tuning": "smalti.diffusion.consistency:ConsistencyTuning",
    "distribution-matching": "smalti.diffusion.matching:DistributionMatching",
    "windows": "smalti.diffusion.windows:Windows",
    "linear": "smalti.diffusion.schedule:Linear",
    "cosine": "smalti.diffusion.schedule:Cosine",
    "sigmoid": "smalti.diffusion.schedule:Sigmoid",
    "ddpm": "smalti.diffusion.samplers:DDPM",
    "ddim": "smalti.diffusion.samplers:DDIM",
    "dpm-solver": "smalti.diffusion.solvers:DPMSolver",
    "repaint": "smalti.diffusion.repaint:RePaint",
    "unipc": "smalti.diffusion.solvers:UniPC",
    "autoregressive": "smalti.autoregressive.config:AutoregressiveConfig",
    "context-mixing": "smalti.autoregressive.mixing.config:ContextMixingConfig",
    "base-model": "smalti.autoregressive.mixing.base_model:BaseModel",
    "plain": "smalti.autoregressive.pixelcnn.plain.network:PixelCNNConfig",
    "gated": "smalti.autoregressive.pixelcnn.gated.network:GatedPixelCNNConfig",
    "categorical": "smalti.autoregressive.output:Categorical",
    "plusplus": "smalti.autoregressive.pixelcnn.plusplus.network:PixelCNNPlusPlusConfig",
    "logistic-mixture": "smalti.autoregressive.logistic_mixture:LogisticMixture",
    "levels": "smalti.layers.pixel_levels:Levels",
    "choice": "smalti.layers.condition_encoder:Choice",
    "caption": "smalti.layers.caption:CaptionConfig",
    "ancestral": "smalti.layers.symbol_sampling:Ancestral",
    "sliding": "smalti.autoregressive.windows.sampler:Sliding",
    "caption-tokens": "smalti.autoregressive.caption_tokens:CaptionTokens",
    "picture-condition": "smalti.autoregressive.picture_condition:PictureCondition",
    "coordinates": "smalti.autoregressive.coordinates:CoordinateCodec",
    "indices": "smalti.autoregressive.indices:IndexCodec",
    "frozen": "smalti.layers.frozen_codec:FrozenCodec",
    "gpt": "smalti.autoregressive.gpt.network:GPTConfig",
    "row-major": "smalti.autoregressive.orders:RowMajor",
    "alternate": "smalti.autoregressive.orders:Alternate",
    "spiral": "smalti.autoregressive.orders:Spiral",
    "article-ddpm-unet": "smalti.convert.article_ddpm:ArticleDDPM",
    "article-ddim-unet": "smalti.convert.article_ddim:ArticleDDIM",
    "vqvae": "smalti.codecs.vqvae:VQVAEConfig",
    "vqgan": "smalti.codecs.vqgan:VQGANConfig",
    "kl-autoencoder": "smalti.codecs.kl_autoencoder:KLAutoencoderConfig",
    "segmentation": "smalti.codecs.segmentation:SegmentationConfig",
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
    "vocabulary": "smalti.translation.vocabularies:VocabularyConfig",
    "beam": "smalti.translation.decoding:Beam",
    "training": "smalti.training.config:Training",
    "classifier": "smalti.features.classifier:ClassifierConfig",
}

SAMPLER_TAGS = (
    "ddim",
    "ddpm",
    "dpm-solver",
    "unipc",
    "consistency",
    "repaint",
    "ancestral",
    "sliding",
)
"""Tags of the samplers whose options are shown if no model is given."""


def to_json(config: object) -> Any:
    """Convert a config to plain JSON values; every dataclass has its `tag`."""
    if dataclasses.is_dataclass(config) and not isinstance(config, type):
        fields = {f.name: to_json(getattr(config, f.name)) for f in dataclasses.fields(config)}
        return {"tag": find_config_tag(type(config)), **fields}
    if isinstance(config, (tuple, list)):
        return [to_json(value) for value in config]
    if config is None or isinstance(config, (bool, int, float, str)):
        return config
    raise TypeError(f"{config!r} of type {type(config).__name__} is not a value of config files")


def from_json(value: object) -> Any:
    """Read the config that `to_json` wrote. UserError names an invalid tag, field or value."""
    if not isinstance(value, dict):
        return value
    if "tag" not in value:
        keys = shorten(sorted(value))
        raise UserError(f"config has no tag among its keys {keys}; every config has one")
    cls = find_config_class(value["tag"])
    hints = collect_hints(cls)
    fields = {key: v for key, v in value.items() if key != "tag"}
    if unknown := sorted(set(fields) - set(hints)):
        raise UserError(
            f"config {value['tag']!r} has an unknown field {shorten(unknown[0])}; "
            f"known fields: {', '.join(hints)}"
        )
    try:
        return cls(
            **{k: coerce_value(v, hints[k], f"{value['tag']}.{k}") for k, v in fields.items()}
        )
    except TypeError as error:
        raise UserError(f"config {value['tag']!r} is invalid: {error}") from error


def find_config_class(tag: str) -> type:
    if not isinstance(tag, str) or tag not in TAGS:
        raise UserError(f"config has an unknown tag {shorten(tag)}; known tags: {', '.join(TAGS)}")
    module, name = TAGS[tag].split(":")
    return getattr(import_module(module), name)


def find_config_tag(cls: type) -> str:
    path = format_class_path(cls)
    for tag, target in TAGS.items():
        if target == path:
            return tag
    raise TypeError(f"{path} has no line in the table of tags (smalti.core.config.TAGS)")


@cache
def collect_hints(cls: type) -> dict[str, Any]:
    """Collect the type hint of every field of a dataclass, with its ranges."""
    hints = typing.get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def check_fields(cls: type[C]) -> type[C]:
    """Check the fields of a dataclass against their type hints; put it below `@dataclass`.

    The class's `__post_init__` is called after the check, and can rely on the types.
    """
    post_init = getattr(cls, "__post_init__", None)

    def __post_init__(self: Any) -> None:
        tag = next(
            (f"{t}." for t, path in TAGS.items() if path == format_class_path(type(self))), ""
        )
        for name, hint in collect_hints(type(self)).items():
            object.__setattr__(self, name, coerce_value(getattr(self, name), hint, f"{tag}{name}"))
        if post_init:
            post_init(self)

    cls.__post_init__ = __post_init__  # type: ignore[attr-defined]
    return cls


def format_class_path(cls: type) -> str:
    """Format a class as in the table of tags: "module:Name"."""
    return f"{cls.__module__}:{cls.__qualname__}"


def coerce_value(value: object, hint: object, name: str) -> Any:
    """Convert a value to its type hint: lists become tuples, tagged mappings become configs.

    UserError, which names `name`, for another type, and for a number outside the range of the hint
    (in `Annotated`, else the default of `core/ranges.py`).
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
    raise UserError(f"{name} is {shorten(value)}; expected {describe_hint(hint)}")


def coerce_in_range(value: object, hint: object, rules: list[Any], name: str) -> Any:
    """Convert a value to its hint, and check its rules.

    Numbers are checked first, so that the error names the declared range, not the default one.
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
    """Convert a value to the first type of a union that accepts it."""
    for option in options:
        try:
            return coerce_value(value, option, name)
        except OutOfRangeError:  # the type is right: this is the most useful error
            raise
        except UserError:
            continue
    raise UserError(f"{name} is {shorten(value)}; expected {describe_hint(hint)}")


def coerce_number(value: Real, kind: type, name: str) -> int | float:
    """Convert to a finite int or float of reasonable size."""
    if kind is int and not isinstance(value, Integral):
        raise UserError(f"{name} is {shorten(value)}; expected int")
    plain = int(value) if isinstance(value, Integral) else float(value)  # NumPy's are neither
    if isinstance(plain, float) and not math.isfinite(plain):
        raise OutOfRangeError(f"{name} is {plain}; give a finite number")
    limits = INTEGERS if kind is int else FLOATS
    limits.check(plain, name)
    return kind(plain)


def check_text(text: str, name: str) -> str:
    if "\0" in text:
        raise UserError(f"{name} is {shorten(text)}, which contains NUL; remove it")
    return text


def describe_hint(hint: object) -> str:
    """Describe a type hint in an error message."""
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
