"""Report of an evaluation, with its protocol, as JSON."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

from smalti.core.config import coerce_value, collect_hints
from smalti.core.documents import read_json
from smalti.core.errors import UserError, shorten

FORMAT = 1
Better = Literal["lower", "higher", ""]
T = TypeVar("T")
FREE_FIELDS = ("sampler", "made_with", "statistics")
"""Fields of a report that are any JSON values."""
HASH_FIELDS = {"data": "data_hash", "features": "features_hash"}
"""Name fields of a protocol, and the hash fields that identify them."""


@dataclass(frozen=True)
class Protocol:
    """What two evaluations must share for their numbers to be comparable."""

    data: str
    """Name of the training pictures, the reference of the distances."""
    data_hash: str
    """SHA-256 of the training pictures' pixels and classes."""
    reference: int
    """Number of training pictures."""
    split: str
    """Split of the held-out pictures: valid or test."""
    shape: tuple[int, int, int] | None
    """Channels, height and width of the pictures; None for text."""
    features: str
    """Name of the feature network; "" if there is none."""
    features_hash: str
    """SHA-256 of the feature network's config and weights."""
    resize: str
    """Preprocessing of pictures for the feature network."""
    n: int
    """Number of samples."""
    seed: int
    """Seed of the first sample; the others count up from it."""
    classes: str
    """How the samples' classes are chosen."""
    held: int
    """Number of held-out pictures: n, or all if there are fewer."""
    split_hash: str
    """SHA-256 of the held-out pictures."""
    mirrored: bool
    """Whether mirrored pictures are searched for neighbors, too."""
    bootstraps: int
    """Number of bootstrap resamples."""
    bootstrap_seed: int
    metrics: dict[str, int]
    """Measures, with the version of each."""


@dataclass(frozen=True)
class Row:
    """A measured value, and that of held-out pictures."""

    name: str
    value: float | None
    """None if it could not be measured; `note` has the reason."""
    error: float | None = None
    """Its standard error."""
    real: float | None = None
    """The value of held-out pictures in place of samples."""
    real_error: float | None = None
    matched: float | None = None
    """The value of as many samples as there are held-out pictures, if those are fewer."""
    better: Better = ""
    unit: str = ""
    note: str = ""
    low: float | None = None
    """Lower end of its 95% interval, for scores of text."""
    high: float | None = None


@dataclass(frozen=True)
class Report:
    """The results of evaluating one model."""

    model: str
    model_hash: str
    protocol: Protocol
    rows: tuple[Row, ...]
    sampler: Any = None
    """The sampler's config, as JSON values."""
    made_with: dict[str, Any] = field(default_factory=dict)
    """Versions, device and threads, on which seconds and rounding depend."""
    notes: tuple[str, ...] = ()
    """Notes on how to read the numbers."""
    statistics: dict[str, Any] = field(default_factory=dict)
    """Of text: what scores are computed from, by document, for paired comparisons."""

    def __repr__(self) -> str:
        rows = [f"{row.name} {row.value:.4g}" for row in self.rows if row.value is not None]
        numbers = f"{', '.join(rows[:4])}{', ...' if len(rows) > 4 else ''}"
        return f"<Report {self.model} on {self.protocol.data}: {numbers}>"

    def __getitem__(self, name: str) -> Row:
        """Return the row of that name.  Raises UserError if there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise UserError(f"no row {name!r}; there are {', '.join(r.name for r in self.rows)}")

    def to_json(self) -> dict[str, Any]:
        """Convert to plain JSON values."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @staticmethod
    def from_json(content: Any) -> Report:
        """Parse what `to_json` returned.  Raises UserError if it is invalid."""
        found = content.get("format") if isinstance(content, dict) else None
        if found != FORMAT:
            if found is None:
                raise UserError("it is no report of `smalti evaluate`")
            raise UserError(f"a report has format {found}; this smalti reads {FORMAT}")
        values = {k: v for k, v in content.items() if k != "format"}
        try:
            protocol = read_protocol(values.pop("protocol"))
            rows = tuple(
                read_fields(Row, row, "a row's ") for row in require_list(values.pop("rows"))
            )
            values["notes"] = require_list(values.get("notes", ()))
            return read_fields(Report, values, "", protocol=protocol, rows=rows)
        except (KeyError, TypeError, AttributeError) as error:
            raise UserError(f"the report is damaged or was edited: {error}") from error


def read_protocol(content: dict[str, Any]) -> Protocol:
    """Parse a protocol.  Raises UserError for invalid fields, KeyError for missing ones."""
    metrics = {
        name: coerce_value(v, int, f"metrics.{name}") for name, v in content["metrics"].items()
    }
    values = {name: v for name, v in content.items() if name != "metrics"}
    return read_fields(Protocol, values, "protocol.", metrics=metrics)


def read_fields(cls: type[T], values: dict[str, Any], prefix: str, **known: Any) -> T:
    """Build a dataclass from checked values; `known` fields are parsed already."""
    hints = collect_hints(cls)
    free = {name: values[name] for name in FREE_FIELDS if name in values}
    checked_values = {
        name: coerce_value(value, hints.get(name), prefix + name)
        for name, value in values.items()
        if name not in free
    }
    return cls(**checked_values, **free, **known)


def require_list(value: object) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{shorten(value)} is not a list")
    return list(value)


def write_report(report: Report, path: Path) -> None:
    path.write_text(json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n")


def read_report(path: str | Path) -> Report:
    """Read a report from a file or a folder.  Raises UserError if it is invalid."""
    path = Path(path)
    path = path / "report.json" if path.is_dir() else path
    content = read_json(path)
    try:
        return Report.from_json(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def check_comparable(reports: list[Report]) -> None:
    """Raise UserError if two protocols differ, with the first differing field and both values.

    The models, their samplers and their seconds may differ, and so may the sets of measures, but
    not the version of a shared measure.
    """
    for first, other in ((reports[0], r) for r in reports[1:]):
        for f in dataclasses.fields(Protocol):
            a, b = (getattr(r.protocol, f.name) for r in (first, other))
            if (hashed := HASH_FIELDS.get(f.name)) and is_same_field(first, other, hashed):
                continue  # same content under two names
            if f.name == "metrics":
                shared = a.keys() & b.keys()
                a, b = ({k: m[k] for k in sorted(shared)} for m in (a, b))
            if a != b:
                raise UserError(
                    f"{first.model} and {other.model} cannot be compared: {f.name} is "
                    f"{format_value(a)} for one and {format_value(b)} for the other; "
                    "evaluate both with the same options"
                )


def is_same_field(first: Report, other: Report, name: str) -> bool:
    return getattr(first.protocol, name) == getattr(other.protocol, name)


def format_value(value: object) -> str:
    """Format a value in one line; hashes are truncated."""
    text = "none" if value in ("", None) else str(value)
    return text[:12] if len(text) == 64 else text
