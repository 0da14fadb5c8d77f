"""Run one training job of `gpu_round.py` until its time is up.

python scripts/gpu_train.py NAME --until SECONDS_SINCE_1970 --out FOLDER
"""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import sys
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from gpu_jobs import JOBS, REHEARSAL, TrainingJob, read_pictures

from smalti.core.checkpoint import load
from smalti.core.checkpoint import save as save_checkpoint
from smalti.data.attributes import Attribute
from smalti.data.pictures import Pictures
from smalti.diffusion import Diffusion
from smalti.training.device import build_fabric
from smalti.training.loop import Loop
from smalti.training.provenance import describe_machine
from smalti.training.readback import StepResult
from smalti.training.run_record import RunRecord, build_card
from smalti.training.saving import compute_validation_loss
from smalti.training.start import start_loop

SAVE_SECONDS = 45.0  # seconds between saves
UPDATE_SECONDS = 2.0  # seconds between speed measurements
WINDOW_SECONDS = 20.0  # seconds over which speed is measured
STALL_SECONDS = 1.5  # longer steps compile, and are not measured
HELD_OUT = 1000  # pictures
FIRST_ESTIMATE = 10_000  # steps, of jobs without
LOG_EVERY = 10  # steps between lines of the log


@dataclass
class Clock:
    """Estimates the number of steps, so that the cosine decay ends when time is up."""

    until: float
    """End of training, in seconds since 1970."""
    marks: deque[tuple[float, int]] = field(default_factory=deque)
    """(time, step) of recent steps."""

    def record(self, step: int, now: float) -> None:
        if self.marks and now - self.marks[-1][0] > STALL_SECONDS:
            self.marks.clear()
        self.marks.append((now, step))
        while now - self.marks[0][0] > WINDOW_SECONDS:
            self.marks.popleft()

    def reset(self) -> None:
        """Forget the recent steps, after time was spent elsewhere."""
        self.marks.clear()

    def estimate_steps(self, step: int, now: float) -> int | None:
        """Estimate the total steps from the recent speed; None if too little is known."""
        if (
            not self.marks
            or now - self.marks[0][0] < UPDATE_SECONDS
            or self.until - now < UPDATE_SECONDS
        ):
            return None
        (then, first), (last, done) = self.marks[0], self.marks[-1]
        return step + max(1, int((done - first) / (last - then) * (self.until - now)))


@dataclass
class JobLog:
    """Writes a job's log.jsonl, and status.json for the round."""

    out: Path
    job: TrainingJob
    batch_size: int
    begun: float = field(default_factory=time.time)
    first: float | None = None
    """Time of the first step."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    status: dict[str, Any] = field(default_factory=dict)

    def record(self, done: StepResult) -> None:
        self.recent.append(done.terms["loss"])
        if self.first is None:
            self.first = time.time()
        if done.step % LOG_EVERY == 0:
            self.write({"step": done.step, **done.terms, "rate": done.learning_rate})

    def write(self, line: dict[str, Any]) -> None:
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def update(self, loop: Loop, **more: Any) -> None:
        now, speed = time.time(), 0.0
        if self.first is not None and now > self.first:
            speed = self.batch_size * (loop.step - 1) / (now - self.first)
        started = None if self.first is None else round(self.first - self.begun, 1)
        scale = 1 / math.log(2) if self.job.in_bits else 1.0
        loss = scale * sum(self.recent) / len(self.recent) if self.recent else None
        self.status.update(step=loop.step, steps=loop.training.steps, first=started)
        self.status.update(seconds=round(now - self.begun, 1), speed=speed, loss=loss, **more)
        replace_text(self.out / "status.json", json.dumps(self.status))


def replace_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def move_pictures(pictures: Pictures, device: torch.device) -> Pictures:
    """Move the pictures to the device, so that batches need not be copied."""
    labels = None if pictures.labels is None else pictures.labels.to(device)
    stored = pictures.pixels.to(device)
    attributes = {
        name: Attribute(one.labels.to(device), one.values)
        for name, one in pictures.attributes.items()
    }
    return Pictures(
        stored, labels, pictures.classes, pictures.name, pictures.captions, attributes=attributes
    )


def compile_parts(model: torch.nn.Module, paths: Iterable[str], mode: str) -> None:
    for path in paths:
        part: Any = model.get_submodule(path)
        part.compile(mode=None if mode == "default" else mode, dynamic=False)


@dataclass
class Run:
    """A running job."""

    job: TrainingJob
    run_record: RunRecord
    loop: Loop
    valid: Pictures
    clock: Clock
    log: JobLog
    best: float = math.inf
    last_save: float = field(default_factory=time.time)
    """Time of the last save."""
    last_update: float = 0.0
    save_seconds: float = 2.0
    """Duration of a save."""

    def train(self) -> None:
        for done in self.loop.run_steps():
            self.log.record(done)
            now = time.time()
            self.clock.record(self.loop.step, now)
            if now >= self.clock.until:
                self.loop.ending = True
            elif now - self.last_update > UPDATE_SECONDS:
                self.update_steps(now)
            if now - self.last_save > SAVE_SECONDS and self.clock.until - now > SAVE_SECONDS / 2:
                self.save()
        self.save()

    def update_steps(self, now: float) -> None:
        """Set the number of steps from the speed."""
        self.last_update = now
        if (steps := self.clock.estimate_steps(self.loop.step, now)) is not None:
            self.loop.training = replace(self.loop.training, steps=steps)
            self.plan_discriminator(steps)
            self.plan_stages(steps)
        self.log.update(self.loop)

    def plan_discriminator(self, steps: int) -> None:
        """Set the discriminator's start step, unless it has started."""
        model: Any = self.loop.model.module
        if not self.job.discriminator_from or self.loop.step >= model.start_step:
            return
        for each in (model, self.loop.ema.module):
            each.config = replace(
                each.config, discriminator_start=int(self.job.discriminator_from * steps)
            )

    def plan_stages(self, steps: int) -> None:
        """Set the number of steps of distillation, which depends on it."""
        for each in (self.loop.model.module, self.loop.ema.module):
            if isinstance(each, Diffusion):
                each.objective = each.config.objective
                each.set_total_steps(steps)

    def save(self) -> None:
        """Compute the validation loss of the averaged weights; keep the best if the job says so."""
        begun = time.time()
        for done in self.loop.read_results():
            self.log.record(done)
        loss = compute_validation_loss(self.loop, self.valid) if len(self.valid) else math.nan
        self.log.write({"step": self.loop.step, "valid": loss})
        better = not loss >= self.best
        self.best = min(self.best, loss) if not math.isnan(loss) else self.best
        if better or not self.job.keep_best:
            self.write()
        scale = 1 / math.log(2) if self.job.in_bits else 1.0
        self.log.update(self.loop, valid=scale * loss, best=scale * self.best)
        self.last_save = time.time()
        self.save_seconds = self.last_save - begun
        self.clock.reset()

    def write(self) -> None:
        """Write a run directory with one step, in float16, for `smalti.load` and ship.py."""
        out, step = self.run_record.out, self.loop.step
        minutes = round(self.loop.seconds / 60, 2)
        facts = {**self.run_record.facts, "minutes": minutes}
        model = self.loop.ema.module
        plan = replace(
            self.run_record, model=model.config, training=self.loop.training, facts=facts
        )
        plan.write()
        save_checkpoint(model, out / f"step-{step}", build_card(plan, step), torch.float16)
        replace_text(out / "latest", f"step-{step}\n")
        for other in out.glob("step-*"):
            if other.name != f"step-{step}":
                shutil.rmtree(other)


