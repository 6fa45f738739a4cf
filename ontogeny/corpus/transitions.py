"""Transitions: from one sentence of a book to the next, found in packs by their tokens, as fast as they are read.

Where sentences end is told by the vocabulary alone: a token that closes with a full stop (quotes, blanks may follow),
then one that begins with a capital after a blank; or a blank line. An abbreviation it does not know is an end to it.

Shapes: B rows of a batch, T tokens of a pack, N = B x T, S sentences, V vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from ontogeny.corpus.layout import PASSAGE
from ontogeny.corpus.shard import Shard
from ontogeny.corpus.vocabulary import BYTE_OF

MIN_TOKENS = 4  # of a sentence: shorter ones are headings, labels and numbers
ENDS = (".", "!", "?", "…")
CLOSING = "\"'”’»)]*_"
OPENING = "\"'“‘«„([—–_*"
MAX_CLOSING_TOKENS = 4  # quotes and blanks between a sentence's end and the next one's beginning
ABBREVIATIONS = ("Mr", "Mrs", "Dr", "St", "vs", "etc", "г", "гг", "св", "см", "т", "стр", "гл")
UNKNOWN = "\ufffd"  # stands for a part of a character, in a token that holds no whole one
MARK_BYTES = set("".join(mark for mark in CLOSING if ord(mark) > 127).encode())  # of closing quotes, cut into tokens
MARK_LEADS = b"\xc2\xe2"  # with which an opening quote or a dash begins, and no letter
NO_BOOK = -1
TRANSITION = np.dtype(  # tokens [first, last) of a pack are the second sentence; the one before begins at `before`
    [("nats", "<f8"), ("pack", "<u4"), ("before", "<u4"), ("first", "<u4"), ("last", "<u4")]
)


class SentenceStarts:
    """What each token of a vocabulary tells of sentences; `tokenizer` is a corpus' tokenizer folder."""

    def __init__(self, tokenizer: Path):
        vocabulary = Tokenizer.from_file(str(tokenizer / "tokenizer.json")).get_vocab()
        raw = [b""] * (1 + max(vocabulary.values()))
        for token, index in vocabulary.items():
            raw[index] = spelled(token)
        texts = [one.decode("utf-8", "replace") for one in raw]
        bare = [text.strip() for text in texts]
        self.ends_V = np.array([one.rstrip(CLOSING).endswith(ENDS) for one in bare])
        self.closes_V = np.array(
            [_closes(text) or (bool(one) and set(one) <= MARK_BYTES) for text, one in zip(texts, raw, strict=True)]
        )
        self.begins_V = np.array([_begins(text, one.lstrip()) for text, one in zip(bare, raw, strict=True)])
        self.short_V = np.array([one in ABBREVIATIONS or (len(one) == 1 and one.isupper()) for one in bare])
        self.blank_first_V = np.array([text[:1].isspace() for text in texts])
        self.blank_last_V = np.array([text[-1:].isspace() for text in texts])
        self.line_first_V = np.array([text.startswith("\n") for text in texts])
        self.line_last_V = np.array([text.rstrip(" ").endswith("\n") for text in texts])
        self.break_V = np.array(["\n\n" in text for text in texts])

    def of(self, ids_N: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(whether a sentence begins at each token, whether one has come to a full stop with it), bool[N] each."""
        before, here = ids_N[:-1], ids_N[1:]
        ended = self.ends_V[ids_N]
        ended[1:] &= ~self.short_V[before]
        closes = self.closes_V[here]
        for _ in range(MAX_CLOSING_TOKENS):
            ended[1:] |= closes & ended[:-1]
        broken = self.break_V[ids_N]
        broken[1:] |= self.line_first_V[here] & self.line_last_V[before]
        blank = self.blank_first_V[here] | self.blank_last_V[before]
        starts = np.zeros(len(ids_N), bool)
        starts[1:] = (ended[:-1] & self.begins_V[here] & blank) | (broken[:-1] & ~self.line_first_V[here])
        return starts, ended


def _closes(text: str) -> bool:
    """Whether a token goes on with the end of a sentence: blanks, or closing quotes that no blank parts from it."""
    return bool(text) and not text.strip().strip(CLOSING) and (text.isspace() or text == text.lstrip())


def _begins(text: str, raw: bytes) -> bool:
    """Whether a token, its blanks left out, is what a sentence begins with."""
    if text.startswith(UNKNOWN):
        return raw[0] in MARK_LEADS
    return bool(text) and (text[0].isupper() or text[0].isdigit() or text[0] in OPENING)


def spelled(token: str) -> bytes:
    """The bytes of a token, as far as it alone tells them."""
    if BYTE_OF.keys() >= set(token):
        return bytes(map(BYTE_OF.__getitem__, token))
    return token.replace("\u2581", " ").replace("<0x0A>", "\n").encode()


class BookRuns:
    """Where the text of a stage's packs goes on without a break in one book."""

    def __init__(self, shard: Shard):
        self.segments = shard.segments()
        self.pack_of = np.ascontiguousarray(self.segments["pack"])  # in order
        self.context_tokens = shard.context_tokens

    def of_pack(self, pack: int) -> np.ndarray:
        """The run that each token is in, int32[T], counted from 0; NO_BOOK for scenes, BOS and padding."""
        runs_T = np.full(self.context_tokens, NO_BOOK, np.int32)
        segments = self.segments_of(pack)
        if not len(segments):
            return runs_T
        is_book = segments["kind"] == PASSAGE
        goes_on = (segments["source"][1:] == segments["source"][:-1]) & (segments["start"][1:] == segments["end"][:-1])
        goes_on &= is_book[1:] & is_book[:-1]
        runs = np.where(is_book, np.cumsum(np.r_[False, ~goes_on]), NO_BOOK)
        first = int(segments["first_token"][0])
        told = np.repeat(runs, segments["tokens"])
        runs_T[first : first + len(told)] = told  # a pack is filled without gaps
        return runs_T

    def segments_of(self, pack: int) -> np.ndarray:
        """What a pack holds, in order."""
        return np.asarray(self.segments[slice(*np.searchsorted(self.pack_of, [pack, pack + 1]))])


def transitions(
    starts: SentenceStarts, packs_B: np.ndarray, ids_BT: np.ndarray, nats_BT: np.ndarray, runs_BT: np.ndarray
) -> np.ndarray:
    """The transitions of some packs, as TRANSITION: both sentences whole, of MIN_TOKENS or more, in one run of a book,
    and the second comes to a full stop, which a heading does not.

    `nats_BT`: surprise of each token, its mean over the second sentence is what a transition costs; sentences that a
    pack's beginning or end cuts are left out."""
    rows, length = ids_BT.shape
    runs_N = np.where(runs_BT == NO_BOOK, NO_BOOK, runs_BT + length * np.arange(rows)[:, None]).reshape(-1)
    begin_N, ended_N = starts.of(ids_BT.reshape(-1))
    begin_N[1:] |= runs_N[1:] != runs_N[:-1]
    begin_N[::length] = True
    begin_S = np.flatnonzero(begin_N)
    end_S = np.append(begin_S[1:], runs_N.size)
    tokens_S = end_S - begin_S
    mean_S = np.add.reduceat(nats_BT.reshape(-1), begin_S, dtype=np.float64) / tokens_S
    run_S = runs_N[begin_S]
    fits = (run_S[1:] != NO_BOOK) & (run_S[1:] == run_S[:-1])
    fits &= (tokens_S[1:] >= MIN_TOKENS) & (tokens_S[:-1] >= MIN_TOKENS)
    fits &= (begin_S[:-1] % length > 1) & (end_S[1:] % length != 0)  # what a pack's ends may have cut
    fits &= ended_N[end_S[1:] - 1]
    second = 1 + np.flatnonzero(fits)
    found = np.empty(len(second), TRANSITION)
    found["nats"], found["pack"] = mean_S[second], packs_B[begin_S[second] // length]
    found["before"], found["first"] = begin_S[second - 1] % length, begin_S[second] % length
    found["last"] = found["first"] + tokens_S[second]
    return found
