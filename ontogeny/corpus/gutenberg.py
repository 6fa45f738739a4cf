"""What Project Gutenberg wrapped around a book since 1971: headers, small print, footers, licences, credits.

The patterns hold no repetition within a repetition and no unbounded look-back: they cannot backtrack far."""

from __future__ import annotations

import re
from itertools import chain, islice

from ontogeny.corpus.blocks import Block, Cuts

_BEGIN = r"(?:START|BEGIN(?:NING)?|BEGINN|D[EÉ]BUT|INICIO|IN[IÍ]CIO|INIZIO)"
_FINISH = r"(?:END|ENDE|FIN|FIM|FINE|EINDE|SLUT|LOPPU)"
_START = re.compile(
    rf"\W{{0,4}}\*\*\*? ?{_BEGIN} [^*\n]{{0,40}}GUTENBERG(?:[^*\n]{{0,200}}(?:\n[^*\n]{{1,200}}){{0,2}}\*\*\*"
    rf"|.{{0,400}}$)"
    r"|\W{0,4}\*END[* ]{0,3}THE SMALL PRINT!.{0,200}$",
    re.MULTILINE | re.IGNORECASE,
)
_END = re.compile(
    rf"(?P<mark>\W{{0,4}}\*\*\*? ?{_FINISH} (?:OF |DIESES |DE |DI |VAN )[^*\n]{{0,40}}GUTENBERG.{{0,400}}$)"
    r"|\W{0,4}(?:THE )?(?:END OF|ENDE VON|ENDE DIESES|FIN DE|FINE DI) (?:THE |THIS |CE |DE )?PROJECT GUTENBERG.{0,400}$"
    r"|\W{0,8}This file should be named \S{1,60}\.(?:txt|zip|htm|pdf|tex).{0,200}$"
    r"|\W{0,4}(?:START: FULL LICENSE|THE FULL PROJECT GUTENBERG)\b.{0,200}$",
    re.MULTILINE | re.IGNORECASE,
)
_SMALL_PRINT = re.compile(r"\*\*\* ?START ?\*\* ?THE SMALL PRINT", re.IGNORECASE)
_PREAMBLE = re.compile(
    r"gutenberg|small print|\be-?texts?\b|\be-?books?\b|for the use of anyone anywhere|limited warranty|\bindemnity\b"
    r"|disclaimer|plain vanilla|benedictine|carnegie[ -]mellon|michael s?\.? ?hart|\bASCII\b|\bEBCDIC\b|net profits"
    r"|hypertext|electronic texts?|electronically|copyright laws|\broyalt|donations?|machine[- ]readable|\bFTP\b"
    r"|\bmget\b"
    r"|release date|posting date|character set|^title:|^author:|^language:|^editor:|^illustrator:|^translator:"
    r"|\[(?:most recently|last|date last) updated|statements? above|\b501\(c\)|this \"?small print|public domain"
    r"|\bmedium\b.{0,40}\b(?:defect|virus|damaged)|\bdefect\b|^\W*if you (?:discover|received|don't|do not)"
    r"|readable by",
    re.IGNORECASE | re.MULTILINE,
)
_FIRST = re.compile(
    r"\W*(?:the |this )?(?:project gutenberg|electronic text)|.{0,200}for the use of anyone anywhere"
    r"|\W*welcome to the world of free plain",
    re.IGNORECASE | re.DOTALL,
)
_LICENCE = re.compile(
    r"Project Gutenberg(?:-tm|\(tm\)|™)? (?:Licen[sc]e|Literary Archive|electronic works?|trademark"
    r"|is a (?:registered )?trade)"
    r"|Project Gutenberg(?:-tm|\(tm\)|™| also has| TEI edition|,? Inc\b)|PROJECT GUTENBERG[\W_]{0,4}(?:E-?BOOK"
    r"|E-?TEXT|TEI|-TM)"
    r"|Project Gutenberg(?:'s|’s)? (?:e-?(?:book|text)|version|edition|volunteer|file|web ?site)"
    r"|This e-?(?:book|text) is for the use of anyone|\bPGLAF\b|\bpglaf\.org|gutenberg\.(?:org|net)\b"
    r"|(?:www\.)?pgdp\.net"
    r"|Distributed Proofread|\be-?text #? ?\d+|small print!|promo\.net/pg|etext\d\d\b"
    r"|this (?:electronic (?:text|edition|version)|digital edition|e-?text|e-?book)\b.{0,60}\b(?:distributed"
    r"|licen[sc]ed"
    r"|produced|prepared|scanned|converted|based on|derived|created|typed|keyed|proofread)"
    r"|generously made available by|produced from (?:page )?(?:images|scans)|digiti[sz]ed by (?:the )?(?:google"
    r"|internet archive)"
    r"|work is licen[sc]ed under|creative ?commons\.org|creative commons (?:attribution|licen[sc]e)"
    r"|wikisource\.org|standardebooks\.org",
    re.IGNORECASE,
)
_LICENCE_SIGNS = (
    "gutenberg", "pglaf", "pgdp", "proofread", "etext", "e-text", "ebook", "e-book", "this electronic", "this digital",
    "small print", "made available", "licensed", "licenced", "creative commons", "creativecommons", "produced from",
    "digitized by", "digitised by", "wikisource", "standardebooks", "promo.net",
)  # fmt: skip
_MARKER_SIGNS = ("utenberg", "UTENBERG", "SMALL PRINT", "Small Print", "should be named", "FULL LICENSE")
MAX_MARKER_CHARS = 300
_ELECTRONIC = re.compile(r"<<THIS ELECTRONIC VERSION[^<>]{0,2000}>>")
_VERB = (
    r"(?:produced|prepared|transcribed|scanned|created|typed|keyed|entered|proofed|proofread|converted|digiti[sz]ed"
    r"|contributed|submitted|formatted|OCR'?e?d)"
)
_CREDITS = re.compile(
    rf"^[\W_]{{0,6}}(?:(?:this |the )?(?:e-?(?:text|book)|text|file|edition|html|electronic (?:text|edition|version))"
    rf" ?(?:version |edition )?(?:was |is |has been )?)?{_VERB}(?:,? (?:and "
    rf"|& )?{_VERB}){{0,3}}\s(?:[\w ]{{0,30}}\s)?(?:by|from)\b"
    r"|^[\W_]{0,6}(?:transcribed|scanned) (?:from|and)\b|^[\W_]{0,6}THE MILLENNIUM FULCRUM EDITION"
    r"|^[\W_]{0,6}(?:text|html|e-?text|original html) version (?:by|produced)\b"
    r"|^[\W_]{0,6}(?:scanned and proofed|OCR and)\b",
    re.IGNORECASE,
)
_BLOCK = re.compile(r"\S[^\n]*+(?:\n[^\n]++)*+")
MAX_CREDITS_CHARS = 700
HEADER_CHARS = 20_000
PATIENCE_BLOCKS = 5


