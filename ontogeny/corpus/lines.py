"""Which line breaks a typesetter forced, and which the author meant."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise

from ontogeny.corpus.blocks import Block, Cuts

MIN_WRAP_CHARS = 50
MAX_FREE_BREAKS_FRAC = 0.12
LONG_LINE_CHARS, SHORT_LINE_CHARS = 120, 60
MAX_VERSE_LINES, MIN_STANZA_LINES = 60, 8
MAX_INDENT, WRAPPED_FRAC, HEAD_FRAC = 10, 0.6, 0.7
MAX_NAME_WORDS = 4
MIN_RESTING_LINES, MAX_RESTING_CHARS, RESTS_FRAC = 4, 55, 0.75
_TURN = re.compile(r"^\s*(?:[—–] ?[\w«\"„(]|- ?[A-ZА-ЯЁ]|[A-ZА-ЯЁ][\w.]*(?: [A-ZА-ЯЁ][\w.]*){0,2}: \S)")
_COLUMNS = re.compile(r"\S {3,}\S|\t|\|.*\|")
_LIST = re.compile(r"^\s*(?:[*+•·-]|\(?(?P<mark>\d{1,3}|[a-zа-я])[.)])\s+\S")
_SENTENCE_END = re.compile(r"[.!?…:;][\"'”’»)\]_]*$")
_FULL_STOP = re.compile(r"[.!?…][\"'”’»)\]_]*$")
_REST = re.compile(r"[,;:.!?…—-][\"'”’»)\]_]*$")
_PARAGRAPH_END = re.compile(r"[.!?…:;—-][\"'”’»)\]_]*$")
_CODE = re.compile(
    r"^\s*(?:>>> |\$ |#include|def \w+\(|class \w+[:(]|import \w|from \w+ import|return\b.*;|function \w"
    r"|</?\w+[^<>]*>\s*$|\}|\\begin\{|\\end\{)"
    r"|[\w)\]]\s*\{\s*$|[)\]=]\s*;\s*$|=\s*[\w.]+;\s*$|^\s*[\w.]+\s*=\s*[\w.]+\(.*\)$"
)
_MATH = re.compile(r"^\s*(?:\\\[|\$\$|\\begin\{)")
_CODE_SIGNS = "`~\\${}(;#<>"
_IMPORT = re.compile(r"^\s*(?:import|from) \w", re.MULTILINE)
_CODE_STARTS = (
    ">>> ",
    "$ ",
    "#include",
    "def ",
    "class ",
    "import ",
    "from ",
    "return",
    "function ",
    "<",
    "}",
    "\\begin",
    "\\end",
)
_FORMULA_OPENS = re.compile(r"\\\[|\\begin\{")
_FORMULA_CLOSES = re.compile(r"\\\]|\\end\{")
_WORDS = re.compile(r"[^\W\d_]{4,}")
_SUSPENDED = re.compile(r"(?:and|or|to|nor|und|oder|bis|et|ou|и|или)\b")
_OPENING = " \t\"'“‘«([_=„"


@dataclass(slots=True)
class Measure:
    """What of a block's lines decides whether they were wrapped."""

    count: int
    width: int
    small: int  # lines after the first that begin with a small letter
    even: bool  # lines after the first that all begin at one column

    def free(self, lines: list[str], width: int) -> int:
        """Breaks that nothing forced: the next line's first word would have fitted within `width`."""
        rooms = [width - len(line) for line in lines[:-1]]
        return sum(
            [room > 1 and len(line.split(None, 1)[0]) < room for room, line in zip(rooms, lines[1:], strict=True)]
        )


def measure(lines: list[str]) -> Measure:
    """A block's measure."""
    rest = lines[1:]
    small = sum([line.lstrip(_OPENING)[:1].islower() for line in rest])
    bare = list(map(str.lstrip, rest))
    even = bare == rest or len({len(line) - len(left) for line, left in zip(rest, bare, strict=True)}) <= 1
    return Measure(len(lines), max(map(len, lines)), small, even)


