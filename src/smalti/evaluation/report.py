"""What an evaluation found, and under which protocol: plain JSON, to be compared later."""

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
HASH_FIELDS = {"data": "data_hash", "features": "features_hash"}
"""Names in a protocol, and the fields that say what they stand for."""


@dataclass(frozen=True)
class Protocol:
    """All that two evaluations must share for their numbers to compare."""

    data: str
    """Name of the training pictures, which samples are measured against."""
    data_hash: str
    """SHA-256 of their pixels and classes."""
    reference: int
    """How many they are."""
    split: str
    """The held-out pictures of the yardstick: valid or test."""
    shape: tuple[int, int, int]
    """Channels, height and width of the pictures."""
    features: str
    """Name of the network that they are looked at through; "" where none is."""
    features_hash: str
    """SHA-256 of that network's config and weights."""
    resize: str
    """What happens to pictures before that network sees them."""
    n: int
    """Samples."""
    seed: int
    """The first sample's; the others count up from it."""
    classes: str
    """How classes are given to samples."""
    held: int
    """How many held-out pictures the yardstick has: n, or all there are."""
    split_hash: str
    """SHA-256 of them."""
    mirrored: bool
    """Whether nearest pictures are looked for left for right, too."""
    bootstraps: int
    """How often samples were drawn again for an error."""
    bootstrap_seed: int
    metrics: dict[str, int]
    """Each measure taken, with the version of its code."""


@dataclass(frozen=True)
class Row:
    """One number, and what it stands beside."""

    name: str
    value: float | None
    """None where it could not be measured: `note` says why."""
    error: float | None = None
    """Its standard error."""
    real: float | None = None
    """What held-out pictures get in the samples' place: the yardstick."""
    real_error: float | None = None
    matched: float | None = None
    """What as many samples as there are held-out pictures get, where those are fewer than n."""
    better: Better = ""
    unit: str = ""
    note: str = ""


@dataclass(frozen=True)
class Report:
    """What was found of one model."""

    model: str
    model_hash: str
    protocol: Protocol
    rows: tuple[Row, ...]
    sampler: Any = None
    """How the samples were drawn, as JSON values."""
    made_with: dict[str, Any] = field(default_factory=dict)
    """Versions, device and threads: what seconds and the last digits may depend on."""
    notes: tuple[str, ...] = ()
    """What a reader should know of these numbers."""

    def __repr__(self) -> str:
        rows = [f"{row.name} {row.value:.4g}" for row in self.rows if row.value is not None]
        numbers = f"{', '.join(rows[:4])}{', ...' if len(rows) > 4 else ''}"
        return f"<Report {self.model} on {self.protocol.data}: {numbers}>"

    def __getitem__(self, name: str) -> Row:
        """The row of that name.  UserError when there is none."""
        for row in self.rows:
            if row.name == name:
                return row
        raise UserError(f"no row {name!r}; there are {', '.join(r.name for r in self.rows)}")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @staticmethod
    def from_json(content: Any) -> Report:
        """The report that `to_json` wrote.  UserError when it is none."""
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
            raise UserError(f"a report is not as smalti wrote it: {error}") from error


def read_protocol(content: dict[str, Any]) -> Protocol:
    """UserError for fields that a protocol does not have, or not so; KeyError for lost ones."""
    metrics = {
        name: coerce_value(v, int, f"metrics.{name}") for name, v in content["metrics"].items()
    }
    values = {name: v for name, v in content.items() if name != "metrics"}
    return read_fields(Protocol, values, "protocol.", metrics=metrics)


def read_fields(cls: type[T], values: dict[str, Any], prefix: str, **known: Any) -> T:
    """A dataclass whose fields fit their hints; `known` ones are there already."""
    hints = collect_hints(cls)
    free = {name: values[name] for name in ("sampler", "made_with") if name in values}
    fitted_values = {
        name: coerce_value(value, hints.get(name), prefix + name)
        for name, value in values.items()
        if name not in free
    }
    return cls(**fitted_values, **free, **known)


def require_list(value: object) -> list[Any]:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{shorten(value)} is no list")
    return list(value)


def write_report(report: Report, path: Path) -> None:
    path.write_text(json.dumps(report.to_json(), indent=1, allow_nan=False) + "\n")


def read_report(path: str | Path) -> Report:
    """A saved report, or that in a folder.  UserError names the file and what is wrong with it."""
    path = Path(path)
    path = path / "report.json" if path.is_dir() else path
    content = read_json(path)
    try:
        return Report.from_json(content)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error


def check_comparable(reports: list[Report]) -> None:
    """UserError that names the first field in which two protocols differ, and both values.

    The models, their samplers and their seconds may differ; so may which measures were taken, but
    not the version of one that both have.
    """
    for first, other in ((reports[0], r) for r in reports[1:]):
        for f in dataclasses.fields(Protocol):
            a, b = (getattr(r.protocol, f.name) for r in (first, other))
            if (hashed := HASH_FIELDS.get(f.name)) and is_same_field(first, other, hashed):
                continue  # one thing under two names
            if f.name == "metrics":
                shared = a.keys() & b.keys()
                a, b = ({k: m[k] for k in sorted(shared)} for m in (a, b))
            if a != b:
                raise UserError(
                    f"{first.model} and {other.model} do not compare: {f.name} is "
                    f"{format_value(a)} of one and {format_value(b)} of the other; evaluate both alike"
                )


def is_same_field(first: Report, other: Report, name: str) -> bool:
    return getattr(first.protocol, name) == getattr(other.protocol, name)


def format_value(value: object) -> str:
    """A value for one line; hashes are cut short."""
    text = "none" if value in ("", None) else str(value)
    return text[:12] if len(text) == 64 else text
