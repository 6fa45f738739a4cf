"""HTML made ready for the extractor: what no reader sees taken out, and what it would lose put so that it is kept.

Only tags are looked at, by patterns that go over the text once: what is malformed stays as it is."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import unescape

BREAK, BACKSLASH, HASH = "\ue003", "\ue004", "\ue005"  # a <br>, and a backslash and a `#` not the extractor's
MAX_DEPTH = 40
MAX_CELL_CHARS = 600
LOGIN_CHARS = 1500

_UNSEEN = (
    "script",
    "style",
    "head",
    "title",
    "noscript",
    "select",
    "button",
    "textarea",
    "template",
    "iframe",
    "svg",
    "object",
)
_TORN = re.compile(r"<(?=[^<>]*(?:<|\Z))")
_PROLOGUE = re.compile(r"<\?xml[^<>]*>|<!doctype[^<>]*>", re.IGNORECASE)
_INLINE = re.compile(
    r"</?(?:font|i|em|u|s|a|tt|small|big|span|del|ins|mark|abbr|acronym|cite|summary|label|nobr)\b[^<>]*>",
    re.IGNORECASE,
)
_BOLD = re.compile(r"</?(?:b|strong)\b[^<>]*>", re.IGNORECASE)
_NOTE_MARK = re.compile(
    r"<a\b[^<>]*>\s*<sup\b[^<>]*>\s*\[?([\d*†‡]{1,4})\]?\s*</sup>\s*</a>"
    r"|<sup\b[^<>]*>\s*<a\b[^<>]*>\s*\[?([\d*†‡]{1,4})\]?\s*</a>\s*</sup>"
    r"|<a\b[^<>]{0,500}noteref[^<>]{0,500}>\s*\[?([\d*†‡]{1,4})\]?\s*</a>",
    re.IGNORECASE,
)
_PAGE_NUMBER = re.compile(
    r"<(span|div|p|a)\b[^<>]{0,500}?(?:page-?num|page-?break|pagenumber)[^<>]{0,500}>(?:\s*<(?!\1\b)[^<>]*>)*\s*"
    r"[\[({]?\s*(?:p(?:g|age)?\.?\s*)?(\d{1,4}|[ivxlc]{1,8})?\s*[\])}]?\s*(?:</(?!\1\b)[^<>]*>\s*)*</\1\s*>",
    re.IGNORECASE,
)
_TEX = re.compile(r'alttext="([^"]*)"|<annotation[^<>]*x-tex[^<>]*>([^<]*)</annotation', re.IGNORECASE)
_CAPTION = re.compile(r"<(/?)(?:figcaption|caption)\b[^<>]*>", re.IGNORECASE)
_TABLE_TAG = re.compile(
    r"<(/?)(table|thead|tbody|tfoot|tr|td|th|p|div|h[1-6]|pre|ul|ol|blockquote)\b[^<>]*>", re.IGNORECASE
)
_IN_TABLE = ("table", "thead", "tbody", "tfoot", "tr", "td", "th")
_CONTAINER = re.compile(
    r"<(/?)(?:div|section|article|aside|main|center|blockquote|dl|ul|ol|table|fieldset|form|dir|menu|b|strong|figure)\b[^<>]*>",
    re.IGNORECASE,
)
_FLAT = re.compile(r"</?(?!(?:p|h[1-6]|pre|br|hr|img|sup|sub|li|body|html)\b)[a-z][^<>]*>", re.IGNORECASE)
_PASSWORD = re.compile(r"""<input\b[^<>]*type\s*=\s*["']?password""", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_PARAGRAPH, _END = re.compile(r"<p\b[^<>]*>", re.IGNORECASE), re.compile(r"</p\s*>", re.IGNORECASE)
_BR = re.compile(r"<br\b[^<>]*>", re.IGNORECASE)
_LIKE_A_HEADING = re.compile(r"([>\n][ \t]*+)#(?=#{0,5}(?:\s|&nbsp;))")


def tidied(html: str, keep_bold: bool = False) -> str:
    """HTML without head, inline marks and layout tables; notes and page numbers marked as [1] and [Pg 1]."""
    html = _PROLOGUE.sub("", _TORN.sub("&lt;", without_comments(html)))
    for name in _UNSEEN:
        html = replaced(html, name, lambda _: "")
    html = _NOTE_MARK.sub(lambda found: f"[{found[1] or found[2] or found[3]}]", html)
    html = _PAGE_NUMBER.sub(lambda found: f"[Pg {found[2]}]" if found[2] else "", html)
    html = replaced(html, "math", _formula)
    html = _CAPTION.sub(r"<\1p>", html)
    html = _INLINE.sub("", html)
    if not keep_bold:
        html = _BOLD.sub("", html)
    if "<t" in html or "<T" in html:
        html = _without_layout_tables(html)
    html = _LIKE_A_HEADING.sub(rf"\1{HASH}", html.replace("\\", BACKSLASH))
    html = _BR.sub(BREAK, html)
    if _depth(html) > MAX_DEPTH:
        html = _FLAT.sub("</p><p>", html)
    return _PARAGRAPH.sub(r"</p>\g<0>", html) if len(_PARAGRAPH.findall(html)) > len(_END.findall(html)) else html


def without_comments(text: str) -> str:
    """A text without its <!-- comments -->; one that is never closed stays. Linear in the text."""
    pieces: list[str] = []
    at = 0
    while (start := text.find("<!--", at)) >= 0 and (end := text.find("-->", start)) >= 0:
        pieces.append(text[at:start])
        at = end + 3
    return "".join([*pieces, text[at:]])


def is_login_form(html: str, text: str) -> bool:
    """Whether a page asks for a password and hardly says anything else."""
    return len(text) < LOGIN_CHARS and bool(_PASSWORD.search(html))


def plain_text(html: str) -> str:
    """The words of a fragment on one line."""
    return " ".join(unescape(_TAG.sub(" ", html)).split())


def replaced(html: str, name: str, told: Callable[[str], str]) -> str:
    """HTML in which each element of a name is replaced; of one never closed the tag goes. Linear in the text."""
    pieces: list[str] = []
    at = 0
    ends = re.compile(rf"</{name}\s*>", re.IGNORECASE)
    openings = re.compile(rf"<{name}(?=[\s/>])[^<>]*>", re.IGNORECASE)
    for opening in openings.finditer(html):
        if opening.start() < at or opening.group().endswith("/>"):
            continue
        end = ends.search(html, opening.end())
        if end is None:
            return "".join([*pieces, openings.sub("", html[at:])])
        pieces += [html[at : opening.start()], told(html[opening.start() : end.start()])]
        at = end.end()
    return "".join([*pieces, html[at:]]) if pieces else html


def _formula(element: str) -> str:
    tex = _TEX.search(element)
    told = unescape(tex[1] or tex[2] or "").strip() if tex else ""
    return f"${told}$" if told else plain_text(element)


def _depth(html: str) -> int:
    depth = deepest = 0
    for found in _CONTAINER.finditer(html):
        depth = max(0, depth - 1) if found[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _without_layout_tables(html: str) -> str:
    """Tables that hold paragraphs, headings or other tables become the paragraphs of their cells."""
    tags = list(_TABLE_TAG.finditer(html))
    open_tables: list[list[int]] = []
    layout: set[int] = set()
    for index, tag in enumerate(tags):
        closing, name = bool(tag[1]), tag[2].lower()
        if name == "table" and not closing:
            layout.update(outer[0] for outer in open_tables[-1:])
            open_tables.append([index])
        elif name == "table" and open_tables:
            open_tables.pop()
        elif open_tables and name not in _IN_TABLE and not closing and name not in ("p", "div"):
            layout.add(open_tables[-1][0])
        elif open_tables and name in ("td", "th") and not closing:
            end = tags[index + 1].start() if index + 1 < len(tags) else len(html)
            if end - tag.end() > MAX_CELL_CHARS:
                layout.add(open_tables[-1][0])
        elif open_tables and name in ("p", "div") and not closing:
            following = tags[index + 2] if index + 2 < len(tags) else None
            if following and following[2].lower() == name and not following[1]:
                layout.add(open_tables[-1][0])
    layout.update(table[0] for table in open_tables)
    return _unwrapped(html, tags, layout) if layout else html


def _unwrapped(html: str, tags: list[re.Match[str]], layout: set[int]) -> str:
    pieces: list[str] = []
    at = 0
    stack: list[bool] = []
    for index, tag in enumerate(tags):
        name = tag[2].lower()
        if name == "table" and not tag[1]:
            stack.append(index in layout)
        if name in _IN_TABLE and stack and stack[-1]:
            pieces += [html[at : tag.start()], "\n</p><p>\n"]
            at = tag.end()
        if name == "table" and tag[1] and stack:
            stack.pop()
    return "".join([*pieces, html[at:]])
