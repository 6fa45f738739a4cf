"""What a sentence becomes when one thing in it is turned round: its minimal negation, a swapped relation, a number.

Closed-class patterns only, each of which leaves a grammatical sentence; a sentence that fits none has no sure change.
The patterns of a language are a file of their own."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

NAMED_BESIDE = 2  # words named with what was changed, to each side

_STATEMENT = re.compile(r"""[^?!]*[.;]["'”’»)\]]*$""")
_ARTICLE = re.compile(r"\b([Aa]n?) $")
_WORD = r"[^\W_]+(?:['’-][^\W_]+)*"
_BESIDE_LEFT = re.compile(rf"(?:{_WORD} ){{0,{NAMED_BESIDE}}}$")
_BESIDE_RIGHT = re.compile(rf"(?: {_WORD}){{0,{NAMED_BESIDE}}}")


@dataclass(frozen=True)
class Change:
    """What stands in a sentence at [start, end) is replaced by `text`."""

    start: int
    end: int
    text: str

    def altered(self, sentence: str) -> str:
        return sentence[: self.start] + self.text + sentence[self.end :]

    def named(self, sentence: str) -> str:
        """The altered words with those beside them, as far as no mark parts them."""
        left = _BESIDE_LEFT.search(sentence[: self.start])
        right = _BESIDE_RIGHT.match(sentence, self.end)
        return (left.group() if left else "") + self.text + (right.group() if right else "")


@dataclass(frozen=True)
class Swap:
    """A word that may become another: `pattern` has a group `word`, of which `other` tells what it becomes."""

    pattern: re.Pattern[str]
    other: Mapping[str, str]


@dataclass(frozen=True)
class Negation:
    """Where a statement takes a `not`, or loses it: the group `word` of `pattern` becomes `form`, a template of groups.

    `barred_before` and `barred_after` are what must not stand before and after it; a group `name` must be a name."""

    pattern: re.Pattern[str]
    form: str
    barred_before: re.Pattern[str]
    barred_after: re.Pattern[str]


@dataclass(frozen=True)
class Numbers:
    """Plain quantities: words that stand for one another in `pattern`'s group `word`; without words, digits."""

    pattern: re.Pattern[str]
    words: Sequence[str] = ()


@dataclass(frozen=True)
class Opposites:
    """The sure changes of a language. `polar` swaps are barred where `negative` is found, which they would double."""

    swaps: Sequence[Swap]
    polar: Sequence[Swap]
    negative: re.Pattern[str]
    negations: Sequence[Negation]
    numbers: Sequence[Numbers]
    articles: bool = False  # whether a changed word decides between "a" and "an" before it


def make_swaps(table: Sequence[tuple[str, str]]) -> tuple[Swap, ...]:
    """(pairs, frame) -> swaps. Pairs: `larger/smaller` goes both ways, `higher>lower` one, `_` stands for a blank.

    A frame is a pattern in which `{}` stands for the word."""
    swaps = []
    for pairs, frame in table:
        other: dict[str, str] = {}
        for pair in pairs.split():
            one, _, two = pair.replace("_", " ").partition("/" if "/" in pair else ">")
            other |= {one: two, two: one} if "/" in pair else {one: two}
        words = "|".join(sorted(map(re.escape, other), key=len, reverse=True))
        pattern = frame.replace("{}", rf"(?<![\w-])(?P<word>{words})(?![\w-])")
        swaps.append(Swap(re.compile(pattern), other))
    return tuple(swaps)


def sure_changes(sentence: str, paragraph: str, opposites: Opposites, rng: random.Random) -> list[Change]:
    """Every sure change of a statement, in a fixed order; `paragraph` tells which words are names."""
    if not _STATEMENT.fullmatch(sentence) or sentence.count("(") != sentence.count(")"):
        return []
    polar = () if opposites.negative.search(sentence) else opposites.polar
    swapped = _swapped(sentence, (*opposites.swaps, *polar))
    found = [_with_article(sentence, change, opposites.articles) for change in swapped]
    found += _negated(sentence, paragraph, opposites.negations)
    found += _recounted(sentence, opposites.numbers, rng)
    return list(dict.fromkeys(found))


def _swapped(sentence: str, swaps: Sequence[Swap]) -> Iterator[Change]:
    """Swaps whose other word does not stand in the sentence already: day and night would become day and day."""
    for swap in swaps:
        for match in swap.pattern.finditer(sentence):
            text = swap.other[match["word"]]
            if not re.search(rf"\b{re.escape(text)}\b", sentence, re.IGNORECASE):
                yield Change(*match.span("word"), text)


def _with_article(sentence: str, change: Change, articles: bool) -> Change:
    before = _ARTICLE.search(sentence[: change.start]) if articles else None
    article = "an" if change.text[0] in "aeiou" else "a"
    if before is None or before[1].lower() == article:
        return change
    return Change(before.start(), change.end, f"{before[1][0]}{article[1:]} {change.text}")


def _negated(sentence: str, paragraph: str, negations: Sequence[Negation]) -> Iterator[Change]:
    for negation in negations:
        for match in negation.pattern.finditer(sentence):
            start, end = match.span("word")
            name = match.groupdict().get("name")
            if name and not re.search(rf"[^\W\d_A-ZА-ЯЁ],? {name}\b", paragraph):
                continue
            barred = negation.barred_before.search(sentence[:start]) or negation.barred_after.search(sentence[end:])
            if not barred:
                yield Change(start, end, match.expand(negation.form))


def _recounted(sentence: str, numbers: Sequence[Numbers], rng: random.Random) -> Iterator[Change]:
    for kind in numbers:
        for match in kind.pattern.finditer(sentence):
            told = match["word"]
            if kind.words:
                others = [word for word in kind.words if not re.search(rf"\b{word}\b", sentence, re.IGNORECASE)]
            else:
                count = int(told.replace(",", ""))
                others = [f"{count * times:,}" if "," in told else str(count * times) for times in (2, 3)]
                others = [word for word in others if count and not re.search(rf"\b{word}\b", sentence)]
            if others:
                yield Change(*match.span("word"), rng.choice(others))
