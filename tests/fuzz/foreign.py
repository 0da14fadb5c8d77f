"""Foreign checkpoints: forged pickles, safetensors, YAML and JSON."""

from __future__ import annotations

import io
import json
import pickle
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch
import yaml
from safetensors import safe_open
from safetensors.torch import save as as_safetensors

from smalti.convert import ArticleDDPM
from tests.fuzz.arrays import PICKLE
from tests.fuzz.cases import Case, link_file, make_cases, write_file
from tests.fuzz.defects import DEEP, VALUES, bytes_defects, json_defects
from tests.fuzz.kit import Kit

SMALL = ArticleDDPM(n_steps=5, img_shape=(1, 7, 6), channels=(4, 8), pe_dim=6)
CONVERT = "convert dldemos-ddpm-unet w.pth --config c.json --out m"


def cases(kit: Kit) -> Iterator[Case]:
    torch.manual_seed(0)
    weights = SMALL.build().state_dict()
    config = json.dumps(asdict(SMALL))
    config_file = write_file("c.json", config)
    words = CONVERT
    for title, content in {
        "zip": encode_checkpoint(weights),
        "legacy": encode_checkpoint(weights, False),
    }.items():
        defects = bytes_defects(len(content), 64, 2)
        yield from make_cases(f"pth {title}", "w.pth", content, defects, words, config_file)
    for title, content in [*pickles(weights), *states(weights)]:
        yield Case(f"pth: {title}", write_file("w.pth", content, config_file), words)
    for title, content in json_defects(json.loads(config)):
        make = write_file("c.json", content, write_file("w.pth", encode_checkpoint(weights)))
        yield Case(f"config: {title}", make, words)
    yield from yamls(kit)
    data = as_safetensors(weights, {"config": config})
    words = "convert dldemos-ddpm-unet w.safetensors --out m"
    defects = bytes_defects(len(data), 16)
    yield from make_cases("published safetensors", "w.safetensors", data, defects, words)
    for title, value in VALUES.items():
        text = value if type(value) is str else json.dumps(value)
        data = as_safetensors(weights, {"config": text.replace("\ud800", "?")})
        make = write_file("w.safetensors", data)
        yield Case(f"published config: {title}", make, words)


# ---- pickles


def encode_checkpoint(content: Any, archive: bool = True) -> bytes:
    file = io.BytesIO()
    torch.save(content, file, _use_new_zipfile_serialization=archive)
    return file.getvalue()


class CommandRunner:
    """Runs a command when it is unpickled."""

    def __init__(self, module: str):
        self.module = module

    def __reduce__(self) -> tuple[Any, ...]:
        import os
        import subprocess

        calls: dict[str, tuple[Any, ...]] = {
            "os.system": (os.system, ("touch unpickled",)),
            "eval": (eval, ("open('unpickled', 'w')",)),
            "exec": (exec, ("open('unpickled', 'w')",)),
            "open": (open, ("unpickled", "w")),
            "Popen": (subprocess.Popen, (["touch", "unpickled"],)),
            "import": (__import__, ("antigravity",)),
            "getattr": (getattr, (os, "system")),
        }
        return calls[self.module]


