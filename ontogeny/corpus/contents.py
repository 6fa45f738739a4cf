"""Tables of contents, lists of illustrations, indexes: cut where they clearly are such; contents name the chapters."""

from __future__ import annotations

import re
from collections.abc import Callable

from ontogeny.corpus.blocks import Block, Cuts, norm

_CONTENTS = re.compile(
    r"^[\W_]{0,8}(?:(?:table of |general |detailed |summary of |brief "
    r"|short )?contents(?: of (?:the )?(?:\w+ )?(?:volume|vol|part|book)\b.{0,20})?"
    r"|(?:a )?list of (?:the )?(?:rhymes|fables|stories|tales|poems|chapters|contents|lessons|letters|essays"
    r"|plays|songs)"
    r"|содержание|оглавление|inhalt(?:sverzeichnis|sübersicht|s-verzeichnis)?|table(?: des mati[eè]res)?|sommaire"
    r"|[íi]ndice(?: general)?|inhoud(?:sopgave)?|innehåll|indholdsfortegnelse|obsah|spis treści)[\W_]{0,8}$",
    re.IGNORECASE,
)
_PICTURES = re.compile(
    r"^[\W_]{0,8}(?:(?:a )?list of )?(?:the )?(?:full[- ]page |colou?red |principal )*(?:illustrations?|plates"
    r"|figures|maps|tables|pictures"
    r"|engravings|diagrams|portraits|photographs|woodcuts|plates and maps|maps and (?:plans|illustrations)"
    r"|illustrations and maps|cuts|(?:plates|illustrations|figures) in text|список иллюстраций|abbildungen"
    r"|table des gravures)[\W_]{0,8}$",
    re.IGNORECASE,
)
_INDEX = re.compile(
    r"^[\W_]{0,8}(?:(?:general |alphabetical |analytical |combined )?ind(?:ex|ices)(?: (?:of|to|and|rerum"
    r"|nominum|verborum)\b.{0,50})?"
    r"(?: ?[{\[(]not included[\])}])?|(?:предметный |именной |алфавитный )?указатель(?: имен)?|(?:sach|personen"
    r"|namen)?register)[\W_]{0,8}$",
    re.IGNORECASE,
)
_FIRST_LINES = re.compile(
    r"^[\W_]{0,8}(?:an? )?(?:alphabetical )?(?:list|index) of (?:the )?first lines\b.{0,20}$", re.IGNORECASE
)
_LIST_WORD = re.compile(
    r"ontents|CONTENTS|[Ii]ndex|INDEX|list|LIST|List|ndic|NDIC|llustration|LLUSTRATION|lates|LATES|igures|IGURES"
    r"|maps?|MAPS?|Maps?|cuts|CUTS"
    r"|Cuts|[Tt]able|TABLE|ngravings|NGRAVINGS|iagrams|IAGRAMS|ortraits|ORTRAITS|hotogra|HOTOGRA|ictures|ICTURES"
    r"|одержание|ОДЕРЖАНИЕ"
    r"|главление|ГЛАВЛЕНИЕ|казатель|КАЗАТЕЛЬ|nhalt|NHALT|ommaire|OMMAIRE|egister|EGISTER|nhoud|NHOUD|bbildung"
    r"|nneh|ndhold|bsah|Spis|SPIS"
)
_PAGED = re.compile(
    r"(?:^|[\s.,_=·…]|\.\.)[_=(]{0,2}(?:[0-9]{1,4}(?:[-–][0-9]{1,4})?|[ivxlc]{1,7}|_?frontispiece_?|\")[_=).,;]{0,2}$",
    re.IGNORECASE,
)
_TAIL = re.compile(r"(?:(?:\s*[.·…_] ?){2,}|\s{2,}|\s|,)[_=(]{0,2}(?:[0-9]{1,4}|[ivxlc]{1,7})[_=).]{0,2}$")
_KEYWORD = re.compile(
    r"^[\W_]*(?:chapter|book|part|lecture|section|act|глава|часть|книга|kapitel|chapitre|[ivxlc]+\.|\d{1,3}\.)[\s\d]",
    re.IGNORECASE,
)
_ROMAN_ENTRY = re.compile(r"^\s*(?:[IVXLC]{1,7}|\d{1,3})[.)]?\s+\S")
_NUMBER = re.compile(
    r"^(?:(?:chapter|book|part|lecture|section|lesson|letter|canto|story|chap|глава|часть"
    r"|книга) ?)?(?:[ivxlc]{1,8}|\d{1,3})(?: |$)",
    re.IGNORECASE,
)
_ENTRY_NUMBER = re.compile(
    r"^[\W_]{0,3}(?:(?i:chapter|lecture|lesson|section|letter|canto|chap\.|глава|лекция|урок) )?([IVXLC]{1,8}"
    r"|\d{1,3})(?:\W|$)"
)
_RUN_IN = re.compile(r"(?:,|\.)? \d{1,4}[.;,]?(?: |$)")
_FIRST = re.compile(r"^(?:\w+ )?(?:the )?(?:i|1|one|first|первая|первый|1-я)\b\W*", re.IGNORECASE)
_FAR_PAGED = re.compile(r"(?:\s{2,}|\.{2,} ?|…)[_=]{0,2}(?:[0-9]{1,4}|[ivxlc]{1,7})[_=.]{0,2}$")
_INDEXED = re.compile(r"[\s,_][_=]{0,2}\d{1,4}(?:[-–]\d{1,4})?(?:[_=]| et seq\.|ff?\.|, ?footnote| n\.?)*[.,;:]?$")
_SENTENCE_END = re.compile(r"[.!?…][\"'”’»)\]_]*$")
MAX_LISTS = 60  # that a book is searched for
MIN_ENTRIES, MAX_CONTENTS_FRAC, MAX_CONTENTS_CHARS = 3, 0.4, 120_000
MAX_TOPICS_CHARS, MAX_HEAD_CHARS = 2000, 64
ROOMY_GAP = 3
MAX_TITLE_CHARS = 160


