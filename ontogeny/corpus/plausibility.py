"""How well the characters of a code page stand in a mostly ASCII text: by their neighbours, and the language's letters.

Each character beside ASCII is given a mark from -2 (a control character) to 1 (a letter of the language within a word
of its case, a quotation mark on its side of a word); the plausibility of a text is their mean."""

from __future__ import annotations

import re
import unicodedata
from itertools import islice

WESTERN = ("cp1252", "mac_roman", "cp850", "iso8859_15", "cp437")
CENTRAL = ("cp1250", "iso8859_2", "cp852", "mac_latin2")
LATIN_CODECS: dict[str, tuple[str, ...]] = {
    "": (*WESTERN, *CENTRAL, "cp1254", "cp1257"),
    **dict.fromkeys(("pl", "cs", "sk", "hu", "sl", "hr", "ro", "bs", "sq"), CENTRAL),
    "tr": ("cp1254", "cp857", "mac_turkish"),
    **dict.fromkeys(("lt", "lv", "et"), ("cp1257", "iso8859_13", "cp775")),
}
LETTERS = {
    "": "àâäáãåæçèéêëìíîïñòóôöõøœùúûüß",
    "en": "àâäáåæçèéêëíîïñóôöøœúûü",
    "fr": "àâæçéèêëîïôœùûüÿ",
    "de": "äöüßéàè",
    "es": "áéíóúñüç",
    "pt": "áâãàçéêíóôõúü",
    "it": "àèéìíòóùú",
    "nl": "éëïöüèêç",
    "pl": "ąćęłńóśźżé",
    "cs": "áčďéěíňóřšťúůýž",
    "sk": "áäčďéíĺľňóôŕšťúýž",
    "hu": "áéíóöőúüű",
    "ro": "ăâîșțşţé",
    "tr": "çğıİöşüâîû",
    "lt": "ąčęėįšųūž",
    "lv": "āčēģīķļņšūž",
    "et": "äöõüšž",
    **dict.fromkeys(("sv", "fi", "da", "no", "is"), "åäöæøéáíóúýðþ"),
    **dict.fromkeys(("hr", "sl", "bs"), "čćđšž"),
}
_ALL = frozenset("".join(LETTERS.values()))
_HIGH = re.compile("[^\x00-\x7f]")
_OPEN, _CLOSE = "“‘„«‚‹", "”’»›"
_DASHES = "—–…\xa0"
_COMMON = "éèêàâçæœôöüäßïñáóÆŒÉÖÜÄąęłśżčěřšžőűășțğıİş"
_AFTER_FIGURES = "½¼¾²³¹´′″"
_APART = "×÷±·†‡•§¶©≤≥√"
MAX_MARKED = 4000


def plausibility(text: str, language: str) -> float:
    """The mean mark of the characters beside ASCII; 0 where there are none."""
    letters = LETTERS.get(language, LETTERS[""])
    places = [found.start() for found in islice(_HIGH.finditer(text), MAX_MARKED)]
    marks = [_mark(text[at - 1 : at], text[at], text[at + 1 : at + 2], letters) for at in places]
    return sum(marks) / len(marks) if marks else 0.0


def _mark(before: str, char: str, after: str, letters: str) -> float:
    if char.isalpha():
        return _mark_of_letter(before, char, after, letters)
    if char in _OPEN:
        return 1.0 if not before.isalnum() and (after.isalnum() or after in "'\"‘“’”([._—") else -1.0
    if char in _CLOSE:
        return 1.0 if before and not before.isspace() else 0.3 if after.isalpha() else -1.0
    if char in _DASHES:
        return 1.0 if char != "\xa0" else 0.35 if after else 0.0
    if char in "£€¢¥":
        return 1.0 if after.isdigit() or before.isdigit() or after == "$" else 0.0
    if char == "°":
        return 1.0 if before.isdigit() else -0.3
    if char in _AFTER_FIGURES:
        return 0.5 if not before.isalpha() else -0.5
    if char in _APART:
        return 0.5 if not (before.isalpha() or after.isalpha()) else -0.5
    if char in "¿¡":
        return 0.5 if after.isalpha() and not before.isalnum() else -1.0
    return -2.0 if unicodedata.category(char) in ("Cc", "Co", "Cn") or char == "\ufffd" else -1.0


def _mark_of_letter(before: str, char: str, after: str, letters: str) -> float:
    """A letter stands beside letters, in their case, beside no figure, and not thrice in a row."""
    alone = not (before.isalpha() or after.isalpha())
    shouting = char.isupper() and before.islower()
    whispering = char.islower() and after.isupper()
    if alone or shouting or whispering or before.isdigit() or after.isdigit() or before == char == after:
        return -0.5
    return (1.0 if char in _COMMON else 0.5) if char.lower() in letters else 0.25 if char.lower() in _ALL else 0.0
