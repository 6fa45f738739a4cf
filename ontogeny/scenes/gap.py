"""Gap scenes: a linking sentence is taken out of a book and becomes the repair of a scene about its absence."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from ontogeny.core.schema import CAST as CAST
from ontogeny.scenes.language import TABLES, LanguageTable
from ontogeny.scenes.shape import Made, Scene, Turn, label

MIN_SENTENCE_CHARS, MAX_SENTENCE_CHARS = 25, 280
QUOTED_WORDS, PROBED_WORDS = 6, 3
NAMED_WORDS = 3
BLANKS = (" ", "\n")
_ABBREVIATIONS = (
    *("Mr", "Mrs", "Dr", "St", "Mt", "Lt", "Jr", "Sr", "No", "vs", "ca", "etc", "e.g", "i.e"),
    *("т.е", "т.к", "т.н", "гг", "св", "гр", "кн", "проф", "акад", "ул", "см", "ср", "стр", "гл", "табл", "напр"),
    *("тыс", "собр", "росс", "полн"),
)
_NO_END = "".join(
    rf"(?<!\b{re.escape(short)}\.)" for word in _ABBREVIATIONS for short in sorted({word, word[0].upper() + word[1:]})
)
_NOTE_MARK = r"\[\d{1,3}\]|\(\d{1,3}\)"
_SENTENCE_END = re.compile(
    rf"""(?<=[.!?…])(?<!\b[^\W\d_]\.){_NO_END}(?:["'”’»)\]]|{_NOTE_MARK})*\s+(?=(?:[—–] )?["'“‘«„(\[]*[A-ZА-ЯЁ0-9])"""
)
_WORD = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


@dataclass(frozen=True)
class Sentence:
    """A sentence and where it stands in the text it was found in."""

    text: str
    start: int
    end: int


def has_gaps(language: str) -> bool:
    """Whether gap scenes exist in a language."""
    return language in TABLES


def split_sentences(text: str) -> list[Sentence]:
    """The sentences of a paragraph, without the blanks between them."""
    sentences, start = [], 0
    for found in _SENTENCE_END.finditer(text):
        end = found.start() + len(found.group().rstrip())
        sentences.append(Sentence(text[start:end], start, end))
        start = found.end()
    tail = text[start:].rstrip()
    if tail:
        sentences.append(Sentence(tail, start, start + len(tail)))
    return sentences


def connective_of(sentence: str, language: str) -> str | None:
    """The linking word that a sentence begins with, or that follows a comma or semicolon in it."""
    first, within = _patterns(language)
    found = first.match(sentence) or within.search(sentence)
    return found.group(1).lower() if found else None


@lru_cache
def _patterns(language: str) -> tuple[re.Pattern, re.Pattern]:
    words = "|".join(re.escape(word) for word in TABLES[language].connectives)
    strong = "|".join(re.escape(word) for word in TABLES[language].connectives if len(word) > 3)
    return (
        re.compile(rf"(?:[—–] )?[\"'“‘«„(]*({words})\b", re.IGNORECASE),
        re.compile(rf"[,;:][ \n]({strong})\b", re.IGNORECASE),
    )


def linking_sentences(paragraph: str, language: str, any_sentence: bool = False) -> list[tuple[Sentence, ...]]:
    """(before, linking sentence, after) for every sentence of a paragraph that could be a gap.

    It stands between two others, parted from them by a single blank or (in verse) a line's end, and is of a
    middling length; with `any_sentence` it need not begin with or hold a connective."""
    sentences = split_sentences(paragraph)
    found = []
    for before, sentence, after in zip(sentences, sentences[1:], sentences[2:], strict=False):
        fits = MIN_SENTENCE_CHARS <= len(sentence.text) <= MAX_SENTENCE_CHARS
        blank = all(paragraph[a:b] in BLANKS for a, b in ((before.end, sentence.start), (sentence.end, after.start)))
        if fits and blank and (any_sentence or connective_of(sentence.text, language)):
            found.append((before, sentence, after))
    return found


def make_gap_scene(
    paragraph: str, attempts: Sequence[str], *, language: str, scene_id: str, field: str, level: str, rng: random.Random
) -> Made | None:
    """A gap scene about one linking sentence of a paragraph, or None where none will do.

    `attempts` are real sentences from elsewhere in the book; the one nearest in length becomes the student's
    wrong answer. What is taken out is the sentence and the blank before it: exactly the words of the repair
    as `render` writes them."""
    table = TABLES[language]
    candidates = linking_sentences(paragraph, language)
    rng.shuffle(candidates)
    for before, sentence, after in candidates:
        attempt = choose_attempt(sentence.text, attempts, rng, (before.text, after.text), language)
        lacking = lacking_words(attempt, after.text, table) if attempt else []
        if not lacking:
            continue
        question = ask(before.text, after.text, table, rng.choice(table.missing))
        turns = (
            Turn("teacher", "question", question),
            Turn("student", "attempt", attempt),
            Turn("critic", "objection", object_to(lacking, table, rng.choice(table.objections))),
            Turn("reformulator", "repair", repair_text(paragraph, sentence)),
        )
        scene = Scene(scene_id, "gap", field, level, {}, turns, sentence.text, attempt, (), language)
        return Made(scene, sentence.start - 1, sentence.end)
    return None


def object_to(lacking: Sequence[str], table: LanguageTable, form: str) -> str:
    """The critic's objection to an attempt: the words it lacks, named in one of the forms of `objections`."""
    return form.format(words=f" {table.and_word} ".join(table.quoted.format(word) for word in lacking))


def repair_text(paragraph: str, sentence: Sentence) -> str:
    """The true sentence as a turn's text: with the line's end before it where it began a line."""
    return paragraph[sentence.start - 1 : sentence.end].removeprefix(" ")


def choose_attempt(
    true: str, attempts: Sequence[str], rng: random.Random, beside: Sequence[str] = (), language: str | None = None
) -> str | None:
    """A wrong answer that length does not give away: one of the four nearest in length, with the true
    sentence's own connective where there is one."""
    fitting = [text for text in dict.fromkeys(attempts) if text != true and text not in beside]
    if language is not None:
        own = connective_of(true, language)
        alike = [text for text in fitting if connective_of(text, language) == own]
        near_alike = [text for text in alike if abs(len(text) - len(true)) <= 0.25 * len(true)]
        fitting = near_alike or fitting
    fitting.sort(key=lambda text: (abs(len(text) - len(true)), text))
    return rng.choice(fitting[:4]) if fitting else None


def lacking_words(attempt: str, following: str, table: LanguageTable) -> list[str]:
    """The content words of the following sentence that the attempt lacks, in order, a few at most."""
    said = {table.stem(word.lower()) for word in _WORD.findall(attempt)}
    return [word for stem, word in content_words(following, table).items() if stem not in said][:NAMED_WORDS]


def content_words(text: str, table: LanguageTable) -> dict[str, str]:
    """The content words of a text by their stems, in order, each as it stands there first, in small letters."""
    found: dict[str, str] = {}
    for word in _WORD.findall(text):
        plain = word.lower()
        if len(plain) > 3 and plain not in table.small_words:
            found.setdefault(table.stem(plain), plain)
    return found


def ask(before: str, after: str, table: LanguageTable, form: str, words: int = QUOTED_WORDS) -> str:
    """The teacher's question: the last `words` of the sentence before and the first of the one after, quoted."""
    head, tail = before.split(), after.split()
    quoted_before = ("… " if len(head) > words else "") + table.within(head[-words:])
    quoted_after = table.within(tail[:words]) + (" …" if len(tail) > words else "")
    return form.format(before=quoted_before, after=quoted_after)


def gap_context(before: str, after: str, language: str) -> str:
    """The question about a gap as a probe asks it: the shortest that training knows, and without an attempt."""
    table = TABLES[language]
    question = ask(before, after, table, min(table.missing, key=len), PROBED_WORDS)
    return f"{label('teacher', language)} {question}\n{label('reformulator', language)}"
