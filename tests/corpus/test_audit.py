"""An audit of a small library: what it finds, what it leaves out, and what it does not do twice."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ontogeny.core.errors import LibraryError
from ontogeny.core.library import load_library
from ontogeny.corpus.audit import audit_library, stages_by_level
from ontogeny.corpus.audited import (
    BookTask,
    audits_folder,
    keep_pairs,
    known_of,
    known_pairs,
    look_at,
    read_audit,
    read_traces,
)
from ontogeny.corpus.workers import Workers

EASY = ["cat", "dog", "sat", "ran", "red", "hat", "big", "see", "mat", "sun", "boy", "girl", "ball", "tree", "bird"]
ENTRY = """\
  {id}:
    source: "{source}"
    title: The {id}
    author: Nobody
    language: {language}
    field: {field}
    level: {level}
    form: reader
    licence: {licence}
"""
GERMAN = (
    "Der alte Mann ging am Abend durch den Wald und dachte an seine Kinder, die schon lange nicht mehr zu Hause waren. "
    "Er wusste, dass der Winter bald kommen würde, und sammelte Holz für den Ofen. "
)


def prose(seed: int, words: list[str], length: int, size: int = 30_000) -> str:
    """Paragraphs of sentences of one length, drawn from some words."""
    rng, text = random.Random(seed), ""
    while len(text) < size:
        lines = (" ".join(rng.choices(words, k=length)).capitalize() + "." for _ in range(5))
        text += " ".join(lines) + "\n\n"
    return text


def made_words(seed: int, count: int) -> list[str]:
    """Long words of no language."""
    rng = random.Random(seed)
    return [
        "".join(rng.choice("bdfglmnprst") + rng.choice("aeiou") for _ in range(rng.randint(2, 5))) for _ in range(count)
    ]


def catalogue(root: Path, **changes: dict[str, str]) -> None:
    """Writes the library: two easy books, two hard ones, a copy, German declared as English, two that are not there."""
    texts = {
        "easy-1": prose(1, EASY, 5),
        "easy-2": prose(2, EASY, 6),
        "hard-1": prose(3, made_words(1, 3000), 30, 60_000),
        "hard-2": prose(4, made_words(2, 3000) + made_words(1, 600), 28, 60_000),
        "copy": "A new preface.\n\n" + prose(3, made_words(1, 3000), 30, 60_000),
        "german": "\n\n".join(GERMAN * 3 for _ in range(30)),
        "empty": "1\n",
    }
    level = {"easy-1": "primer", "easy-2": "primer", "copy": "science", "german": "science"}
    lines = ["books:"]
    for book in (*texts, "absent", "far-away"):
        fields = {
            "id": book,
            "source": {"far-away": "gutenberg:9999999"}.get(book, f"file:books/{book}.txt"),
            "language": "en",
            "field": "nature" if book.endswith(("1", "2")) else "other",
            "level": level.get(book, "university"),
            "licence": "CC-BY-SA-4.0" if book == "hard-2" else "CC0-1.0",
        }
        lines.append(ENTRY.format(**{**fields, **changes.get(book, {})}))
    (root / "stages").mkdir(exist_ok=True)
    (root / "books").mkdir(exist_ok=True)
    (root / "stages/library.yaml").write_text("\n".join(lines), encoding="utf-8")
    for book, text in texts.items():
        (root / f"books/{book}.txt").write_text(text, encoding="utf-8")


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("ONTOGENY_GUTENBERG_MIRROR", raising=False)
    catalogue(tmp_path)
    return tmp_path


def audited(root: Path, told: list[str] | None = None) -> dict:
    library = load_library(root)
    tell = (lambda what, done, of: told.append(what)) if told is not None else None
    return audit_library(library, stages_by_level(library), root / "store", progress=tell)


def listing(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def test_what_an_audit_finds(root):
    told = audited(root)
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    books = told["books"]
    assert list(books) == ["easy-1", "easy-2", "hard-1", "hard-2", "copy", "german"]
    for measure, easy in books["easy-1"]["difficulty"].items():
        assert easy["ci95"][1] < books["hard-1"]["difficulty"][measure]["ci95"][0], measure
    german = books["german"]
    assert german["language_differs"] and german["reads_as"] == {
        "detected": "de",
        "share": 1.0,
        "n": german["reads_as"]["n"],
    }
    (pair,) = told["duplicates"]["pairs"]
    assert {pair["a"], pair["b"]} == {"copy", "hard-1"} and pair["kind"] == "copy"
    assert told["licences"] == {
        "books": {"CC-BY-SA-4.0": 1, "CC0-1.0": 5},
        "restricting": {"hard-2": "CC-BY-SA-4.0"},
    }
    assert set(told["skipped"]) == {"absent", "far-away", "empty"}
    assert "not there" in told["skipped"]["absent"] and "not on this machine" in told["skipped"]["far-away"]
    assert "empty" in told["skipped"]["empty"]
    for book in books.values():
        assert 0 < book["looked_at"]["characters"] <= told["looked_at"]["max_characters"]


def test_stages_are_held_against_what_came_before(root):
    told = audited(root)
    primer, university, science = told["stages"]
    assert [stage["name"] for stage in told["stages"]] == ["primer", "university", "science"]
    assert [stage["books"] for stage in told["stages"]] == [2, 2, 1]  # German is measured, and not compared
    assert primer["new_types"] is None and university["new_types"]["frac"] > 0.9
    assert told["books"]["copy"]["new_types"]["frac"] < 0.01 < told["books"]["hard-1"]["new_types"]["frac"]
    assert science["difficulty"]["mtld"]["n"] == 1 and science["level"] == "science"
    first = told["ascents"][0]
    assert (first["before"], first["after"], first["fails"]) == ("primer", "university", False)
    assert {measure["verdict"] for measure in first["measures"].values()} == {"rises"}


def test_a_second_audit_measures_nothing(root):
    first = audited(root)
    before = listing(root / "store")
    told: list[str] = []
    assert audited(root, told) == first and listing(root / "store") == before
    assert told and "comparing books" not in told


def test_after_a_kill_only_the_rest_is_measured(root):
    first = audited(root)
    folder = audits_folder(root / "store")
    for path in folder.glob("library-*"):
        path.unlink()
    prints = {book: told["fingerprint"] for book, told in first["books"].items()}
    (folder / f"{prints['easy-1']}.json").unlink()  # the traces were written, the record not yet
    (folder / f"{prints['hard-1']}.json").write_text('{"version": 1, "decl', encoding="utf-8")
    kept = (folder / f"{prints['easy-2']}.json").stat().st_mtime_ns
    assert audited(root) == first
    assert (folder / f"{prints['easy-2']}.json").stat().st_mtime_ns == kept


def test_a_changed_book_and_a_changed_declaration_are_measured_anew(root):
    first = audited(root)
    (root / "books/easy-1.txt").write_text(prose(7, made_words(3, 2000), 25), encoding="utf-8")
    changed = audited(root)
    assert changed["books"]["easy-2"] | {"new_types": 0} == first["books"]["easy-2"] | {"new_types": 0}
    assert changed["books"]["easy-1"]["fingerprint"] != first["books"]["easy-1"]["fingerprint"]
    catalogue(root, german={"language": "de"})
    named = audited(root)["books"]["german"]
    assert not named["language_differs"] and named["language"] == "de" and named["difficulty"]["grade"] is None


def test_what_is_known_is_known_without_work(root):
    library = load_library(root)
    ids = ["easy-1", "copy", "hard-1", "far-away", "absent", "german"]
    assert known_of(library, ids, (), root / "store") == {"books": {}, "duplicates": [], "bytes": {}}
    assert not (root / "store").exists()
    told = audited(root)
    before = listing(root / "store")
    known = known_of(library, ids, (), root / "store")
    assert set(known["books"]) == set(known["bytes"]) == {"easy-1", "copy", "hard-1", "german"}
    assert known["books"]["easy-1"]["difficulty"] == told["books"]["easy-1"]["difficulty"]
    assert known["bytes"]["german"] == told["books"]["german"]["bytes"]
    (pair,) = known["duplicates"]
    assert {pair["a"], pair["b"]} == {"copy", "hard-1"}
    here = {pair["a"]: pair["a_in_b"], pair["b"]: pair["b_in_a"]}
    (there,) = told["duplicates"]["pairs"]
    assert here == {there["a"]: there["a_in_b"], there["b"]: there["b_in_a"]}
    assert known_of(library, ["hard-1"], (), root / "store")["duplicates"] == []
    assert known_of(library, ids, ("hard_wrap",), root / "store")["books"] == {}  # cleaned in another way
    assert listing(root / "store") == before


def test_one_text_under_two_ids(root):
    text = (root / "books/hard-1.txt").read_bytes()
    (root / "books/copy.txt").write_bytes(text)
    (pair,) = audited(root)["duplicates"]["pairs"]
    assert (pair["kind"], pair["resemblance"]) == ("copy", 1.0)
    library = load_library(root)
    (known,) = known_of(library, ["hard-1", "copy"], (), root / "store")["duplicates"]
    assert {known["a"], known["b"]} == {"copy", "hard-1"}


def test_workers_find_what_one_process_finds(root):
    library = load_library(root)
    ids = ["easy-1", "hard-1", "absent"]

    def looked(store: Path, workers: Workers) -> list:
        tasks = [BookTask(library.entries[book], root, (), store) for book in ids]
        with workers:
            return [result for _, result in sorted(workers.each(look_at, tasks, 1 << 30), key=lambda one: one[0])]

    alone, together = looked(root / "one", Workers(1)), looked(root / "two", Workers(2))
    assert alone == together and alone[2].fingerprint is None and "not there" in alone[2].fault.what
    for result in alone[:2]:
        folders = [audits_folder(root / name) for name in ("one", "two")]
        records = [read_audit(folder, result.fingerprint, "en") for folder in folders]
        sketches = [read_traces(folder, result.fingerprint).sketch for folder in folders]
        assert records[0] == records[1] is not None and sketches[0] == sketches[1]


def test_a_library_of_nothing(root):
    library = load_library(root)
    nothing = audit_library(library, [("first", [("empty", [])])], root / "store")
    assert nothing["books"] == {} and nothing["duplicates"]["pairs"] == [] and nothing["connections"]["pairs"] == []
    away = audit_library(library, [("first", [("far", ["far-away"])])], root / "store")
    assert list(away["skipped"]) == ["far-away"] and away["stages"][0]["books"] == 0
    with pytest.raises(LibraryError) as caught:
        audit_library(library, [("first", [("gone", ["absent", "empty"])])], root / "store")
    assert len(caught.value.faults) == 2 and "library.yaml" in caught.value.faults[0].where


def test_pairs_that_several_find_at_once_are_all_kept(tmp_path):
    found = [[{"a": f"a{n}", "b": f"b{m}", "shared": n * m} for m in range(3)] for n in range(24)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda pairs: keep_pairs(tmp_path / "audits", pairs), found))
    expected = sorted((pair for pairs in found for pair in pairs), key=lambda pair: (pair["a"], pair["b"]))
    assert known_pairs(tmp_path / "audits") == expected