def surely_wrapped(lines: list[str]) -> bool:
    """Whether a block is prose by itself: wide, each break forced, its lines going on with small letters.

    It looks at nothing but the block, so that what it leaves it will always leave."""
    if len(lines) < 2 or not (found := measure(lines)).even:
        return False
    if found.count == 2:
        return found.small == 1 and len(lines[0]) >= MIN_WRAP_CHARS - 5
    if found.small >= 0.7 * (found.count - 1) and sum(map(len, lines)) >= 26 * found.count and not _has_rests(lines):
        return True
    allowed = max(1, MAX_FREE_BREAKS_FRAC * (found.count - 1))
    wide = found.width >= MIN_WRAP_CHARS and found.small >= 0.5 * (found.count - 1)
    return wide and found.free(lines, found.width) <= allowed


def _has_rests(lines: list[str]) -> bool:
    """Whether lines end where a voice rests, as verse does that begins them small."""
    if len(lines) < MIN_RESTING_LINES or max(map(len, lines)) > MAX_RESTING_CHARS:
        return False
    return sum(bool(_REST.search(line)) for line in lines[:-1]) >= RESTS_FRAC * (len(lines) - 1)


def likely_wrapped(lines: list[str], wrap_chars: int) -> bool:
    """The same where the book is known to be wrapped at `wrap_chars`: each break must be forced at that width."""
    found = measure(lines)
    if not found.even or not wrap_chars - 15 <= found.width <= wrap_chars + 15:
        return False
    return found.free(lines, wrap_chars - 3) <= MAX_FREE_BREAKS_FRAC * (found.count - 1)


def kept_kind(lines: list[str]) -> str | None:
    """table, list, code or dialogue, where a block's lines are clearly one of these; None where they are not."""
    count, text = len(lines), "\n".join(lines)
    if "   " in text or "\t" in text or "|" in text:
        columns = sum(bool(_COLUMNS.search(line.strip())) for line in lines)
        if columns >= max(2, 0.3 * count) or (columns and count <= 3):
            return "table" if count > 1 else None
    if any(map(text.__contains__, _CODE_SIGNS)) or (("import " in text or "from " in text) and _IMPORT.search(text)):
        if lines[0].lstrip().startswith(("```", "~~~")):
            return "code"
        if ("\\" in text or "$$" in text) and any(_MATH.match(line) for line in lines):
            return "code"
        near = [line for line in lines if line[-1] in ";{}>)" or line.lstrip().startswith(_CODE_STARTS)]
        if len(near) >= max(2, 0.4 * count) and sum(bool(_CODE.search(line)) for line in near) >= max(2, 0.4 * count):
            return "code"
    if "=" in text and sum(_is_equation(line) for line in lines) >= max(1, 0.5 * count):
        return "code"
    if _TURN.match(lines[0]) and len(_turns(lines)) >= 2:
        return "dialogue"
    if _LIST.match(lines[0]) and len(_items(lines)) >= 2:
        return "list"
    return None


def _turns(lines: list[str]) -> list[int]:
    """The lines that begin a turn: the first, and those after a line that ends a sentence."""
    return [i for i, line in enumerate(lines) if _TURN.match(line) and (not i or _SENTENCE_END.search(lines[i - 1]))]


def _items(lines: list[str]) -> list[int]:
    """The lines that begin an item: a mark, or numbers and letters that each follow the one before.

    A mark without a number, further in than the first line, begins an item within an item."""
    found: list[int] = []
    last = ""
    margin = len(lines[0]) - len(lines[0].lstrip())
    for index, line in enumerate(lines):
        if match := _LIST.match(line):
            mark = match["mark"]
            if not mark and len(line) - len(line.lstrip()) > margin:
                found.append(index)
            elif not last or mark == last == "" or _follows(last, mark):
                found.append(index)
                last = mark or ""
    return found


