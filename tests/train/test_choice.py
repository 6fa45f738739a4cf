"""Which book a self-chosen stage reads next: decided by surprise, sealed before it is read, never decided again."""

from __future__ import annotations

import json
import math
import sys
import threading
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "corpus"))
from making import make_library, make_plan, make_prose, make_stage, span

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import RunError, TrainError
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.consumed import declared_records, verify_consumed
from ontogeny.corpus.lived import CHOICES, choose, lived_roots, read_choices
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.train.choice import Choices

BOOKS = ["a", "b", "c", "d"]


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """(plan, corpus): a stage that chooses among four books, twice over, then one that does not choose."""
    root = tmp_path_factory.mktemp("choice")
    library = make_library(root, {name: make_prose(seed, 8 + 3 * seed) for seed, name in enumerate(BOOKS)})
    stages = [
        make_stage(0, "one", BOOKS, reading="self_chosen", every_tokens=None, stage_span=span(epochs=2)),
        make_stage(1, "two", ["a"], every_tokens=None),
    ]
    plan = make_plan(stages)
    return plan, prepare_corpus(plan, library, root / "corpus")


class FakeLearner:
    """A trunk whose surprise at each book's first pack is given, for each time it is asked."""

    def __init__(self, life, asked: list[dict[str, float]], rank: int = 0, world: int = 1):
        self.plan, self.corpus = life
        self.asked, self.rank, self.world = [dict(one) for one in asked], rank, world

    def surprise(self, batch) -> list[tuple[int, float]]:
        nats = self.asked.pop(0)
        firsts = {first: book for book, (first, _) in self.corpus.book_packs(0).items()}
        assert {firsts[row] for row in batch.rows_B.tolist()} == set(nats), "every unread book, and no other"
        assert (batch.ids_BT == self.corpus.shard(0).ids_RT[batch.rows_B]).all()
        return [(row, nats[firsts[row]]) for row in batch.rows_B.tolist()[self.rank :: self.world]]


class FakeLedger:
    """A ledger of one rank of some, which meet in `gather`."""

    def __init__(self, run: Path, rank: int = 0, meeting: threading.Barrier | None = None, table: list | None = None):
        self.run, self.writer = RunDirectory(run), rank == 0
        self.rank, self.meeting, self.table = rank, meeting, table

    def folder(self, cursor: Cursor) -> Path:
        return self.run.stage_folder(cursor.stage + 1, "one", cursor.pass_)

    def gather(self, mine: list) -> list:
        if self.meeting is None:
            return mine
        self.table[self.rank] = mine
        self.meeting.wait()
        both = [item for part in self.table for item in part]
        self.meeting.wait()
        return both

    def barrier(self) -> None:
        if self.meeting is not None:
            self.meeting.wait()


ENTRY = {"b": 5.0, "c": 6.0, "d": 5.5}
LATER = [{"b": 4.0, "c": 4.5, "d": 4.5}, {"b": 3.5, "d": 4.25}, {"d": 4.0}]