def cut_gutenberg(text: str, cuts: Cuts) -> tuple[str, bool]:
    """(the text between the markers, whether there was a header). Without any marker it stays as it is."""
    if "<<THIS ELECTRONIC" in text and cuts.on("licence"):
        text = _ELECTRONIC.sub(lambda found: _told(cuts, "licence", found.group()), text)
    whole = text
    if any(sign in text for sign in _MARKER_SIGNS):
        if cuts.on("gutenberg_header"):
            text = _cut_header(text, cuts)
        had_header = text is not whole
        if cuts.on("gutenberg_footer"):
            text = _cut_footer(text, cuts)
        return text, had_header
    return text, False


def _marker_lines(text: str) -> list[int]:
    """Where the lines begin that hold a sign of a marker."""
    lines: set[int] = set()
    for sign in _MARKER_SIGNS:
        at = text.find(sign)
        while at >= 0:
            start = text.rfind("\n", max(0, at - MAX_MARKER_CHARS), at) + 1
            if start or at <= MAX_MARKER_CHARS:
                lines.add(start)
            at = text.find(sign, at + 1)
    return sorted(lines)


def _markers(pattern: re.Pattern, text: str, lines: list[int]) -> list[re.Match]:
    return [found for start in lines if (found := pattern.match(text, start))]


