"""What can go wrong with a life: told in one block, with the right exit code, and mended without loss."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from ontogeny.core.run import RunDirectory
from ontogeny.train.launcher import command, environment
from ontogeny.train.rank import PARENT_PIPE
from tests.launch.lives import (
    PATIENCE_S,
    ROOT,
    SPROUT,
    assert_equal_lives,
    call,
    events,
    kill_all,
    prepare,
    prepared_copy,
    processes_of,
    read_json,
    start,
    wait_for,
)

DISK_MIB, LEFT_KIB = 48, 2500


def state_of(run: Path) -> dict[str, tuple[int, int]]:
    """Size and time of every file that is not a lock."""
    return {
        str(path.relative_to(run)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in sorted(run.rglob("*"))
        if path.is_file() and not path.name.endswith(".lock")
    }


def in_books(run: Path) -> bool:
    """Whether a checkpoint was made within the first stage's books."""
    return any((event["event"], event.get("phase")) == ("checkpoint", "books") for event in events(run))


def blocks(stderr: str) -> list[str]:
    """The names of the errors told."""
    return re.findall(r"^(\w+Error): ", stderr, re.MULTILINE)


@pytest.fixture
def begun(grown, tmp_path) -> Path:
    """A life killed in its first stage's books, with a checkpoint."""
    run = prepared_copy(grown, tmp_path / "begun")
    child = start("train", run)
    assert wait_for(lambda: in_books(run), child, "a checkpoint")
    kill_all(run)
    child.wait()
    return run


def test_a_loss_that_is_not_finite_is_told_with_its_place(begun):
    checkpoint = RunDirectory(begun).checkpoints()[-1]
    step = read_json(checkpoint, "state.json")["cursor"]["step"]
    file = checkpoint / "trunk/engine/mp_rank_00_model_states.pt"
    poisoned = torch.load(file, weights_only=False)
    poisoned["module"]["model.norm.weight"][0] = float("nan")
    torch.save(poisoned, file)
    for _ in range(2):  # resumed unchanged, it fails again in the same way
        done = call("run", SPROUT, "--out", begun, "--resume", "-q", code=1)
        assert blocks(done.stderr) == ["TrainError"]
        assert "the loss is not finite" in done.stderr
        assert f"stage 'primer', books, step {step}, rank 0, row {2 * step}" in done.stderr
        assert "book 'bbe-genesis', characters" in done.stderr
        outcome = read_json(begun, "outcome.json")
        assert (outcome["outcome"], outcome["exit_code"]) == ("failed", 1)
        assert RunDirectory(begun).checkpoints()[-1] == checkpoint, "nothing poisoned is kept"
        assert not processes_of(begun)
    assert (begun / "report.html").stat().st_size > 0


@contextlib.contextmanager
def small_disk(place: Path):
    """A file system of its own, of DISK_MIB; skips where it cannot be made."""
    place.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("a small disk needs root and mount")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_MIB}m", "tmpfs", str(place)], capture_output=True)
    if made.returncode:
        pytest.skip(f"no small disk can be mounted: {made.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_a_full_disk_is_told_and_room_brings_the_life_back(grown, tmp_path):
    with small_disk(tmp_path / "disk") as disk:
        run = prepared_copy(grown, disk / "life")
        usage = shutil.disk_usage(disk)
        (disk / "ballast").write_bytes(b"\0" * (usage.free - LEFT_KIB * 1024))
        done = call("run", SPROUT, "--out", run, "-q", code=1)
        assert blocks(done.stderr) == ["DiskError"]
        assert "No space left on device" in done.stderr and "--resume" in done.stderr
        assert not processes_of(run)
        (disk / "ballast").unlink()
        call("run", SPROUT, "--out", run, "--resume", "-q")
        assert_equal_lives(grown, run)
        call("verify", run)


def test_one_process_at_a_time(grown, tmp_path):
    run = prepared_copy(grown, tmp_path / "held")
    child = start("run", SPROUT, "--out", run)
    try:
        assert wait_for(lambda: in_books(run), child, "a checkpoint")
        for verb in (("run", SPROUT, "--resume"), ("prepare", SPROUT)):
            done = call(*verb, "--out", run, code=2)
            assert blocks(done.stderr) == ["RunError"] and "another process is on this run" in done.stderr
        assert child.poll() is None and not (run / "outcome.json").exists(), "the one that walks is not disturbed"
    finally:
        kill_all(run)
        child.kill()
        child.wait()


def test_another_zero_stage_cannot_take_a_life_over_but_its_own_can(grown, begun):
    checkpoints = RunDirectory(begun).checkpoints()
    consumed = (begun / "stages/01-primer/consumed.bin").read_bytes()
    done = call("run", SPROUT, "machine.zero_stage=2", "--out", begun, "--resume", "-q", code=2)
    assert blocks(done.stderr) == ["RunError"]
    assert "a checkpoint was made on another machine layout" in done.stderr
    assert "zero_stage 2" in done.stderr and "zero_stage 0" in done.stderr
    assert RunDirectory(begun).checkpoints() == checkpoints
    assert (begun / "stages/01-primer/consumed.bin").read_bytes() == consumed
    prepare(begun)  # as it was: the machine's settings change no weight and are no part of the genome's hash
    call("train", begun)
    assert_equal_lives(grown, begun)


def test_the_launcher_by_hand_with_other_ranks_than_planned(begun):
    before = state_of(begun)
    env = {name: value for name, value in environment(1).items() if name != PARENT_PIPE}
    done = subprocess.run(command(begun, 2), env=env, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode != 0
    assert set(blocks(done.stderr)) == {"RunError"}
    assert "the launcher started another number of ranks" in done.stderr
    assert "2 ranks" in done.stderr and "1, as planned" in done.stderr
    assert state_of(begun) == before, "a user's fault changes nothing"


def test_a_folder_that_is_no_prepared_run(tmp_path):
    (tmp_path / "genome.yaml").write_text("name: nothing\n")
    done = call("train", tmp_path, code=2)
    assert blocks(done.stderr) != [] and not (tmp_path / "outcome.json").exists()
