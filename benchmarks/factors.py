"""The factor f of a codec at a fixed grid of 8x8 codes: how much of a picture should a GPT see?

    python -m benchmarks.factors --codec runs/f2 runs/f4 vqgan-emoji --minutes 2
    python -m benchmarks.factors --codec vqvae-emoji --blind --minutes 6 --picture windows.png

The experiment of VQGAN's article (arXiv:2012.09841, section 4.3) on emoji of 64x64 in four styles
(`smalti fetch emoji4`). Each GPT sees 8x8 codes: with factor 2 these are 16x16 pixels, with factor
8 the whole picture. It is trained on random windows of the codes of whole pictures, which start at
multiples of half a window, and 2x2 tokens of coordinates in front say where, as in the article for
aligned pictures. Samples of 64x64 are drawn in windows that slide by half a window.

With --blind each codec has a second GPT, which is not told where its windows stand.

Networks, minutes of processor time and batches are equal; they train in alternating time slices
(Ctrl-C saves, rerun to resume). Codecs are yours, such as

    smalti train vqvae --data emoji4-64 --model.network.halvings 1 --out runs/f2

Frechet distances are of `--samples` pictures to the training pictures, in the features of
emoji-classifier; the errors are by bootstrap. "Decoded" are as many held-out pictures that the
codec encoded and decoded: what a perfect prior would reach.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

import smalti
from benchmarks._entrant import Entrant, take_turns
from benchmarks._machine import describe_machine, format_machine
from benchmarks._prior import GPT_SIZE, TIMED_SAMPLES, load_codec
from benchmarks._prior_training import (
    add_options,
    describe_limit,
    keep_result,
    start_entrant,
    train_slice,
)
from benchmarks._racer import write_text
from smalti.autoregressive import (
    AutoregressiveConfig,
    CoordinateCodec,
    FrozenCodec,
    PictureCondition,
    build_config,
)
from smalti.autoregressive.coordinates import make_coordinates
from smalti.autoregressive.windows.sampler import Sliding
from smalti.core.errors import UserError
from smalti.core.fingerprint import hash_model
from smalti.core.pictures import make_grid, save_png
from smalti.core.protocols import Batch
from smalti.core.rng import Rng
from smalti.core.sampling_inputs import SamplingInputs
from smalti.data import Splits, read_splits
from smalti.data.codes import Codes, encode_pictures
from smalti.data.shuffle import ShuffledBatches
from smalti.evaluation.bootstrap import compute_spread, draw_resamples
from smalti.evaluation.cost import count_parameters
from smalti.evaluation.frechet import Moments, bootstrap_frechet, compute_moments, frechet_distance
from smalti.features import find_features
from smalti.training.interrupt import Interrupt

DATA, SIZE = "emoji4-64", 64
GRID, HALF = 8, 4  # codes along a window; windows start at multiples of half of it
BATCH_SIZE = 50  # pictures scored or drawn at a time


class Case(NamedTuple):
    """A codec, and whether the GPT over its codes is not told where windows stand."""

    codec: str
    is_blind: bool = False

    @property
    def name(self) -> str:
        return Path(self.codec).name + ", blind" * self.is_blind


@dataclass(frozen=True, eq=False)
class Windows:
    """Windows of 8x8 codes of whole pictures, with their coordinates; at random, or from a seed."""

    codes: Codes
    factor: int
    seed: int | None = None
    is_blind: bool = False
    item_name: ClassVar[str] = "window"

    @property
    def name(self) -> str:
        return self.codes.name

    def __len__(self) -> int:
        return len(self.codes)

    def plan_batches(self, seed: int, batch_size: int) -> ShuffledBatches:
        return self.codes.plan_batches(seed, batch_size)

    def split_indices(self, batch_size: int) -> tuple[Tensor, ...]:
        return self.codes.split_indices(batch_size)

    def compute_fingerprint(self) -> str:
        return self.codes.compute_fingerprint()

    def make_batch(self, indices: Tensor, device: torch.device) -> Batch:
        """Cut a window of 8x8 codes, and the 2x2 tokens of its place, of each picture."""
        z = self.codes.stored_codes[indices].long()
        places = encode_places(self.factor)  # (2 h / 8, 2 w / 8): two tokens along a window
        generator = None if self.seed is None else torch.Generator().manual_seed(self.seed)
        spare = places.shape[0] - 1
        starts = torch.randint(spare, (len(z), 2), generator=generator).tolist()
        tokens = torch.stack([places[i : i + 2, j : j + 2] for i, j in starts])
        cut = torch.stack(
            [
                one[:, HALF * i : HALF * i + GRID, HALF * j : HALF * j + GRID]
                for one, (i, j) in zip(z, starts, strict=True)
            ]
        )
        conditions = {} if self.is_blind else {"coordinates": tokens.to(device)}
        return Batch(conditions=conditions, codes=cut.to(device))


@cache
def encode_places(factor: int) -> Tensor:
    """Tokens (h, w) of the coordinates of a whole picture, one for 4x4 codes."""
    return make_coordinate_codec(factor).encode(make_coordinates(1, (SIZE, SIZE)))[0]


def make_coordinate_codec(factor: int) -> CoordinateCodec:
    return CoordinateCodec(shape=(1, GRID * factor, GRID * factor), factor=HALF * factor)


def main(argv: list[str] | None = None) -> None:
    options = parse_options(argv)
    torch.set_num_threads(options.threads)
    machine, mark = describe_machine(), describe_limit(options)
    print(format_machine(machine), flush=True)
    cases = [Case(name, k > 0) for name in options.codec for k in range(1 + options.blind)]
    entrants = [load_entrant(case, options) for case in cases]
    of_names = {entrant.name: case for entrant, case in zip(entrants, cases, strict=True)}
    take_turns(
        entrants, mark, options.sitting,
        lambda entrant, interrupt: take_turn(of_names[entrant.name], entrant, options, interrupt),
    )  # fmt: skip
    rows = [e.results[mark] for e in entrants if mark in e.results]
    if options.picture:
        drawn = [draw_pictures(e.loop.ema.module, 16) for e in entrants]
        save_png(make_grid(torch.cat(drawn), columns=16), options.picture)
    content = json.dumps({"machine": machine, "limit": mark, "rows": rows}, indent=1)
    write_text(options.out / f"result-{mark.replace(' ', '-')}.json", content + "\n")
    print(format_table(rows))


def parse_options(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.factors")
    parser.description, parser.formatter_class = __doc__, argparse.RawDescriptionHelpFormatter
    parser.add_argument("--codec", nargs="+", required=True, help="codecs of 64x64 pictures")
    parser.add_argument("--blind", action="store_true", help="also without coordinates")
    parser.add_argument("--samples", type=int, default=200, help="pictures to measure")
    parser.add_argument("--picture", help="write 16 samples of each to this file")
    add_options(parser, out=Path("runs/factors"))
    return parser.parse_args(argv)


@cache
def load_pictures() -> Splits:
    return read_splits(DATA, size=SIZE)


@cache
def encode_split(codec: str, split: str) -> Codes:
    loaded, splits = load_codec(codec), load_pictures()
    return encode_pictures(
        getattr(splits, split), loaded, hash_model(loaded), torch.device("cpu"), batch_size=64
    )


def find_factor(codec: str) -> int:
    """Pixels along a side of a code. UserError if the picture has less than 8x8 codes."""
    h = int(load_codec(codec).compute_code_shape((SIZE, SIZE))[-1])
    if h < GRID or h % HALF:
        raise UserError(f"{codec} has {h}x{h} codes of {SIZE}x{SIZE} pictures; give 8x8 or more")
    return SIZE // h


def build_prior(codec: str, is_blind: bool = False) -> AutoregressiveConfig:
    """A GPT over a window of the codec's codes, conditioned on where it stands unless blind."""
    factor = find_factor(codec)
    side = GRID * factor
    place = PictureCondition(make_coordinate_codec(factor), "coordinates", "coordinates")
    return build_config(
        FrozenCodec(codec, shape=(3, side, side)), GPT_SIZE, conditions=() if is_blind else (place,)
    )


