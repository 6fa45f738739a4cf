"""Books in HTML, EPUB, FB2, PDF and Markdown to text with `# Heading` lines. All contact with kreuzberg.

Neither OCR nor layout models nor its cache are used, so nothing is downloaded or written; one thread. What it does not
do by itself: HTML nested deeper than sixty elements loses its text (`hypertext.tidied` keeps it flat), FB2 loses notes,
tables and stanzas (so FB2 goes in as HTML), a PDF's paragraphs come as lines (`columns` tells them apart)."""

from __future__ import annotations

import re
from typing import Any

from ontogeny.corpus.hypertext import BACKSLASH, BREAK, HASH, is_login_form, tidied, without_comments
from ontogeny.corpus.selectors import ReadProblem

RAISED, LOWERED = "\ue001", "\ue002"

_SUFFIXED = re.compile(f"([{RAISED}{LOWERED}])([^{RAISED}{LOWERED}\n]{{1,200}})\\1")
_IMAGE = re.compile(r"!\[([^\]\n]*)\]\([^()\n]*(?:\([^()\n]*\)[^()\n]*)*\)")
_LINK = re.compile(r"(?<!\\)\[([^\[\]\n]+)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?: +\"[^\"\n]*\")?\)")
_FRONT_MATTER = re.compile(  # begins with a key: a rule at the head of a text is no front matter
    r"\A---\n(?:#[^\n]*\n|\n){0,20}[\w\"'.-]{1,60}[ \t]*:(?:[ \t][^\n]*)?\n"
    r"(?:(?!---\n)[^\n]*\n){0,200}?(?:---|\.\.\.)\n"
)
_CALLOUT = re.compile(r"^(>[ \t]*)\[![\w-]{1,40}\][+-]?[ \t]*", re.MULTILINE)
_OWN_LINE = re.compile(r"\s*(?:[-*+] |\d{1,3}[.)] |\||#{1,6} )")
_BREAKS = re.compile(rf"(?:[ \t\n]*{BREAK}[ \t]*)+")
_PADDING = re.compile(r"((?<=\| )-{3}|)(?:(?<=---)-+)? +\|(?!\w)")
_CODE = re.compile(r"<pre\b[^<>]*>\s*<code", re.IGNORECASE)
_HASHED = re.compile(rf"^{HASH}", re.MULTILINE)
_SETEXT = re.compile(r"(?<![^\n]\n)^(?=\S)([^\n#>|-][^\n]{0,120})\n(=|-){3,}[ \t]*$", re.MULTILINE)


def html_text(html: str, keep_bold: bool = False) -> str:
    """A page's text; kept of its marks are headings, line breaks, tables, lists, raised and lowered characters.

    Raises: ReadProblem if it is a form to log in."""
    text = tidied_text(tidied(html, keep_bold), "aggressive", keep_fences=bool(_CODE.search(html)))
    if is_login_form(html, text):
        raise ReadProblem(
            "is a form to log in, not a book.",
            f"a password field and {len(text.split())} words",
            "a page of text",
            "log in with a browser and save the page itself",
        )
    return text


def tidied_text(html: str, preset: str = "standard", keep_fences: bool = False) -> str:
    """The text of tidied HTML; the preset "aggressive" leaves out what looks like a site's furniture."""
    return _as_book(_result(html.encode(), "text/html", preset).content, keep_fences)


def epub_text(content: bytes) -> str:
    """The documents of an EPUB's spine in reading order, its navigation left out. They must be tidied already."""
    return _as_book(_result(content, "application/epub+zip").content, keep_fences=False)


def markdown_text(text: str) -> str:
    """Markdown as it stands, without front matter, comments, and the addresses of links and pictures."""
    text = text.replace("\r\n", "\n")
    text = _FRONT_MATTER.sub("", text)
    text = without_comments(text)
    if "[!" in text:
        text = _CALLOUT.sub(r"\1", text)
    if "](" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub(_illustration, text))
    if "\n===" in text or "\n---" in text:
        text = _SETEXT.sub(lambda found: f"{'#' if found[2] == '=' else '##'} {found[1].strip()}", text)
    return text


