"""The W&B mirror: with a listener of the test's own, and once with wandb itself, offline, read back from its file."""

import json
import os
import struct
import subprocess
import sys
import threading
import time

import pytest
from made_run import append, dump, make_run

from ontogeny.core.run import RunDirectory
from ontogeny.report import wandb_run
from ontogeny.report.mirror import Mirror, flat, follow, probe_figures, run_facts

BLOCK = 32768  # wandb writes LevelDB's log format


class Listener:
    """Stands where wandb would, and keeps all it is told."""

    def __init__(self):
        self.runs = []

    def open(self, facts):
        self.runs.append({"facts": facts, "rows": [], "summary": None})
        return self

    def log(self, figures):
        self.runs[-1]["rows"].append(figures)

    def close(self, summary):
        self.runs[-1]["summary"] = summary


def mirrored(path, resumes=False):
    listener = Listener()
    follow(Mirror(RunDirectory(path), listener.open, resumes), False, threading.Event())
    return listener.runs


def lines_of(path, folder):
    return [json.loads(line) for line in (path / "stages" / folder / "metrics.jsonl").read_text("utf-8").splitlines()]


def made(tmp_path, **kind):
    path = make_run(tmp_path / "life", **kind)
    (path / "wandb").mkdir()
    return path


def test_a_run_a_stage_with_every_row(tmp_path):
    path = made(tmp_path, kind="gate_ended")
    runs = mirrored(path)
    assert [run["facts"]["name"] for run in runs] == [
        f"seedling {folder}" for folder in ("00-conception", "01-primer", "02-lexicon", "03-school", "03-school.2")
    ]
    assert len({run["facts"]["group"] for run in runs}) == 1 and len({run["facts"]["id"] for run in runs}) == 5
    for run in runs[1:]:
        lines = lines_of(path, run["facts"]["config"]["folder"])
        assert [row["tokens_seen"] for row in run["rows"][:-1]] == [line["tokens_seen"] for line in lines]
        assert run["rows"][-1]["probes/bits_per_byte/trunk/primer/test/plain"] > 0
    assert runs[-1]["summary"] == {"gate/decision": "end", "gate/value": 2.93, "outcome": "gate_ended"}
    assert runs[0]["rows"][0]["tokens_seen"] == 0.0


def test_nothing_a_model_wrote_is_sent(tmp_path):
    assert "script" not in json.dumps(mirrored(made(tmp_path)))


def test_a_finished_life_is_not_mirrored_twice(tmp_path):
    path = made(tmp_path)
    mirrored(path)
    assert mirrored(path) == []


def test_an_interrupted_stage_goes_on_online_and_has_a_named_successor_offline(tmp_path):
    path = made(tmp_path, kind="interrupted")
    first = mirrored(path)[-1]
    for step in (65, 70):
        append(
            path / "stages/03-school/metrics.jsonl",
            {"phase": "books", "step": step, "tokens_seen": 9e5 + step, "loss_nats": 7.0},
        )
    before = (path / "wandb/mirror.json").read_text("utf-8")
    online = mirrored(path, resumes=True)
    assert [run["facts"]["id"] for run in online] == [first["facts"]["id"]]
    assert [row["books/step"] for row in online[0]["rows"]] == [65, 70]
    (path / "wandb/mirror.json").write_text(before, "utf-8")
    offline = mirrored(path)
    assert [run["facts"]["name"] for run in offline] == ["seedling 03-school (2)"]
    assert offline[0]["facts"]["id"] != first["facts"]["id"] and len(offline[0]["rows"]) == 14


def test_a_file_that_is_cut_back_while_followed(tmp_path):
    path = made(tmp_path, kind="unprobed", stages=1)
    file = path / "stages/01-primer/metrics.jsonl"
    listener = Listener()
    mirror = Mirror(RunDirectory(path), listener.open, False)
    mirror.sweep()
    lines = file.read_text("utf-8").splitlines(keepends=True)
    file.write_text("".join(lines[:4]), "utf-8")
    append(file, {"phase": "books", "step": 25, "tokens_seen": 51_200, "loss_nats": 6.5, "time_s": 99})
    file.write_text(file.read_text("utf-8") + '{"phase": "boo', "utf-8")  # a line still being written
    mirror.sweep()
    mirror.sweep()
    assert len(listener.runs) == 1
    assert [row["books/step"] for row in listener.runs[0]["rows"]] == [
        5,
        10,
        15,
        20,
        25,
        30,
        35,
        40,
        45,
        50,
        55,
        60,
        25,
    ]


def test_it_follows_until_the_outcome_stands(tmp_path):
    path = made(tmp_path, kind="unprobed", stages=1)
    listener = Listener()
    mirror = Mirror(RunDirectory(path), listener.open, False)
    thread = threading.Thread(target=follow, args=(mirror, True, threading.Event()), kwargs={"poll_s": 0.02})
    thread.start()
    append(
        path / "stages/01-primer/metrics.jsonl",
        {"phase": "books", "step": 65, "tokens_seen": 130_000, "loss_nats": 6.0},
    )
    dump(path / "outcome.json", {"outcome": "interrupted"})
    thread.join(timeout=10)
    assert not thread.is_alive() and listener.runs[0]["rows"][-1]["tokens_seen"] == 130_000
    assert listener.runs[0]["summary"] == {"outcome": "interrupted"}


