"""Where chapters begin, and which stand below which: words for parts, numbers, titles that the contents named."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from itertools import pairwise

from ontogeny.corpus.blocks import Block, Cuts, norm
from ontogeny.corpus.sequences import BARE, SMALL_START, cut_underlines, numbers_alone

MAX_TITLE_LINES, MAX_TITLE_CHARS = 4, 180
MOSTLY, MIN_WIDE = 0.6, 8
ROMAN = r"(?=[IVXLC])C{0,3}(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})"
_WORDS_EN = (
    r"one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|thirteen|fourteen|fifteen|sixteen|seventeen"
    r"|eighteen|nineteen"
    r"|twenty|thirty|forty|fifty|sixty|first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|eleventh"
    r"|twelfth|last"
    r"|(?:thir|four|fif|six|seven|eigh|nine)teenth|twentieth|thirtieth|fortieth|fiftieth"
)
_WORDS_RU = (
    r"перв|втор|трет|четв[её]рт|пят|шест|седьм|восьм|осьм|девят|десят|одиннадцат|двенадцат|тринадцат|четырнадцат"
    r"|пятнадцат|шестнадцат"
    r"|семнадцат|восемнадцат|девятнадцат|двадцат|тридцат|сорок|пятидесят|последн"
)
_WORDS_OTHER = (
    r"premi[eè]re?|deuxi[eè]me|seconde?|troisi[eè]me|quatri[eè]me|cinqui[eè]me|erste[rs]?|zweite[rs]?"
    r"|dritte[rs]?|vierte[rs]?|fünfte[rs]?"
    r"|sechste[rs]?|sieb(?:en)?te[rs]?|achte[rs]?|neunte[rs]?|zehnte[rs]?|elfte[rs]?|zwölfte[rs]?"
    r"|(?:drei|vier|fünf|sech|sieb|acht|neun)zehnte[rs]?"
    r"|(?:(?:ein|zwei|drei|vier|fünf|sechs|sieben|acht|neun)und)?(?:zwanzig|drei(?:ß|ss)ig)ste[rs]?"
    r"|(?:six|sept|huit|neuv|dix|onz|douz|treiz|quatorz|quinz|seiz|dix-sept|dix-huit|dix-neuv|vingt)i[eè]me"
    r"|primer[oa]?|segund[oa]|tercer[oa]?|cuart[oa]|prim[oa]|terz[oa]|quart[oa]"
)
_NUMERAL = (
    rf"(?:(?:[0-9]{{1,3}}|{ROMAN}|(?i:(?:the )?(?:{_WORDS_EN})(?:[- ](?:{_WORDS_EN}))?"
    rf"|(?:(?:{_WORDS_RU})\w*)(?: (?:{_WORDS_RU})\w*)?"
    rf"|{_WORDS_OTHER}))(?![\w]))"
)
RANKS: dict[str, int] = {  # which word stands for a greater part than which; part, book and act by what comes first
    "volume": 1, "part": 2, "book": 2, "act": 2, "chapter": 4, "scene": 5, "section": 6,
}  # fmt: skip
_VOLUME = r"volume|vol\.|tome|том|band|tomo"
_PART = r"part|часть|teil|theil|partie|parte|отделение|раздел|division"
_BOOK = r"book|книга|buch|livre|libro|liber|boek"
_ACT = r"act|акт|действие|aufzug|akt|acte|acto|atto"
_CHAPTER = (
    r"chapter|chap\.|ch\.|lecture|lesson|letter|canto|essay|dialogue|story|sermon|series|fable|discourse|meditation"
    r"|stave|psalm|song|poem|hymn|ode|sonnet"
    r"|appendix|глава|лекция|урок|письмо|песнь?|рассказ|беседа|диалог|приложение|kapitel|capitel|chapitre"
    r"|cap[ií]tulo|capitolo|caput"
    r"|vorlesung|leçon|lettre|gesang"
)
_SCENE = r"scene|сцена|явление|картина|auftritt|szene|scène|escena"
_SECTION = r"section|sect\.|article|§|параграф|abschnitt|proposition|prop\.|problem|theorem|experiment"
_KEYWORD = "|".join(
    f"(?P<{name}>{words})"
    for name, words in {
        "volume": _VOLUME, "part": _PART, "book": _BOOK, "act": _ACT, "chapter": _CHAPTER,
        "scene": _SCENE, "section": _SECTION,
    }.items()
)  # fmt: skip
_AFTER = r"(?P<rest>(?:[.:,;)\]_=]|\s?[-–—]+)*(?:\s+.*|[-–—:.]+\S.*)?)"
_NUMBERED = re.compile(rf"^[\W_]{{0,4}}(?:(?:THE|The) )?(?i:{_KEYWORD})(?:\s*(?:No\.?|№|#))?\s*_?{_NUMERAL}{_AFTER}$")
_ORDINAL = re.compile(
    rf"^[\W_]{{0,4}}(?i:the )?(?i:{_WORDS_EN}|(?:{_WORDS_RU})\w*|{_WORDS_OTHER}|[0-9]{{1,2}}(?:st|nd|rd"
    rf"|th)) (?i:{_KEYWORD})\b{_AFTER}$"
)
_ROMAN_HEAD = re.compile(
    rf"^[\W_]{{0,3}}(?:§ ?)?(?P<number>{ROMAN})(?P<dot>[.)]?)[_=\]]{{0,2}}(?P<rest>(?:\s*[-–—:]\s*|\s+).*)?$"
)
_ROMAN_ALONE = re.compile(rf"^{ROMAN}\.?$")
_SECTION_SIGN = re.compile(r"^[\W_]{0,2}§+ ?\d{1,4}\.?[_=]{0,2}(?P<rest>(?:\s|[-–—]).*)?$")
_NO_MARKS = dict.fromkeys(map(ord, "_=~*"))
_MARK = re.compile(r"\[\w{1,3}\]|\*$")
_LEADING_NUMBER = re.compile(r"^(?:[ivxlc]{1,8}|\d{1,3}) ")
_FORMULA = re.compile(r"[={}\\^$<>|+]|\d\.\d")
_TURN_NAME = re.compile(r"^[A-ZА-ЯЁ]{2,12}[.:] ")
_LETTER = re.compile(r"^[\W_]{0,3}[A-ZА-ЯЁ]\.?[\W_]{0,3}$")
_NAMED = re.compile(
    r"^[\W_]{0,4}(?i:(?:(?:the|an?|author['’]s|editor['’]s|translator['’]s|publisher['’]s|general|prefatory"
    r"|introductory|biographical"
    r"|bibliographical|historical|preliminary|final|concluding|по|от)\s)*"
    r"(?:preface|foreword|introduction|prologue|epilogue|conclusion|afterword|postscript|appendix|appendices"
    r"|glossary|bibliography"
    r"|dedication|advertisement|prelude|interlude|overture|finale|summary|argument|acknowledge?ments?|note|notes"
    r"|remarks?|observations"
    r"|letter|chronology|vocabulary|addenda|errata|footnotes|references|to the (?:reader|teacher|pupil|student)s?"
    r"|предисловие|введение|вступление|пролог|эпилог|заключение|послесловие|примечания|приложени[ея]|посвящение"
    r"|автора|издателя|читателю"
    r"|vorwort|einleitung|nachwort|anmerkungen|anhang|schluss|préface|avant-propos|avertissement|épilogue|notes"
    r"|prólogo|introducción"
    r"|epílogo|prefazione|introduzione)"
    r"(?:\s(?:to|of|by|for|on|and|zu|к|ко|des?|du)\s.{1,70}|\s(?:[a-z]|[ivx]{1,4}|\d{1,2})\b.{0,60})?)[.:]?[\W_]{0,4}$"
)
_TELLS = re.compile(  # how a long title begins, that tells what happens
    r"(?:in which|wherein|containing|being|concerning|в котор\w+|о том|и последн\w+|in (?:de[mr]|welche[mr])|worin"
    r"|où)\b",
    re.IGNORECASE,
)
_NO_TITLE_END = re.compile(r"[,;]$|[—–-]$")
_SMALL_WORDS = ("of", "in", "by", "the", "and", "or", "on", "to", "a", "being", "with", "from")
_SENTENCE = re.compile(r"[a-zа-яёà-ÿ0-9)][.!?]$")


def mark_headings(blocks: list[Block], titles: Mapping[str, int], cuts: Cuts) -> list[Block]:
    """The blocks with their headings told: one line each, its depth counted from the greatest part in use."""
    blocks = _split_first_lines(blocks, cuts)
    underlined = cut_underlines(blocks, cuts)
    ranks: dict[int, int] = {}
    words: dict[int, str] = {}
    counts: Counter[str] = Counter()
    for index, block in enumerate(blocks):
        if block.kind or len(block.lines) > MAX_TITLE_LINES or block.chars > MAX_TITLE_CHARS:
            continue
        if found := _rank(block, titles):
            words[index], ranks[index] = found
            counts[words[index]] += 1
    _settle_parts(blocks, words, ranks, counts)
    _settle_numbers(blocks, words, ranks, counts)
    for index in numbers_alone(blocks):
        words[index], ranks[index] = "number", 5
    for index, rank in underlined.items():
        if not (index and _is_bare(blocks[index - 1].flat)):  # there it is the number's title, as it is without a line
            ranks.setdefault(index, rank)
    _settle_named(blocks, words, ranks)
    _add_half_title(blocks, words, ranks)
    _add_capitals(blocks, ranks, {index for index, word in words.items() if word == "title"})
    depth_of = {rank: depth for depth, rank in enumerate(sorted({rank for rank in ranks.values() if rank > 0}), 1)}
    for index, rank in ranks.items():
        blocks[index].kind = "heading"
        blocks[index].depth = depth_of.get(rank, 1)
    return _whole_titles(blocks, titles, cuts)


def _rank(block: Block, titles: Mapping[str, int]) -> tuple[str, int] | None:
    """(word of its kind, rank) of a block that is a heading by itself; rank 0 is for front and back matter."""
    flat = block.flat.translate(_NO_MARKS).strip()
    if not flat or (not flat[0].isalnum() and flat[0] not in "_*=§\"“«'‘(¿¡[~"):
        return None
    if (found := _NUMBERED.match(flat) or _ORDINAL.match(flat)) and _is_rest(found["rest"], flat, found["chapter"]):
        word = next(name for name, value in found.groupdict().items() if value and name != "rest")
        if found.re is _NUMBERED or found[word][0].isupper() or not found["rest"].strip(" .:"):
            return word if found.re is _NUMBERED else f"{word} by order", RANKS[word]
    if _SECTION_SIGN.match(flat) and len(flat) <= 100:
        return "section", RANKS["section"]
    if (
        _NAMED.match(flat)
        and (flat == flat.upper() or flat.istitle() or len(flat.split()) <= 8)
        and not SMALL_START.match(flat)
    ):
        return "named", 0
    if titles and not block.front and not _NO_TITLE_END.search(flat) and not SMALL_START.match(flat):
        name = norm(_MARK.sub("", flat))
        depth = titles.get(name, titles.get(_LEADING_NUMBER.sub("", name)))
        if depth is not None and len(name) > 2:
            return "title", (3, 4, 6)[depth]
    if (found := _ROMAN_HEAD.match(flat)) and len(flat) < 100 and not _FORMULA.search(flat):
        rest = (found["rest"] or "").strip(" -–—:_")
        alone = len(block.lines) in (2, 3) and _ROMAN_ALONE.match(block.lines[0].strip()) and _like_a_title(rest)
        if (
            not rest
            or alone
            or (_is_rest(rest, flat) and (rest == rest.upper() or (found["dot"] and _like_a_title(rest))))
        ):
            return "roman", 5
    return None


def _is_rest(rest: str | None, whole: str, chapter: str | None = None) -> bool:
    """Whether what follows a number is a title, and not the rest of a sentence; `chapter`: the word before it."""
    rest = rest or ""
    bare = rest.strip(" .:,;-–—_=)]")
    if not bare:
        return not rest.rstrip().endswith((",", ";"))
    if _NO_TITLE_END.search(whole):
        return False
    if chapter and (chapter.isupper() or not rest[0].isspace()) and _TELLS.match(bare):
        return True
    if SMALL_START.match(bare):
        return False
    return not bare[0].isdigit() and (bare == bare.upper() or len(bare) <= 90 or not whole.endswith("."))


def _like_a_title(words: str) -> bool:
    """Whether most of the longer words begin with capitals, or there are few and no sentence ends with them."""
    long = [word for word in words.split() if len(word) > 3]
    return not words.endswith(":") and (
        sum(word[0].isupper() for word in long) >= 0.6 * len(long)
        or (len(words.split()) <= 5 and not _SENTENCE.search(words))
    )


def _split_first_lines(blocks: list[Block], cuts: Cuts) -> list[Block]:
    """A heading that no blank line parts from its text gets a block of its own."""
    if not cuts.on("heading_lines"):
        return blocks
    split: list[Block] = []
    for block in blocks:
        first = block.lines[0].strip()
        if (
            len(block.lines) > 1
            and not block.kind
            and len(first) <= 60
            and (found := _NUMBERED.match(first))
            and not found["section"]
        ):
            rest, second = found["rest"].strip(" .:-–—_"), block.lines[1].strip()
            plain = not rest or rest == rest.upper()
            if (
                plain
                and (len(block.lines) > 2 or len(second) > 60)
                and not second[:1].islower()
                and second != second.upper()
            ):
                cuts.add("heading_lines", 1, 0)
                split += [Block(block.lines[:1], block.gap), Block(block.lines[1:], 1)]
                continue
        split.append(block)
    return split


def _settle_parts(blocks: list[Block], words: dict[int, str], ranks: dict[int, int], counts: Counter[str]) -> None:
    """Of parts, books and acts those that come first hold the others; what comes within chapters stands below them.

    One volume alone, or the same `First Book` again and again, is the title page's."""
    alike: dict[str, set[str]] = defaultdict(set)
    for index, word in words.items():
        alike[word].add(norm(blocks[index].flat).removeprefix("the ").split()[0])
    for index, word in list(words.items()):
        by_order = word.endswith(" by order")
        if len(alike[word]) < 2 and (by_order or word == "volume") and (by_order or counts["volume"] < 2):
            del words[index], ranks[index]
    for index in words:
        words[index] = words[index].removesuffix(" by order")
    parts = [index for index in sorted(words) if words[index] in ("part", "book", "act")]
    before = sum(word == "chapter" for index, word in words.items() if not parts or index < parts[0])
    for index in parts:
        ranks[index] = 5 if before >= 2 else 2 if words[index] == words[parts[0]] else 3


