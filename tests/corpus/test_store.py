"""The store: each book is made once, whatever kills the maker."""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from making import make_library, make_plan, make_prose, make_stage, scene_yaml

from ontogeny.core.errors import OntogenyError
from ontogeny.corpus import books as books_module
from ontogeny.corpus import store as store_module
from ontogeny.corpus.layout import read_json_lines
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.shingles import LONGEST_WORD, SHINGLE_WORDS, shingles_of
from ontogeny.corpus.store import Store
from ontogeny.corpus.vocabulary import sample_of
from ontogeny.corpus.workers import Workers

BOOKS = {f"book{n}": make_prose(n, 30, 5) for n in range(6)}


def library_and_plan(root):
    scenes = "".join(scene_yaml(f"s{n}", f"phrase: {word} with") for n, word in enumerate(("river", "lamp", "engine")))
    library = make_library(root, BOOKS, {"one": scenes, "two": scenes})
    ids = list(BOOKS)
    return library, make_plan([make_stage(0, "one", ids[:3]), make_stage(1, "two", ids[3:], replay_frac=0.2)])


def made(store):
    found = [*store.glob("books/*/*/book.txt"), *store.glob("tokens/*/*/*/ids.npy")]
    return {path.relative_to(store): path.stat().st_mtime_ns for path in found if path.parent.name[0] != "."}


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_store_changes_nothing_but_the_work(tmp_path):
    library, plan = library_and_plan(tmp_path)
    alone = prepare_corpus(plan, library, tmp_path / "alone/corpus")
    first = prepare_corpus(plan, library, tmp_path / "first/corpus", store=tmp_path / "store")
    second = prepare_corpus(plan, library, tmp_path / "second/corpus", store=tmp_path / "store")
    assert files_of(alone.folder) == files_of(first.folder) == files_of(second.folder)
    assert len(made(tmp_path / "store")) == 2 * len(BOOKS)
    assert not (tmp_path / "alone/.store").exists()


def test_only_a_changed_book_is_made_again(tmp_path, monkeypatch):
    library, plan = library_and_plan(tmp_path)
    plan.tokenizer = {"pretrained": "given"}
    prepare_corpus(make_plan([make_stage(0, "one", ["book0"])]), library, tmp_path / "given/corpus")
    tokenizer = tmp_path / "given/corpus/tokenizer"
    prepare_corpus(plan, library, tmp_path / "a/corpus", tokenizer, store=tmp_path / "store")
    before = made(tmp_path / "store")
    (tmp_path / "stages/book4.txt").write_text(make_prose(77, 30, 5), encoding="utf-8")
    cleaned = []
    real = books_module.clean
    monkeypatch.setattr(books_module, "clean", lambda *a: cleaned.append(1) or real(*a))
    changed = prepare_corpus(plan, library, tmp_path / "b/corpus", tokenizer, store=tmp_path / "store")
    after = made(tmp_path / "store")
    assert len(cleaned) == 1 and len(after) == len(before) + 2
    assert all(after[name] == when for name, when in before.items())
    fresh = prepare_corpus(plan, library, tmp_path / "c/corpus", tokenizer)
    assert files_of(changed.folder) == files_of(fresh.folder)


def test_an_entry_that_was_changed_from_outside_is_made_again(tmp_path):
    library, plan = library_and_plan(tmp_path)
    first = prepare_corpus(plan, library, tmp_path / "a/corpus", store=tmp_path / "store")
    whole = files_of(first.folder)
    shutil.rmtree(tmp_path / "a")
    for path in (tmp_path / "store").glob("books/*/*/book.txt"):
        path.chmod(0o644)
        path.write_text("Something else stands here now, and is no book.\n\n", encoding="utf-8")
    again = prepare_corpus(plan, library, tmp_path / "a/corpus", store=tmp_path / "store")
    assert files_of(again.folder) == whole


def test_other_code_does_not_find_what_this_code_made(tmp_path, monkeypatch):
    library, plan = library_and_plan(tmp_path)
    prepare_corpus(plan, library, tmp_path / "a/corpus", store=tmp_path / "store")
    monkeypatch.setattr(store_module, "code_version", lambda: "another")
    prepare_corpus(plan, library, tmp_path / "b/corpus", store=tmp_path / "store")
    assert len(made(tmp_path / "store")) == 4 * len(BOOKS)