def cut_contents(blocks: list[Block], cuts: Cuts) -> tuple[list[Block], dict[str, int], int]:
    """(the blocks without tables of contents, lists of pictures, indexes; titles that contents named; from where).

    A title's number: 0 for what holds numbered chapters, 1 for a chapter, 2 for what stands below one."""
    titles: dict[str, int] = {}
    doomed: dict[int, str] = {}
    later: dict[str, int] = {}
    stop = tried = begin = 0
    for index, block in enumerate(blocks):
        if index < stop or len(block.lines[0]) > 100 or not (rule := _list_rule(block, index, blocks)):
            continue
        later = later or _last_places(blocks)
        end = _END_OF[rule](blocks, index, later)
        entries = _entries(blocks[index:end])
        if _is_list(rule, entries, blocks, index, end, later):
            stop = end
            if rule == "contents":
                begin = index - len(doomed) if not titles else begin
                titles |= _titles(blocks[index + 1 : end], entries)
            if cuts.on(rule):
                doomed.update(dict.fromkeys(range(index, end), rule))
        tried += 1
        if tried == MAX_LISTS:
            break
    return cuts.drop_each(blocks, doomed), titles, begin


def _list_rule(block: Block, index: int, blocks: list[Block]) -> str | None:
    """Which list a block's first line is the heading of."""
    first = block.lines[0].strip()
    if block.kind or len(first) > MAX_HEAD_CHARS or not _LIST_WORD.search(first) or first.startswith("["):
        return None
    if _CONTENTS.match(first):
        return "contents"
    if _PICTURES.match(first) and (len(block.lines) == 1 or not block.lines[1][:1].islower()):
        return "illustration_list"
    if len(block.lines) <= 3 and _FIRST_LINES.match(block.flat):
        return "index"
    if _INDEX.match(first):
        return "contents" if index < len(blocks) // 8 and not first.lower().startswith("index of") else "index"
    return None


def _last_places(blocks: list[Block]) -> dict[str, int]:
    """Where every short block and first line stands last, by its words, with and without the number before them."""
    found: dict[str, int] = {}
    for index, block in enumerate(blocks):
        if len(block.lines) <= 3 and block.chars <= MAX_TITLE_CHARS:
            for name in _both(block.flat):
                found[name] = index
        if len(block.lines[0]) <= MAX_TITLE_CHARS:
            for name in _both(block.lines[0]):
                found[name] = index
    return found


def _recurs(entry: str, later: dict[str, int], after: int) -> bool:
    """Whether an entry comes again as a short block, after a place."""
    return any(later.get(name, -1) > after for name in _both(_TAIL.sub("", entry)))


def _both(title: str) -> set[str]:
    whole = norm(title)
    bare = _NUMBER.sub("", whole)
    return {name for name in (whole, bare) if len(name) > 2}


def _entries(blocks: list[Block]) -> list[str]:
    """The lines below a list's heading."""
    lines = [line.strip() for block in blocks for line in block.lines]
    return [line for line in lines[1:] if line]


