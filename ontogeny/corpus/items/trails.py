"""Items of the trail_recall probe: what follows from a chain of rules, over invented nouns and known ones.

A context holds two chains of equal length, their rules shuffled, then what is given and the beginning of what
follows. Two items share the rules; what is given chooses the chain, so the answer of one is the foil of the other,
and whoever picks a noun by its place or its frequency among the rules is right in exactly half of them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.items.shape import Item
from ontogeny.corpus.passages import DEALT

PROBE = "trail_recall"
STEPS = (2, 3, 4)
DRAWINGS = {"chain": 4, "contradiction": 2, "switch": 2}  # of nouns for a frame, by kind


@dataclass(frozen=True)
class Frame:
    """How a chain is told. `rule`: {a} brings {b}; the fact {a} is `given`, and `hence` asks for the chain's end.

    contradiction: the end {a} is `denied`, and `undone` asks for the beginning that cannot have been;
    switch: {x}, a beginning of the other chain, is named and taken back, before or after {a}."""

    rule: str
    given: str
    hence: str
    denied: str
    undone: str
    switched: tuple[str, str]


FRAMES = {
    "en": (
        Frame(
            "If there is a {a}, there is a {b}.",
            "There is a {a}.",
            "So there is also a",
            "There is no {a}.",
            "So there was never a",
            ("They spoke of a {x}, but there is only a {a}.", "There is only a {a}; however, they spoke of a {x}."),
        ),
        Frame(
            "When the {a} comes, the {b} comes too.",
            "The {a} has come.",
            "So in the end there comes the",
            "The {a} did not come.",
            "So nobody can have seen the",
            (
                "It was thought that the {x} had come, but it was the {a}.",
                "It was the {a} that came, but it was thought to be the {x}.",
            ),
        ),
        Frame(
            "Whoever holds a {a} is given a {b}.",
            "Anna holds a {a}.",
            "So at last Anna is given a",
            "Anna was not given a {a}.",
            "So Anna did not hold a",
            (
                "Anna wanted to hold a {x}; however, she holds a {a}.",
                "Anna holds a {a}; however, she wanted to hold a {x}.",
            ),
        ),
        Frame(
            "The road from the {a} goes to the {b}.",
            "We start at the {a}.",
            "So our road ends at the",
            "We never reach the {a}.",
            "So we did not start at the",
            ("We did not start at the {x} but at the {a}.", "We started at the {a} but not at the {x}."),
        ),
        Frame(
            "Under every {a} lies a {b}.",
            "Here is a {a}.",
            "So deep below it lies a",
            "Nowhere below is a {a}.",
            "So up here there is no",
            ("I looked for a {x}, but here is a {a}.", "Here is a {a}, but I looked for a {x}."),
        ),
        Frame(
            "Where the {a} breaks, the {b} breaks as well.",
            "The {a} broke yesterday.",
            "So what broke last was the",
            "The {a} is still whole.",
            "So what did not break is the",
            (
                "We feared for the {x}; however, it was the {a} that broke.",
                "It was the {a} that broke; however, we feared for the {x}.",
            ),
        ),
    ),
    "ru": (
        Frame(
            "Если пришёл {a}, то придёт и {b}.",
            "Пришёл {a}.",
            "Значит, в конце придёт и",
            "Так и не пришёл {a}.",
            "Значит, раньше не приходил и",
            ("Ждали, что придёт {x}, но пришёл {a}.", "Пришёл {a}, но ждали, что придёт {x}."),
        ),
        Frame(
            "Когда просыпается {a}, просыпается и {b}.",
            "Проснулся {a}.",
            "Значит, под конец проснулся и",
            "Всё ещё спит {a}.",
            "Значит, не просыпался и",
            (
                "Показалось, что проснулся {x}, однако проснулся {a}.",
                "Проснулся {a}, однако показалось, что проснулся {x}.",
            ),
        ),
        Frame(
            "Где стоит {a}, там стоит и {b}.",
            "Здесь стоит {a}.",
            "Значит, здесь стоит и",
            "Здесь не стоит {a}.",
            "Значит, здесь не стоит и",
            ("Говорили, что стоит {x}, но здесь стоит {a}.", "Здесь стоит {a}, но говорили, что стоит {x}."),
        ),
        Frame(
            "Если звенит {a}, за ним звенит {b}.",
            "Зазвенел {a}.",
            "Значит, последним зазвенел",
            "Ни разу не звенел {a}.",
            "Значит, не звенел и",
            ("Хотели, чтобы зазвенел {x}, но зазвенел {a}.", "Зазвенел {a}, но хотели, чтобы зазвенел {x}."),
        ),
        Frame(
            "Чтобы упал {b}, хватит того, что упал {a}.",
            "Вчера упал {a}.",
            "Значит, последним упал",
            "Не падал и не упадёт {a}.",
            "Значит, не падал и",
            ("Боялись, что упадёт {x}, однако упал {a}.", "Упал {a}, однако боялись, что упадёт {x}."),
        ),
        Frame(
            "Как только виден {a}, скоро виден и {b}.",
            "Уже виден {a}.",
            "Значит, наконец будет виден и",
            "До сих пор не виден {a}.",
            "Значит, раньше не был виден и",
            ("Искали, где виден {x}, но виден {a}.", "Виден {a}, но искали, где виден {x}."),
        ),
    ),
}

_FIRST = {
    "en": "zo vu ke mi dra plo sne tru gli fa",
    "ru": "зо ву ке ми дра пло сне тру гли фа",
}
_LAST = {
    "en": "bek dop vit lum gaz nop rix tug zem kav",
    "ru": "бек доп вит лум газ ноп рикс туг зем кав",
}
KNOWN = {
    "en": "bell boat bridge cage candle carpet chest clock coat drum fence flute gate glove hammer helmet kettle key "
    "ladder lamp mirror needle nest pillow plate ribbon rope saddle shell shovel spoon statue stone tent tower "
    "trumpet wagon wheel whistle window",
    # all masculine, because the verbs of the frames are
    "ru": "амбар барабан берег будильник воз глобус гонг двор дом дуб забор замок зонт камень кафтан ковёр колодец "
    "колокол корабль костёр кувшин лес мост мяч нож плот подсвечник портрет пруд рояль самовар сапог стакан стол "
    "сундук фонарь хлев чайник шар шкаф",
}


def make_trails(seed: int, language: str) -> list[Item]:
    """The items of a language, `on` "2 steps" to "4 steps"; none where it has no frames here.

    `kind`: chain (if A then B), contradiction (the end is not, so the beginning was not), switch (a beginning is named
    and taken back by but or however). Two items that share their rules stand in one split; `template` is the kind and
    the number of the frame, `more` tells the sort of nouns."""
    items: list[Item] = []
    seen: set[str] = set()
    frames = FRAMES.get(language, ())
    for steps, (kind, drawings) in product(STEPS, DRAWINGS.items()) if frames else ():
        rng = random.Random(f"{seed_of(seed, language, PROBE)}|{steps}|{kind}")
        order = rng.sample(range(len(frames)), len(frames))
        for turn in range(drawings * len(order)):
            place, drawing = divmod(turn, drawings)
            nouns = ("invented", "known")[(place + place // 2 + drawing // 2) % 2]
            name = f"{steps}-{kind}-{order[place] + 1}-{drawing + 1}"
            told = _tell(frames[order[place]], kind, steps, _nouns(language, nouns), rng)
            assert not seen & {context for context, _, _ in told}, name
            seen |= {context for context, _, _ in told}
            for end, (context, answer, foil) in zip("ab", told, strict=True):
                items.append(
                    Item(
                        name + end,
                        PROBE,
                        kind,
                        f"{steps} steps",
                        DEALT[turn % len(DEALT)],
                        f"{kind}/{order[place] + 1}",
                        context,
                        f" {answer}.",
                        (f" {foil}.",),
                        more={"nouns": nouns},
                    )
                )
    return items


def _nouns(language: str, sort: str) -> list[str]:
    if sort == "known":
        return KNOWN[language].split()
    return [first + last for first, last in product(_FIRST[language].split(), _LAST[language].split())]


def _tell(frame: Frame, kind: str, steps: int, nouns: Sequence[str], rng: random.Random) -> list[tuple[str, str, str]]:
    """(context, answer, foil) of the two items that share a drawing of rules."""
    drawn = rng.sample(nouns, 2 * (steps + 1))
    chains = drawn[: steps + 1], drawn[steps + 1 :]
    rules = [frame.rule.format(a=a, b=b) for chain in chains for a, b in pairwise(chain)]
    rng.shuffle(rules)
    switched = rng.choice(frame.switched)
    told = []
    for mine, other in (chains, chains[::-1]):
        if kind == "contradiction":
            last, answer, foil = f"{frame.denied.format(a=mine[-1])} {frame.undone}", mine[0], other[0]
        elif kind == "switch":
            last = f"{switched.format(a=mine[0], x=other[0])} {frame.hence}"
            answer, foil = mine[-1], other[-1]
        else:
            last, answer, foil = f"{frame.given.format(a=mine[0])} {frame.hence}", mine[-1], other[-1]
        told.append((" ".join([*rules, last]), answer, foil))
    return told
