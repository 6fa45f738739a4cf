"""Bytes to text, whatever they say of themselves. All contact with charset-normalizer and ftfy.

UTF-8 is decoded and that is all. Otherwise: a byte order mark, UTF-16 without one, UTF-8 with a few bad bytes, then a
legacy code page. A text of another script is left to charset-normalizer (right on every sample of Russian from 300
characters on); a mostly ASCII text, of which it sees too little (wrong on half of the English samples), is decided by
where its few other characters stand. What a declaration says is one candidate more, never the last word."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable

from ontogeny.corpus.plausibility import LATIN_CODECS, plausibility
from ontogeny.corpus.selectors import Note, ReadProblem

SAMPLE_BYTES = 48_000
OTHER_SCRIPT_FRAC, EXPECTED_SCRIPT_FRAC = 0.4, 0.1
MAX_DROPPED_FRAC = 0.001
MAX_CONTROL_FRAC = 0.01
MIN_PLAUSIBLE = 0.3
PRIOR_OF_CP1252 = 0.15
MIN_ALPHABET = 8
CODECS_OF = {
    **dict.fromkeys(("ru", "be", "bg", "mk", "sr"), ("cp1251", "koi8_r", "cp866", "mac_cyrillic", "iso8859_5")),
    "uk": ("cp1251", "koi8_u", "cp866", "mac_cyrillic", "iso8859_5"),
    "el": ("cp1253", "iso8859_7", "mac_greek"),
    "he": ("cp1255", "iso8859_8"),
    **dict.fromkeys(("ar", "fa"), ("cp1256", "iso8859_6")),
    "ja": ("cp932", "euc_jp", "shift_jis"),
    "zh": ("gb18030", "big5"),
    "ko": ("cp949", "johab"),
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r\x0b\x0c\x1a\x1b\0")
_ASCII = bytes(range(128))
_HIGH = bytes(range(128, 256))
_ASCII_LETTERS = bytes(code for code in range(128) if chr(code).isalpha())
_MARKUP = re.compile(rb"<[^<>]{0,2000}>")
_BAD = re.compile("[\udc80-\udcff]+")
_DECLARED = re.compile(
    rb"""<\?xml[^>]{0,200}?encoding\s*=\s*["']([\w.:-]+)|<meta[^>]{0,200}?charset\s*=\s*["']?\s*([\w.:-]+)"""
    rb"|^Character set encoding:\s*([\w-]+)",
    re.IGNORECASE | re.MULTILINE,
)
_MISREAD = re.compile("[À-ÖØ-öø-ÿ]{3,}")
_OTHER_SCRIPT = re.compile("[\u0370-\u2000\u3000-\ud7ff]{3}")
_DAMAGED = re.compile(
    "[ÃÐÑÂ][\u0080-\u00bfŒœŠšŸŽžƒˆ˜–—‘’‚“”„†‡•…‰‹›€™]|â[€\u0080-\u009f]|[РС][\u0080-\u00bfЂЃѓ‚„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—™љ›њќћџЎўЈҐЁЄЇІіґё№єјЅѕї]"
    "|вЂ"
)


def decoded(raw: bytes, name: str, language: str = "") -> tuple[str, list[Note]]:
    """The text of a file's bytes, and notes of what was found and repaired.

    Raises: ReadProblem, naming the bytes and where they stand, if they are no text."""
    text, notes = _from_utf(raw, name)
    if text is None:
        text, notes = _from_legacy(raw, name, language)
    if "\0" in text:
        notes.append(("nul_bytes", f"{text.count(chr(0))} dropped"))
        text = text.replace("\0", "")
    return _mended(text, notes)


def declared_codec(raw: bytes) -> str:
    """The code page that an XML or HTML declaration, or a Gutenberg header, names; "" if there is none known.

    Names that Python has for other things ("undefined", "hex", "idna", "unicode_escape") are no code pages."""
    found = _DECLARED.search(raw[:8192])
    try:
        codec = codecs.lookup(next(filter(None, found.groups())).decode("ascii")).name if found else ""
        return codec if codec and _HIGH.decode(codec, "replace") and b"\\u0041".decode(codec, "replace") != "A" else ""
    except (LookupError, UnicodeError):
        return ""


def _from_utf(raw: bytes, name: str) -> tuple[str | None, list[Note]]:
    """Text of the Unicode encodings, or None if the bytes are of none."""
    for mark, codec in _MARKS:
        if raw.startswith(mark):
            if codec == "utf-8":
                raw = raw[len(mark) :]
                break
            return _strict(raw[len(mark) :], codec, name), [("encoding", codec)]
    if 0 <= raw.find(b"\0") < SAMPLE_BYTES and (codec := _utf16_without_mark(raw)):
        return _strict(raw, codec, name), [("encoding", codec)]
    _refuse_binary(raw, name)
    try:
        return raw.decode("utf-8"), []
    except UnicodeDecodeError:
        return _from_damaged_utf8(raw, name)