def _titles(blocks: list[Block], entries: list[str]) -> dict[str, int]:
    """What contents call the chapters: lines, two of them that one title runs over, topics run together."""
    bare = [_TAIL.sub("", entry) for entry in entries]
    numbers = [found[1].casefold() if (found := _ENTRY_NUMBER.match(entry)) else "" for entry in bare]
    numbered = {"1", "2", "3"} <= set(numbers) or {"i", "ii", "iii"} <= set(numbers)
    numbers = numbers if numbered else [""] * len(numbers)
    words = {"1", "2", "i", "ii"} <= set(numbers)
    found: dict[str, int] = {}
    for block in blocks:
        if len(_RUN_IN.findall(flat := block.flat)) > 1:
            for topic in _RUN_IN.split(flat):
                found |= dict.fromkeys(_both(topic) if len(topic) <= MAX_TITLE_CHARS else (), 2)
    for index, (title, number) in enumerate(zip(bare, numbers, strict=True)):
        following = numbers[index + 1] if index + 1 < len(numbers) else ""
        depth = (
            1 if not numbered or number else 0 if following in ("i", "1") and {"i", "1"} & set(numbers[:index]) else 2
        )
        depth = 2 if words and number.isdigit() else depth
        if len(title) <= MAX_TITLE_CHARS:
            found |= dict.fromkeys(_both(title), depth)
        if (
            index + 1 < len(bare)
            and not _PAGED.search(entries[index])
            and len(title) + len(bare[index + 1]) <= MAX_TITLE_CHARS
        ):
            found |= dict.fromkeys(_both(f"{title} {bare[index + 1]}") - found.keys(), depth)
    return found


def _is_list(rule: str, entries: list[str], blocks: list[Block], first: int, stop: int, later: dict[str, int]) -> bool:
    """Whether what stands under a list's heading is one: pages are named, or its titles come again, or are numbered."""
    if "not included" in blocks[first].lines[0].lower():
        return True
    if len(entries) < MIN_ENTRIES:
        return False
    size, whole = (sum(block.chars for block in part) for part in (blocks[first:stop], blocks))
    if rule == "contents" and size > max(min(MAX_CONTENTS_FRAC * whole, MAX_CONTENTS_CHARS), 400):
        return False
    paged = sum(bool(_PAGED.search(entry)) for entry in entries)
    if rule == "index" and paged >= 0.3 * len(entries):
        return True
    if paged >= max(MIN_ENTRIES, 0.25 * len(entries)) or (rule == "illustration_list" and paged >= MIN_ENTRIES):
        return True
    if rule == "illustration_list":
        return False
    again = sum(_recurs(entry, later, stop - 1) for entry in entries)
    numbered = sum(bool(_KEYWORD.match(entry)) for entry in entries)
    return again >= max(MIN_ENTRIES, 0.4 * len(entries)) or (numbered >= MIN_ENTRIES and again >= 2)


def _end_of_contents(blocks: list[Block], first: int, later: dict[str, int]) -> int:
    """The block after the last entry: where prose begins, a first entry comes again, or another list."""
    opening: list[str] = []
    stop = first + 1
    paged = dotted = 0
    while stop < len(blocks):
        block = blocks[stop]
        name = norm(_TAIL.sub("", block.flat))
        is_paged = sum(bool(_PAGED.search(line)) for line in block.lines)
        if stop > first + 1 and (name in opening[:4] and not is_paged):
            break
        if _list_rule(block, stop, blocks) and (not is_paged or len(block.lines) > 1):
            break
        if block.gap > ROOMY_GAP and stop > first + 1 and paged and not any(map(_names_pages, blocks[stop : stop + 4])):
            break
        doubtful = _is_prose(block) or (len(block.lines) > 1 and not is_paged and not _are_entries(block, stop, later))
        doubtful = doubtful or (not is_paged and 2 * dotted <= stop - first and _is_sentence(block, stop, later))
        if doubtful and (block.chars > MAX_TOPICS_CHARS or not _goes_on(blocks[stop + 1 : stop + 4])):
            break
        paged += is_paged
        dotted += block.lines[-1].endswith(".")
        if len(opening) < 4 and len(name) > 2:
            opening += [norm(_TAIL.sub("", line)) for line in block.lines]
        stop += 1
    return _back_off(blocks, first, stop)


def _goes_on(blocks: list[Block]) -> bool:
    """Whether a table with its pages far to the right goes on."""
    return any(_FAR_PAGED.search(line) for block in blocks for line in block.lines)


def _names_pages(block: Block) -> bool:
    return any(_PAGED.search(line) for line in block.lines)