def pdf_pages(content: bytes) -> tuple[list[str], list[dict[str, Any]]]:
    """The text of each page of a PDF, line by line, and the nodes of what the extractor takes for its structure.

    The text is that of the pages: in the nodes of a tagged PDF letters are changed ("Oh dearfi"), and words run
    together at the ends of lines."""
    import kreuzberg

    pages = kreuzberg.PageConfig(extract_pages=True)
    result = _result(content, "application/pdf", pages=pages, include_document_structure=True)
    texts = [page["content"].replace("\r\n", "\n") for page in result.pages or []]
    return texts or [result.content], (result.document or {}).get("nodes", [])


def _result(content: bytes, mime: str, preset: str = "standard", **asked: Any) -> Any:
    """What kreuzberg makes of it. Raises: ReadProblem in its words."""
    import kreuzberg

    config = kreuzberg.ExtractionConfig(
        output_format="markdown",
        use_cache=False,
        enable_quality_processing=False,
        concurrency=kreuzberg.ConcurrencyConfig(max_threads=1),
        html_options={
            "sup_symbol": RAISED,
            "sub_symbol": LOWERED,
            "strip_tags": ["a"],
            "preprocessing": {
                "enabled": True,
                "preset": preset,
                "remove_navigation": True,
                "remove_forms": preset == "aggressive",
            },
        },
        **asked,
    )
    try:
        return kreuzberg.extract_bytes_sync(content, mime, config=config)
    except Exception as error:
        raise ReadProblem(
            "cannot be read as the kind of file it says it is.",
            " ".join(str(error).removeprefix("ParsingError: ").split())[:200] or type(error).__name__,
            f"a whole, unlocked file of the kind {mime}",
            "bring the file again, or in another format",
        ) from None


def _as_book(text: str, keep_fences: bool) -> str:
    """What the extractor gives of HTML, as a book: the source's line ends joined, the author's kept, marks removed."""
    text = _FRONT_MATTER.sub("", text)
    blocks: list[str] = []
    block: list[str] = []
    fenced = False
    for line in [*text.split("\n"), ""]:
        fence = line.startswith("```")
        if line.strip() and not fence:
            block.append(line)
            continue
        code = "\n".join(block)
        blocks += _told(block) if not fenced else [code if keep_fences else _escaped(code)]
        block = []
        if fence:
            fenced = not fenced
            if keep_fences and fenced:
                block = [line]
            elif keep_fences:
                blocks[-1] += "\n```"
    told = "\n\n".join(filter(None, blocks)).replace(HASH, "#")
    return told.replace(BREAK, "\n").replace(BACKSLASH, "\\") + "\n"


def _escaped(text: str) -> str:
    """A text whose lines that only look like headings are escaped."""
    return _HASHED.sub(r"\\#", text)


def _told(lines: list[str]) -> list[str]:
    """A block of the extractor's Markdown as paragraphs: quotations lose their marks, a broken line keeps its end."""
    told: list[str] = []
    was_quoted = False
    for line in lines:
        quoted = line.startswith(">")
        bare = line.lstrip("> ") if quoted else line
        if bare.strip() in ("---", "***"):
            bare = "* * *"
        if not bare.strip() or quoted != was_quoted:
            told.append("")
        if bare.startswith(("#", "|")):
            bare = _PADDING.sub(r"\1 |", bare.replace(BREAK, " "))
        if told and told[-1] and not _OWN_LINE.match(bare):
            told[-1] += " " + bare.strip()
        else:
            told.append(bare)
        was_quoted = quoted
    text = _BREAKS.sub(lambda found: "\n" * min(2, found.group().count(BREAK)), "\n".join(told))
    if "](" in text:
        text = _LINK.sub(r"\1", _IMAGE.sub(_illustration, text))
    text = _escaped(_SUFFIXED.sub(_script, text))
    return [part.strip("\n").rstrip() for part in re.split(r"\n\n+", text) if part.strip()]


def _illustration(found: re.Match[str]) -> str:
    return f"[Illustration: {found[1].strip()}]" if found[1].strip() else "[Illustration]"


def _script(found: re.Match[str]) -> str:
    """Raised and lowered characters as they are written on a line: x^2, H_2O, a_{n+1}."""
    mark, inner = "^" if found[1] == RAISED else "_", found[2].strip()
    return f"{mark}{inner}" if len(inner) == 1 or inner.isalnum() else f"{mark}{{{inner}}}"