@pytest.mark.parametrize("worth, kept", [(0, 4), (1 << 30, 0)])
def test_the_faults_of_all_books_are_told_at_once_and_much_work_is_kept(tmp_path, monkeypatch, worth, kept):
    monkeypatch.setattr(store_module, "WORTH_KEEPING_BYTES", worth)
    library, plan = library_and_plan(tmp_path)
    (tmp_path / "stages/book1.txt").write_text("one", encoding="utf-8")
    (tmp_path / "stages/book5.txt").write_text("...", encoding="utf-8")
    with pytest.raises(OntogenyError) as told:
        prepare_corpus(plan, library, tmp_path / "a/corpus", store=tmp_path / "store")
    assert len(told.value.faults) == 2 and {"book1", "book5"} <= set(re.findall(r"book\d", str(told.value)))
    assert not (tmp_path / "a/corpus").exists()
    assert len(made(tmp_path / "store")) == kept


PREPARE = """
import sys, time
from pathlib import Path
sys.path[:0] = {path!r}
from ontogeny.corpus import store, workers
workers.FEW_BYTES = 0
put = store.Store.put
def put_slowly(self, folder, write):  # the processes take this over: they begin with this file
    put(self, folder, lambda out: (time.sleep(0.03), write(out), time.sleep(0.03)))
store.Store.put = put_slowly
from test_store import library_and_plan
from ontogeny.corpus.prepare import prepare_corpus
library, plan = library_and_plan(Path({root!r}))
if __name__ == "__main__":
    prepare_corpus(plan, library, Path({root!r}) / "run/corpus", store=Path({root!r}) / "store")
"""


def test_killed_at_any_moment_nothing_is_made_twice_and_the_corpus_is_the_same(tmp_path):
    library, plan = library_and_plan(tmp_path)
    whole = prepare_corpus(plan, library, tmp_path / "whole/corpus")
    rng, kills = random.Random(5), 0
    script = tmp_path / "prepare.py"
    script.write_text(PREPARE.format(path=sys.path, root=str(tmp_path)), encoding="utf-8")
    for _ in range(8):
        before = made(tmp_path / "store")
        process = subprocess.Popen([sys.executable, str(script)], start_new_session=True)
        seen_at = len(before) + rng.randint(1, 2)
        while process.poll() is None and len(made(tmp_path / "store")) < seen_at:
            time.sleep(0.01)
        time.sleep(rng.random() * 0.03)
        kills += process.poll() is None
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.raises(ProcessLookupError):  # its workers end with it
            while True:
                os.killpg(process.pid, 0)
                time.sleep(0.01)
        assert all(made(tmp_path / "store").get(name) == when for name, when in before.items())
        if process.returncode == 0:
            break
    assert kills >= 2
    corpus = prepare_corpus(plan, library, tmp_path / "run/corpus", store=tmp_path / "store")
    assert files_of(corpus.folder) == files_of(whole.folder)
    assert not list((tmp_path / "store").glob("*/**/.*.*"))


def test_workers_end_with_their_parent(tmp_path):
    script = tmp_path / "parent.py"
    script.write_text(
        "import os, time\nfrom ontogeny.corpus import workers\n"
        "def nap(task):\n    print(os.getpid(), flush=True)\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n    workers.FEW_BYTES = 0\n"
        "    list(workers.Workers(2).each(nap, [1, 2, 3], 1))\n",
        encoding="utf-8",
    )
    process = subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE, text=True)
    pids = [int(process.stdout.readline()) for _ in range(2)]
    process.kill()
    process.wait()
    for _ in range(600):
        if not any(_runs(pid) for pid in pids):
            return
        time.sleep(0.1)
    pytest.fail(f"workers {pids} live on")


def _runs(pid):
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_what_dead_makers_left_is_swept_and_that_of_living_ones_is_not(tmp_path):
    store = Store(tmp_path)
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    dead, alive = (tmp_path / f"books/ab/.abc.{pid}" for pid in (ended.pid, subprocess.os.getpid()))
    dead.mkdir(parents=True)
    alive.mkdir()
    store.sweep()
    assert not dead.exists() and alive.exists()