def _settle_numbers(blocks: list[Block], words: dict[int, str], ranks: dict[int, int], counts: Counter[str]) -> None:
    """Roman numbers alone are chapters where nothing else is; letters of an alphabet are no numbers."""
    letters = [index for index, block in enumerate(blocks) if len(block.lines) == 1 and _LETTER.match(block.lines[0])]
    alphabet = [norm(blocks[index].lines[0]) for index in letters]
    rises = sum(a < b for a, b in pairwise(alphabet))
    if len(set(alphabet)) >= 8 and rises >= 0.8 * (len(alphabet) - 1):
        for index in letters:
            words[index], ranks[index] = "letter", 4
    romans = [index for index, word in words.items() if word == "roman"]
    if counts["chapter"] < 2:
        for index in romans:
            ranks[index] = 4


def _settle_named(blocks: list[Block], words: dict[int, str], ranks: dict[int, int]) -> None:
    """Prefaces and the like stand at the top; what comes with every chapter stands below it."""
    named = {index: norm(blocks[index].flat).split()[0] for index, word in words.items() if word == "named"}
    often = Counter(named.values())
    for index, name in named.items():
        if often[name] > 2:
            ranks[index] = 6


def _add_half_title(blocks: list[Block], words: dict[int, str], ranks: dict[int, int]) -> None:
    """The book's title where it stands again, between the introduction and the text."""
    first = min(ranks, default=len(blocks))
    if (
        first == len(blocks)
        or len(title := norm(blocks[0].lines[0])) < 4
        or len(title) > 60
        or _SENTENCE.search(blocks[0].flat)
    ):
        return
    again = [
        index
        for index in range(first + 1, len(blocks))
        if not blocks[index].kind and len(blocks[index].lines) == 1 and norm(blocks[index].lines[0]) == title
    ]
    for index in again if len(again) <= 2 else ():
        words.setdefault(index, "title")
        ranks.setdefault(index, 4)


