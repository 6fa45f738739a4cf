"""`ontogeny library list | add | lock`, and what `plan`, `check` and `prepare` make of a genome that is not locked."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import unicodedata
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from ontogeny.core.library import load_library
from tests.cli.conftest import written

BOOKS = Path(__file__).parents[3] / "shared" / "books"
NUMBERS = (11, 12, 16, 1342)
GUTENBERG = """\
The Project Gutenberg EBook of The Mill, by A. Miller

This eBook is for the use of anyone anywhere at no cost and with
almost no restrictions whatsoever.

Title: The Mill

Author: A. Miller

Language: English

*** START OF THIS PROJECT GUTENBERG EBOOK THE MILL ***

{text}
"""
RUSSIAN = (
    "Иван Петров\nИстория мельницы\n\n" + "Старая мельница стояла у самой реки, и вода шумела под её колесом. " * 60
)
SLOT = "      - {name: more, slot: {field: tales, level: second, form: story, count: 2}}\n"


def remote_catalogue() -> str:
    return "books:\n" + "".join(
        f"  tale-{number}:\n    source: gutenberg:{number}\n    title: Tale {number}\n    author: unknown\n"
        "    language: en\n    field: tales\n    level: second\n    form: story\n    licence: CC0-1.0\n"
        for number in NUMBERS
    )


@pytest.fixture
def mirror(project, tmp_path, monkeypatch) -> Path:
    """A mirror that is a folder, outside the project's own; and an empty cache."""
    folder = tmp_path.parent / f"{tmp_path.name}-mirror"
    for number in NUMBERS:
        tree = folder / "/".join(str(number)[:-1]) / str(number)
        tree.mkdir(parents=True)
        (tree / f"{number}-0.txt").write_text(written(number), "utf-8")
    monkeypatch.setenv("ONTOGENY_GUTENBERG_MIRROR", str(folder))
    monkeypatch.setenv("ONTOGENY_CACHE", str(tmp_path.parent / f"{tmp_path.name}-cache"))
    project.write("tales.library.yaml", remote_catalogue())
    project.change(
        ("      - {name: waters, books: [pond]}\n", "      - {name: waters, books: [pond, tale-11]}\n" + SLOT)
    )
    return folder


OURS = ("genome.yaml", "--library", "tales.library.yaml")


def test_list_shows_the_books_of_all_catalogues(project, mirror, ontogeny):
    told = ontogeny("library", "list", "--library", "tales.library.yaml")
    assert told.code == 0 and [line.split()[0] for line in told.out.splitlines()] == [
        "hill",
        "pond",
        *(f"tale-{number}" for number in NUMBERS),
    ]
    books = json.loads(ontogeny("library", "list", "--level", "primer", "--json").out)
    assert {book["id"] for book in books} == {"hill", "pond"} and books[0]["source"] == "file:books/hill.md"


# Lock


def test_an_unlocked_genome_is_planned_as_provisional_and_not_prepared(project, mirror, ontogeny, refused):
    told = ontogeny("plan", *OURS)
    assert told.code == 0
    assert "warning: provisional: 2 books of 1 slots are not chosen, 1 remote books have no fingerprint" in told.out
    assert told.out.endswith("to settle it: ontogeny library lock genome.yaml --library tales.library.yaml\n")
    assert "~2 books: field tales, level second, form story, not chosen yet" in told.out
    plan = json.loads(ontogeny("plan", *OURS, "--json").out)
    assert plan["provisional"] == {"slots": 1, "slot_books": 2, "remote_books": 1} and plan["estimate"]
    checked = ontogeny("genome", "check", *OURS)
    assert checked.code == 0 and "provisional" in checked.err
    assert ontogeny("genome", "check", *OURS, "--strict").code == 2
    for verb in ("prepare", "run"):
        (block,) = refused(verb, *OURS)
        assert "slot 'more' of stage 'second' has no books yet" in block
        assert "genome.yaml:18:" in block and "ontogeny library lock" in block


