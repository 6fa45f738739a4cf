"""What a page leaves in a text: its number, the head it shares with others, words divided at a line's end."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from itertools import pairwise

from ontogeny.corpus.blocks import Cuts, norm

_MARK = re.compile(
    r"\[(?:[Pp]g\.?|[Pp]age|PAGE|pp?\.|[Сс]тр\.|с\.|Seite|S\.|página) ?(?:\{?[0-9]{1,4}[a-z]?\}?|[ivxlcdm]{1,8}"
    r"|[IVXLCDM]{1,8})\]"
)
_MARK_SIGNS = ("[P", "[p", "[С", "[с", "[S")
_BRACED = re.compile(r"\{(?<![\w^_$\\}]\{)([0-9]{1,4}|[ivxlc]{1,7})\}(?![\w^_$])")
_ALONE = re.compile(
    r"[ \t]*+(?:(?P<named>(?:page|pg\.?|p\.|seite|стр\.?|страница) ?)"
    r"|[-–—=*~\[({<]{1,2} ?)?+(?P<number>[0-9]{1,4}|[ivxlcdm]{1,7})"
    r"(?: ?/ ?[0-9]{1,4}| (?:of|von|из|de|sur) [0-9]{1,4})?(?: ?[-–—=*~\])}>]{1,2}| ?\.)?[ \t]*+$",
    re.IGNORECASE,
)
_NUMBERED = re.compile(r"[ \t]*+(?:(?P<left>[0-9]{1,4})\s+(?P<head>\S.*)|(?P<head2>\S.*?\S)\s+(?P<right>[0-9]{1,4}))$")
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_OPEN_END = re.compile(r"[\w,;-]$")
_LINE_END_HYPHEN = re.compile("[-\u00ad\u00ac]\n")
_DIGITS = frozenset("0123456789")
_BEFORE_HEAD = _DIGITS | set(" \t\x0c")
_REST_OF_WORD = re.compile(r"\n(?<=[-\u00ad\u00ac]\n)[ \t]*+([^\W\d_]\w*+)([^\w\s]*+)([ \t]++)?")  # behind a hyphen
_WORD_END = re.compile(r"\w++\Z")
MAX_WORD_CHARS, FEW_WORDS = 40, 32
_WORD = re.compile(r"\w+(?:-\w+)*")
_IN_WORD = re.compile(r"\w")
_SUSPENDED = {"and", "or", "to", "und", "oder", "bis", "et", "ou", "y", "o", "e", "и", "или", "а", "nor", "but"}
MIN_MARKS, MIN_PAGE_NUMBERS, OPEN_FRAC = 3, 5, 0.2
MIN_HEADS, MAX_HEAD_CHARS = 4, 70
MAX_STEP, NEAR_LINES = 3, 6


def cut_pages(text: str, cuts: Cuts) -> str:
    """A text without page numbers, running heads and divided words. Lines have no space at their end."""
    if cuts.on("page_number"):
        text = _cut_marks(text, cuts)
    lines: list[str | None] = list(text.split("\n"))
    recurring = _recurring(lines)
    numbers = _page_numbers(lines, recurring)
    heads = _running_heads(lines, numbers, recurring) if cuts.on("running_head") else set()
    doomed = heads | (set(numbers) if cuts.on("page_number") else set())
    if doomed:
        for index in sorted(doomed):
            rule = "running_head" if index in heads else "page_number"
            cuts.add(rule, 1, len(lines[index]) + 1, lines[index])
            if _in_sentence(lines, index, recurring):
                _close_up(lines, index)
            lines[index] = "\x0c" if lines[index].startswith("\x0c") else None
        text = "\n".join(line for line in lines if line is not None)
    if cuts.on("hyphenation") and _LINE_END_HYPHEN.search(text):
        text = _join_words(text, cuts)
    return text


def number_of(shown: str) -> int:
    """An arabic or roman number's value."""
    if shown.isdigit():
        return int(shown)
    values = [_ROMAN[letter] for letter in shown.lower()]
    return sum(-a if a < b else a for a, b in pairwise([*values, 0]))