def load_entrant(case: Case, options: argparse.Namespace) -> Entrant:
    codes = encode_split(case.codec, "train")
    windows = Windows(codes, find_factor(case.codec), is_blind=case.is_blind)
    prior = build_prior(case.codec, case.is_blind)
    return start_entrant(case.name, prior, windows, codes.codec_sha256, options)


def take_turn(
    case: Case, entrant: Entrant, options: argparse.Namespace, interrupt: Interrupt
) -> None:
    """Train for a time slice, and measure after the last one."""
    if train_slice(entrant, options, interrupt):
        measured = measure(case, entrant.loop.ema.module, options)
        keep_result(entrant, describe_limit(options), measured)


def measure(case: Case, model: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Score held-out windows, and compare samples with the training pictures."""
    codec = case.codec
    codes, factor = encode_split(codec, options.split), find_factor(codec)
    nats = score_windows(model, Windows(codes, factor, 0, case.is_blind))
    begun = time.process_time()
    pictures = draw_pictures(model, options.samples)
    seconds = (time.process_time() - begun) * TIMED_SAMPLES / options.samples
    return {
        "codec": case.name, "f": factor, "K": int(load_codec(codec).vocab_size),
        "parameters": count_parameters(model), "seconds": seconds,
        "nats": float(nats.mean()), "error": float(nats.std() / len(nats) ** 0.5),
        "frechet": compare_pictures(pictures),
        "decoded": compare_pictures(decode_held_out(codec, options.split, options.samples)),
        "real": compare_pictures(take_held_out(options.split, options.samples)),
    }  # fmt: skip


@torch.no_grad()
def score_windows(model: Any, windows: Windows) -> Tensor:
    """Nats per code (N,) of one window of each picture."""
    parts = []
    for rows in windows.split_indices(BATCH_SIZE):
        score = model.score(windows.make_batch(rows, torch.device("cpu")), Rng(rows.tolist()))
        parts.append(score.nats / score.dims)
    return torch.cat(parts)


def draw_pictures(model: Any, n: int) -> Tensor:
    """Draw pictures (n, 3, 64, 64) in windows that slide by half a window."""
    sampler, inputs, pictures = Sliding(stride=HALF), SamplingInputs(size=(SIZE, SIZE)), []
    for seeds in torch.arange(n).split(BATCH_SIZE):
        drawn = smalti.sample(model, seeds=seeds.tolist(), inputs=inputs, sampler=sampler)
        assert isinstance(drawn, Tensor)
        pictures.append(drawn)
    return torch.cat(pictures)


def take_held_out(split: str, n: int) -> Tensor:
    return getattr(load_pictures(), split).take_floats(slice(0, n))


@torch.no_grad()
def decode_held_out(codec: str, split: str, n: int) -> Tensor:
    """Encode and decode n held-out pictures."""
    loaded, z = load_codec(codec), encode_split(codec, split).stored_codes[:n, 0].long()
    return torch.cat([loaded.decode(part, (SIZE, SIZE)) for part in z.split(BATCH_SIZE)])


def compare_pictures(pictures: Tensor) -> tuple[float, float]:
    """Frechet distance to the training pictures, and its error by bootstrap."""
    extractor, real = find_features("emoji"), compute_training_moments()
    features = extractor(pictures)
    spread = compute_spread(bootstrap_frechet(features, real, draw_resamples(len(features))))
    return frechet_distance(features, real), spread


@cache
def compute_training_moments() -> Moments:
    extractor, train = find_features("emoji"), load_pictures().train
    parts = [extractor(train.take(rows)) for rows in train.split_indices(250)]
    return compute_moments(torch.cat(parts))


def format_table(rows: list[dict[str, Any]]) -> str:
    """Format a Markdown table."""
    heads = ("codec", "f", "K", "pixels seen", "steps", "minutes", "nats/code", "Frechet")
    heads += ("decoded", f"{TIMED_SAMPLES} samples")
    lines = ["| " + " | ".join(heads) + " |", "|---" * len(heads) + "|"]
    for row in rows:
        side = GRID * row["f"]
        cells = (
            row["codec"], f"{row['f']}", f"{row['K']}", f"{side}x{side}", f"{row['steps']:,}",
            f"{row['minutes']:.2f}", f"{row['nats']:.3f} ± {row['error']:.3f}",
            "{:.2f} ± {:.2f}".format(*row["frechet"]), "{:.2f} ± {:.2f}".format(*row["decoded"]),
            f"{row['seconds']:.2f} s",
        )  # fmt: skip
        lines.append("| " + " | ".join(cells) + " |")
    if rows:
        real = "{:.2f} ± {:.2f}".format(*rows[0]["real"])
        lines.append("| held-out pictures" + " |" * 7 + f" {real} | | |")
    return "\n".join(lines)


if __name__ == "__main__":
    try:
        main()
    except UserError as error:
        raise SystemExit(f"factors: {error}") from None
    except KeyboardInterrupt:  # the second Ctrl-C
        raise SystemExit(130) from None
