"""Chooses the books of genome/scholar.yaml from a list of Project Gutenberg's titles, and writes its catalogue.

    python stages/scholar/choose.py TITLES.tsv        (id, slug: "1342<TAB>Pride-and-Prejudice_1342")

The rule: titles are turned back into words. A section of `stages/scholar/sections.yaml` takes them by id (chosen by
hand from what a search by subject found), or by a pattern, lower numbers first, without parts of works, periodicals and
recordings. The sections are gone through in order; of titles that begin alike, which are editions of one work, only
the first is taken. The list has no authors; those beyond doubt stand in sections.yaml."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

HERE = Path(__file__).parent
SECTIONS, CATALOGUE = HERE / "sections.yaml", HERE.parent / "scholar.library.yaml"
HEAD = """\
# The books of genome/scholar.yaml and, beyond them, what its slots choose from: written by stages/scholar/choose.py
# from a list of Project Gutenberg's titles. All are in the public domain in the United States; elsewhere, look before
# you read. The list names no authors (each book's own header does): `unknown` where stages/scholar/sections.yaml names
# none either. Nothing is pinned here: `ontogeny library lock` does that.
books:
"""
PARTS = re.compile(
    r"\b(?:vol|vols|volumes?|v \d+|parts?|no \d|nos?\b \d|number \d+|bd|book (?:[ivx]+|\d+|one|two|three)|index|audio|"
    r"magazine|journal|weekly|monthly|annual|quarterly|proceedings|transactions|bulletin|newsletter|catalogue|catalog|"
    r"almanac|gutenberg|of \d+|copyright|slice|appendix|series \d|report)\b",
    re.I,
)
LITTLE = ("a", "an", "the", "of", "and", "or", "in", "on", "to", "for", "with", "from", "by", "at", "its", "s", "being")


def write_catalogue(titles: Path, out: Path = CATALOGUE) -> None:
    """Writes the catalogue of a list of titles."""
    sections = YAML(typ="safe", pure=True).load(SECTIONS.read_text("utf-8"))
    mended = sections.pop("titles")
    authors = {number: name for name, numbers in sections.pop("authors").items() for number in numbers}
    books = {number: mended.get(number, title) for number, title in read_titles(titles)}
    met: set[str] = set()
    lines = [HEAD]
    for stage, names in sections.items():
        lines.append(f"\n  # {stage}\n")
        for section in names.values():
            for number, title in taken(section, books, met):
                author = authors.pop(number, section.get("author", "unknown"))
                lines.append(entry(number, title, author, stage, section))
    assert not authors, f"authors of books that no section takes: {authors}"
    out.write_text("".join(lines), "utf-8")
    print(f"{out}: {sum(line.startswith('  pg') for line in lines)} books")


def read_titles(path: Path) -> Iterator[tuple[int, str]]:
    """(number, title) of every line of the list."""
    for line in path.read_text("utf-8").splitlines():
        number, _, slug = line.partition("\t")
        yield int(number), worded(slug)


def worded(slug: str) -> str:
    """A slug as the title it was: Main Title: Subtitle."""
    name = slug.rpartition("_")[0]
    cut = name.endswith("_")
    text = re.sub(r"0x([0-9a-f]{2})", lambda code: chr(int(code[1], 16)), name.rstrip("_"))
    text = re.sub(r"-*13-", ": ", text, count=1) if "--13-" in text else text
    text = re.sub(r"-?\bamp-", "-", text).replace("--13-", " ")
    text = re.sub(r"(?<=[A-Za-z])-(s|t|ll|re|ve)(?=-|:|$)", r"'\1", text)
    text = re.sub(r"(?<=[a-z0-9.])(?<!Mc)(?<!Mac)(?=[A-Z][a-z]*(?:-|$))", ": ", text).replace("-", " ")
    text = re.sub(r"\s+b\s+(?=[A-Z0-9])", ": ", text)
    text = re.sub(r"\s+", " ", re.sub(r"[\s:|]*:[\s:|]*", ": ", text)).strip(" :.")
    main, colon, _ = text.partition(": ")
    if colon and (cut or len(text) > 90):
        return main
    if cut or len(text) > 90:
        words = text[:90].split(" ")[:-1]
        while words and words[-1].lower() in LITTLE:
            words.pop()
        return " ".join(words)
    return text


def taken(section: dict[str, Any], books: dict[int, str], met: set[str]) -> list[tuple[int, str]]:
    """The books of a section. They leave `books`; their works are added to those `met`, and not taken again."""
    if "ids" in section:
        found = [(number, books[number]) for number in section["ids"]]
        twice = [number for number, title in found if work(title) in met]
        assert not twice, f"works that another section has: {twice}"
        works = {work(title) for _, title in found}
    else:
        found, works = [], set()
        wanted, unwanted = re.compile(section["take"], re.I), re.compile(section.get("leave", r"(?!)"), re.I)
        numbered = section.get("numbered", False)  # the volumes of one work, in their order
        likely = [(number, title) for number, title in books.items() if wanted.search(title)]
        for number, title in sorted(likely, key=lambda book: volume(book[1]) if numbered else book[0]):
            known = work(title) in works | met or not suits(title)
            if len(found) < section["pool"] and not unwanted.search(title) and (numbered or not known):
                found.append((number, title))
                works.add(work(title))
        assert len(found) == section["pool"], f"{len(found)} books fit {section['take']}"
    for number, _ in found:
        del books[number]
    met |= works
    return found


def volume(title: str) -> list[int]:
    """The numbers in a title: edition, volume, slice."""
    return [int(number) for number in re.findall(r"\d+", title)]


def suits(title: str) -> bool:
    """Whether a title is that of a whole work, and came through the list unhurt."""
    return title.isascii() and " " in title and not PARTS.search(title)


def work(title: str) -> str:
    """What the editions of one work have in common: the first words of the title that say something."""
    words = [word for word in re.findall(r"[a-z0-9]+", title.partition(":")[0].lower()) if word not in LITTLE]
    return " ".join(words[:6])


def entry(number: int, title: str, author: str, stage: str, section: dict[str, Any]) -> str:
    """A book's lines in the catalogue."""
    quoted = title.replace("\\", "").replace('"', "'")
    return (
        f'  pg{number}:\n    source: gutenberg:{number}\n    title: "{quoted}"\n    author: {author}\n'
        "    language: en\n"
        f"    field: {section['field']}\n    level: {stage}\n    form: {section['form']}\n"
        "    licence: LicenseRef-Public-Domain-US\n"
    )


if __name__ == "__main__":
    write_catalogue(Path(sys.argv[1]))
