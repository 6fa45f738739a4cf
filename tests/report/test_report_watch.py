"""Progress lines from the files of a life."""

import io

from made_run import append, dump, make_run

from ontogeny.core.run import RunDirectory
from ontogeny.report.follow import Follower
from ontogeny.report.watch import event_line, progress_line, watch


def test_where_a_life_is(tmp_path):
    assert progress_line(RunDirectory(tmp_path)) == "no step logged yet"
    path = make_run(tmp_path / "life", kind="interrupted")
    line = progress_line(RunDirectory(path))
    assert line.startswith("03-school  books 60/120  ") and "bits/byte" in line and line.endswith("  640,032 tokens")


def test_a_role_phase_names_its_roles(tmp_path):
    line = progress_line(RunDirectory(make_run(tmp_path / "life")))
    assert line.startswith("03-school  roles 20/24  student ") and "nats/token" in line


def test_watching_prints_what_grows_and_ends_with_the_outcome(tmp_path):
    path = make_run(tmp_path / "life", kind="unprobed", stages=1)
    naps = []

    def sleep(seconds):
        naps.append(seconds)
        if len(naps) == 1:
            append(
                path / "stages/01-primer/metrics.jsonl",
                {"phase": "books", "step": 65, "tokens_seen": 133_120, "loss_nats": 6.0},
            )
        else:
            dump(path / "outcome.json", {"outcome": "interrupted", "stage": "primer", "seconds": 61})

    out = io.StringIO()
    watch(path, out, sleep=sleep)
    lines = out.getvalue().splitlines()
    assert lines[0] == "-- life started" and lines[-1] == "interrupted at primer after 1 min 01 s"
    assert lines[-2] == "01-primer  books 65/120  6.000 nats/token  133,120 tokens"
    assert len(naps) == 2


def test_events_nobody_waits_for_are_silent():
    assert event_line({"event": "checkpoint", "time": 1}) == ""
    assert (
        event_line({"event": "stage_ended", "stage": "01-primer", "decision": "pass"})
        == "-- stage ended: 01-primer, pass"
    )


def test_a_follower_gives_each_line_once(tmp_path):
    file = tmp_path / "metrics.jsonl"
    follower = Follower(file)
    assert follower.new_records() == []
    file.write_text('{"a": 1}\n{"a": 2}\n{"a"', "utf-8")
    assert [one["a"] for one in follower.new_records()] == [1, 2]
    with open(file, "a", encoding="utf-8") as out:
        out.write(": 3}\n")
    assert [one["a"] for one in follower.new_records()] == [3]
    file.write_text('{"a": 1}\n', "utf-8")
    assert follower.new_records() == []
    file.write_text('{"a": 1}\n{"a": 9}\n{"a": 3}\n{"a": 4}\n', "utf-8")
    assert [one["a"] for one in follower.new_records()] == [9, 3, 4]
    file.unlink()
    assert follower.new_records() == []
