"""config.json of every model family: each field missing, of another type, out of range."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from tests.fuzz.cases import Case, copy_folder, link_file, write_file
from tests.fuzz.defects import FEW, VALUES, json_defects
from tests.fuzz.kit import Kit

SAMPLE = "sample model -n 1 --out x"
VERBS = {
    "diffusion": SAMPLE + " --steps 2",
    "pixelcnn": SAMPLE,
    "plusplus": SAMPLE,
    "vqvae": "reconstruct model photo.png --out x",
    "vqgan": "reconstruct model photo.png --out x",
}


def has_pictures(workdir: Path) -> bool:
    """Whether there are pictures, of any size."""
    return any(path.suffix in (".png", ".gif", ".json") for path in (workdir / "x").rglob("*"))


def cases(kit: Kit) -> Iterator[Case]:
    photo = link_file("photo.png", next((kit.root / "photos").rglob("*.png")))
    for name, words in VERBS.items():
        document = json.loads(kit.read(f"{name}/config.json"))
        whole = name == "diffusion"
        rest = copy_folder(kit.root / name, "model", omit="config.json")
        good = write_file("model/config.json", json.dumps(document), rest, photo)
        yield Case(f"{name}: good", good, words, has_pictures, good=True)
        for title, content in json_defects(document, tuple(VALUES) if whole else FEW):
            make = write_file("model/config.json", content, rest, photo)
            yield Case(f"{name} config.json: {title}", make, words, has_pictures)
        if name == "diffusion":
            yield from tag_cases(document, rest, photo, words)
            yield from card_cases(document, rest)


def tag_cases(document, rest, photo, words: str) -> Iterator[Case]:
    """Yield cases with a tag of another class, at each position of a class."""
    for tag in ("unet", "diffusion", "linear", "training", "vq", "plain", "ddpm", "repaint",
                "gated", "fsq", "classifier-distance", "classifier", "os.system", ""):  # fmt: skip
        for place in ("", "network", "schedule", "objective", "sampler"):
            model = json.loads(json.dumps(document))
            inner = model["model"][place] if place else model["model"]
            inner["tag"] = tag
            alone = json.loads(json.dumps(document))
            (alone["model"] if place else alone)[place or "model"] = {"tag": tag}
            for title, value in (("with its fields", model), ("alone", alone)):
                make = write_file("model/config.json", json.dumps(value), rest, photo)
                title = f"diffusion tag {tag!r} of {place or 'the model'}, {title}"
                yield Case(title, make, words, has_pictures)


def card_cases(document, rest) -> Iterator[Case]:
    """Yield cases of the model card, which is shown but not used for sampling."""
    for title, value in VALUES.items():
        content = {**document, "card": {**document["card"], "facts": value}}
        try:
            make = write_file("model/config.json", json.dumps(content), rest)
        except ValueError:
            continue
        yield Case(f"card facts {title}", make, SAMPLE)
        yield Case(f"card facts {title}, evaluated", make,
                   "evaluate model -n 2 --metrics cost --out x")  # fmt: skip