def _cut_marks(text: str, cuts: Cuts) -> str:
    """[Pg 12] anywhere, and {12} where these count up through the text."""
    if any(sign in text for sign in _MARK_SIGNS) and len(_MARK.findall(text)) >= MIN_MARKS:
        text = cut_marks("page_number", _MARK, text, cuts)
    if "{1" in text:
        found = [number_of(mark) for mark in _BRACED.findall(text)]
        steps = sum(0 < b - a <= MAX_STEP for a, b in pairwise(found))
        if len(found) >= MIN_PAGE_NUMBERS and steps >= 0.8 * (len(found) - 1):
            text = cut_marks("page_number", _BRACED, text, cuts)
    return text


def cut_marks(rule: str, pattern: re.Pattern, text: str, cuts: Cuts) -> str:
    """Cuts a mark wherever it stands, with one of the spaces at its sides, or with the line that it fills."""
    pieces: list[str] = []
    at = 0
    for found in pattern.finditer(text):
        start, end = found.span()
        after = text[end : end + 1]
        line = text.rfind("\n", max(at - 1, start - 80, 0), start) + 1
        if after in ("", "\n") and (line or start < 80) and not text[line:start].strip():
            start, end = max(at, line), end + len(after)
        elif after == " " and text[start - 1 : start] in ("", " ", "\n"):
            end += 1
        elif after in ("", "\n") and text[start - 1 : start] == " ":
            start -= 1
        cuts.add(rule, 1, end - start, found.group())
        pieces.append(text[at:start])
        at = end
    return "".join([*pieces, text[at:]]) if pieces else text


def _recurring(lines: list[str]) -> set[int]:
    """Short lines that stand MIN_HEADS times in the text: heads of pages, unless they begin small as text may."""
    bare = [line.strip("\x0c \t") if len(line) <= MAX_HEAD_CHARS else "" for line in lines]
    often = {line for line, times in Counter(bare).items() if times >= MIN_HEADS and not line[:1].islower()}
    heads = {line for line in often if (words := norm(line)) and not words.isdigit()}
    return {index for index, line in enumerate(bare) if line in heads} if heads else set()


def _page_numbers(lines: list[str], recurring: set[int]) -> list[int]:
    """The lines that are page numbers: numbers alone that count up, some of them in mid-sentence.

    Numbers of sections and notes count up as well, but never stand in mid-sentence."""
    found: list[tuple[int, int, bool]] = []  # line, number, sure
    short = [index for index, line in enumerate(lines) if 0 < len(line) < 40]
    for index in short:
        if match := _ALONE.match(lines[index]):
            number = match["number"]
            if not number.isascii():  # to a pattern that does not mind case, ı is an i
                continue
            if (match["named"] or number.isdigit() or number.islower()) and 0 < (value := number_of(number)) < 5000:
                found.append((index, value, bool(match["named"]) or _in_sentence(lines, index, recurring)))
    chain = _longest_rise(found)
    if len(chain) < MIN_PAGE_NUMBERS or sum(found[i][2] for i in chain) < OPEN_FRAC * len(chain):
        return []
    return [found[i][0] for i in chain]


def _longest_rise(found: list[tuple[int, int, bool]]) -> list[int]:
    """Indices of the longest chain of numbers that each follow the one before by 1 to MAX_STEP."""
    best: dict[int, tuple[int, int]] = {}  # number -> (length, index in found) of the best chain ending there
    before: list[int] = []
    longest = (0, -1)
    for index, (_, number, _) in enumerate(found):
        length, last = max((best.get(number - step, (0, -1)) for step in range(1, MAX_STEP + 1)), default=(0, -1))
        before.append(last)
        if (length + 1, index) > best.get(number, (0, -1)):
            best[number] = (length + 1, index)
        longest = max(longest, (length + 1, index))
    chain: list[int] = []
    at = longest[1]
    while at >= 0:
        chain.append(at)
        at = before[at]
    return chain[::-1]


