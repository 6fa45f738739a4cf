"""What triggers an authored scene: words of a paragraph, a pattern, the topic, a chapter's end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache

import regex

from ontogeny.core.errors import Fault, LibraryError
from ontogeny.corpus.passages import Passage
from ontogeny.corpus.shelf import OpenBook
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.shape import Scene

PATTERN_LIMIT_S = 2.0  # of one search in one passage; a sound one takes a thousandth of it
TOPIC_USES = 2  # a paragraph that uses a term so often is about it
EVERYWHERE_PARAGRAPHS = (40, 2000)  # of a stage, at least; and how many of it are looked at
EVERYWHERE_FRAC = 0.5
Place = tuple[int, int]  # (which book of the stage, counting its sections through; start of a paragraph)
Reading = Callable[[], Iterator[tuple[int, OpenBook, list[int]]]]  # book of the stage, its text, passages: as read
_WORD = regex.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def matches(scene: Scene, text: str, chapter: str = "") -> bool:
    """Whether a paragraph (or a passage) holds what triggers a scene; `chapter`: the title above it.

    Raises: LibraryError for a pattern that takes longer than PATTERN_LIMIT_S."""
    if "phrase" in scene.trigger:
        return scene.trigger["phrase"].casefold() in text.casefold()
    if "topic" in scene.trigger:
        term = _stems(scene.trigger["topic"], scene.language)
        uses = _uses(term, _stems(text, scene.language))
        return uses >= TOPIC_USES or (uses == 1 and _uses(term, _stems(chapter, scene.language)) > 0)
    return "pattern" in scene.trigger and _found(scene, text)


def _found(scene: Scene, text: str) -> bool:
    try:
        return regex.search(scene.trigger["pattern"], text, timeout=PATTERN_LIMIT_S) is not None
    except TimeoutError:
        raise LibraryError(
            Fault(
                f"the pattern of scene '{scene.id}' explodes.",
                scene.where or f"scene {scene.id}",
                f"{scene.trigger['pattern']!r}: over {PATTERN_LIMIT_S:g} s for {len(text)} characters",
                "a pattern that needs a moment",
                "take a repetition out of a repetition, or use {phrase: ...}",
            )
        ) from None


@lru_cache(maxsize=64)
def _stems(text: str, language: str) -> tuple[str, ...]:
    """The words of a text in what their forms have in common; in English a plural's s goes."""
    table = TABLES.get(language)
    words = _WORD.findall(text.casefold())
    if table is not None and table.inflected:
        return tuple(table.stem(word) for word in words)
    return tuple(word[:-1] if len(word) > 3 and word.endswith("s") and word[-2] != "s" else word for word in words)


def _uses(term: Sequence[str], words: Sequence[str]) -> int:
    """How often the words of a term follow each other in a text."""
    if len(term) == 1:
        return words.count(term[0])
    return sum(words[at : at + len(term)] == term for at in range(len(words) - len(term) + 1)) if term else 0


def find_triggers(
    reading: Reading, scenes: Iterable[Scene], limit_of: Callable[[Scene], float]
) -> dict[str, tuple[Place, float]]:
    """For each scene the first paragraph that triggers it and triggers no earlier scene: (place, characters before).

    `limit_of`: how many characters may have been read before a scene's passage begins."""
    waiting, found, read = list(scenes), {}, 0
    limits = {scene.id: limit_of(scene) for scene in waiting}
    for number, book, indices in reading():
        for index in indices:
            waiting = [scene for scene in waiting if read <= limits[scene.id]]
            if not waiting:
                return found
            passage = book.passages[index]
            closes, chapter = index in book.last_of_chapter, chapter_of(book, passage)
            whole = book.text[passage.start : passage.end]
            near = [one for one in waiting if ("after" in one.trigger and closes) or matches(one, whole, chapter)]
            for start, end in book.paragraphs(passage) if near else ():
                for scene in near:
                    last = end == passage.end and closes and "after" in scene.trigger
                    if last or matches(scene, book.text[start:end], chapter):
                        found[scene.id] = ((number, start), float(read + end - passage.start))
                        waiting.remove(scene)
                        near.remove(scene)
                        break
            read += passage.end - passage.start
    return found


def chapter_of(book: OpenBook, passage: Passage) -> str:
    """The title of the chapter that a passage stands in, "" before any."""
    return str(book.record.chapters[passage.chapter][0]) if 0 <= passage.chapter < len(book.record.chapters) else ""


def refuse_everywhere(reading: Reading, scenes: Sequence[Scene]) -> None:
    """Looks at a stage's first paragraphs. Raises: LibraryError with every scene that over half of them trigger."""
    asked = [scene for scene in scenes if "after" not in scene.trigger]
    least, most = EVERYWHERE_PARAGRAPHS
    hits: Counter[str] = Counter()
    seen = 0
    for text, chapter in _paragraphs(reading) if asked else ():
        if seen == most:
            break
        seen += 1
        hits.update(scene.id for scene in asked if matches(scene, text, chapter))
    faults = [
        Fault(
            f"the trigger of scene '{scene.id}' matches everywhere.",
            scene.where or f"scene {scene.id}",
            f"{scene.trigger}: {hits[scene.id]} of {seen} paragraphs",
            f"at most {EVERYWHERE_FRAC:.0%} of the paragraphs",
            "choose rarer words, or {after: chapter}",
        )
        for scene in asked
        if seen >= least and hits[scene.id] > EVERYWHERE_FRAC * seen
    ]
    if faults:
        raise LibraryError(faults)


def _paragraphs(reading: Reading) -> Iterator[tuple[str, str]]:
    """(paragraph, title of its chapter) in the order read."""
    for _, book, indices in reading():
        for passage in (book.passages[index] for index in indices):
            for start, end in book.paragraphs(passage):
                yield book.text[start:end], chapter_of(book, passage)