def _follows(last: str, mark: str | None) -> bool:
    if not mark or last.isdigit() != mark.isdigit():
        return False
    return int(mark) == int(last) + 1 if mark.isdigit() else len(mark) == len(last) == 1 and ord(mark) == ord(last) + 1


def _is_equation(line: str) -> bool:
    return "=" in line and len(line) <= 200 and not _WORDS.search(line) and any(char.isalnum() for char in line)


def join_items(lines: list[str], kind: str) -> list[str]:
    """A list or dialogue with the wrapped lines of each item joined to its first."""
    opens = set(_items(lines) if kind == "list" else _turns(lines))
    indent = len(lines[0]) - len(lines[0].lstrip())
    items: list[list[str]] = []
    for index, line in enumerate(lines):
        if index not in opens and items:
            bare = line.lstrip()
            if not (bare[:1].islower() or len(line) - len(bare) > indent or len(items[-1][-1]) >= SHORT_LINE_CHARS):
                return lines
            items[-1].append(line)
        else:
            items.append([line])
    return [
        item[0] if len(item) == 1 else item[0][: len(item[0]) - len(item[0].lstrip())] + join_lines(item)
        for item in items
    ]


def join_lines(lines: list[str]) -> str:
    """A hard-wrapped block as one line: a space for each break, none after a hyphen or a dash within words."""
    whole = "\n".join(lines)
    if "-\n" not in whole and "—\n" not in whole:
        return " ".join(map(str.strip, lines))
    joined = [lines[0].strip()]
    for line, following in pairwise(lines):
        bare = following.strip()
        tied = line.endswith(("-", "—")) and len(line) > 1 and not line[-2].isspace() and bare[:1].isalnum()
        if tied and line[-2].isalnum() and line[-1] == "-" and _SUSPENDED.match(bare):
            tied = False
        joined.append(bare if tied else " " + bare)
    return "".join(joined)


def join_around_formulas(lines: list[str]) -> list[str]:
    """Prose with displayed formulas in it: the formulas keep their lines, the wrapped lines between them are joined."""
    joined: list[str] = []
    run: list[str] = []
    depth = 0
    for line in lines:
        opened = len(_FORMULA_OPENS.findall(line))
        if depth or opened or _MATH.match(line):
            joined += [join_lines(run)] if surely_wrapped(run) else run
            run = []
            joined.append(line)
            depth = max(0, depth + opened - len(_FORMULA_CLOSES.findall(line)))
        else:
            run.append(line)
    return joined + ([join_lines(run)] if surely_wrapped(run) else run)


def dedent(lines: list[str]) -> list[str]:
    """Lines without the spaces that all of them begin with."""
    if not any(line[0].isspace() for line in lines):
        return lines
    margin = min(len(line) - len(line.lstrip()) for line in lines)
    return [line[margin:] for line in lines] if margin else lines


def split_paragraph_lines(blocks: list[Block], cuts: Cuts) -> list[Block]:
    """Where lines are paragraphs, or an indent begins one, a block each; three and more short lines in a row stay
    together."""
    if not cuts.on("paragraph_lines"):
        return blocks
    split: list[Block] = []
    for block in blocks:
        lines, parts = block.lines, [block.lines]
        may = has_long_line(lines) or lines[0][0].isspace()
        if may and not block.kind and len(lines) > 1 and kept_kind(lines) not in ("table", "code"):
            if has_long_line(lines) and not surely_wrapped(lines):
                parts = runs_of(lines)
            parts = [part for run in parts for part in _indented_paragraphs(run)]
        block.lines = parts[0]
        split += [block, *map(Block, parts[1:])]
        cuts.add("paragraph_lines", len(parts) - 1, 0)
    return split


