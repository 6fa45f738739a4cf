"""Starting the ranks, following them, ending them: no rank outlives its parent, no signal is lost. No torch."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from ontogeny.core.errors import FAILED, INTERRUPTED, Fault, TrainError
from ontogeny.core.run import RunDirectory
from ontogeny.train.rank import LAST_WAIT_S, PARENT_PIPE, TRAIN_LOCK, write_outcome

LOG = "launcher.log"
GRACE_S = 300.0  # to reach a step boundary and write a checkpoint
FIRST_PORT, PORTS = 20000, 20000


def launch(run: RunDirectory, ranks: int, threads: int, follow: Callable[[], None]) -> int:
    """Runs the walk under the deepspeed launcher and returns the exit code of outcome.json.

    The launcher and its ranks live in a process group of their own; their standard input is a pipe that only this
    process holds. Closing it (a signal here, or this process dying) asks every rank to stop at a step boundary.
    Ranks that left none are told as failed, or as interrupted where they were asked to stop.
    Raises: RunError when ranks of another start still walk this run."""
    started = time.time()
    with run.lock(TRAIN_LOCK, wait_s=LAST_WAIT_S):
        (run / "outcome.json").unlink(missing_ok=True)
    child = _started(command(run.path, ranks), run / LOG, threads)
    stopped = _followed([child], follow)
    if not (run / "outcome.json").exists() and stopped.since is not None:
        write_outcome(run, "interrupted", INTERRUPTED, "ended at once; the last checkpoint is whole", started)
    elif not (run / "outcome.json").exists():
        told = Fault(
            "the ranks ended without a word.",
            str(run / LOG),
            f"the launcher returned {child.returncode}",
            "an outcome.json",
            "read the end of the log; run again with --resume",
        )
        write_outcome(run, "failed", FAILED, str(TrainError(told)), started)
    return int(run.read_json("outcome.json")["exit_code"])


def launch_lives(file: Path, workers: int, ranks: int, threads: int, follow: Callable[[], None]) -> int:
    """Runs workers that share the lives of a file among them (ontogeny/train/lives.py): one launch each, as in
    `launch`. Returns INTERRUPTED where they were asked to stop, else the greatest exit code of a launcher."""
    children: list[subprocess.Popen] = []
    try:
        for worker in range(workers):
            words = command(file, ranks, worker)
            words.insert(-1, "--lives")
            children.append(_started(words, file.with_name(f"worker-{worker}.log"), threads))
    except BaseException:
        for child in children:
            _end_group(child)
        raise
    stopped = _followed(children, follow)
    return INTERRUPTED if stopped.since is not None else max(abs(child.returncode) for child in children)


def _started(words: list[str], log: Path, threads: int) -> subprocess.Popen:
    """A launcher in a process group of its own; its standard input is a pipe that only this process holds."""
    with open(log, "ab") as file:
        return subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            stdout=file,
            stderr=file,
            env=environment(threads),
            start_new_session=True,
            close_fds=True,
        )


def _followed(children: list[subprocess.Popen], follow: Callable[[], None]) -> _Stop:
    """Waits for launchers, and ends what is left of their groups; says whether they were asked to stop."""
    stopped = _Stop(children)
    try:
        while any([child.poll() is None for child in children]):
            follow()
            if stopped.since is not None and time.monotonic() - stopped.since > GRACE_S:
                stopped.end()
            time.sleep(0.2)
        follow()
    finally:
        stopped.restore()
        stopped.end()
    return stopped


def command(run: Path, ranks: int, worker: int = 0) -> list[str]:
    """The launcher's command line: the `deepspeed` of this environment, a port of this run's own."""
    port = FIRST_PORT + (os.getpid() * 7919 + worker) % PORTS
    return [
        sys.executable,
        "-c",
        "from deepspeed.launcher.runner import main; main()",
        "--num_gpus",
        str(ranks),
        "--master_addr",
        "127.0.0.1",
        "--master_port",
        str(port),
        "--module",
        "ontogeny.train",
        str(run),
    ]


def environment(threads: int) -> dict[str, str]:
    """The ranks' environment: on a machine without a GPU, DeepSpeed's CPU accelerator and a thread count each."""
    env = {**os.environ, PARENT_PIPE: "1", "TOKENIZERS_PARALLELISM": "false", "PYTHONUNBUFFERED": "1"}
    if device_kind() == "cpu":
        # threads that wait by spinning made a life three times slower beside another load (LOG.md)
        env |= {"DS_ACCELERATOR": "cpu", "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    return env


def device_kind() -> str:
    """cuda where the driver shows a GPU, else cpu; asked without importing torch."""
    return "cuda" if os.environ.get("CUDA_VISIBLE_DEVICES", "x") != "" and Path("/dev/nvidiactl").exists() else "cpu"


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0))


class _Stop:
    """SIGINT and SIGTERM close the ranks' pipe; a second one ends them at once."""

    def __init__(self, children: list[subprocess.Popen]):
        self.children, self.since = children, None
        self._before = {number: signal.signal(number, self._asked) for number in (signal.SIGINT, signal.SIGTERM)}

    def _asked(self, number: int, _frame: object) -> None:
        if self.since is not None:
            self.end()
            return
        self.since = time.monotonic()
        for child in self.children:
            child.stdin.close()
        print("stopping at the next step, with a checkpoint; once more ends it at once", file=sys.stderr, flush=True)

    def end(self) -> None:
        for child in self.children:
            _end_group(child)

    def restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)


def _end_group(child: subprocess.Popen) -> None:
    """Ends whatever is left of the launcher's own process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()
