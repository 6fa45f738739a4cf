"""What a file of a folder most likely is: title, author, language, field, form, licence, and why one thinks so."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ontogeny.core.errors import Fault, LibraryError
from ontogeny.core.library import LibraryEntry
from ontogeny.corpus.blocks import Cuts
from ontogeny.corpus.difficulty import windows_of, words_of
from ontogeny.corpus.gutenberg import cut_gutenberg
from ontogeny.corpus.languages import detect_language
from ontogeny.corpus.readers import KIND_OF_SUFFIX
from ontogeny.corpus.sources import read_source

BOOK_SUFFIXES = tuple(suffix for suffix, kind in KIND_OF_SUFFIX.items() if suffix and kind != "sqlite")
HEAD_CHARS = 8_000
SAMPLE_WINDOWS = 24
MIN_FIELD_WORDS = 4.0  # of a field, in a thousand words of the sample
UNKNOWN = "unknown"
NAMED = re.compile(r"^(Title|Author|Language|Название|Автор)\s*:\s*(\S.{0,200})$", re.MULTILINE | re.IGNORECASE)
HEADING = re.compile(r"^#{1,2}\s+(\S.{0,120}?)\s*#*$", re.MULTILINE)
PERSON = re.compile(
    r"(?:[А-ЯЁ](?:\.|[а-яё]+) ?){1,2} ?[А-ЯЁ][а-яё-]+"
    r"|(?:[A-Z]\. ?){1,3}[A-Z][\w'’-]+|[A-Z]\w+ (?:[A-Z]\. ?){1,2}[A-Z]\w+"
)
TURN = re.compile(r"^[A-ZА-ЯЁ][\w. '’-]{0,24}[:.]\s", re.MULTILINE)
IS_GUTENBERG = re.compile(r"project gutenberg", re.IGNORECASE)
LANGUAGES = {
    **{"english": "en", "russian": "ru", "french": "fr", "german": "de", "spanish": "es", "italian": "it"},
    **{"latin": "la", "dutch": "nl", "portuguese": "pt", "finnish": "fi", "polish": "pl", "greek": "el"},
}
# stems that a text of the field says often; English, then Russian
FIELDS = {
    "mathematics": """equation theorem axiom algebra geometr triangle polynomial integral differential fraction
        numerator уравнен теорем треугольн алгебр геометр""",
    "physics": """electric magnet velocity gravit refract wavelength voltage momentum photon particle
        электри магнит скорост тяготен""",
    "chemistry": """acid oxygen hydrogen carbon nitrogen chlor sulphur oxide solution compound reagent
        кислот кислород водород""",
    "astronomy": """planet orbit telescope eclipse comet moon jupiter saturn star constellation
        планет орбит телескоп звезд""",
    "biology": """species plant animal cell breed hybrid egg insect pollen organism muscle blood
        вид растен животн клетк""",
    "geography": "river mountain island ocean coast climate map continent река гор остров океан климат",
    "history": """king army war treaty parliament emperor battle revolution empire troops
        царь войск войн сражен импер""",
    "philosophy": """soul reason virtue truth idea existence knowledge matter mind justice perception
        душ разум истин добродетел""",
    "psychology": "attention sensation habit emotion instinct memory conscious ощущен внимани привычк сознан",
    "logic": "proposition premise syllogism induction inference hypothesis посылк силлогизм умозаключен",
    "language": """noun verb adjective sentence grammar spelling paragraph pronoun dictionary
        глагол существительн предложен""",
    "stories": "rabbit fox wolf princess prince castle witch fairy little мышк лис волк царевн старик",
}
_LETTERS = "абвгдеёжзийклмнопрстуфхцчшщэюя"
_LATIN = "a b v g d e e zh z i i k l m n o p r s t u f kh ts ch sh shch e yu ya"
_CYRILLIC = {**dict(zip(_LETTERS, _LATIN.split(), strict=True)), "ъ": "", "ь": "", "ы": "y"}


def book_files(folder: Path) -> list[Path]:
    """The files of a folder that may be books, by their suffix; hidden ones left out."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in BOOK_SUFFIXES and not path.is_dir())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


@dataclass(frozen=True)
class Guess:
    """A catalogue's fields for a file, why each was guessed, the id that suits it, and the text without licences."""

    id: str
    fields: dict[str, Any]
    reasons: dict[str, str]
    text: str


def guess_entry(path: Path, root: Path) -> dict[str, Any]:
    """A catalogue's fields for a file under `root`, with an `id` and `reasons` (field -> why).

    Raises: LibraryError if it cannot be read, or lies outside `root`."""
    guess = guess_book(path, root)
    return {**guess.fields, "id": guess.id, "reasons": guess.reasons}


