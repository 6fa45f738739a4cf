"""Locks: what they pin and fill, when they no longer fit, how they are rewritten; what is provisional without."""

from __future__ import annotations

import pytest

from ontogeny.core.errors import GenomeError, LibraryError
from ontogeny.core.estimates import MEAN_BOOK_BYTES
from ontogeny.core.genome import genome_hash, load_genome
from ontogeny.core.lock import PinnedBook, load_lock, lock_path, write_lock
from ontogeny.core.plan import World, make_plan
from ontogeny.core.slots import FilledSlot, choose_books

ONE, TWO = "1" * 64, "2" * 64
REMOTE = """\
books:
  star:
    source: gutenberg:27378
    title: The Story of the Heavens
    author: Robert S. Ball
    language: en
    field: astronomy
    level: school
    form: textbook
    licence: LicenseRef-Public-Domain-US
"""
SLOT = "      - {name: tales, slot: {field: stories, level: primer, count: 2}}\n"


@pytest.fixture
def remote(project):
    """The project with a remote book and a slot in its second stage."""
    project.write("remote.library.yaml", REMOTE)
    project.change(("books: [owl]}\n", "books: [owl, star]}\n" + SLOT))

    def load(*overrides: str, locked: bool = True):
        return load_genome(project.genome, overrides, [project.root / "remote.library.yaml"], locked)

    return load


def pins(**books: str) -> dict[str, PinnedBook]:
    source = {"star": "gutenberg:27378"}
    return {
        book: PinnedBook(source=source.get(book, f"file:books/{book}.md"), sha256=digest, bytes=900_000)
        for book, digest in books.items()
    }


def filled(*books: str, count: int = 2) -> dict[str, FilledSlot]:
    slot = {"field": "stories", "level": "primer", "count": count}
    return {"second/tales": FilledSlot(slot=slot, books=list(books), reasons=dict.fromkeys(books, "because"))}


def written(project, books=None, slots=None) -> bool:
    return write_lock(lock_path(project.genome), "genome.yaml", books or {}, slots or {})


# Without a lock


def test_without_a_lock_a_genome_is_provisional(project, remote, facts):
    loaded = remote()
    slot, book = loaded.provisional
    assert slot.what == "slot 'tales' of stage 'second' has no books yet."
    assert slot.where.startswith("genome.yaml:20:29  stages[1].sections[1].slot")
    assert slot.got == "field stories, level primer, count 2" and "ontogeny library lock" in slot.fix
    assert "'star'" in book.what and book.where.startswith("genome.yaml:19:36") and book.got == "gutenberg:27378"
    with pytest.raises(GenomeError) as caught:
        loaded.require_books()
    assert list(caught.value.faults) == [slot]

    plan = make_plan(loaded.genome, loaded.library, World(), facts, book_bytes={"owl": 1000, "star": 5000})
    assert plan.provisional == {"slots": 1, "slot_books": 2, "remote_books": 1} and plan.estimate
    assert plan.stages[1].slots == {"tales": "2 books: field stories, level primer"}
    warning = plan.warnings[0]
    assert warning.startswith("provisional: 2 books of 1 slots are not chosen, 1 remote books have no fingerprint")
    assert f"{MEAN_BOOK_BYTES} bytes" in warning and "ontogeny library lock" in warning
    bare = make_plan(loaded.genome, loaded.library, World(), facts, book_bytes={})
    assert bare.stages[1].text_bytes == pytest.approx(0.95 * 2 * MEAN_BOOK_BYTES, rel=0.01)
    assert plan.stages[1].text_bytes - bare.stages[1].text_bytes == pytest.approx(0.95 * 6000, rel=0.01)


def test_a_genome_of_local_books_is_not_provisional(project, facts):
    loaded = project.load()
    assert loaded.provisional == [] and loaded.require_books() is None
    plan = make_plan(loaded.genome, loaded.library, World(), facts, book_bytes={})
    assert plan.provisional == {} and not any("provisional" in warning for warning in plan.warnings)


# With one


def test_a_lock_pins_books_and_fills_slots(project, remote, facts):
    assert written(project, pins(star=ONE, owl=TWO), filled("chat", "fox"))
    loaded = remote()
    entry = loaded.library.entries["star"]
    assert (entry.sha256, entry.bytes) == (ONE, 900_000)
    assert loaded.library.entries["crow"].sha256 is None
    assert [section.books for section in loaded.genome.stages[1].sections] == [["owl", "star"], ["chat", "fox"]]
    assert loaded.provisional == []
    assert make_plan(loaded.genome, loaded.library, World(), facts, book_bytes={}).provisional == {}
    assert remote(locked=False).provisional != []