def _in_sentence(lines: list[str | None], index: int, recurring: set[int]) -> bool:
    """Whether the text around a line runs on: the nearest line above is open, the nearest below begins small.

    The same where lines that recur are passed over."""
    above = range(index - 1, max(-1, index - 1 - NEAR_LINES), -1)
    below = range(index + 1, min(len(lines), index + 1 + NEAR_LINES))
    return any(
        _nearest(lines, below, passed)[:1].islower() and _OPEN_END.search(_nearest(lines, above, passed))
        for passed in ((), recurring)
    )


def _nearest(lines: list[str | None], places: range, passed: Collection[int]) -> str:
    """The nearest line that is not blank."""
    return next((bare for place in places if place not in passed and (bare := (lines[place] or "").lstrip())), "")


def _close_up(lines: list[str | None], index: int) -> None:
    """Removes the blank lines about a line that stands in mid-sentence."""
    for places in (range(index - 1, max(-1, index - 4), -1), range(index + 1, min(len(lines), index + 4))):
        for place in places:
            if lines[place]:
                break
            lines[place] = None


def _running_heads(lines: list[str], numbers: list[int], recurring: set[int]) -> set[int]:
    """Lines that recur with a page's number in them, or again and again beside a page's end."""
    return _numbered_heads(lines, recurring) | _heads_at(lines, numbers)


def _numbered_heads(lines: list[str], recurring: set[int]) -> set[int]:
    """`12 THE TITLE`, `THE TITLE 13`: the same words with numbers that rise."""
    groups: dict[str, list[tuple[int, int]]] = defaultdict(list)
    ends = [index for index, line in enumerate(lines) if line and (line[-1] in _DIGITS or line[0] in _BEFORE_HEAD)]
    for index in ends:
        if not 4 < len(line := lines[index]) <= MAX_HEAD_CHARS:
            continue
        found = _NUMBERED.match(line.lstrip("\x0c"))
        head = norm(found["head"] or found["head2"]) if found else ""
        if found and any(letter.isalpha() for letter in head):
            groups[head].append((index, int(found["left"] or found["right"])))
    doomed: set[int] = set()
    for places in groups.values():
        rises = sum(0 < b - a <= 60 for (_, a), (_, b) in pairwise(places))
        far = sum(b - a >= 8 for (a, _), (b, _) in pairwise(places))  # a page's length apart
        if len(places) < MIN_HEADS or min(rises, far) < 0.8 * (len(places) - 1):
            continue
        if sum(_in_sentence(lines, index, recurring) for index, _ in places) >= OPEN_FRAC * len(places):
            doomed.update(index for index, _ in places)
    return doomed


def _heads_at(lines: list[str], numbers: list[int]) -> set[int]:
    """Short lines that recur just before or after a page's end: a form feed, or a page number alone."""
    edges = [index for index, line in enumerate(lines) if line[:1] == "\x0c"]
    beside: dict[str, list[int]] = defaultdict(list)
    for edge in sorted({*edges, *numbers}):
        for index in _neighbours(lines, edge):
            if head := norm(lines[index]):
                beside[head].append(index)
    recurring = {head: places for head, places in beside.items() if len(set(places)) >= MIN_HEADS}
    if not recurring:
        return set()
    everywhere = Counter(norm(line) for line in lines if 0 < len(line) <= MAX_HEAD_CHARS)
    doomed: set[int] = set()
    for head, places in recurring.items():
        if len(set(places)) >= 0.6 * everywhere[head] and any(letter.isalpha() for letter in head):
            doomed.update(places)
    return doomed - set(numbers)


