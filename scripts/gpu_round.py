"""Train several recipes at the same time on one GPU, until time is up.

    python scripts/gpu_round.py --seconds 540 --out FOLDER     on the GPU
    python scripts/gpu_round.py --rehearse --out FOLDER        on a CPU, in less than a minute
    python scripts/gpu_round.py --check --out FOLDER           check CUDA against the CPU
    python scripts/gpu_round.py pack --out FOLDER --take packs:gpu/data wheels:.whl
                                                       pack the files for such a machine

`gpu_jobs.py` lists the jobs, most important first. Every job is a process; if one fails, the others
continue. FOLDER gets a .zip of each job (a run directory with float16 weights, and its log),
updated at every save: at most eight files.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "src"), str(HERE)]

from gpu_jobs import JOBS, REHEARSAL, AnyJob, CommandJob  # noqa: E402
from gpu_mps import share_gpu  # noqa: E402
from gpu_pack import pack, unpack  # noqa: E402

MAX_FILE_BYTES = 16 * 2**20 - 4096  # maximum bytes of a returned file
MAX_FILES = 8  # maximum number of returned files
TAIL_LINES = 18  # lines shown of a failed job's output
MIN_JOB_SECONDS = 45.0  # minimum seconds to start a job
GRACE_SECONDS = 6.0  # seconds for a job to end when its time is up
PACKING_SECONDS = 6.0  # seconds for packing at the end
RESERVE_SECONDS = 4.0  # seconds that another program may take to end
CACHE = Path(tempfile.gettempdir()) / "smalti-inductor"
CACHE_FOLDERS = ("fxgraph", "aotautograd")  # folders of the cache that another machine can use


@dataclass
class RunningJob:
    """A job's process."""

    job: AnyJob
    out: Path
    process: subprocess.Popen[bytes]
    mode: str
    """Compilation mode."""
    begun: float = field(default_factory=time.time)
    ended: float | None = None
    packed: float = 0.0
    """Time of the newest file in the last .zip."""

    @property
    def log(self) -> Path:
        return self.out.with_suffix(".out")

    def is_compiled(self) -> bool:
        return self.mode != "eager" and bool(getattr(self.job, "compiled_parts", ()))

    def describe_state(self) -> str:
        if self.process.poll() is None:
            return "runs"
        return "done" if self.process.returncode == 0 else f"failed ({self.process.returncode})"

    def read_status(self) -> dict[str, Any]:
        try:
            return json.loads((self.out / "status.json").read_text())
        except (OSError, ValueError):
            return {}


@dataclass
class Round:
    """All jobs, a limited number at a time."""

    jobs: Sequence[AnyJob]
    args: argparse.Namespace
    work: Path
    until: float
    running: list[RunningJob] = field(default_factory=list)

    def run(self) -> None:
        waiting, last_print = list(self.jobs), time.time()
        while True:
            now = time.time()
            for r in list(self.running):
                self.update_job(r, now)
            active = [r for r in self.running if r.process.poll() is None]
            late = self.until - now < min(MIN_JOB_SECONDS, 0.2 * self.args.seconds)
            while waiting and len(active) < self.args.at_once and not late:
                active.append(self.start(waiting.pop(0), self.args.mode))
            if not active and (not waiting or late):
                break
            if now - last_print > self.args.print_every:
                last_print = now
                print(format_line(now, self.running), flush=True)
                for r in active:
                    self.collect_results(r)
            time.sleep(0.2)
        for r in self.running:
            self.collect_results(r)

    def start(self, job: AnyJob, mode: str) -> RunningJob:
        out = self.work / job.name
        out.mkdir(parents=True, exist_ok=True)
        environment = {**os.environ, **build_environment(self.args.threads)}
        if isinstance(job, CommandJob):
            words = self.build_command(job, out)
            environment.update(job.environment)
        else:
            words = [sys.executable, str(HERE / "gpu_train.py"), job.name]
            words += ["--until", str(self.until), "--out", str(out), "--data", str(self.args.data)]
            words += ["--mode", mode, "--threads", str(self.args.threads)]
            words += ["--few", str(self.args.few)] if self.args.few else []
        with out.with_suffix(".out").open("ab") as log:
            process = subprocess.Popen(
                words, stdout=log, stderr=subprocess.STDOUT, env=environment, start_new_session=True
            )
        self.running.append(RunningJob(job, out, process, mode))
        return self.running[-1]

    def build_command(self, job: CommandJob, out: Path) -> list[str]:
        left = min(self.until - time.time(), job.seconds or self.args.seconds)
        filled = {
            "data": str(self.args.data),
            "out": str(out),
            "python": sys.executable,
            "seconds": str(max(1, int(left - RESERVE_SECONDS))),
        }
        return [word.format(**filled) for word in job.command]

    def update_job(self, r: RunningJob, now: float) -> None:
        """Note a job's end, kill it if overdue, retry without compilation if it failed early."""
        if r.process.poll() is not None:
            lost, r.ended = r.ended is None and r.describe_state() != "done", r.ended or now
            if (
                lost
                and r.is_compiled()
                and not r.read_status()
                and self.until - now > MIN_JOB_SECONDS
            ):
                print(f"{r.job.name} failed; retrying without compilation", flush=True)
                self.start(r.job, "eager")
        elif now > self.until + GRACE_SECONDS:
            print(f"{r.job.name}: stopped, its time is up", flush=True)
            kill_process(r.process)

    def collect_results(self, r: RunningJob) -> None:
        """Write the job's .zip if there are new files."""
        files = [p for p in r.out.rglob("*") if p.is_file() and p.suffix != ".tmp"]
        newest = max((p.stat().st_mtime for p in files), default=0.0)
        if newest > r.packed:
            r.packed = newest
            write_zip(r.out, files, self.args.out / f"{r.job.name}.zip")