def _indented_paragraphs(lines: list[str]) -> list[list[str]]:
    """The paragraphs of a block whose first lines are indented, all alike; the block itself where it is none."""
    if len(lines) < 3 or not lines[0][0].isspace():
        return [lines]
    bare = dedent(lines)
    indents = [len(line) - len(line.lstrip()) for line in bare]
    opens = [index for index, indent in enumerate(indents) if indent]
    if len(opens) < 2 or opens[0] or indents[0] > MAX_INDENT or any(indents[index] != indents[0] for index in opens):
        return [lines]
    if not all(_PARAGRAPH_END.search(bare[index - 1]) for index in opens[1:]):
        return [lines]
    parts = [bare[start:end] for start, end in pairwise([*opens, len(bare)])]
    several = [part for part in parts if len(part) > 1]
    return parts if sum(map(surely_wrapped, several)) >= WRAPPED_FRAC * len(several) > 0 else [lines]


def split_heads(blocks: list[Block], cuts: Cuts) -> list[Block]:
    """A title or a speaker's name directly above the text becomes a block of its own."""
    if not cuts.on("heading_lines"):
        return blocks
    split: list[Block] = []
    for block in blocks:
        split.append(block)
        if not block.kind and _has_head(block.lines) and kept_kind(block.lines) is None:
            split.append(Block(block.lines[1:]))
            block.lines = block.lines[:1]
            cuts.add("heading_lines", 1, 0)
    return split


def _has_head(lines: list[str]) -> bool:
    """Whether the first line stands short above a wrapped paragraph, whose first line does not stand so itself."""
    return _stands_above(lines) and not _stands_above(lines[1:])


def _stands_above(lines: list[str]) -> bool:
    """Whether the first line is in capitals or a name, short though it had room, and the others are wrapped."""
    if len(lines) < 3 or len(lines[0].strip()) > HEAD_FRAC * max(map(len, lines[1:])):
        return False
    head, *rest = dedent(lines)
    below = rest[0].strip()
    width = max(map(len, rest))
    if len(head) > HEAD_FRAC * width or len(head) + len(below.split(None, 1)[0]) > width - 3 or _REST.search(head):
        return False
    words = head.split()
    if head != head.upper() and not (len(words) <= MAX_NAME_WORDS and all(word[0].isupper() for word in words)):
        return False
    return below.lstrip("\"'“‘«„")[:1].isupper() and surely_wrapped(rest)


def has_long_line(lines: list[str]) -> bool:
    """Whether lines are too long to be verse, or a page's."""
    return len(lines) > 1 and max(map(len, lines)) > LONG_LINE_CHARS


def runs_of(lines: list[str]) -> list[list[str]]:
    """Each line alone, but for three and more short ones in a row."""
    runs: list[list[str]] = []
    short: list[str] = []
    for line in [*lines, None]:
        if line is not None and len(line) < SHORT_LINE_CHARS and not _TURN.match(line):
            short.append(line)
            continue
        runs += [short] if len(short) >= 3 else [[each] for each in short]
        short = []
        if line is not None:
            runs.append([line])
    return runs


def stanzas_of(lines: list[str], wrap_chars: int) -> list[list[str]]:
    """Verse that no blank line parts, parted after lines that end a sentence; a part that alone would not pass for
    verse stays with the one before it."""
    if len(lines) <= MAX_VERSE_LINES:
        return [lines]
    stanzas: list[list[str]] = []
    stanza: list[str] = []
    for line in lines:
        stanza.append(line)
        if len(stanza) >= MIN_STANZA_LINES and _FULL_STOP.search(line) and _is_verse(stanza, wrap_chars):
            stanzas.append(stanza)
            stanza = []
    if stanza and stanzas and (len(stanza) < MIN_STANZA_LINES or not _is_verse(stanza, wrap_chars)):
        stanzas[-1] += stanza
    elif stanza:
        stanzas.append(stanza)
    return stanzas


def _is_verse(lines: list[str], wrap_chars: int) -> bool:
    """Whether lines alone would be left as they are."""
    if surely_wrapped(lines) or (wrap_chars > 0 and likely_wrapped(lines, wrap_chars)) or kept_kind(lines) is not None:
        return False
    parted = len(_indented_paragraphs(lines)) > 1 or _has_head(lines)
    return not parted and "\n".join(lines) != "\n".join(lines).upper()