def begin_run(job: TrainingJob, args: argparse.Namespace) -> Run:
    splits = read_pictures(job, args.data, args.few)
    start = job.initial_model and job.initial_model.format(work=args.out.parent)
    codec = {"codec": job.codec.format(work=args.out.parent)} if job.codec else {}
    config = job.make_config(splits.train, **codec)
    if start:
        config = config.follow_start(load(start).config)
    steps = job.training.steps or FIRST_ESTIMATE
    training = replace(job.training, steps=steps, save_every=10**9)
    fabric = build_fabric(training)
    out = Path(args.out)
    facts = {"pictures": len(splits.train), **describe_machine()}
    where = None if job.data is None else str(args.data / job.data)
    about = {"recipe": job.recipe or job.name, "data": where, "size": splits.train.shape[1]}
    plan = RunRecord(config, training, out, about, start, facts=facts)
    train = move_pictures(splits.train, fabric.device)
    valid = move_pictures(splits.valid.select(slice(HELD_OUT), "held-out"), fabric.device)
    loop = start_loop(fabric, plan, train)
    if job.initial_weights:
        weights = load(job.initial_weights).state_dict()
        weights = {k: w for k, w in weights.items() if not k.startswith("space.")}
        for module in (loop.model.module, loop.ema.module):
            module.load_state_dict(weights, strict=False)
    if args.mode != "eager":
        compile_parts(loop.model.module, job.compiled_parts, args.mode)
    trained = sum(p.numel() for p in loop.model.module.parameters() if p.requires_grad)
    journal = JobLog(out, job, training.batch_size, status={"parameters": trained})
    return Run(job, plan, loop, valid, Clock(args.until), journal)


def configure_torch(threads: int, exact: bool) -> None:
    torch.set_num_threads(threads)
    if torch.cuda.is_available():
        torch.backends.cudnn.benchmark = True
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = not exact


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("--until", type=float, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("gpu/data"))
    parser.add_argument("--mode", default="default")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--few", type=int)
    args = parser.parse_args()
    named = {job.name: job for job in (*JOBS, *REHEARSAL) if isinstance(job, TrainingJob)}
    configure_torch(args.threads, named[args.name].full_precision)
    args.out.mkdir(parents=True, exist_ok=True)
    run = begin_run(named[args.name], args)
    most = run.job.seconds or math.inf
    run.clock.until = min(args.until, time.time() + most) - min(run.save_seconds, 0.1 * most)
    run.train()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
