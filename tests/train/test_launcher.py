"""What the launcher is told, and what its ranks find around them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from ontogeny.core.errors import RunError
from ontogeny.core.run import RunDirectory
from ontogeny.train import launcher
from ontogeny.train.rank import PARENT_PIPE, TRAIN_LOCK


def test_the_command_is_the_deepspeed_launcher_of_this_environment():
    words = launcher.command(Path("/runs/a life"), 3)
    assert words[0] == sys.executable and "deepspeed.launcher.runner" in words[2]
    told = dict(zip(words[3:-3:2], words[4:-3:2], strict=True))
    assert told["--num_gpus"] == "3" and told["--master_addr"] == "127.0.0.1"
    assert launcher.FIRST_PORT <= int(told["--master_port"]) < launcher.FIRST_PORT + launcher.PORTS
    assert words[-3:] == ["--module", "ontogeny.train", "/runs/a life"]


def test_ranks_on_cpu_get_the_cpu_accelerator_and_their_threads(monkeypatch):
    monkeypatch.setattr(launcher, "device_kind", lambda: "cpu")
    monkeypatch.setenv("SOMETHING", "kept")
    env = launcher.environment(5)
    assert (env["DS_ACCELERATOR"], env["OMP_NUM_THREADS"], env[PARENT_PIPE]) == ("cpu", "5", "1")
    assert env["SOMETHING"] == "kept"


def test_ranks_on_a_gpu_choose_their_accelerator_themselves(monkeypatch):
    monkeypatch.delenv("DS_ACCELERATOR", raising=False)
    monkeypatch.setattr(launcher, "device_kind", lambda: "cuda")
    assert "DS_ACCELERATOR" not in launcher.environment(5)


def test_no_gpu_is_seen_where_none_is_visible(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert launcher.device_kind() == "cpu"


def test_ranks_that_leave_no_outcome_are_told(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "command", lambda *_: [sys.executable, "-c", "raise SystemExit(7)"])
    assert launcher.launch(RunDirectory(tmp_path), 1, 1, lambda: None) == 1
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert (outcome["outcome"], outcome["exit_code"]) == ("failed", 1)
    assert outcome["message"].startswith("TrainError: the ranks ended without a word.")
    assert "the launcher returned 7" in outcome["message"]


def test_ranks_ended_at_once_were_interrupted(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "command", lambda *_: [sys.executable, "-c", "import time; time.sleep(600)"])
    asked = []

    def ask_twice() -> None:
        if len(asked) < 2:
            asked.append(os.kill(os.getpid(), signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    assert launcher.launch(RunDirectory(tmp_path), 1, 1, ask_twice) == 130
    assert json.loads((tmp_path / "outcome.json").read_text())["outcome"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is before


def test_nothing_is_left_of_a_group_whose_launcher_ended(tmp_path, monkeypatch):
    """The launcher is gone, a rank it started is not: it is ended with the group, and the outcome stands."""
    script = (
        "import subprocess, sys, pathlib; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"pathlib.Path({str(tmp_path / 'pid')!r}).write_text(str(child.pid)); "
        f"pathlib.Path({str(tmp_path / 'outcome.json')!r}).write_text('{{\"exit_code\": 3}}')"
    )
    monkeypatch.setattr(launcher, "command", lambda *_: [sys.executable, "-c", script])
    assert launcher.launch(RunDirectory(tmp_path), 1, 1, lambda: None) == 3
    pid = int((tmp_path / "pid").read_text())
    assert not psutil.pid_exists(pid) or psutil.wait_procs([psutil.Process(pid)], timeout=60)[0]


def test_ranks_of_another_start_are_not_disturbed(tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "LAST_WAIT_S", 0.1)
    monkeypatch.setattr(subprocess, "Popen", None)
    run = RunDirectory(tmp_path)
    (run / "outcome.json").write_text("theirs")
    with run.lock(TRAIN_LOCK), pytest.raises(RunError, match="another process is on this run"):
        launcher.launch(run, 1, 1, lambda: None)
    assert (run / "outcome.json").read_text() == "theirs"