def _strict(raw: bytes, codec: str, name: str) -> str:
    """UTF-16 or UTF-32, of which half a character at the end may be missing."""
    width = 4 if "32" in codec else 2
    try:
        return raw[: len(raw) // width * width].decode(codec)
    except UnicodeDecodeError as error:
        raise _problem(f"holds bytes that are not {codec.upper()}.", raw, error.start, name) from None


def _utf16_without_mark(raw: bytes) -> str:
    """ "utf-16-le", "utf-16-be" or "": one byte of every two is nearly always that of an alphabet's block."""
    sample = raw[: SAMPLE_BYTES // 2 * 2]
    for codec, high, low in (("utf-16-le", sample[1::2], sample[::2]), ("utf-16-be", sample[::2], sample[1::2])):
        common = sum(high.count(block) for block in (0, 4, 0x20)) if high else 0
        if high and high.count(0) > len(high) // 50 and common > 0.95 * len(high) and low.count(0) < len(low) // 20:
            return codec
    return ""


def _refuse_binary(raw: bytes, name: str) -> None:
    """Refuses bytes of which too many are control characters: no text of any encoding here."""
    sample = raw[:SAMPLE_BYTES] + raw[-SAMPLE_BYTES:]
    strange = len(sample) - len(sample.translate(None, _CONTROLS)) + sample.count(0)
    if strange > max(2, MAX_CONTROL_FRAC * len(sample)):
        first = re.search(b"[" + re.escape(_CONTROLS) + b"\0]", raw)
        raise _problem("is not text.", raw, first.start() if first else 0, name)


def _from_damaged_utf8(raw: bytes, name: str) -> tuple[str | None, list[Note]]:
    """UTF-8 in which few bytes are bad: in a Latin text read as cp1252 where that makes sense, else dropped.

    None if there are too few good characters beside ASCII for this to be UTF-8."""
    text = raw.decode("utf-8", "surrogateescape")
    runs = _BAD.findall(text)
    bad = sum(map(len, runs))
    good = len(text) - len(text.encode("ascii", "ignore")) - bad
    if good < 4 * bad:
        return None, []
    latin = good < OTHER_SCRIPT_FRAC * len(text)
    dropped: list[int] = []

    def mend(found: re.Match[str]) -> str:
        run = bytes(ord(char) - 0xDC00 for char in found.group())
        read = run.decode("cp1252", "ignore")
        around = text[max(0, found.start() - 1) : found.start()], text[found.end() : found.end() + 1]
        if latin and len(read) == len(run) and plausibility(around[0] + read + around[1], "en") > MIN_PLAUSIBLE:
            return read
        dropped.append(found.start())
        return ""

    mended = _BAD.sub(mend, text)
    if len(dropped) > max(3, MAX_DROPPED_FRAC * len(text)):
        at = len(text[: dropped[0]].encode("utf-8", "surrogateescape"))
        raise _problem(f"holds bytes that are not UTF-8, in {len(dropped)} places.", raw, at, name)
    read = len(runs) - len(dropped)
    return mended, [("bad_bytes", f"not UTF-8 in {len(runs)} places: {len(dropped)} dropped, {read} read as cp1252")]


def _from_legacy(raw: bytes, name: str, language: str) -> tuple[str, list[Note]]:
    """Text of a code page. Raises: ReadProblem if none makes sense of the bytes."""
    bare = _MARKUP.sub(b"", raw) if b"</" in raw else raw
    letters = len(bare) - len(bare.translate(None, _ASCII_LETTERS))
    high = len(bare) - len(bare.translate(None, _HIGH))
    alphabet = len(set(bare[: 8 * SAMPLE_BYTES].translate(None, _ASCII)))
    frac = EXPECTED_SCRIPT_FRAC if language in CODECS_OF else OTHER_SCRIPT_FRAC
    other_script = high > frac * (letters + high) and alphabet > MIN_ALPHABET
    declared = declared_codec(raw)
    codec = _of_other_script(bare, language, declared) if other_script else _of_latin(bare, language, declared)
    first = re.search(rb"[\x80-\xff]", raw)
    if not codec:
        raise _problem("is of an encoding nobody can tell.", raw, first.start() if first else 0, name)
    text = raw.decode(codec, "surrogateescape")
    notes = [("encoding", codec.replace("_", "-"))]
    if bad := sum(len(run) for run in _BAD.findall(text)):
        if bad > max(3, MAX_DROPPED_FRAC * len(text)):
            at = len(text[: _BAD.search(text).start()].encode(codec, "surrogateescape"))  # type: ignore[union-attr]
            raise _problem(f"holds {bad} bytes that are not {notes[0][1]}.", raw, at, name)
        notes.append(("bad_bytes", f"{bad} dropped that are not {notes[0][1]}"))
        text = _BAD.sub("", text)
    return text, notes


def _sample(raw: bytes) -> bytes:
    """Lines that are not all ASCII, from all over a file."""
    step = max(1, len(raw) // 16)
    parts = [
        b"\n".join(line for line in raw[at : at + step][: 8 * SAMPLE_BYTES].splitlines()[1:] if not line.isascii())
        for at in range(0, len(raw), step)
    ]
    told = b"\n".join(part[: SAMPLE_BYTES // 16] for part in parts if part)
    return told if len(told) > 256 else raw[:SAMPLE_BYTES]


def _of_other_script(raw: bytes, language: str, declared: str) -> str:
    """The code page as charset-normalizer tells it, first among those of the language, then among all."""
    from charset_normalizer import from_bytes

    sample = _sample(raw)
    likely = [*CODECS_OF.get(language, ()), *([declared] if declared else [])]
    for codecs_asked in (likely, None):
        if codecs_asked != [] and (best := from_bytes(sample, cp_isolation=codecs_asked).best()):
            return best.encoding
    return ""


def _of_latin(raw: bytes, language: str, declared: str) -> str:
    """The code page of a mostly ASCII text under which its other characters stand where such characters stand."""
    sample = _sample(raw)
    asked: Iterable[str] = dict.fromkeys(filter(None, (declared, *LATIN_CODECS.get(language, ()), *LATIN_CODECS[""])))
    scores = {codec: plausibility(sample.decode(codec, "replace"), language) for codec in asked}
    usual = "cp1252" if "cp1252" in LATIN_CODECS.get(language, LATIN_CODECS[""]) else ""
    best = max(scores, key=lambda codec: scores[codec] + (PRIOR_OF_CP1252 if codec == usual else 0.0))
    few = len(raw) - len(raw.translate(None, _HIGH)) <= MAX_DROPPED_FRAC * len(raw)
    return best if scores[best] > MIN_PLAUSIBLE or few else ""


def _mended(text: str, notes: list[Note]) -> tuple[str, list[Note]]:
    """Text whose UTF-8 was once read as a code page and saved again, put right line by line where that is seen."""
    if not text.isascii() and (told := _reread(text)):
        return told[0], [*notes, ("mojibake", told[1])]
    if text.isascii() or not _is_damaged(text):
        return text, notes
    from ftfy import fix_encoding

    lines = text.split("\n")
    mended = 0
    for index, line in enumerate(lines):
        if not line.isascii() and _DAMAGED.search(line) and (fixed := fix_encoding(line)) != line:
            lines[index] = fixed
            mended += 1
    return ("\n".join(lines), [*notes, ("mojibake", f"{mended} lines repaired")]) if mended else (text, notes)


def _reread(text: str) -> tuple[str, str] | None:
    """(the text, what was done) where a code page of another script was read as a Latin one and saved again.

    No Latin language writes whole words in letters beside ASCII, as such a text does nearly everywhere."""
    misread = sum(map(len, _MISREAD.findall(text)))
    if not misread or misread <= OTHER_SCRIPT_FRAC * sum(map(str.isalpha, text)):
        return None
    for codec in ("latin-1", "cp1252"):
        try:
            raw = text.encode(codec)
            if len(set(raw.translate(None, _ASCII))) > MIN_ALPHABET and (own := _of_other_script(raw, "", "")):
                told, note = raw.decode(own), f"{own.replace('_', '-')} that was read as {codec}"
                return (told, note) if _OTHER_SCRIPT.search(told) else None
        except UnicodeError:
            continue
    return None


def _is_damaged(text: str) -> bool:
    """Whether a search for damage is worth its time: the letters that UTF-8 leaves behind stand in front of others."""
    latin = any(letter in text for letter in ("Ã", "Â", "Ð", "Ñ", "â€", "â\x80"))
    return latin or any(pair in text for pair in ("Рѕ", "Р°", "Рµ", "вЂ", "СЂ"))


def _problem(what: str, raw: bytes, at: int, name: str) -> ReadProblem:
    shown = raw[at : at + 8].hex(" ")
    return ReadProblem(
        what, f"bytes {shown} at {at} of {name}", "text in an encoding that can be told", "save the file as UTF-8"
    )