def _add_capitals(blocks: list[Block], ranks: dict[int, int], titled_by: set[int]) -> None:
    """Short lines in capitals before text: the stories of a collection, the sections of a chapter.

    After wide gaps they may run over several lines. What stands before the first heading is the title page's."""
    found = []
    titled = [index for index, rank in ranks.items() if rank == 4]
    alike = [index for index in titled if blocks[index].gap >= 3 and blocks[index].flat == blocks[index].flat.upper()]
    names = Counter(block.lines[0][:3] for block in blocks if not block.kind and _TURN_NAME.match(block.lines[0]))
    for index in range(min(ranks, default=0), len(blocks) - 1):
        block, following = blocks[index], blocks[index + 1]
        apart = block.gap >= 3
        if apart and following.gap < 3 and index + 2 < len(blocks) and following.text == following.text.upper():
            following = blocks[index + 2]  # what stands between is a second title
        if block.kind or len(block.lines) > (6 if apart else 2) or block.chars > (400 if apart else 90):
            continue
        flat = block.flat
        if flat != flat.upper() or flat == flat.lower() or flat[0] in "[(*|+\"“«'‘" or _NO_TITLE_END.search(flat):
            continue
        if sum(letter.isalpha() for letter in flat) < 4 or _FORMULA.search(flat) or names[flat[:3]] > 3:
            continue
        if following.kind != "illustration" and (
            following.kind or following.text == following.text.upper() or following.chars < 60
        ):
            continue
        found.append(index)
    body = sum(block.chars for block in blocks)
    wide = [index for index in found if blocks[index].gap >= 3]
    sole = len(wide) >= MIN_WIDE and not any(rank == 4 and index not in titled_by for index, rank in ranks.items())
    if len(found) >= 3 and body / len(found) >= 150:
        for index in found:
            alone = blocks[index].gap >= 3 and (sole or 2 * len(alike) > len(titled))
            if ranks.get(index, 7) > 5:
                ranks[index] = 4 if alone else ranks.get(index, 7)
            if sole and alone and index + 1 in titled_by:
                ranks[index + 1] = 6