def test_it_outlives_its_parent_by_a_bounded_time(tmp_path):
    path = made(tmp_path, kind="unprobed", stages=1)
    orphaned, start = threading.Event(), time.monotonic()
    orphaned.set()
    follow(Mirror(RunDirectory(path), Listener().open, False), True, orphaned, poll_s=0.02, grace_s=0.2)
    assert 0.2 <= time.monotonic() - start < 5


def test_figures_have_flat_names():
    assert flat(
        {"phase": "roles", "step": 2, "pass": 1, "tokens_seen": 5, "loss_nats": {"critic": 2.5}, "bits_per_byte": None}
    ) == {"roles/step": 2.0, "roles/critic/loss_nats": 2.5}
    assert probe_figures([{"probe": "p", "subject": "trunk", "on": "s", "value": 1, "ci95": [0, 2], "n": 4}]) == {
        "probes/p/trunk/s": 1.0,
        "probes/p/trunk/s/low": 0.0,
        "probes/p/trunk/s/high": 2.0,
        "probes/p/trunk/s/n": 4,
    }


def test_ids_do_not_change_with_the_place(tmp_path):
    first, second = make_run(tmp_path / "a"), make_run(tmp_path / "b")
    assert run_facts(RunDirectory(first), "01-primer", 1)["id"] == run_facts(RunDirectory(second), "01-primer", 1)["id"]


def run_mirror(path, tmp_path, **environment):
    """The real process, without any key of whoever runs the tests."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("WANDB") and name != "NETRC"}
    clean |= {"HOME": str(tmp_path), **environment}
    return subprocess.run(
        [sys.executable, "-m", "ontogeny.report.mirror", str(path), "--follow"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        env=clean,
        check=False,
    )


def test_switched_off_it_leaves_nothing(tmp_path):
    path = make_run(tmp_path / "life", stages=1)
    done = run_mirror(path, tmp_path, WANDB_MODE="disabled")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "") and not (path / "wandb").exists()


def test_a_failure_is_one_line_and_exit_code_0(tmp_path):
    path = make_run(tmp_path / "life", stages=1)
    (path / "plan.json").write_text("{ broken", "utf-8")
    done = run_mirror(path, tmp_path, WANDB_MODE="offline")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len((path / "wandb/mirror.log").read_text("utf-8").splitlines()) == 1


def test_without_wandb_there_is_no_opener(tmp_path, monkeypatch):
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setattr(wandb_run.importlib.util, "find_spec", lambda name: None)
    assert wandb_run.choose_opener(tmp_path) == (None, False)


def test_a_key_is_looked_for_where_wandb_keeps_it(tmp_path, monkeypatch):
    for name in ("WANDB_API_KEY", "WANDB_IDENTITY_TOKEN_FILE", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert not wandb_run.has_key()
    (tmp_path / "netrc").write_text("machine api.wandb.ai login user password " + "0" * 40 + "\n", "utf-8")
    (tmp_path / "netrc").chmod(0o600)
    assert wandb_run.has_key()
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.example.org")
    assert not wandb_run.has_key()


def test_wandb_itself_offline_holds_every_row(tmp_path):
    pytest.importorskip("wandb")
    path = make_run(tmp_path / "life", stages=2)
    done = run_mirror(path, tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not (path / "wandb/mirror.log").exists()
    told = {}
    for file in path.glob("wandb/offline-run-*/*.wandb"):
        records = list(records_of(file))
        run = next(record.run for record in records if record.WhichOneof("record_type") == "run")
        told[run.display_name] = [
            {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in record.history.item}
            for record in records
            if record.WhichOneof("record_type") == "history"
        ]
        assert run.run_group.startswith("seedling-") and run.project == "ontogeny"
        assert any(
            record.WhichOneof("record_type") == "metric" and record.metric.step_metric == "tokens_seen"
            for record in records
        )
    assert set(told) == {"seedling 00-conception", "seedling 01-primer", "seedling 02-lexicon"}
    for folder in ("01-primer", "02-lexicon"):
        lines = lines_of(path, folder)
        rows = told[f"seedling {folder}"]
        assert [row["tokens_seen"] for row in rows[:-1]] == [line["tokens_seen"] for line in lines]
        assert rows[0]["books/bits_per_byte"] == lines[0]["bits_per_byte"]
    assert not list(tmp_path.glob(".cache/wandb")) and not list(tmp_path.glob(".config/wandb"))


def records_of(file):
    """The protobuf records of a .wandb file: LevelDB's log, 7 bytes of file header, blocks of 32 KiB, record parts with
    (checksum u32, length u16, type u8: 1 whole, 2 first, 3 middle, 4 last)."""
    from wandb.proto import wandb_internal_pb2

    raw, place, held = file.read_bytes(), 7, b""
    while place + 7 <= len(raw):
        if BLOCK - place % BLOCK < 7:
            place += BLOCK - place % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", raw, place)
        held += raw[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(held)
            held = b""
            yield record