def _told(cuts: Cuts, rule: str, cut: str) -> str:
    cuts.add(rule, 1, len(cut), cut)
    return ""


def _cut_header(text: str, cuts: Cuts) -> str:
    """Up to the last start marker in the first third (older books carry two), then what is left of a preamble."""
    limit = max(len(text) // 3, HEADER_CHARS)
    lines = _marker_lines(text)
    starts = [found for found in _markers(_START, text, lines) if found.start() < limit]
    ends = _markers(_END, text, lines)
    end = next((found.start() for found in ends if found["mark"]), len(text))
    starts = [found for found in starts if found.start() < end]
    if starts:
        _told(cuts, "gutenberg_header", text[: starts[-1].end()])
        text = text[starts[-1].end() :]
        ends = _markers(_END, text, _marker_lines(text))
    end = min((found.start() for found in ends), default=len(text))
    if length := _preamble_chars(text[:end], limit):
        _told(cuts, "gutenberg_header", text[:length])
        text = text[length:]
    return text


def _preamble_chars(text: str, limit: int) -> int:
    """How long a header without an end marker is: blocks that speak of etexts, with few others in between."""
    head = text[: limit + HEADER_CHARS]
    small_print = _SMALL_PRINT.search(head) if "SMALL PRINT" in head else None
    spans = (found.span() for found in _BLOCK.finditer(head))
    opening = list(islice(spans, 3))
    if not small_print and not any(_FIRST.match(head[start:end]) for start, end in opening):
        return 0
    first = small_print.start() if small_print else 0
    cut, patience = 0, PATIENCE_BLOCKS
    for start, end in chain(opening, spans):
        if _PREAMBLE.search(head[start:end]):
            cut, patience = end, PATIENCE_BLOCKS
        elif start > first:
            patience -= 1
        if not patience:
            break
    return cut


def _cut_footer(text: str, cuts: Cuts) -> str:
    """From an end marker to the next start marker (of a file that holds several books), or to the end.

    A marker between asterisks counts anywhere, a mere phrase in the last two thirds."""
    pieces: list[str] = []
    at = 0
    lines = _marker_lines(text)
    starts, ends = _markers(_START, text, lines)[::-1], _markers(_END, text, lines)
    third = next((found.start() for found in ends if found["mark"]), len(text)) // 3
    for found in ends:
        if found.start() < at or not (found["mark"] or found.start() > third):
            continue
        while starts and starts[-1].start() < found.start():
            starts.pop()
        stop = starts[-1].end() if starts else len(text)
        pieces.append(text[at : found.start()])
        _told(cuts, "gutenberg_footer", text[found.start() : stop])
        at = stop
        if stop == len(text):
            break
    return "".join([*pieces, text[at:]])


def cut_licences(lowered: str, blocks: list[Block], cuts: Cuts) -> list[Block]:
    """Blocks that speak of the electronic edition's use, wherever they stand. `lowered`: the text in small letters."""
    signs = [sign for sign in _LICENCE_SIGNS if sign in lowered]
    if not signs or not cuts.on("licence"):
        return blocks
    words = sorted({max(sign.split(), key=len) for sign in signs})  # what a line's end cannot part
    return cuts.drop("licence", blocks, (i for i, block in enumerate(blocks) if _is_licence(block, signs, words)))


def _is_licence(block: Block, signs: list[str], words: list[str]) -> bool:
    if len(block.lines) > 60 or not any(map("\n".join(block.lines).lower().__contains__, words)):
        return False
    flat = block.flat
    return any(map(flat.lower().__contains__, signs)) and bool(_LICENCE.search(flat))


def cut_credits(blocks: list[Block], had_header: bool, cuts: Cuts) -> list[Block]:
    """Who typed the book: the first blocks, and where a header was, any of the first twelve."""
    if not cuts.on("produced_by"):
        return blocks
    doomed: list[int] = []
    for index, block in enumerate(blocks[:12]):
        if block.chars <= MAX_CREDITS_CHARS and _CREDITS.match(block.lines[0].strip()):
            doomed.append(index)
        elif not had_header:
            break
    return cuts.drop("produced_by", blocks, doomed)
