"""Lives in child processes: started, watched through their files, killed, compared."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
from safetensors.torch import load_file
from typer.testing import CliRunner

from ontogeny.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
SPROUT = ROOT / "genome" / "sprout.yaml"
PATIENCE_S = 1200.0  # a loaded machine is slow, never wrong
RESULTS = ("model/*", "adapters/*/*", "consumed.bin", "probes.json", "gate.json", "fingerprints.json")


def ontogeny(*words: object) -> list[str]:
    """The command line of a verb, in this environment."""
    return [sys.executable, "-c", "from ontogeny.cli.app import main; main()", *map(str, words)]


def call(*words: object, code: int = 0) -> subprocess.CompletedProcess:
    """Runs a verb to its end and asserts its exit code."""
    done = subprocess.run(ontogeny(*words), capture_output=True, text=True, timeout=PATIENCE_S, cwd=ROOT)
    assert done.returncode == code, f"{words}: exit {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}"
    assert "Traceback" not in done.stderr, done.stderr
    return done


def start(*words: object) -> subprocess.Popen:
    """Starts a verb in a process group of its own."""
    return subprocess.Popen(
        ontogeny(*words),
        cwd=ROOT,
        start_new_session=True,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def events(run: Path) -> list[dict]:
    """The whole lines of events.jsonl so far."""
    path = run / "events.jsonl"
    raw = path.read_bytes() if path.exists() else b""
    return [json.loads(line) for line in raw[: raw.rfind(b"\n") + 1].split(b"\n") if line]


def wait_for(condition, child: subprocess.Popen | None = None, what: str = "") -> bool:
    """Polls until the condition holds (True) or the child ends (False)."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        if condition():
            return True
        if child is not None and child.poll() is not None:
            return bool(condition())
        time.sleep(0.004)
    raise AssertionError(f"nothing came of waiting for {what}")


def processes_of(run: Path) -> list[psutil.Process]:
    """Every process whose command line names the run."""
    found = []
    for process in psutil.process_iter():
        try:
            if str(run) in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
    return found


def kill_all(run: Path) -> None:
    """kill -9 of every process of a run, at once."""
    for process in processes_of(run):
        try:
            os.kill(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    wait_for(lambda: not processes_of(run), what="the killed to be gone")


def results(run: Path) -> dict[str, bytes]:
    """The bytes of everything a life leaves behind that must not depend on interruptions."""
    return {
        str(path.relative_to(run)): path.read_bytes()
        for folder in sorted((run / "stages").iterdir())
        for pattern in RESULTS
        for path in sorted(folder.glob(pattern))
    }


def assert_equal_lives(one: Path, other: Path) -> None:
    """Two lives left the same bytes behind."""
    ours, theirs = results(one), results(other)
    assert ours.keys() == theirs.keys()
    assert len(ours) > 20, sorted(ours)
    different = [name for name in ours if ours[name] != theirs[name]]
    assert not different, different


def relative_l2(one: Path, other: Path) -> float:
    """Relative L2 norm of the difference of two safetensors files, over all their tensors, float32.

    Of two folders: of all such files in them taken together."""
    files = [Path()] if one.is_file() else sorted(path.relative_to(one) for path in one.rglob("*.safetensors"))
    assert files, f"no weights in {one}"
    change = size = 0.0
    for name in files:
        ours, theirs = load_file(one / name), load_file(other / name)
        assert ours.keys() == theirs.keys()
        change += sum(float((ours[key].float() - theirs[key].float()).pow(2).sum()) for key in ours)
        size += sum(float(value.float().pow(2).sum()) for value in ours.values())
    return (change / size) ** 0.5


def prepare(run: Path, *overrides: str, genome: Path = SPROUT) -> Path:
    """A run as `ontogeny prepare` makes it, in this process."""
    done = CliRunner().invoke(
        app, ["prepare", str(genome), *overrides, "--out", str(run), "-q"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return run


def prepared_copy(grown: Path, run: Path) -> Path:
    """A run as `ontogeny prepare` leaves it, from one already prepared."""
    run.mkdir(parents=True)
    for name in ("genome.yaml", "plan.json"):
        shutil.copy(grown / name, run / name)
    shutil.copytree(grown / "corpus", run / "corpus")
    return run


def read_json(run: Path, name: str) -> Any:
    """A JSON file of a run."""
    return json.loads((run / name).read_text("utf-8"))


def metrics(run: Path, stage: str, phase: str) -> list[dict]:
    """The lines of a stage folder's metrics.jsonl that belong to a phase."""
    lines = map(json.loads, (run / "stages" / stage / "metrics.jsonl").read_text("utf-8").splitlines())
    return [line for line in lines if line["phase"] == phase]