def edges(life) -> list[int]:
    """The steps at which a book ends, in the order c comes second, then b."""
    runs = life[1].book_packs(0)
    steps = [-(-runs[book][1] // 3) for book in ("a", "c", "b", "d")]
    return [sum(steps[:n]) for n in range(1, 5)]


def lived(life, run: Path, asked=(ENTRY, *LATER), upto: int | None = None, **rank) -> Choices:
    """Choices of a life that walked to a step, or to its end."""
    learner = FakeLearner(life, list(asked))
    choices = Choices(learner, FakeLedger(run), Cursor(0))
    for step in range(life[1].phase_steps(0, "books") + 1 if upto is None else upto + 1):
        choices.reach(step)
    return choices


def test_the_book_whose_surprise_fell_most_comes_next(life, tmp_path):
    choices = lived(life, tmp_path)
    assert choices.order == ["a", "c", "b", "d"]
    sealed = json.loads((tmp_path / "stages/01-one" / CHOICES).read_text())
    assert sealed["entry_nats"] == ENTRY
    assert sealed["chosen"] == [
        {"book": "a", "now_nats": {}},
        {"book": "c", "now_nats": LATER[0]},
        {"book": "b", "now_nats": LATER[1]},
        {"book": "d", "now_nats": LATER[2]},
    ]
    events = [json.loads(line) for line in (tmp_path / "events.jsonl").read_text().splitlines()]
    assert [event["book"] for event in events] == choices.order and events[1]["gain_nats"] == 1.5


def test_equal_gains_go_to_the_declared_order():
    assert choose({"x": 3.0, "y": 2.0, "z": 4.0}, {"y": 1.0, "x": 2.0, "z": 3.5}, ["x", "y", "z"]) == "x"
    assert choose({"x": 3.0, "y": 2.0}, {"x": 2.5, "y": 1.5}, ["y", "x"]) == "y"
    assert choose({"x": 1.0, "y": 1.0}, {"x": 2.0, "y": 1.5}, ["x", "y"]) == "y", "the one that rose least"


def test_a_choice_is_sealed_when_its_book_begins_and_not_before(life, tmp_path):
    ends = edges(life)
    for step, count in ((0, 1), (ends[0] - 1, 1), (ends[0], 2), (ends[1], 3), (ends[2] - 1, 3), (ends[3], 4)):
        run = tmp_path / str(step)
        lived(life, run, upto=step)
        assert len(json.loads((run / "stages/01-one" / CHOICES).read_text())["chosen"]) == count


def test_what_is_sealed_is_read_and_what_is_not_is_decided_from_the_same_weights(life, tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    lived(life, whole)
    ends = edges(life)
    lived(life, cut, upto=ends[1] - 1)  # killed in the second book, its choice sealed
    resumed = Choices(FakeLearner(life, LATER[1:]), FakeLedger(cut), Cursor(0, step=ends[0] - 1))  # from before it
    assert resumed.order == ["a", "c"]
    for step in range(ends[0] - 1, life[1].phase_steps(0, "books") + 1):
        resumed.reach(step)
    name = f"stages/01-one/{CHOICES}"
    assert (cut / name).read_bytes() == (whole / name).read_bytes()
    again = Choices(FakeLearner(life, []), FakeLedger(whole), Cursor(0, step=3))  # it would have nothing to say
    again.reach(3)
    assert again.order == resumed.order


def test_a_second_pass_chooses_anew(life, tmp_path):
    lived(life, tmp_path)
    choices = Choices(FakeLearner(life, [ENTRY]), FakeLedger(tmp_path), Cursor(0, pass_=2))
    choices.reach(0)
    assert choices.order == ["a"] and (tmp_path / "stages/01-one.2" / CHOICES).is_file()


def test_lost_or_foreign_choices_are_refused(life, tmp_path):
    with pytest.raises(RunError, match="sealed choices are gone"):
        Choices(FakeLearner(life, []), FakeLedger(tmp_path), Cursor(0, step=edges(life)[0] + 1)).reach(
            edges(life)[0] + 1
        )
    lived(life, tmp_path)
    path = tmp_path / "stages/01-one" / CHOICES
    path.write_text(path.read_text().replace('"b": 4.0', '"b": 1.0'))
    with pytest.raises(RunError, match="book 'b', whose surprise fell most"):
        Choices(FakeLearner(life, []), FakeLedger(tmp_path), Cursor(0))


def test_a_surprise_that_is_no_number_is_told_and_nothing_is_sealed(life, tmp_path):
    with pytest.raises(TrainError, match="first pack of book 'c'"):
        lived(life, tmp_path, [ENTRY | {"c": math.nan}])
    assert not (tmp_path / "stages").exists()


@pytest.mark.parametrize("cursor", [Cursor(0, phase=1), Cursor(0, phase=2), Cursor(1)])
def test_phases_of_a_declared_order_choose_nothing(life, tmp_path, cursor):
    choices = Choices(FakeLearner(life, []), FakeLedger(tmp_path), cursor)
    choices.reach(0)
    assert choices.order is None and not (tmp_path / "stages").exists()


def test_two_ranks_hold_the_same_numbers(life, tmp_path):
    lived(life, tmp_path / "one")
    meeting, table, orders = threading.Barrier(2, timeout=60), [None, None], [None, None]

    def walk(rank: int) -> None:
        learner = FakeLearner(life, [ENTRY, *LATER], rank, 2)
        choices = Choices(learner, FakeLedger(tmp_path / "two", rank, meeting, table), Cursor(0))
        for step in range(life[1].phase_steps(0, "books") + 1):
            choices.reach(step)
        orders[rank] = choices.order

    threads = [threading.Thread(target=walk, args=(rank,)) for rank in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert orders == [["a", "c", "b", "d"]] * 2
    name = f"stages/01-one/{CHOICES}"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


# the proof of what was lived


@pytest.fixture
def read(life, tmp_path):
    """(corpus, stage folder) of a stage that was read as it chose."""
    choices = lived(life, tmp_path)
    folder = tmp_path / "stages/01-one"
    declared_records(life[1], 0, 1, choices.order).tofile(folder / "consumed.bin")
    return life[1], folder


def test_what_was_chosen_was_fed(read):
    corpus, folder = read
    assert verify_consumed(corpus, 0, folder, 1) == []
    declared_records(corpus, 0, 1).tofile(folder / "consumed.bin")
    (fault,) = verify_consumed(corpus, 0, folder, 1)
    runs = corpus.book_packs(0)
    assert f"record {runs['a'][1]}: stage 'one', books" in fault.where and "book 'c'" in fault.where


def test_the_lived_root_is_of_the_choices_and_of_the_order(read):
    corpus, folder = read
    root = lived_roots(corpus, 0, folder)["books"]
    assert root != corpus.manifest["stages"][0]["phases"]["books"]["root"] and lived_roots(corpus, 1, folder) == {}
    path = folder / CHOICES
    path.write_bytes(path.read_bytes() + b"\n")
    assert lived_roots(corpus, 0, folder)["books"] != root


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda sealed: sealed["chosen"][1].update(book="b"), "choice 2"),
        (lambda sealed: sealed["chosen"][2].update(book="c"), "one of the unread: b, d"),
        (lambda sealed: sealed["chosen"].reverse(), "choice 1"),
        (lambda sealed: sealed["chosen"].pop(), "chose fewer books"),
        (lambda sealed: sealed["chosen"][1]["now_nats"].update(d=1.0), "book 'd', whose surprise fell most"),
        (lambda sealed: sealed["chosen"][2]["now_nats"].pop("d"), "choice 3"),
        (lambda sealed: sealed["chosen"][1]["now_nats"].update(d="low"), "JSON|numbers|TypeError|choice 2"),
        (lambda sealed: sealed["entry_nats"].pop("d"), "entry_nats"),
        (lambda sealed: sealed["entry_nats"].update(b=9.0), "book 'b', whose surprise fell most"),
        (lambda sealed: sealed.pop("chosen"), "entry_nats and chosen"),
        (lambda sealed: sealed["chosen"].append({"book": "e", "now_nats": {}}), "book 'e'"),
    ],
)
def test_a_planted_choice_is_explained(read, change, told):
    corpus, folder = read
    sealed = json.loads((folder / CHOICES).read_text())
    change(sealed)
    (folder / CHOICES).write_text(json.dumps(sealed))
    (fault,) = verify_consumed(corpus, 0, folder, 1)
    assert CHOICES in fault.where and any(part in fault.render() for part in told.split("|")), fault.render()


def test_choices_that_are_no_json_or_absent(read):
    corpus, folder = read
    (folder / CHOICES).write_bytes(b"{")
    assert "JSONDecodeError" in verify_consumed(corpus, 0, folder, 1)[0].got
    (folder / CHOICES).unlink()
    assert "FileNotFoundError" in read_choices(folder, BOOKS)[1][0].got
    assert verify_consumed(corpus, 0, folder, 1)[0].where.endswith(CHOICES)
