"""Held-out passages of made books, for tests of the makers of items; a book's text stands beside them."""

from __future__ import annotations

import random
from functools import cache

from ontogeny.corpus.heldout import BESIDE_CHARS, HeldOut
from ontogeny.corpus.items.shape import Material
from ontogeny.corpus.passages import DEALT, make_passages
from ontogeny.scenes.shape import Scene, Turn

LINKS = ("So", "But", "Therefore", "However", "Then")


@cache
def words_of_books(count: int = 900) -> tuple[str, ...]:
    rng = random.Random(3)
    syllables = [a + b for a in "bdfgklmnprstv" for b in ("a", "e", "i", "o", "u", "an", "el")]
    words: dict[str, None] = {}
    while len(words) < count:
        words["".join(rng.choice(syllables) for _ in range(rng.randint(2, 4)))] = None
    return tuple(words)


def make_text(seed: int, paragraphs: int = 60) -> str:
    """Prose of drawn words, a few of them common and most of them rare, sentences of 3 to 14 words."""
    rng = random.Random(seed)
    words = words_of_books()
    weights = [1 / (1 + place) for place in range(len(words))]

    def sentence() -> str:
        said = rng.choices(words, weights, k=rng.randint(3, 14))
        return f"{rng.choice(LINKS)} {' '.join(said)}." if rng.random() < 0.4 else f"{' '.join(said).capitalize()}."

    blocks = [" ".join(sentence() for _ in range(rng.randint(3, 8))) for _ in range(paragraphs)]
    return "\n\n".join(blocks) + "\n"


def make_play(seed: int, turns: int = 150, cast: tuple[str, ...] = ("Anna", "Boris", "First Guard")) -> str:
    """Turns of a few speakers, none after oneself; some are verse, some are followed by a stage direction."""
    rng = random.Random(seed)
    words, blocks, last = words_of_books(), [], ""
    for _ in range(turns):
        last = rng.choice([name for name in cast if name != last])
        lines = [" ".join(rng.choices(words[:200], k=rng.randint(3, 9))) for _ in range(rng.randint(1, 3))]
        blocks.append(f"{last}: " + "\n".join(lines).capitalize() + ".")
        if rng.random() < 0.1:
            blocks.append("(A noise within)")
    return "\n\n".join(blocks) + "\n"


def hold_out(book: str, text: str, every: int = 2) -> list[HeldOut]:
    """One passage in `every` as held out, splits dealt in turn."""
    chosen = make_passages(text, [])[1::every]
    return [
        HeldOut(
            book,
            one.start,
            one.end,
            DEALT[place % len(DEALT)],
            text[one.start : one.end],
            above=text[max(0, one.start - BESIDE_CHARS) : one.start],
            below=text[one.end : one.end + BESIDE_CHARS],
        )
        for place, one in enumerate(chosen)
    ]


def make_material(
    stage: str, books: dict[str, str], seed: int = 7, language: str = "en", scenes: tuple[Scene, ...] = ()
) -> Material:
    passages = [passage for book, text in books.items() for passage in hold_out(book, text)]
    return Material(stage, seed, language, passages, scenes)


def make_scene(name: str, seed: int) -> Scene:
    """An authored scene of five turns; its resolution is the repair's last sentence."""
    rng = random.Random(seed)

    def say(count: int) -> str:
        return " ".join(rng.choices(words_of_books(), k=count)).capitalize() + "."

    resolution, foil = say(8), say(8)
    turns = (
        Turn("teacher", "question", f"{say(7)[:-1]}?"),
        Turn("student", "attempt", say(rng.randint(5, 9))),
        Turn("critic", "objection", say(rng.randint(9, 14))),
        Turn("student", "repair", f"{say(6)} {resolution}"),
        Turn("reformulator", "reflection", say(rng.randint(5, 9))),
    )
    return Scene(name, "conflict", "field", "level", {"phrase": "x"}, turns, resolution, foil, (), "en")


def shorter_share(items: list) -> float:
    """How often the shortest of an item's ends is the answer, a tie shared."""
    found = []
    for item in items:
        sizes = [len(end.encode()) for end in (item.answer, *item.foils)]
        found.append((sizes[0] == min(sizes)) / sizes.count(min(sizes)))
    return sum(found) / len(found)