def test_a_filled_slot_is_the_same_life_as_its_books_by_name(project, remote):
    written(project, pins(star=ONE), filled("chat", "fox"))
    by_slot = genome_hash(remote().genome)
    project.change((SLOT, "      - {name: tales, books: [chat, fox]}\n"))
    assert genome_hash(remote().genome) == by_slot


@pytest.mark.parametrize(
    ("slots", "override"),
    [
        (filled("chat", "fox"), "stages.1.sections.1.slot.count=3"),
        (filled("chat", "fox"), "stages.1.sections.1.slot.field=birds"),
        (filled("chat", "fox"), "stages.1.sections.1.name=other"),
        (filled("chat", "gone"), "seed=4"),
        ({}, "seed=4"),
    ],
)
def test_a_slot_that_the_lock_no_longer_fits_is_provisional_again(project, remote, slots, override):
    written(project, pins(star=ONE), slots)
    (fault,) = remote(override).provisional
    assert "has no books yet" in fault.what


def test_another_seed_reads_the_same_books(project, remote):
    written(project, pins(star=ONE), filled("chat", "fox"))
    assert remote("seed=4").genome.stages[1].sections[1].books == ["chat", "fox"]


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("source: gutenberg:27378", "source: gutenberg:27379", "source"),
        ("language: en", f"language: en\n    sha256: '{TWO}'", "sha256"),
    ],
)
def test_a_catalogue_that_disagrees_with_the_lock(project, remote, old, new, key):
    written(project, pins(star=ONE), filled("chat", "fox"))
    project.change((old, new), file="remote.library.yaml")
    with pytest.raises(LibraryError) as caught:
        remote()
    (fault,) = caught.value.faults
    assert "'star'" in fault.what and fault.where.startswith("genome.lock.yaml:") and fault.where.endswith(key)
    assert fault.got != fault.expected and "ontogeny library lock" in fault.fix
    assert remote(locked=False)


@pytest.mark.parametrize(
    "text",
    [
        "[]\n",
        "version: 2\n",
        "version: 1\nbooks: {star: {source: x}}\n",
        "version: 1\nslots: 3\n",
        "version: 1\nx: 1\n",
    ],
)
def test_a_spoiled_lock_is_told_with_its_place(project, remote, text):
    project.write("genome.lock.yaml", text)
    with pytest.raises(GenomeError) as caught:
        remote()
    assert all(fault.where.startswith("genome.lock.yaml") and "anew" in fault.fix for fault in caught.value.faults)


# Rewriting


def test_a_lock_that_is_right_is_not_rewritten(project):
    path = lock_path(project.genome)
    books, slots = pins(star=ONE, owl=TWO), filled("chat", "fox")
    assert written(project, books, slots)
    before = path.stat()
    assert not written(project, books, slots)
    assert not written(project, dict(reversed(books.items())), slots), "another order says the same"
    assert path.stat().st_mtime_ns == before.st_mtime_ns and path.stat().st_ino == before.st_ino
    lock = load_lock(project.genome)
    assert lock.books == books and lock.slots == slots


def test_comments_and_order_survive_a_rewriting(project):
    path = lock_path(project.genome)
    written(project, pins(star=ONE, owl=TWO, fox=ONE), filled("chat", "fox"))
    text = path.read_text()
    text = text.replace("  owl:\n", "  # the owl is ours\n  owl:  # bought\n").replace(
        "  fox:\n", "  # and the fox\n  fox:\n"
    )
    path.write_text(text)
    assert written(project, pins(fox=TWO, owl=TWO, crow=ONE, star=ONE), filled("chat", "fox"))
    assert path.read_text() == text.replace(
        f"  fox:\n    source: file:books/fox.md\n    sha256: '{ONE}'\n    bytes: 900000\n",
        f"  fox:\n    source: file:books/fox.md\n    sha256: '{TWO}'\n    bytes: 900000\n"
        f"  crow:\n    source: file:books/crow.md\n    sha256: '{ONE}'\n    bytes: 900000\n",
    )
    assert written(project, pins(fox=TWO, star=ONE), filled("chat", "fox"))
    kept = path.read_text()
    assert "owl:" not in kept and "# and the fox\n  fox:" in kept and kept.startswith(text.splitlines()[0])


def test_the_choice_of_a_catalogue_becomes_the_lock(project, remote):
    freed = ("stages.0.sections=[{name: fables, books: [fox]}]", "stages.1.sections.1.slot.count=1")
    loaded = remote(*freed, locked=False)
    chosen = choose_books(loaded.genome, loaded.library)
    assert chosen["second/tales"].books == ["crow"]
    written(project, pins(star=ONE), chosen)
    assert remote(*freed).genome.stages[1].sections[1].books == ["crow"]