def test_lock_chooses_pins_and_is_idempotent(project, mirror, ontogeny):
    told = ontogeny("library", "lock", *OURS)
    assert told.code == 0, told.err
    lock = YAML(typ="safe", pure=True).load((project.root / "genome.lock.yaml").read_text())
    chosen = lock["slots"]["second/more"]["books"]
    assert len(chosen) == 2 and set(chosen) < {"tale-12", "tale-16", "tale-1342"}
    assert list(lock["books"]) == ["hill", "pond", "tale-11", *chosen]
    for book, pin in lock["books"].items():
        path = mirror / pin["source"].partition(":")[2] if "gutenberg" in pin["source"] else None
        raw = next(mirror.rglob(f"{path.name}-0.txt")) if path else project.root / "books" / f"{book}.md"
        assert pin["sha256"] == hashlib.sha256(raw.read_bytes()).hexdigest() and pin["bytes"] == raw.stat().st_size
    assert all(f"{book}: field tales, level second, form story; " in told.out for book in chosen)
    before = project.listing()
    again = ontogeny("library", "lock", *OURS, "--json")
    assert again.code == 0 and json.loads(again.out)["changed"] is False and project.listing() == before
    plan = json.loads(ontogeny("plan", *OURS, "--json").out)
    assert plan["provisional"] == {} and [name for name, _ in plan["stages"][1]["sections"]] == ["waters", "more"]
    assert plan["stages"][1]["sections"][1][1] == chosen


def test_prepare_reads_what_the_lock_pinned_or_shows_both_digests(project, mirror, ontogeny, refused):
    ontogeny("library", "lock", *OURS)
    (mirror / "1/11/11-0.txt").write_text("Another text altogether, which is no longer what it was.\n" * 40)
    (block,) = refused("prepare", *OURS)
    assert "book 'tale-11' does not fit its fingerprint" in block and block.count("sha256 ") == 2
    ontogeny("library", "lock", *OURS)
    told = ontogeny("prepare", *OURS, "--out", "run", "-q")
    assert told.code == 0, told.err
    manifest = json.loads((project.root / "run/corpus/manifest.json").read_text())
    pins = YAML(typ="safe", pure=True).load((project.root / "genome.lock.yaml").read_text())["books"]
    assert {book["id"]: book["raw_sha256"] for book in manifest["books"]} == {
        book: pin["sha256"] for book, pin in pins.items()
    }


def test_a_lock_that_cannot_be_made_is_not_begun(project, mirror, ontogeny, refused):
    project.change(("count: 2", "count: 4"))
    (block,) = refused("library", "lock", *OURS)
    assert "asks for more books than fit it" in block and "3 of 4" in block and "genome.yaml:18:" in block
    project.change(("count: 4", "count: 3"))
    next(mirror.rglob("16-0.txt")).unlink()
    (block,) = refused("library", "lock", *OURS)
    assert "book 'tale-16' is not on the mirror" in block and "tales.library.yaml:" in block


# Add


def test_add_guesses_and_says_so(project, ontogeny):
    project.write("shelf/1-school/mill.txt", GUTENBERG.format(text="The wheel turned by the water of the mill. " * 300))
    project.write("shelf/Старая мельница.txt", RUSSIAN)
    project.write(
        "shelf/2-primer/chemistry/acid.md", "# On Acids\n\n" + "An acid gives hydrogen to a solution of salt. " * 99
    )
    project.write("shelf/notes.bin", b"\x00\x01")
    project.write("shelf/empty.txt", "")
    told = ontogeny("library", "add", "shelf", "--out", "mine.library.yaml")
    assert told.code == 0, told.err
    entries = load_library(project.root, (project.root / "mine.library.yaml",)).entries
    mill, old, acid = entries["mill"], entries["staraya-melnitsa"], entries["acid"]
    assert (mill.title, mill.author, mill.language, mill.level) == ("The Mill", "A. Miller", "en", "school")
    assert mill.source == "file:shelf/1-school/mill.txt" and "Public-Domain" in mill.licence
    assert mill.sha256 == hashlib.sha256((project.root / "shelf/1-school/mill.txt").read_bytes()).hexdigest()
    assert (old.title, old.author, old.language) == ("История мельницы", "Иван Петров", "ru")
    assert (acid.title, acid.field, acid.level, acid.author) == ("On Acids", "chemistry", "primer", "unknown")
    assert "mill: The Mill, by A. Miller (" in told.out and "level: its folder" in told.out
    assert "left out: empty.txt: " in told.out and "3 book(s) added, 1 file(s) left out" in told.out


def test_add_keeps_what_a_catalogue_says(project, ontogeny):
    project.write("shelf/mill.txt", GUTENBERG.format(text="The wheel turned by the water of the mill. " * 300))
    ontogeny("library", "add", "shelf", "--out", "mine.library.yaml", "-q")
    path = project.root / "mine.library.yaml"
    text = path.read_text().replace("title: The Mill", "title: The Old Mill  # as on its cover")
    path.write_text("# Ours\n" + text + "\n# the end of the books\nnotes: {}\n")
    before = path.read_text()
    told = ontogeny("library", "add", "shelf", "--out", "mine.library.yaml")
    assert "it is in the library already, as 'mill'" in told.out and path.read_text() == before
    project.write("shelf/deeper/mill.txt", "Another mill, in which nobody ever ground any corn at all.\n" * 50)
    project.write("shelf/twin.txt", (project.root / "shelf/mill.txt").read_bytes())
    told = ontogeny("library", "add", "shelf", "--out", "mine.library.yaml")
    assert "left out: twin.txt: it is in the library already, as 'mill'" in told.out
    after = path.read_text()
    head, tail = before.split("\n# the end of the books")
    assert after.startswith(head) and after.endswith("\n# the end of the books" + tail) and "  mill-2:\n" in after