@pytest.mark.parametrize("shared", [True, False])
def test_a_refused_preparation_takes_no_store_away_that_another_uses(tmp_path, shared):
    library = make_library(tmp_path, {"a": make_prose(1, 12)})
    plan = make_plan([make_stage(0, "one", ["a"], every_tokens=None)])
    plan.tokenizer = {"vocab_size": 60_000}  # more than so little text gives
    other, entered = Store(tmp_path / "store"), []

    def progress(*_):  # another process comes after the first, and is still at work when that is refused
        if shared and not entered:
            entered.append(other.used())
            entered[0].__enter__()

    with pytest.raises(OntogenyError, match="too small for the vocabulary"):
        prepare_corpus(plan, library, tmp_path / "corpus", progress=progress, store=other.folder)
    assert any(other.folder.glob("books/*/*/book.txt")) if shared else not other.folder.exists()
    with other.used() as alone:
        assert alone() != shared
    for held in entered:
        held.__exit__(None, None, None)


def test_tasks_come_back_with_their_results_and_exceptions_are_raised_here():
    with Workers(2) as workers:
        assert dict(workers.each(len, [b"a", b"bb", b"ccc"], 1 << 40)) == {0: 1, 1: 2, 2: 3}
        with pytest.raises(TypeError):
            list(workers.each(len, [1, 2], 1 << 40))


def test_a_worker_that_is_killed_is_told_and_no_traceback(tmp_path):
    with Workers(2) as workers, pytest.raises(OSError, match="short of memory"):
        list(workers.each(os._exit, [1, 1, 1], 1 << 40))


def plain_shingles(text):
    words = re.findall(r"\w+", text.lower())
    odd, every = 0x9E3779B97F4A7C15, (1 << 64) - 1
    numbers = [
        sum((ord(c) + 1) * pow(odd, k + 1, 1 << 64) for k, c in enumerate(word[:LONGEST_WORD])) & every
        for word in words
    ]
    found = []
    for first in range(len(words) - SHINGLE_WORDS + 1):
        total = 0
        for k in range(SHINGLE_WORDS):
            mixed = numbers[first + k] * pow(odd, k + 1, 1 << 64) & every
            total += mixed ^ (mixed >> 29)
        found.append(total & every)
    return found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "seven words are too few to count",
        make_prose(3, 5),
        "Ёжик, ёжик — где ты? В_тумане: 12 345, naïve café — résumé; " * 4,
        "a" * 200 + " b c d e f g h " + "a" * 200,
        "İstanbul ǅ ﬁ ß 漢字 仮名 ١٢٣ one two three four",
    ],
)
def test_shingles_are_what_their_docstring_says(text):
    assert shingles_of(text).tolist() == plain_shingles(text)


def test_the_sample_of_a_large_library_is_whole_books_that_others_do_not_move(monkeypatch):
    from types import SimpleNamespace

    from ontogeny.corpus import vocabulary

    books = [SimpleNamespace(id=f"book-{n}", bytes=10) for n in range(100)]
    assert sample_of(books) == sorted(books, key=lambda book: book.id)
    monkeypatch.setattr(vocabulary, "SAMPLE_BYTES", 195)
    sample = [book.id for book in sample_of(books)]
    assert len(sample) == 20 and sample == sorted(sample)
    outside = next(book for book in books if book.id not in sample)
    outside.bytes = 1000
    assert [book.id for book in sample_of(books)] == sample


def test_held_out_tokens_are_counted_from_the_store(tmp_path):
    library, plan = library_and_plan(tmp_path)
    corpus = prepare_corpus(plan, library, tmp_path / "corpus")
    from ontogeny.corpus.vocabulary import make_encoder

    encoder = make_encoder(corpus.folder / "tokenizer")
    for stage in corpus.manifest["stages"]:
        records = [one for one in read_json_lines(corpus.folder / stage["name"] / "heldout.jsonl")]
        for split, counts in stage["held_out"].items():
            texts = [one["text"] for one in records if one["split"] == split and not one["contaminated"]]
            assert counts["passages"] == len(texts)
            assert counts["tokens"] == sum(map(len, encoder.encode(texts)))
    assert np.sum([stage["tokens"] for stage in corpus.manifest["stages"]]) > 0