def pickles(weights: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield pickles that would run something, or that crash a reader."""
    for name in ("os.system", "eval", "exec", "open", "Popen", "import"):
        content = {"state_dict": weights, "callbacks": CommandRunner(name)}
        yield f"{name} in callbacks", encode_checkpoint(content)
        yield f"{name} in callbacks, legacy", encode_checkpoint(content, False)
        yield f"{name} for all", encode_checkpoint(CommandRunner(name))
        yield f"{name} plainly", pickle.dumps(CommandRunner(name))
    raws = {
        "a call": PICKLE,
        "no end": PICKLE[:-1],
        "an empty stack": b"\x80\x02.",
        "one pop too many": b"\x80\x020.",
        "a mark alone": b"\x80\x02(.",
        "memory": b"\x80\x02]r\xff\xff\xff\x7f.",
        "text of 4 GB": b"\x80\x02X\xff\xff\xff\xffa.",
        "bytes of 8 EB": b"\x80\x04\x8e" + b"\xff" * 7 + b"\x7f.",
        "an integer of 2 GB": b"\x80\x02\x8b\xff\xff\xff\x7f.",
        "deep tuples": b"\x80\x02" + b")" + b"\x85" * DEEP + b".",
        "deep lists": b"\x80\x02" + b"]" * DEEP + b"a" * (DEEP - 1) + b".",
        "deep dicts": b"\x80\x02" + b"}K\x00" * DEEP + b"}" + b"s" * DEEP + b".",
        "itself": b"\x80\x02}q\x00K\x00h\x00s.",
        "an extension": b"\x80\x02\x82\x01.",
        "a persistent id": b"\x80\x02X\x01\0\0\0aQ.",
        "protocol 99": b"\x80\x63N.",
        "a frame beyond": b"\x80\x04\x95" + b"\xff" * 8 + b"N.",
        "nothing": b"\x80\x02N.",
        "a number": b"\x80\x02K\x07.",
        "unknown opcodes": b"\x80\x02\xfe\xfd.",
        "a billion laughs": b"\x80\x02]q\x00" + b"".join(
            b"](" + b"h" + bytes([k]) + (b"h" + bytes([k])) * 9 + b"eq" + bytes([k + 1])
            for k in range(20)
        ) + b".",
        "a global of a newline": b"\x80\x02ctorch\nno_such\n.",
        "a storage built": b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n)R.",
        "a class built": b"\x80\x02ccollections\nOrderedDict\n)\x81}b.",
    }  # fmt: skip
    for title, content in raws.items():
        yield title, content
        yield f"{title}, in an archive", replace_pickle(weights, content)


def replace_pickle(weights: dict[str, Any], content: bytes) -> bytes:
    """Replace the pickle in the output of torch.save."""
    old, file = zipfile.ZipFile(io.BytesIO(encode_checkpoint(weights))), io.BytesIO()
    with zipfile.ZipFile(file, "w") as new:
        for info in old.infolist():
            new.writestr(info.filename, content if info.filename.endswith("data.pkl")
                         else old.read(info))  # fmt: skip
    return file.getvalue()


def states(weights: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    """Yield well-formed checkpoints that are not a state dict of this network."""
    first = next(iter(weights))
    w = weights[first]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated, but such files exist
        quantized = torch.quantize_per_tensor(w, 0.1, 0, torch.qint8)
    others: dict[str, Any] = {
        "empty": {},
        "a list": [w],
        "a tensor": w,
        "keys of numbers": dict(enumerate(weights.values())),
        "keys of tuples": {(k,): v for k, v in weights.items()},
        "a value of text": {**weights, first: "no"},
        "a value of None": {**weights, first: None},
        "NaN": {**weights, first: torch.full_like(w, torch.nan)},
        "infinite": {**weights, first: torch.full_like(w, torch.inf)},
        "complex": {**weights, first: w.to(torch.complex64)},
        "integers": {**weights, first: w.long()},
        "sparse": {**weights, first: w.reshape(len(w), -1).to_sparse()},
        "on meta": {**weights, first: w.to("meta")},
        "quantized": {**weights, first: quantized},
        "expanded to terabytes": {**weights, first: torch.zeros(1).expand(2**40)},
        "a state dict of a state dict": {"state_dict": {"state_dict": {"state_dict": weights}}},
        "a state dict of a list": {"state_dict": [1, 2]},
        "prefixes": {f"_orig_mod.module.{k}": v for k, v in weights.items()},
        "empty names": {"": w, **weights},
        "names of newlines": {"a\nb": w, **weights},
        "names of surrogates": {"\udc80": w, **weights},
    }
    for title, content in others.items():
        yield title, encode_checkpoint(content)


# ---- YAML


def yamls(kit: Kit) -> Iterator[Case]:
    golden = kit.golden / "taming_vqgan.safetensors"
    with safe_open(golden, "pt") as file:  # pyright: ignore
        params = json.loads(file.metadata()["config"])
    model = {"base_learning_rate": 4.5e-6, "target": "taming.models.vqgan.VQModel",
             "params": params}  # fmt: skip
    document = {"model": model}
    words = "convert taming-vqgan w.safetensors --config c.yaml --out m"
    weights = link_file("w.safetensors", golden)
    yield Case(
        "YAML: good", write_file("c.yaml", yaml.safe_dump(document), weights), words, good=True
    )
    for title, content in json_defects(document):
        yield Case(f"YAML: {title}", write_file("c.yaml", content, weights), words)
    laughs = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 10)}]\n" for k in range(1, 12)
    )
    texts = {
        "a billion laughs": laughs + "model: *a11\n",
        "laughs in params": laughs + "model: {target: VQModel, params: {n_embed: *a11}}\n",
        "merged laughs": "a: &a {x: 1}\nb: &b {<<: *a, y: *a}\nmodel: {<<: [*a, *b, *b]}\n",
        "itself": "model: &m {params: *m}\n",
        "params itself": "model: {target: VQModel, params: &p {ddconfig: *p}}\n",
        "an object": "model: !!python/object/apply:os.system ['touch unpickled']\n",
        "an object anew": "model: !!python/object/new:os.system ['touch unpickled']\n",
        "a name": "model: !!python/name:os.system\n",
        "a tag": "model: !no {}\n",
        "binary": "model: !!binary aGk=\n",
        "a set": "model: !!set {a, b}\n",
        "a date": "model: 2001-12-14t21:59:43.10-05:00\n",
        "two documents": "model: {}\n---\nmodel: {}\n",
        "tabs": "model:\n\t- a\n",
        "an unknown alias": "model: *no\n",
        "deep flow": "model: " + "[" * DEEP,
        "deep blocks": "\n".join(" " * k + "a:" for k in range(3000)),
        "deep dashes": "- " * DEEP,
        "a key of a list": "? [a, b]\n: c\n",
        "a key of a mapping": "? {a: b}\n: c\n",
        "a base of 60": "model: 1:00:00:00:00:00\n",
        "a NUL": "model: \0\n",
        "escapes": 'model: "\\ud800"\n',
        "a long line": "model: " + "x" * 1_000_000,
    }
    for title, text in texts.items():
        yield Case(f"YAML: {title}", write_file("c.yaml", text, weights), words)
