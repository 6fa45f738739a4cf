"""Byte-level tokenizers word by word: the ids of each different word are asked for once.

A byte-level BPE parts a text into words by one pattern, that of GPT-2, and codes each word alone: the ids of a text
are those of its words, one after another. In a book most words come again and again, so that this takes a fifth of
the library's own time. Only characters whose class is what it was in Unicode 3.2 are parted here, so that no two
tables of Unicode can disagree; a text with others, and any other tokenizer, is left to the library."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain, compress, islice, pairwise
from typing import Any

import numpy as np
from tokenizers import Tokenizer

MAX_KNOWN_WORDS = 1 << 17
LAST_CODE = 0x2DFF  # beyond it are scripts that part no words by spaces
_SHOWN = [*range(ord("!"), ord("~") + 1), *range(0xA1, 0xAD), *range(0xAE, 0x100)]  # bytes that stand for themselves
_OTHERS = [byte for byte in range(256) if byte not in _SHOWN]  # those that do not are shown as 256 and on
BYTE_OF = {chr(byte): byte for byte in _SHOWN} | {chr(256 + n): byte for n, byte in enumerate(_OTHERS)}
_SPACES = r"\t-\r \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f"
_WHOLE_WORDS = {"type": "ByteLevel", "add_prefix_space": False, "use_regex": True}


class WordCoder:
    """Ids of texts by those of their words; each word's are proven once, by giving it back to the byte."""

    def __init__(self, tokenizer: Tokenizer, bytes_of: Sequence[bytes]):
        self.tokenizer = tokenizer
        self.bytes_of = bytes_of
        self.added = [token.content for token in tokenizer.get_added_tokens_decoder().values()]
        self._word, self._strange = _patterns()
        self._forget()

    def encode(self, texts: Sequence[str]) -> list[np.ndarray | None]:
        """The ids of each text, int32; None for one that only the library can encode."""
        plain = [self._is_plain(text) for text in texts]
        parted = [self._word.findall(text) for text in compress(texts, plain)]
        if len(self._number) > MAX_KNOWN_WORDS:
            self._forget()
        words = list(chain.from_iterable(parted))
        numbers = np.fromiter(map(self._number.__getitem__, words), dtype=np.int64, count=len(words))
        self._learn()
        lengths = self._lengths[numbers]
        if not lengths.all() or sum(map(len, words)) != sum(map(len, compress(texts, plain))):
            return [None] * len(texts)  # a word does not come back: the library tells of which text
        ends = np.concatenate(([0], np.cumsum(lengths)))
        within = np.arange(ends[-1]) - np.repeat(ends[:-1], lengths)
        ids = self._ids[np.repeat(self._starts[numbers], lengths) + within]
        edges = pairwise(ends[np.cumsum([0, *map(len, parted)])].tolist())
        return [ids[slice(*next(edges))] if is_plain else None for is_plain in plain]

    def _forget(self) -> None:
        """Begins anew: `_number` numbers the words as they come; `_starts`, `_lengths` say where theirs `_ids` are."""
        self._number: defaultdict[str, int] = defaultdict()
        self._number.default_factory = self._number.__len__
        self._starts = self._lengths = np.empty(0, dtype=np.int64)
        self._ids = np.empty(0, dtype=np.int32)

    def _learn(self) -> None:
        """The ids of the words that were numbered since; none of a word that they do not give back."""
        new = list(islice(self._number, len(self._starts), None))
        if not new:
            return
        coded = [one.ids for one in self.tokenizer.encode_batch_fast(new, add_special_tokens=False)]
        lengths = [
            len(ids) if b"".join(map(self.bytes_of.__getitem__, ids)) == word.encode() else 0
            for word, ids in zip(new, coded, strict=True)
        ]
        sizes = [len(ids) for ids in coded]
        starts = len(self._ids) + np.cumsum([0, *sizes[:-1]])
        self._starts = np.concatenate((self._starts, starts))
        self._lengths = np.concatenate((self._lengths, lengths))
        self._ids = np.concatenate((self._ids, np.fromiter(chain.from_iterable(coded), dtype=np.int32)))

    def _is_plain(self, text: str) -> bool:
        """Whether a text has only characters of a known class, and nothing that was added to the vocabulary."""
        if not text.isascii() and self._strange.search(text):
            return False
        return not any(added in text for added in self.added)


def is_by_words(described: dict[str, Any]) -> bool:
    """Whether a tokenizer, as its file describes it, codes a text's words as this module parts them."""
    parted, model = described["pre_tokenizer"] or {}, described["model"]
    return (
        described["normalizer"] is None
        and {**parted, **_WHOLE_WORDS} == parted
        and (described["decoder"] or {}).get("type") == "ByteLevel"
        and model["type"] == "BPE"
        and not model["dropout"]
    )


@lru_cache(maxsize=1)
def _patterns() -> tuple[re.Pattern, re.Pattern]:
    """(a word by GPT-2's pattern, a character whose class is not known)."""
    before, now = unicodedata.ucd_3_2_0.category, unicodedata.category
    codes: dict[str, list[int]] = {"L": [], "N": [], "Z": [], "": []}  # letters, numbers, blanks, all others
    for code in range(LAST_CODE + 1):
        old, new = before(chr(code)), now(chr(code))
        if old != "Cn" and (found := old[0] if old[0] in codes else "") == (new[0] if new[0] in codes else ""):
            codes[found].append(code)
    letters, numbers, known = _ranges(codes["L"]), _ranges(codes["N"]), _ranges(sorted(chain(*codes.values())))
    word = (
        rf"'(?:s|t|re|ve|m|ll|d)| ?[{letters}]+| ?[{numbers}]+| ?[^{_SPACES}{letters}{numbers}]+"
        rf"|[{_SPACES}]+(?![^{_SPACES}])|[{_SPACES}]+"
    )
    return re.compile(word), re.compile(f"[^{known}]")


def _ranges(codes: list[int]) -> str:
    """Code points in rising order as the inside of a pattern's class."""
    firsts = [code for before, code in pairwise([-2, *codes]) if code != before + 1]
    lasts = [code for code, after in pairwise([*codes, -2]) if after != code + 1]
    return "".join(rf"\u{first:04x}-\u{last:04x}" for first, last in zip(firsts, lasts, strict=True))