def _whole_titles(blocks: list[Block], titles: Mapping[str, int], cuts: Cuts) -> list[Block]:
    """Headings as one line each: broken titles joined, and a title below its number put beside it.

    A title that neither the contents nor capitals mark is believed where most numbers of the book have one."""
    if not cuts.on("heading_lines"):
        return blocks
    bare = [index for index, block in enumerate(blocks[:-2]) if block.kind == "heading" and _is_bare(block.flat)]
    below = {index: found for index in bare if (found := _title_below(*blocks[index : index + 3], titles))}
    if sum(map(bool, below.values())) < MOSTLY * len(bare):
        below = {index: found for index, found in below.items() if found == "marked"}
    whole: list[Block] = []
    taken = {index + 1 for index in below}
    for index, block in enumerate(blocks):
        if index in taken:
            continue
        if block.kind == "heading":
            parts = [*block.lines, *(blocks[index + 1].lines if index in below else ())]
            flat = " ".join(" ".join(parts).split())
            if len(parts) > 1 or flat != block.lines[0]:
                cuts.add("heading_lines", int(len(parts) > 1), sum(map(len, parts)) + len(parts) - 1 - len(flat))
            block.lines = [flat]
        whole.append(block)
    return whole


def _is_bare(flat: str) -> bool:
    """Whether a heading is a number without a title."""
    found = _NUMBERED.match(flat) or _ORDINAL.match(flat) or _ROMAN_HEAD.match(flat)
    return bool(found and not (found["rest"] or "").strip(" .:-–—_=*")) or bool(BARE.match(flat))


def _title_below(number: Block, title: Block, text: Block, titles: Mapping[str, int]) -> str:
    """`marked` or `likely` where a block is the title that belongs to the bare number above it, else nothing."""
    if len(title.lines) > 3 or title.chars > 140:
        return ""
    below = title.flat
    if not below or below.casefold() in _SMALL_WORDS:
        return ""
    known = norm(below) in titles
    capitals = below == below.upper() and below != below.lower()
    if title.kind == "heading":
        numbered = _NUMBERED.match(below.translate(_NO_MARKS)) or _ORDINAL.match(below) or _ROMAN_HEAD.match(below)
        named = _NAMED.match(below) and number.depth < title.depth
        return "marked" if (known or capitals) and not numbered and not named else ""
    if title.kind or below[0] in "\"'“‘«—[(" or SMALL_START.match(below) or _NO_TITLE_END.search(below):
        return ""
    if known or capitals:
        return "marked"
    if not (text.chars > title.chars or len(text.lines) > 1) or text.kind == "heading":
        return ""
    return "" if _SENTENCE.search(below) else "likely"