def guess_book(path: Path, root: Path) -> Guess:
    """As `guess_entry`, with the text that was read for it."""
    try:
        place = path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise LibraryError(
            Fault(
                f"{path.name} lies outside the library's folder.",
                str(path),
                str(path.resolve()),
                f"a file under {root}",
                "copy it into that folder",
            )
        ) from None
    found: dict[str, Any] = {
        **{"source": f"file:{place}", "title": path.stem, "author": UNKNOWN, "language": "und"},
        **{"field": "general", "level": "unsorted", "form": "book", "licence": "LicenseRef-Unknown"},
    }
    read = read_source(LibraryEntry.model_validate({**found, "id": "guessed"}), root)
    text = cut_gutenberg(read.text, Cuts())[0]
    windows = windows_of(text)
    windows = windows[:: max(1, len(windows) // SAMPLE_WINDOWS)][:SAMPLE_WINDOWS]
    reasons: dict[str, str] = {}
    named = {key.lower(): value.strip() for key, value in NAMED.findall(read.text[:HEAD_CHARS])}
    _guess_names(found, reasons, named, text[:HEAD_CHARS], path)
    _guess_language(found, reasons, named, windows)
    _guess_field(found, reasons, windows)
    _guess_form(found, reasons, text, read.markup)
    if IS_GUTENBERG.search(read.text[:HEAD_CHARS]):
        found["licence"], reasons["licence"] = "LicenseRef-Public-Domain", "its Project Gutenberg header"
    found |= {"sha256": read.raw_sha256, "bytes": read.raw_bytes}
    return Guess(book_id(path.stem), found, reasons, text)


def _guess_names(found: dict[str, Any], reasons: dict[str, str], named: dict[str, str], head: str, path: Path) -> None:
    if title := named.get("title") or named.get("название"):
        found["title"], reasons["title"] = title, "its header"
    elif heading := HEADING.search(head):
        found["title"], reasons["title"] = heading[1], "its first heading"
    elif lines := _author_and_title(head):
        found["author"], found["title"] = lines
        reasons["author"] = reasons["title"] = "its first lines"
    else:
        words = re.sub(r"^\d+[\s._-]+", "", path.stem)
        found["title"] = re.sub(r"[\s._-]+", " ", words).strip().capitalize() or path.stem
        reasons["title"] = "the file's name"
    if author := named.get("author") or named.get("автор"):
        found["author"], reasons["author"] = author, "its header"


def _author_and_title(head: str) -> tuple[str, str] | None:
    """The first lines, where the first is a person's name beyond doubt: in Cyrillic, or with an initial."""
    lines = [line.strip() for line in head.splitlines() if line.strip()][:4]
    if len(lines) < 3 or not PERSON.fullmatch(lines[0]) or len(lines[1]) > 80:
        return None
    capitals = [line for line in lines[1:] if line.isupper()] if lines[1].isupper() else []
    title = " ".join(capitals).capitalize() if capitals else lines[1].rstrip(".")
    return lines[0], title


def _guess_language(found: dict[str, Any], reasons: dict[str, str], named: dict[str, str], windows: list[str]) -> None:
    detected = detect_language(windows)["detected"]
    if said := LANGUAGES.get(named.get("language", "").lower()):
        found["language"], reasons["language"] = said, "its header"
    if detected:
        found["language"], reasons["language"] = detected, "how it reads"


def _guess_field(found: dict[str, Any], reasons: dict[str, str], windows: list[str]) -> None:
    words = [word for window in windows for word in words_of(window)]
    scores = {}
    for name, stems in FIELDS.items():
        known = tuple(stems.split())
        scores[name] = 1000 * sum(word.startswith(known) for word in words) / max(1, len(words))
    best = max(scores, key=lambda name: scores[name])
    if len(words) >= 200 and scores[best] >= MIN_FIELD_WORDS:
        found["field"], reasons["field"] = best, f"{scores[best]:.0f} of 1,000 of its words"


def _guess_form(found: dict[str, Any], reasons: dict[str, str], text: str, markup: str) -> None:
    blocks = text.count("\n\n") + 1
    if markup == "play" or len(TURN.findall(text)) > 0.5 * blocks > 5:
        found["form"], reasons["form"] = "dialogue", "speakers before paragraphs"


def book_id(stem: str) -> str:
    """An id from a file's name: a to z, digits and hyphens; Cyrillic is written in Latin letters."""
    latin = "".join(_CYRILLIC.get(letter, letter) for letter in unicodedata.normalize("NFC", stem.lower()))
    plain = unicodedata.normalize("NFKD", latin).encode("ascii", "ignore").decode("ascii")
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:48].strip("-")
    short = re.sub(r"^\d+-(?=.*[a-z])", "", slug)
    return short or slug or "book"