@pytest.mark.parametrize("out", ["nowhere/mine.yaml", "shelf", "braces.yaml"])
def test_a_catalogue_that_cannot_be_written_is_refused_before_a_book_is_read(project, refused, monkeypatch, out):
    project.write("shelf/mill.txt", "The wheel turned by the water of the mill.\n" * 90)
    fields = "title: T, author: A, language: en, field: f, level: l, form: f, licence: MIT"
    project.write("braces.yaml", f"books: {{a: {{source: 'file:a', {fields}}}}}\n")
    monkeypatch.setattr("ontogeny.corpus.cataloguing.guess_book", lambda *_: pytest.fail("a book was read"))
    told = "\n".join(refused("library", "add", "shelf", "--out", out))
    assert ("in braces" if out == "braces.yaml" else "a catalogue cannot be written there") in told


@pytest.mark.parametrize("spoil", ["away", "braces", "broken"])
def test_add_refuses(project, refused, tmp_path, spoil):
    project.write("shelf/mill.txt", "The wheel turned by the water of the mill.\n" * 90)
    folder = "shelf"
    if spoil == "away":
        folder = str(tmp_path.parent / f"{tmp_path.name}-away")
        shutil.copytree(project.root / "shelf", folder)
        (project.root / "linked").symlink_to(folder)
        assert "outside the library's folder" in refused("library", "add", "linked", "--out", "mine.yaml")[0]
    elif spoil == "braces":
        fields = "title: T, author: A, language: en, field: f, level: l, form: f, licence: MIT"
        project.write("mine.yaml", f"books: {{a: {{source: 'file:a', {fields}}}}}\n")
    else:
        project.write("mine.yaml", "books:\n  a: {source: 'file:a'}\n")
    expected = {"away": "outside the library's folder", "braces": "in braces", "broken": "is missing"}
    assert expected[spoil] in "\n".join(refused("library", "add", folder, "--out", "mine.yaml"))


def test_a_file_that_links_out_of_the_library_is_left_out(project, ontogeny, tmp_path):
    outside = tmp_path.parent / f"{tmp_path.name}-secret.txt"
    outside.write_text("What nobody should read here, at some length, so that it could be a book.\n" * 40)
    project.write("shelf/mill.txt", "The wheel turned by the water of the mill.\n" * 90)
    (project.root / "shelf/linked.txt").symlink_to(outside)
    told = ontogeny("library", "add", "shelf", "--out", "mine.yaml")
    assert "left out: linked.txt: " in told.out and "outside the library's folder" in told.out
    assert list(YAML(typ="safe").load((project.root / "mine.yaml").read_text())["books"]) == ["mill"]


@pytest.mark.skipif(not (BOOKS / "INDEX.tsv").is_file(), reason="no shared books here")
def test_add_knows_the_shared_books(project, ontogeny):
    shutil.copytree(BOOKS, project.root / "shelf")
    assert ontogeny("library", "add", "shelf", "--out", "mine.yaml", "-q").code == 0
    found = YAML(typ="safe", pure=True).load((project.root / "mine.yaml").read_text())["books"].values()
    by_file = {entry["source"].removeprefix("file:shelf/"): entry for entry in found}
    with open(BOOKS / "INDEX.tsv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))

    def words(text: str) -> list[str]:
        plain = unicodedata.normalize("NFKD", text.replace("Æ", "Ae")).encode("ascii", "ignore").decode().lower()
        return "".join(char if char.isalnum() else " " for char in plain).split()

    right = {"language": 0, "level": 0, "title": 0, "author": 0}
    for row in rows:
        entry = by_file[row["file"]]
        right["language"] += entry["language"] == row["language"]
        right["level"] += entry["level"] == row["stage"].partition("-")[2]
        short, long = sorted((words(entry["title"]), words(row["title"])), key=len)
        right["title"] += long[: len(short)] == short
        right["author"] += words(entry["author"])[-1:] == words(row["author"].partition("(")[0])[-1:]
    assert right["language"] == right["level"] == len(rows) == 47
    assert right["title"] >= 46 and right["author"] >= 40, right
