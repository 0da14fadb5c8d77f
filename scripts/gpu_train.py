"""One job of `gpu_round.py`, in a process of its own: trained until the clock says stop.

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

from smalti.core.checkpoint import save as save_checkpoint
from smalti.data.pictures import Pictures
from smalti.training.device import fabric_for
from smalti.training.job import Job, card_of
from smalti.training.loop import Loop, begin
from smalti.training.provenance import machine
from smalti.training.readback import Done
from smalti.training.saving import held_out_loss

SAVE = 45.0  # seconds between saves
PLAN = 2.0  # seconds between looks at the speed
WINDOW = 20.0  # seconds over which it is measured
STALL = 1.5  # a step that takes longer compiles, and is no measure
HELD_OUT = 1000  # pictures
EVERY = 10  # steps between lines of the log


@dataclass
class Clock:
    """How many steps there will be, so that the cosine ends when time is up."""

    until: float
    """Seconds since 1970 when the last step is done."""
    marks: deque[tuple[float, int]] = field(default_factory=deque)
    """When which step was done."""

    def note(self, step: int, now: float) -> None:
        if self.marks and now - self.marks[-1][0] > STALL:
            self.marks.clear()
        self.marks.append((now, step))
        while now - self.marks[0][0] > WINDOW:
            self.marks.popleft()

    def skip(self) -> None:
        """Time passed with something else."""
        self.marks.clear()

    def steps(self, step: int, now: float) -> int | None:
        """By the last seconds' speed; None while too little is known."""
        if not self.marks or now - self.marks[0][0] < PLAN or self.until - now < PLAN:
            return None
        (then, first), (last, done) = self.marks[0], self.marks[-1]
        return step + max(1, int((done - first) / (last - then) * (self.until - now)))