def kill_process(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that we started, with its children."""
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def write_zip(
    folder: Path, files: Sequence[Path], target: Path, compression: int = zipfile.ZIP_DEFLATED
) -> None:
    """Zip a folder atomically; files that make it too large are skipped and reported."""
    temporary = target.with_suffix(".tmp")
    with zipfile.ZipFile(temporary, "w", compression) as archive:
        for path in sorted(files, key=lambda p: p.stat().st_size):
            if not path.is_file():
                continue  # replaced by a save meanwhile; the next .zip has the new one
            if temporary.stat().st_size + path.stat().st_size > MAX_FILE_BYTES:
                print(f"{path.name} of {folder.name} is too large to return", flush=True)
                break
            archive.write(path, f"{folder.name}/{path.relative_to(folder)}")
    os.replace(temporary, target)


def build_environment(threads: int) -> dict[str, str]:
    """Build the environment of all jobs: few threads, and a shared cache of compiled kernels."""
    CACHE.mkdir(exist_ok=True)
    count = str(threads)
    return {
        "PYTHONPATH": os.pathsep.join([*sys.path[:2], os.environ.get("PYTHONPATH", "")]),
        "PYTHONUNBUFFERED": "1",
        "OMP_NUM_THREADS": count,
        "MKL_NUM_THREADS": count,
        "TORCHINDUCTOR_CACHE_DIR": str(CACHE),
        "TORCHINDUCTOR_COMPILE_THREADS": count,
        "TORCHINDUCTOR_FX_GRAPH_CACHE": "1",
        "TORCHINDUCTOR_AUTOGRAD_CACHE": "1",
    }


# ----------------------------------------------------------------------------- output


def format_line(now: float, running: Sequence[RunningJob]) -> str:
    """Format the progress of all jobs in one line."""
    parts = []
    for r in running:
        s = r.read_status()
        speed = f" {s['speed']:.0f}/s" if s.get("speed") else ""
        parts.append(
            f"{r.job.name} {s.get('step', '')}/{s.get('steps', '')}{speed} {r.describe_state()}"
        )
    return f"{time.strftime('%H:%M:%S', time.gmtime(now))}  " + "; ".join(parts)


def format_table(running: Sequence[RunningJob]) -> str:
    head = (
        "| job | state | steps | seconds | first step | pictures/s | last loss | held out | best |"
    )
    lines = [head, "|---" * 9 + "|"]
    for r in running:
        s = r.read_status()
        cells = [r.job.name, r.describe_state(), s.get("step", "")]
        cells += [format_number((r.ended or time.time()) - r.begun), format_number(s.get("first"))]
        cells += [format_number(s.get("speed")), format_number(s.get("loss"), 4)]
        cells += [format_number(s.get("valid"), 4), format_number(s.get("best"), 4)]
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


def format_number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def print_failures(running: Sequence[RunningJob], shown_in_full: Sequence[str] = ()) -> None:
    """Print the last output of failed jobs, and all output of those in `shown_in_full`."""
    for r in running:
        output = r.log.read_text(errors="replace").splitlines() if r.log.is_file() else []
        if r.job.name in shown_in_full:
            print(f"--- {r.job.name}", *output, sep="\n")
        elif r.describe_state() != "done" or isinstance(r.job, CommandJob):
            print(f"--- {r.job.name}: {r.describe_state()}", *output[-TAIL_LINES:], sep="\n")


# ---------------------------------------------------------------------------------- commands


def run_round(args: argparse.Namespace, begun: float) -> int:
    """Run all jobs; 0 if at least one completed."""
    jobs: Sequence[AnyJob] = REHEARSAL if args.rehearse else JOBS
    if args.only:
        named = {job.name: job for job in jobs}
        if unknown := [name for name in args.only if name not in named]:
            raise SystemExit(f"no job {unknown[0]!r}; the jobs are {', '.join(named)}")
        jobs = [named[name] for name in args.only]
    check = CommandJob("check", ("{python}", str(HERE / "gpu_checks.py"), "--out", "{out}"))
    if args.check:
        jobs = [check, *jobs] if args.only or args.seconds > MIN_JOB_SECONDS else [check]
    args.out.mkdir(parents=True, exist_ok=True)
    work = args.work or Path(tempfile.mkdtemp(prefix="gpu-round-"))
    unpack(args.data)
    unpack_cache(args.cache)
    with share_gpu(not args.no_mps and not args.rehearse, work) as shared:
        print(
            f"several processes at once on the GPU: {'yes' if shared else 'no, time-sliced'}",
            flush=True,
        )
        whole = Round(jobs, args, work, begun + args.seconds - GRACE_SECONDS - PACKING_SECONDS)
        try:
            whole.run()
        finally:
            for r in whole.running:
                if r.process.poll() is None:
                    kill_process(r.process)
    if args.keep_cache:
        graphs = [p for name in CACHE_FOLDERS for p in (CACHE / name).rglob("*") if p.is_file()]
        write_zip(CACHE, graphs, args.keep_cache, zipfile.ZIP_LZMA)
    print_failures(whole.running, shown_in_full=("check",))
    print(format_table(whole.running))
    for path in sorted(args.out.glob("*")):
        print(f"{path.name}  {path.stat().st_size / 2**20:.2f} MiB")
    return 0 if any(r.describe_state() == "done" for r in whole.running) else 1


def unpack_cache(path: Path | None) -> None:
    """Restore the kernels that an earlier round compiled."""
    if path and path.is_file():
        with zipfile.ZipFile(path) as archive:
            archive.extractall(CACHE.parent)


def main() -> int:
    begun = time.time()
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", nargs="?", choices=("train", "pack"), default="train")
    parser.add_argument("--out", type=Path, required=True, help="output folder")
    parser.add_argument("--take", nargs="+", default=[], metavar="FROM:TO", help="with pack")
    parser.add_argument("--seconds", type=float, help="time limit of the whole command [540]")
    parser.add_argument("--data", type=Path, default=Path("gpu/data"), help="folder of packs")
    parser.add_argument(
        "--work", type=Path, help="keep the runs here, for jobs that start from one"
    )
    parser.add_argument("--at-once", type=int, default=MAX_FILES, help="jobs at the same time")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of a job")
    parser.add_argument("--mode", default="default", help="of torch.compile, or eager")
    parser.add_argument("--only", nargs="+", help="names of jobs, in their order")
    parser.add_argument("--few", type=int, help="maximum pictures per split")
    parser.add_argument("--print-every", type=float, default=30.0, help="seconds between lines")
    parser.add_argument("--check", action="store_true", help="check CUDA, too")
    parser.add_argument("--rehearse", action="store_true", help="tiny jobs, on a CPU")
    parser.add_argument("--no-mps", action="store_true", help="do not use MPS")
    parser.add_argument("--cache", type=Path, help="cache.zip of an earlier round")
    parser.add_argument("--keep-cache", type=Path, help="a cache.zip to write")
    args = parser.parse_args()
    if args.verb == "pack":
        pack(HERE.parent, args.out, args.take)
        return 0
    args.out = args.out.resolve()
    if args.seconds is None:
        args.seconds = 120.0 if args.rehearse or args.check else 540.0
    if args.rehearse:
        args.few, args.mode, args.threads = 64, "eager", 1
    return run_round(args, begun)


if __name__ == "__main__":
    sys.exit(main())
