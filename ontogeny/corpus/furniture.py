"""What is in an electronic book and was never the author's: notes of its makers, and the publisher's advertisements."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ontogeny.corpus.blocks import Block, Cuts, closing_bracket

_MAKER = (
    r"(?:transcriber|transcription|transcriptionist|preparer|proof-?reader|proofer|poster|digiti[sz]er|e-?text|scanner"
    r"|e-?book (?:producer|editor|maker)|producer of this e-?(?:text|book)|hypertext)(?:['’]?s?['’]?)"
)
_NOTE_HEAD = re.compile(
    rf"^[\W_]{{0,12}}(?:{_MAKER} (?:end ?)?(?:note|comment|remark|correction|amendment|errata|addend|preface"
    rf"|introduction)"
    r"|notes? (?:of|by|from) the (?:transcriber|proofreader|preparer|e-?text)|transcriber['’]s? (?:changes|corrections)"
    r"|t\.? ?n\.?: |trans\. note|примечани[ея] (?:к электронн|верстальщика|оцифровщика)"
    r"|anmerkung(?:en)? (?:zur|der) transkription|notes? (?:de transcription|du transcripteur|sur la transcription))",
    re.IGNORECASE,
)
_NOTE_WORDS = re.compile(
    r"typographical|typo(?:s|graphic errors)\b|hyphenat|have been (?:corrected|retained|preserved|re-?created"
    r"|standardi[sz]ed"
    r"|interchanged|moved|re-?mastered|left as|silently|normali[sz]ed|verified)|has been (?:corrected|retained"
    r"|preserved|moved)"
    r"|(?:original|printed) (?:text|book|edition|work|publication|publisher)|in (?:the )?original\b|page numbers"
    r"|spelling"
    r"|underscores?|italics?\b|small capitals|superscript|subscript|_?changed[ _]to|(?:was|were) (?:corrected"
    r"|changed|moved|not used)"
    r"|latex|\bpdf\b|\bhtml\b|utf-?8|\bascii\b|\bunicode\b|e-?book|e-?text|footnotes? (?:have|has|were|are)|punctuation"
    r"|for text:|for numbers and equations|^\W*pages? \d+|\berratum\d|made without comment|errata|transcri(?:b"
    r"|pt)|\btext file",
    re.IGNORECASE | re.MULTILINE,
)
_STRAY_NOTE = re.compile(
    r"changes,? .{0,80}have been made without comment|PDF file is optimized|LaTeX\s+source file|(?:page"
    r"|pages) (?:p\. )?erratum\d"
    r"|in the original\)?,.{0,40}have been\s+interchanged|diagrams have been re-?created|figure has been re-?created"
    r"|have been adjusted to match the data in|dashed lines? in .{0,200}(?:has|have) been",
    re.IGNORECASE | re.DOTALL,
)
_NOTE_SIGNS = (
    "transcri",
    "preparer",
    "proofread",
    "proof-read",
    "proofer",
    "poster'",
    "poster’",
    "digiti",
    "etext",
    "e-text",
    "ebook",
    "e-book",
    "scanner",
    "t.n.:",
    "t. n.:",
    "tn:",
    "hypertext",
    "erratum",
    "pdf file",
    "latex",
    "without comment",
    "without\ncomment",
    "diagrams have been",
    "transkri",
    "электронн",
    "верстальщик",
    "оцифровщик",
    "trans. note",
)
_STRAY_SIGNS = (
    "without comment",
    "without\ncomment",
    "pdf file is",
    "latex",
    "erratum",
    "diagrams have been",
    "figure has been",
    "interchanged to",
    "match the data",
    "dashed line",
)
_STRAY_WORDS = (*(sign for sign in _STRAY_SIGNS if sign != "interchanged to"), "interchanged")
_BOX = re.compile(r"^\s*(?:\+[-—=+]{3,}|\|)")
MAX_NOTE_BLOCKS, MAX_BRACKET_BLOCKS = 80, 200
_HEADING_LIKE = re.compile(r"^[^a-zа-яё]{3,80}$")
ROOMY_GAP = 3

_PRICE = re.compile(
    r"\$ ?\d|£ ?\d|\b\d+s\.(?: ?\d+d\.)?|\bprice\b|\bcents\b|\b(?:cr(?:own)?|post|demy|royal|fcap|imp)\.? ?8vo"
    r"|\b(?:8|12|16|18)mo\b|8vo"
    r"|\bcloth\b|\bpost-?paid\b|\bgilt (?:top|edges)|\bpaper covers?\b|\b\d+ ?pages\b|\bpp\. ?\d|\bpages, \d"
    r"|\bprepaid\b|\d[sd]\. net\b",
    re.IGNORECASE,
)
_BOOKISH = re.compile(
    r"[48]vo\b|\b(?:12|16|18)mo\b|\bcloth\b|\bpost-?paid\b|\bprepaid\b|\bgilt\b|\bpaper covers?\b|\d\.? net\b"
    r"|\bpp\. ?\d|\bpages, \d"
    r"|\bwith \w+ (?:plates|illustrations|maps|cuts)\b|\b(?:new|second|third|\w+th) edition\b|\bvols?\."
    r"|\bprice \d|\bpages\b",
    re.IGNORECASE,
)
_AD_HEAD = re.compile(
    r"^[\W_]{0,6}(?:by the same author|(?:other |new |recent )?(?:books|works|novels|publications) (?:by|of"
    r"|published|from)\b"
    r"|(?:a )?catalogue of|advertisements?\W*$|a list of (?:new |the )?(?:books|works|publications)"
    r"|list of (?:new )?(?:books|works"
    r"|publications)|new (?:books|publications|novels)|(?:standard|popular|scientific|select(?:ed)?) (?:works"
    r"|books|publications)"
    r"|uniform with this|announcements?\W*$|now ready|lately published|just published|press notices|books for )",
    re.IGNORECASE,
)
_AD_SIGNS = (
    "8vo",
    "12mo",
    "16mo",
    "18mo",
    "postpaid",
    "post-paid",
    "prepaid",
    "gilt top",
    "cloth, ",
    "cloth. ",
    " net.",
    "s. net",
    "d. net",
    " net\n",
    "paper covers",
    "price, $",
    "price $",
    "price, cloth",
    "price, 6",
    "price 2",
    " cents.",
)
NO_ADS_CHARS = 8000  # at the end without one, and there are none
MAX_ADS_CHARS, MIN_ADS, ADS_FRAC = 80_000, 3, 0.2


def cut_notes(lowered: str, blocks: list[Block], cuts: Cuts) -> list[Block]:
    """Transcribers' notes: in brackets, in a box, or under a heading of their own, each to its end."""
    if not cuts.on("transcriber_note") or not any(sign in lowered for sign in _NOTE_SIGNS):
        return blocks
    stray = any(sign in lowered for sign in _STRAY_SIGNS)
    roomy = sum(block.gap >= ROOMY_GAP for block in blocks) >= 3
    doomed: list[int] = []
    index = 0
    while index < len(blocks):
        stop = index
        if _opens_note(blocks[index]):
            stop = _end_of_note(blocks, index, roomy)
        elif stray and len(blocks[index].lines) < 12 and _is_stray_note(blocks[index].text):
            stop = index + 1
        doomed += range(index, stop)
        index = max(stop, index + 1)
    return cuts.drop("transcriber_note", blocks, doomed)


