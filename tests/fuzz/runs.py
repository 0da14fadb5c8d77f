"""A run's folder: run.json, the log, the trainer's state, the file `latest`; saved reports."""

from __future__ import annotations

import json
from collections.abc import Iterator

from tests.fuzz.arrays import PICKLE
from tests.fuzz.cases import Case, copy_folder, write_file
from tests.fuzz.defects import DEEP, FEW, JSONS, VALUES, bytes_defects, dump_json, json_defects
from tests.fuzz.kit import Kit

REPORT, RESUME, SAMPLE = (
    "report run",
    "train --resume --out run",
    "sample run -n 1 --steps 2 --out x",
)


def cases(kit: Kit) -> Iterator[Case]:
    yield from plans(kit)
    yield from logs(kit)
    yield from states(kit)
    yield from latest(kit)
    yield from reports(kit)


def case(kit: Kit, title: str, name: str, content: bytes, words: str, good: bool = False) -> Case:
    """Make a case of the run with one file replaced."""
    make = write_file(f"run/{name}", content, copy_folder(kit.root / "run", "run", omit=name))
    return Case(f"{name}: {title}, {words.partition(' ')[0]}", make, words, good=good)


def plans(kit: Kit) -> Iterator[Case]:
    document = json.loads(kit.read("run/run.json"))
    for words in (REPORT, RESUME, SAMPLE):
        yield case(kit, "good", "run.json", json.dumps(document).encode(), words, good=True)
    for title, content in json_defects(document, tuple(VALUES), omit=("model", "training")):
        yield case(kit, title, "run.json", content, RESUME)
    inner = {"format": document["format"], "training": document["training"]}
    rest = {key: value for key, value in document.items() if key not in inner}
    for title, content in json_defects(inner, FEW):
        try:
            content = json.dumps({**rest, **json.loads(content)}).encode()
        except (ValueError, TypeError, RecursionError):
            continue
        yield case(kit, f"with {title}", "run.json", content, RESUME)
        yield case(kit, f"with {title}", "run.json", content, REPORT)


def logs(kit: Kit) -> Iterator[Case]:
    log = kit.read("run/log.jsonl")
    lines = log.decode().splitlines()
    first = json.loads(lines[0])
    texts = {f"a line is {title}": make(lines[0]) for title, make in JSONS.items()}
    for field in first:
        for title in VALUES:
            texts[f"{field} is {title}"] = dump_json({**first, field: VALUES[title]})
        texts[f"{field} lost"] = dump_json({k: v for k, v in first.items() if k != field})
    texts["one key more"] = dump_json({**first, "new": {"a": [1]}})
    texts["a step twice"] = lines[0].encode()
    texts["a step from the future"] = dump_json({**first, "step": 99})
    texts["a step of a half"] = dump_json({**first, "step": 1.5})
    texts["a step back"] = dump_json({**first, "recovered_to": "no"})
    for title, text in texts.items():
        content = text + b"\n" + "\n".join(lines[1:]).encode() + b"\n"
        for words in (REPORT, RESUME):
            yield case(kit, title, "log.jsonl", content, words)
    for title, change in bytes_defects(len(log), 0):
        yield case(kit, title, "log.jsonl", change(log), REPORT)
        yield case(kit, title, "log.jsonl", change(log), RESUME)


def states(kit: Kit) -> Iterator[Case]:
    name = next((kit.root / "run").glob("step-*/trainer.pt")).relative_to(kit.root / "run")
    data = kit.read(f"run/{name}")
    for title, change in bytes_defects(len(data), 64, 4):
        yield case(kit, title, str(name), change(data), RESUME)
    yield case(kit, "a pickle", str(name), PICKLE, RESUME)
    for file in ("config.json", "model.safetensors"):
        path = str(name.with_name(file))
        content = kit.read(f"run/{path}")
        for title, change in list(bytes_defects(len(content), 16, 4)):
            yield case(kit, title, path, change(content), RESUME)
            yield case(kit, title, path, change(content), SAMPLE)


def latest(kit: Kit) -> Iterator[Case]:
    names = {
        "empty": b"",
        "a step that is not": b"step-99\n",
        "above": b"../..\n",
        "absolute": b"/etc\n",
        "no step": b"grids\n",
        "NUL": b"step\0\n",
        "no UTF-8": b"\xff\xfe\n",
        "long": b"x" * 5000,
        "lines": b"step-3\nstep-2\n",
        "itself": b".\n",
        "a file": b"run.json\n",
        "a step of no number": b"step-x\n",
        "many digits": b"step-" + b"9" * 5000,
    }
    for title, content in names.items():
        for words in (RESUME, SAMPLE, REPORT):
            yield case(kit, title, "latest", content, words)


def reports(kit: Kit) -> Iterator[Case]:
    """Yield reports for `compare`, as the second of two."""
    document = json.loads(kit.read("report/report.json"))
    words = f"compare {kit.root}/report other -n 2"
    good = write_file("other/report.json", json.dumps(document))
    yield Case("report.json: good", good, words, good=True)
    for title, content in json_defects(document, FEW, omit=("made_with",)):
        yield Case(f"report.json: {title}", write_file("other/report.json", content), words)
    deep = json.dumps({**document, "notes": ["x" * DEEP]})
    yield Case("report.json: a long note", write_file("other/report.json", deep), words)