@dataclass
class Journal:
    """log.jsonl and status.json of a job: what the round tells of it."""

    out: Path
    job: TrainingJob
    batch: int
    begun: float = field(default_factory=time.time)
    first: float | None = None
    """When the first step was done."""
    recent: deque[float] = field(default_factory=lambda: deque(maxlen=100))
    status: dict[str, Any] = field(default_factory=dict)

    def note(self, done: Done) -> None:
        self.recent.append(done.terms["loss"])
        if self.first is None:
            self.first = time.time()
        if done.step % EVERY == 0:
            self.write({"step": done.step, **done.terms, "rate": done.rate})

    def write(self, line: dict[str, Any]) -> None:
        with (self.out / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")

    def update(self, loop: Loop, **more: Any) -> None:
        now, speed = time.time(), 0.0
        if self.first is not None and now > self.first:
            speed = self.batch * (loop.step - 1) / (now - self.first)
        started = None if self.first is None else round(self.first - self.begun, 1)
        scale = 1 / math.log(2) if self.job.bits else 1.0
        loss = scale * sum(self.recent) / len(self.recent) if self.recent else None
        self.status.update(step=loop.step, steps=loop.training.steps, first=started)
        self.status.update(seconds=round(now - self.begun, 1), speed=speed, loss=loss, **more)
        replace_text(self.out / "status.json", json.dumps(self.status))


def replace_text(path: Path, text: str) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(text)
    os.replace(temporary, path)


def on_device(pictures: Pictures, device: torch.device) -> Pictures:
    """The pictures in the device's memory, so that a batch need not travel."""
    labels = None if pictures.labels is None else pictures.labels.to(device)
    stored = pictures.pixels.to(device)
    return Pictures(stored, labels, pictures.classes, pictures.name, pictures.captions)


def compile_parts(model: torch.nn.Module, paths: Iterable[str], mode: str) -> None:
    for path in paths:
        part: Any = model.get_submodule(path)
        part.compile(mode=None if mode == "default" else mode)


@dataclass
class Run:
    """A job in progress."""

    job: TrainingJob
    plan: Job
    loop: Loop
    valid: Pictures
    clock: Clock
    journal: Journal
    best: float = math.inf
    saved: float = field(default_factory=time.time)
    """When the last save was done."""
    looked: float = 0.0
    cost: float = 2.0
    """Seconds of a save."""

    def train(self) -> None:
        for done in self.loop.steps():
            self.journal.note(done)
            now = time.time()
            self.clock.note(self.loop.step, now)
            if now >= self.clock.until:
                self.loop.ending = True
            elif now - self.looked > PLAN:
                self.look(now)
            if now - self.saved > SAVE and self.clock.until - now > SAVE / 2:
                self.save()
        self.save()

    def look(self, now: float) -> None:
        """Set the number of steps by the speed."""
        self.looked = now
        if (steps := self.clock.steps(self.loop.step, now)) is not None:
            self.loop.training = replace(self.loop.training, steps=steps)
            self.plan_critic(steps)
            self.plan_stages(steps)
        self.journal.update(self.loop)

    def plan_critic(self, steps: int) -> None:
        """The critic joins at its share of the steps, unless it has."""
        model: Any = self.loop.model.module
        if not self.job.critic_from or self.loop.step >= model.start:
            return
        for each in (model, self.loop.average.module):
            each.config = replace(each.config, critic_start=int(self.job.critic_from * steps))

    def plan_stages(self, steps: int) -> None:
        """An objective that changes over the steps goes by the new number of them."""
        model: Any = self.loop.model.module
        for each in (model, self.loop.average.module):
            objective: Any = getattr(each.config, "objective", None)
            if hasattr(objective, "steps"):
                each.config = replace(each.config, objective=replace(objective, steps=steps))

    def save(self) -> None:
        """Try the averaged weights on held-out pictures; keep them unless others did better."""
        begun = time.time()
        for done in self.loop.read():
            self.journal.note(done)
        loss = held_out_loss(self.loop, self.valid) if len(self.valid) else math.nan
        self.journal.write({"step": self.loop.step, "valid": loss})
        better = not loss >= self.best
        self.best = min(self.best, loss) if not math.isnan(loss) else self.best
        if better or not self.job.keep_best:
            self.write()
        scale = 1 / math.log(2) if self.job.bits else 1.0
        self.journal.update(self.loop, valid=scale * loss, best=scale * self.best)
        self.saved = time.time()
        self.cost = self.saved - begun
        self.clock.skip()

    def write(self) -> None:
        """A run directory with one step, float16, as `smalti.load` and ship.py take it."""
        out, step = self.plan.out, self.loop.step
        minutes = round(self.loop.seconds / 60, 2)
        facts = {**self.plan.facts, "minutes": minutes}
        model = self.loop.average.module
        plan = replace(self.plan, model=model.config, training=self.loop.training, facts=facts)
        plan.write()
        save_checkpoint(model, out / f"step-{step}", card_of(plan, step), torch.float16)
        replace_text(out / "latest", f"step-{step}\n")
        for other in out.glob("step-*"):
            if other.name != f"step-{step}":
                shutil.rmtree(other)


def begin_run(job: TrainingJob, args: argparse.Namespace) -> Run:
    splits = read_pictures(job, args.data, args.few)
    config = job.model(splits.train)
    training = replace(job.training, save=10**9)
    fabric = fabric_for(training)
    out = Path(args.out)
    facts = {"pictures": len(splits.train), **machine()}
    where = None if job.data is None else str(args.data / job.data)
    about = {"recipe": job.recipe or job.name, "data": where, "size": splits.train.shape[1]}
    plan = Job(config, training, out, about, job.start, facts=facts)
    train = on_device(splits.train, fabric.device)
    valid = on_device(splits.valid.part(slice(HELD_OUT), "held-out"), fabric.device)
    loop = begin(fabric, plan, train)
    if args.mode != "eager":
        compile_parts(loop.model.module, job.compile, args.mode)
    trained = sum(p.numel() for p in loop.model.module.parameters() if p.requires_grad)
    journal = Journal(out, job, training.batch, status={"parameters": trained})
    return Run(job, plan, loop, valid, Clock(args.until), journal)


def set_up(threads: int, exact: bool) -> None:
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
    set_up(args.threads, named[args.name].exact)
    args.out.mkdir(parents=True, exist_ok=True)
    run = begin_run(named[args.name], args)
    most = run.job.seconds or math.inf
    run.clock.until = min(args.until, time.time() + most) - min(run.cost, 0.1 * most)
    run.train()
    sys.stdout.flush()


if __name__ == "__main__":
    main()
