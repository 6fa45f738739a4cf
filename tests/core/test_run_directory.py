"""The run directory: whole or not at all, one process at a time, lines that are lines."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from ontogeny.core.errors import DiskError, RunError
from ontogeny.core.run import RunDirectory, disk_faults, publish_folder, truncate, write_atomic, write_json

CHILD = [sys.executable, "-c"]


def test_writes_and_replaces(tmp_path):
    path = write_atomic(tmp_path / "a", "é\n")
    assert path.read_bytes() == "é\n".encode()
    write_atomic(path, b"\x00\x01")
    assert path.read_bytes() == b"\x00\x01" and [one.name for one in tmp_path.iterdir()] == ["a"]
    write_json(tmp_path / "b", {"x": "\u2028é"})
    assert json.loads((tmp_path / "b").read_text("utf-8")) == {"x": "\u2028é"}
    with pytest.raises(ValueError):
        write_json(tmp_path / "b", float("nan"))


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path):
    (tmp_path / "kept").write_text("old")
    code = (
        "import resource, signal, sys\n"
        "from ontogeny.core.run import write_atomic\n"
        "from ontogeny.core.errors import DiskError\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try:\n    write_atomic(sys.argv[1], b'x' * 5000)\n"
        "except DiskError as problem:\n    print(problem, end='')\n    sys.exit(problem.exit_code)\n"
    )
    done = subprocess.run([*CHILD, code, str(tmp_path / "kept")], capture_output=True, text=True)
    assert done.returncode == DiskError.exit_code == 1
    assert str(tmp_path / "kept") in done.stdout and "refused a write" in done.stdout
    assert (tmp_path / "kept").read_text() == "old" and len(list(tmp_path.iterdir())) == 1


def test_a_small_disk_that_fills_up(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(tmp_path)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("a tiny disk cannot be mounted here")
    try:
        write_atomic(tmp_path / "kept", "old")
        with pytest.raises(DiskError, match="No space left"):
            write_atomic(tmp_path / "kept", b"x" * (1 << 20))
        assert (tmp_path / "kept").read_text() == "old"
        assert [one.name for one in tmp_path.iterdir()] == ["kept"]
        with pytest.raises(DiskError):
            for number in range(10_000):
                RunDirectory(tmp_path).event("filling", number=number, text="x" * 100)
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)


def test_a_kill_between_leaves_old_or_new(tmp_path):
    path = tmp_path / "state"
    code = (
        "import itertools, sys\nfrom ontogeny.core.run import write_atomic\n"
        "for i in itertools.count():\n    write_atomic(sys.argv[1], str(i % 10) * 200_000)\n    print(i, flush=True)\n"
    )
    for pause in (0.0, 0.003, 0.011, 0.02):
        child = subprocess.Popen([*CHILD, code, str(path)], stdout=subprocess.PIPE)
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(pause)
        child.kill()
        child.wait()
        child.stdout.close()
        text = path.read_text()
        assert len(text) == 200_000 and len(set(text)) == 1


def test_only_refusals_of_the_machine_are_disk_errors(tmp_path):
    for number in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EACCES):
        with pytest.raises(DiskError), disk_faults(tmp_path):
            raise OSError(number, "refused")
    with pytest.raises(FileNotFoundError), disk_faults(tmp_path):
        raise FileNotFoundError(errno.ENOENT, "absent")


def test_publish_replaces_a_folder_at_once(tmp_path):
    aside, final = tmp_path / ".final.tmp", tmp_path / "final"
    for content in ("one", "two"):
        (aside / "deep").mkdir(parents=True)
        (aside / "deep" / "file").write_text(content)
        publish_folder(aside, final)
        assert (final / "deep" / "file").read_text() == content
        assert [one.name for one in tmp_path.iterdir()] == ["final"]


def test_every_line_of_events_comes_back(tmp_path):
    run = RunDirectory(tmp_path)
    texts = ["plain", "a\u2028b", "c\x85d", "e\x0bf\x0cg\x1ch", "two\nlines", "r\rn", "\u2029", "é𝄞"]
    for text in texts:
        run.event("said", text=text)
    assert [event["text"] for event in run.read_jsonl("events.jsonl")] == texts
    assert all(event["event"] == "said" and event["time"] > 0 for event in run.read_jsonl("events.jsonl"))
    assert (tmp_path / "events.jsonl").read_bytes().count(b"\n") == len(texts)


def test_a_half_written_line_is_left_out_and_closed_by_the_next(tmp_path):
    run = RunDirectory(tmp_path)
    run.event("whole")
    with open(tmp_path / "events.jsonl", "ab") as file:
        file.write(b'{"event": "ha' + "é".encode()[:1])
    assert [event["event"] for event in run.read_jsonl("events.jsonl")] == ["whole"]
    assert run.read_jsonl("absent.jsonl") == [] and run.read_json("absent.json") is None


def test_a_spoiled_file_is_told(tmp_path):
    run = RunDirectory(tmp_path)
    (tmp_path / "outcome.json").write_text('{"a":')
    (tmp_path / "metrics.jsonl").write_text('{"a": 1}\n{"a":\n')
    with pytest.raises(RunError, match=r"outcome\.json"):
        run.read_json("outcome.json")
    with pytest.raises(RunError, match=r"metrics\.jsonl:2"):
        run.read_jsonl("metrics.jsonl")


def test_stage_folders_in_order(tmp_path):
    run = RunDirectory(tmp_path)
    folders = [
        run.stage_folder(0, "conception"),
        run.stage_folder(1, "primer"),
        *(run.stage_folder(1, "primer", pass_) for pass_ in range(2, 12)),
        run.stage_folder(2, "a-b_2"),
        run.stage_folder(10, "x"),
        run.stage_folder(100, "y"),
    ]
    assert [folder.name for folder in folders[:3]] == ["00-conception", "01-primer", "01-primer.2"]
    for folder in reversed(folders):
        folder.mkdir(parents=True)
    (tmp_path / "stages" / "7up").mkdir()
    (tmp_path / "stages" / "03-file").write_text("")
    assert run.stage_folders() == folders


def test_checkpoints_are_whole_and_in_order(tmp_path):
    run = RunDirectory(tmp_path)
    for name in ("000010", "000002", "000011"):
        (run / "checkpoints" / name).mkdir(parents=True)
        if name != "000011":
            (run / "checkpoints" / name / "state.json").write_text("{}")
    assert [path.name for path in run.checkpoints()] == ["000002", "000010"]


HOLD = (
    "import sys, time\nfrom ontogeny.core.run import RunDirectory\n"
    "with RunDirectory(sys.argv[1]).lock():\n    print('held', flush=True)\n    time.sleep(60)\n"
)


def test_one_process_at_a_time(tmp_path):
    run = RunDirectory(tmp_path / "run")
    child = subprocess.Popen([*CHILD, HOLD, str(run.path)], stdout=subprocess.PIPE)
    try:
        assert child.stdout is not None and child.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="another process is on this run"), run.lock():
            pass
        started = time.monotonic()
        with pytest.raises(RunError), run.lock(wait_s=0.3):
            pass
        assert time.monotonic() - started >= 0.3
        with run.lock(".train.lock"):  # another lock
            pass
        child.send_signal(signal.SIGKILL)
        child.wait()
        with run.lock(wait_s=5):
            pass
        with run.lock():  # and let go at the end of a block
            pass
    finally:
        child.kill()
        child.wait()
        if child.stdout is not None:
            child.stdout.close()


def test_a_place_where_no_run_can_be(tmp_path):
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "run", tmp_path / ("x" * 300)):
        with pytest.raises(RunError, match="no run directory can be here"), RunDirectory(place).lock():
            pass


def test_truncate(tmp_path):
    path = tmp_path / "log"
    path.write_bytes(b"0123456789")
    truncate(path, 10)
    truncate(path, 4)
    assert path.read_bytes() == b"0123"
    with pytest.raises(RunError, match="shorter"):
        truncate(path, 5)
    assert path.read_bytes() == b"0123"
    truncate(path, 0)
    assert not path.exists()
    truncate(path, 0)
    with pytest.raises(RunError, match="shorter"):
        truncate(path, 1)
