"""What is known of each token of a vocabulary: the bytes it stands for, whether it ends a line.

Legend: V vocabulary."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

LONE_BYTE = re.compile("<0x[0-9A-F]{2}>")
LINE_ENDS = ("\u010a", "\n", "<0x0A>")  # byte 10 as byte-level vocabularies, plain ones and byte fallbacks spell it


def token_bytes(tokenizer: Path) -> np.ndarray:
    """UTF-8 bytes that each token stands for, float64[V]; specials stand for none."""
    encoder = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    added = encoder.get_added_tokens_decoder()
    plain = {text: index for text, index in encoder.get_vocab().items() if index not in added}
    alphabet = set(ByteLevel.alphabet())
    length = len if all(alphabet.issuperset(text) for text in plain) else _plain_length  # there a byte is a character
    lengths_V = np.zeros(encoder.get_vocab_size(), np.float64)
    for text, index in plain.items():
        lengths_V[index] = length(text)
    for index, token in added.items():
        lengths_V[index] = 0 if token.special else len(token.content.encode())
    return lengths_V


def _plain_length(text: str) -> int:
    """Bytes of a token of a vocabulary of words (SentencePiece): a blank is spelled U+2581, a lone byte <0x0A>."""
    return 1 if LONE_BYTE.fullmatch(text) else len(text.replace("\u2581", " ").encode())


def line_end_tokens(tokenizer: Path) -> np.ndarray:
    """Which tokens hold a line's end, bool[V]."""
    encoder = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    ends_V = np.zeros(encoder.get_vocab_size(), bool)
    for text, index in encoder.get_vocab().items():
        ends_V[index] = any(end in text for end in LINE_ENDS)
    return ends_V