def _neighbours(lines: list[str], edge: int) -> list[int]:
    """The nearest short lines that are not empty, on either side of a page's end, that line itself among them."""
    near = []
    for places in (range(edge, min(len(lines), edge + 4)), range(edge - 1, max(-1, edge - 4), -1)):
        for index in places:
            bare = lines[index].strip("\x0c \t")
            if bare and not _ALONE.match(bare):
                if len(bare) <= MAX_HEAD_CHARS and not bare.endswith((",", ";", "-")):
                    near.append(index)
                break
    return near


def _join_words(text: str, cuts: Cuts) -> str:
    """Divided words put together; a hyphen that is the word's own stays.

    Together, where the book has the whole word elsewhere, or a part that is no word of the book and the word
    with its hyphen not either. Words divided twice in a row are left alone."""
    divided = [found for found in map(_Divided, _rests_of_words(text)) if found.is_one]
    if not divided:
        return text
    known = _known_words(_without(text, divided).lower(), divided)
    pieces, at = [], 0
    for word in divided:
        joined = word.joined(known)
        if joined is None or word.start < at:
            continue
        cuts.add("hyphenation", 1, word.end - word.start - len(joined), text[word.start : word.end])
        pieces += [text[at : word.start], joined]
        at = word.end
    return "".join([*pieces, text[at:]])


def _rests_of_words(text: str) -> Iterator[re.Match]:
    """What stands behind each hyphen at a line's end; one that belongs to the rest before it is passed over."""
    behind = 0
    for found in _REST_OF_WORD.finditer(text):
        if found.start() > behind:
            behind = found.end()
            yield found


def _known_words(lowered: str, divided: list[_Divided]) -> set[str]:
    """Which of the words in question the rest of the book has; all its words where these are many."""
    if len(divided) > FEW_WORDS:
        return set(_WORD.findall(lowered))
    asked = {form for word in divided for form in word.forms}
    return {form for form in asked if _stands(form, lowered)}


def _stands(form: str, lowered: str) -> bool:
    """Whether a text has a word, or several with hyphens, that is no part of a longer one."""
    at = lowered.find(form)
    while at >= 0:
        if not _IN_WORD.match(lowered[at - 1 : at]) and not _IN_WORD.match(lowered, at + len(form)):
            return True
        at = lowered.find(form, at + 1)
    return False


def _without(text: str, divided: list[_Divided]) -> str:
    starts, ends = [word.start for word in divided], [word.end for word in divided]
    return " ".join(text[a:b] for a, b in zip([0, *ends], [*starts, len(text)], strict=True))


class _Divided:
    """A word that a line's end divides."""

    def __init__(self, found: re.Match):
        text, hyphen = found.string, found.start() - 1
        before = _WORD_END.search(text, max(0, hyphen - MAX_WORD_CHARS), hyphen)
        self.left = before.group() if before else ""
        self.right, self.marks, self.space = found.groups()
        self.start, self.end = hyphen - len(self.left), found.end()
        self.soft = text[hyphen] != "-"
        self.divides_again = self.marks[-1:] in ("-", "\u00ad", "\u00ac")
        alike = self.left[-1:].isalpha() and self.right[0].isupper() == self.left[-1].isupper()
        self.is_one = alike and not (self.divides_again and text[self.end : self.end + 1] == "\n")

    @property
    def forms(self) -> tuple[str, str, str, str]:
        left, right = self.left.lower(), self.right.lower()
        return left, right, left + right, f"{left}-{right}"

    def joined(self, known: set[str]) -> str | None:
        """The word as one, with the line's end behind it; None where its hyphen waits for another word."""
        left, right = self.left.lower(), self.right.lower()
        if right in _SUSPENDED and not self.soft and left + right not in known:
            return None
        together = self.soft or left + right in known or not (f"{left}-{right}" in known or {left, right} <= known)
        behind = self.space if self.divides_again else "\n"
        return self.left + ("" if together else "-") + self.right + self.marks + (behind if self.space else "")