def _is_stray_note(text: str) -> bool:
    lowered = text.lower()
    return any(map(lowered.__contains__, _STRAY_WORDS)) and bool(_STRAY_NOTE.search(text))


def _opens_note(block: Block) -> bool:
    if _BOX.match(block.lines[0]):
        return any(_NOTE_HEAD.match(line.strip(" |+-—=")) for line in block.lines[:4])
    return bool(_NOTE_HEAD.match(block.lines[0]))


def _end_of_note(blocks: list[Block], first: int, roomy: bool) -> int:
    """The block after a note's last."""
    head = blocks[first].lines[0].lstrip("*_ ")
    if _BOX.match(head):
        stop = first + 1
        while stop < len(blocks) and _BOX.match(blocks[stop].lines[0]):
            stop += 1
        return stop
    if head.startswith("["):
        if (closed := closing_bracket(blocks, first, MAX_BRACKET_BLOCKS)) is not None:
            return closed + 1
        return first + 1
    bare = len(blocks[first].lines) == 1 and len(head) < 60
    stop = first + 1
    while stop < min(len(blocks), first + MAX_NOTE_BLOCKS):
        block = blocks[stop]
        speaks = bool(_NOTE_WORDS.search(block.text))
        near = (
            block.gap < ROOMY_GAP
            and roomy
            and not _HEADING_LIKE.match(block.lines[0])
            and _is_note_list(blocks, first, stop)
        )
        if not (
            (speaks and (block.gap < ROOMY_GAP or not roomy or stop == first + 1))
            or near
            or (bare and stop == first + 1)
        ):
            break
        stop += 1
    return stop


def _is_note_list(blocks: list[Block], first: int, stop: int) -> bool:
    """Whether a block goes on with the corrections of a note that has begun: short, or indented."""
    block = blocks[stop]
    return stop > first + 1 and (block.lines[0].startswith(" ") or block.chars < 200) and block.gap <= 1


def cut_advertisements(lowered: str, blocks: list[Block], cuts: Cuts) -> list[Block]:
    """A publisher's priced books, at the end of a book or under `By the same author`."""
    if not cuts.on("advertisement"):
        return blocks
    tail = lowered[-2 * MAX_ADS_CHARS :]
    while sum(map(tail.count, _AD_SIGNS)) >= MIN_ADS and (first := _first_of_last_ads(blocks)) < len(blocks):
        blocks = cuts.drop("advertisement", blocks, range(first, len(blocks)))
    return cuts.drop("advertisement", blocks, _ads_under_a_heading(blocks))


def _first_of_last_ads(blocks: list[Block]) -> int:
    """Where a run of blocks begins that reaches the end and of which a good share names prices."""
    chars, ads, bookish, first = 0, 0, 0, len(blocks)
    for index in range(len(blocks) - 1, -1, -1):
        block = blocks[index]
        chars += block.chars
        if chars > MAX_ADS_CHARS or (chars > NO_ADS_CHARS and not bookish):
            break
        ads += bool(_PRICE.search(block.text))
        bookish += bool(_BOOKISH.search(block.text))
        apart = block.gap > ROOMY_GAP or (block.gap == ROOMY_GAP and _HEADING_LIKE.match(block.lines[0]))
        starts = _AD_HEAD.match(block.lines[0]) or (apart and len(block.lines) <= 3)
        if starts and min(ads, bookish) >= MIN_ADS and ads >= ADS_FRAC * (len(blocks) - index):
            first = index
    return first


def _ads_under_a_heading(blocks: list[Block]) -> Iterator[int]:
    for index, block in enumerate(blocks):
        if len(block.lines) <= 3 and _AD_HEAD.match(block.lines[0]):
            stop = index + 1
            while stop < len(blocks) and blocks[stop].gap < ROOMY_GAP + 1 and _PRICE.search(blocks[stop].text):
                stop += 1
            if stop - index > 2:
                yield from range(index, stop)