def _are_entries(block: Block, index: int, later: dict[str, int]) -> bool:
    """Whether lines without pages are entries: numbered, coming again below, sentences cut short, or in capitals."""
    numbered = sum(bool(_KEYWORD.match(line) or _ROMAN_ENTRY.match(line)) for line in block.lines)
    again = sum(_recurs(line, later, index) for line in block.lines)
    topics = sum(line.endswith((".", ";", "--", "—")) for line in block.lines)
    capitals = block.text == block.text.upper()
    if _has_topics(block.flat):
        return True
    return (
        max(numbered, again) >= 0.3 * len(block.lines)
        or topics >= 0.6 * len(block.lines)
        or (capitals and len(block.lines) < 4)
    )


def _is_sentence(block: Block, index: int, later: dict[str, int]) -> bool:
    """Whether a short block is said by somebody, and names no chapter."""
    words = block.flat.split()
    small = sum(word[0].islower() for word in words)
    ends = bool(_SENTENCE_END.search(block.flat))
    return (
        len(block.lines) <= 2
        and len(words) >= 5
        and ends
        and small >= 0.6 * len(words)
        and not _recurs(block.flat, later, index)
        and not _ROMAN_ENTRY.match(words[0] + " x")
    )


def _is_prose(block: Block) -> bool:
    """Whether a block is text to be read, and no entry of a list."""
    lines = block.lines
    if sum(bool(_PAGED.search(line)) for line in lines) >= 0.25 * len(lines):
        return False
    text = block.flat
    if len(lines) == 1 and len(text) < 100:
        return False
    if _has_topics(text):
        return False
    small = sum(line.lstrip()[:1].islower() for line in lines[1:])
    if len(lines) == 1 or (len(lines) > 2 and small >= 0.5 * (len(lines) - 1)):
        return bool(_SENTENCE_END.search(text)) or len(text) > 240
    return len(lines) == 2 and small == 1 and len(lines[0]) > 50 and bool(_SENTENCE_END.search(text)) and len(text) > 90


def _has_topics(text: str) -> bool:
    """Whether a text is a chapter's topics with dashes between them."""
    return text.count("--") + text.count("—") + text.count(" – ") >= max(2, len(text) / 90)


def _back_off(blocks: list[Block], first: int, stop: int) -> int:
    """Gives back the headings of what follows: after a wide gap, or without the page that the others name."""
    entries = [line for block in blocks[first + 1 : stop] for line in block.lines]
    mostly_paged = sum(bool(_PAGED.search(line)) for line in entries) >= 0.5 * len(entries)
    if stop >= len(blocks):
        return stop
    for index in range(stop - 1, max(first + 1, stop - 6), -1):
        block = blocks[index]
        if block.gap > ROOMY_GAP and all(len(b.lines) <= 3 and not _names_pages(b) for b in blocks[index:stop]):
            return index
    seen = {
        name
        for block in blocks[first + 1 : max(first + 2, stop - 3)]
        for line in block.lines
        for name in _both(_TAIL.sub("", line))
    }
    while stop > first + 1:
        block = blocks[stop - 1]
        again = bool((_both(block.flat) | _both(block.lines[0])) & seen) or (
            _FIRST.match(norm(block.flat)) and stop > first + 2
        )
        if len(block.lines) > 3 or _PAGED.search(_FIRST.sub("", block.lines[-1])) or not (again or mostly_paged):
            break
        stop -= 1
    return stop


def _end_of_index(blocks: list[Block], first: int, later: dict[str, int]) -> int:
    """The block after the last that names pages: a wide gap with no pages after it, or prose, ends an index."""
    if _FIRST_LINES.match(blocks[first].flat):
        return _end_of_contents(blocks, first, later)
    stop, last = first + 1, first + 1
    while stop < len(blocks):
        block = blocks[stop]
        if _is_indexed([block]):
            last = stop + 1
        elif (
            _is_prose(block)
            or block.kind
            or stop - last > 8
            or (block.gap > ROOMY_GAP and not _is_indexed(blocks[stop : stop + 3]))
        ):
            break
        stop += 1
    while last < stop and len(blocks[last].flat) < 4:  # the letters between
        last += 1
    return last


def _is_indexed(blocks: list[Block]) -> bool:
    lines = [line for block in blocks for line in block.lines]
    return sum(bool(_INDEXED.search(line)) for line in lines) >= 0.3 * len(lines)


_END_OF: dict[str, Callable[[list[Block], int, dict[str, int]], int]] = {
    "contents": _end_of_contents,
    "illustration_list": _end_of_contents,
    "index": _end_of_index,
}
