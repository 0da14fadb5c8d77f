"""A picture as a condition of a prior or a diffusion model, as `smalti train` takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from smalti.autoregressive import FrozenCodec, Levels, PictureCondition
from smalti.core.checkpoint import load
from smalti.core.errors import UserError
from smalti.core.size import Size, normalize_size
from smalti.data.condition_folder import ConditionFolder
from smalti.diffusion import MapCondition

PictureSource = Literal["low-resolution", "edges", "given"]
NOISE, SAMPLING_NOISE = 0.3, 0.1
"""Noise in a condition of a diffusion model in low resolution: at most in training, in sampling."""
LEVELS = 16
"""Gray levels of a condition in low resolution."""


@dataclass(frozen=True)
class PictureOption:
    """Which picture, encoded by which codec."""

    source: PictureSource
    codec: str | None = None
    """A shipped codec, run or checkpoint. None: levels for low resolution, else the prior's."""
    size: Size | None = None
    """Height and width that it is resized to. None: a pixel per code for levels, else the size of
    the codec's pictures."""
    folder: str | None = None
    """Folder of the pictures that are given."""

    def __post_init__(self) -> None:
        if (self.source == "given") != (self.folder is not None):
            problem = "is missing" if self.folder is None else f"{self.folder} is given"
            raise UserError(
                f"picture_data {problem}, but picture is {self.source}; "
                "give --picture given with --picture-data FOLDER"
            )

    def make_condition(self, codec: FrozenCodec) -> PictureCondition:
        """Make the condition of a prior over this codec."""
        C, H, W = codec.shape
        if self.codec is None and self.source == "low-resolution":
            h, w = self.choose_size(codec.load().compute_code_shape((H, W)))
            return PictureCondition(Levels(LEVELS, (C, h, w)), source=self.source)
        if self.codec is None:
            own = FrozenCodec(codec.model, codec.sha256, (C, *self.choose_size((H, W))))
            return PictureCondition(own, source=self.source)
        spec = load(self.codec).spec
        if spec.output != "codes" or spec.size is None:
            raise UserError(f"{self.codec} is not a codec; give a VQ-VAE or a VQGAN")
        other = FrozenCodec(self.codec, shape=(spec.channels, *self.choose_size(spec.size)))
        resize = "nearest" if self.is_label_map else "area"
        return PictureCondition(other, source=self.source, resize=resize)

    def make_map(self, shape: tuple[int, int, int]) -> MapCondition:
        """Make the condition of a diffusion model of pictures of this shape (C, H, W).

        Low resolution is half of it, unless a size is given. Its noise makes the model robust to
        the faults of another model's samples.
        """
        if self.codec is not None:
            raise UserError(
                f"picture_codec {self.codec} is given, but diffusion models take pictures as they "
                "are; leave it out"
            )
        C, H, W = shape
        low = self.source == "low-resolution"
        h, w = self.choose_size((max(1, H // 2), max(1, W // 2)) if low else (H, W))
        return MapCondition(
            self.source,
            (1 if self.source == "edges" else C, h, w),
            noise=NOISE if low else 0.0,
            sampling_noise=SAMPLING_NOISE if low else 0.0,
        )

    def choose_size(self, default: tuple[int, ...]) -> tuple[int, int]:
        """Height and width of the condition."""
        h, w = default if self.size is None else normalize_size(self.size, "picture_size")
        return h, w

    @property
    def is_label_map(self) -> bool:
        """Whether its codec takes label maps."""
        return bool(self.codec and getattr(load(self.codec), "takes_labels", False))

    def find_folder(self) -> ConditionFolder | None:
        """The folder of condition pictures; None where they are made of the pictures."""
        if self.folder is None:
            return None
        return ConditionFolder(self.folder, is_label_map=self.is_label_map)
