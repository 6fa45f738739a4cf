"""What is known of each token of a vocabulary: the bytes it stands for, whether it ends a line.

Legend: V vocabulary."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

LINE_ENDS = ("\u010a", "\n", "<0x0A>")  # byte 10 as byte-level vocabularies, plain ones and byte fallbacks spell it


def token_bytes(tokenizer: Path) -> np.ndarray:
    """UTF-8 bytes that each token stands for, float64[V]; specials stand for none."""
    encoder = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    special = {index for index, token in encoder.get_added_tokens_decoder().items() if token.special}
    lengths_V = np.zeros(encoder.get_vocab_size(), np.float64)
    for text, index in encoder.get_vocab().items():
        lengths_V[index] = 0 if index in special else len(text)  # byte-level vocabularies spell a byte as a character
    return lengths_V


def line_end_tokens(tokenizer: Path) -> np.ndarray:
    """Which tokens hold a line's end, bool[V]."""
    encoder = Tokenizer.from_file(str(tokenizer / "tokenizer.json"))
    ends_V = np.zeros(encoder.get_vocab_size(), bool)
    for text, index in encoder.get_vocab().items():
        ends_V[index] = any(end in text for end in LINE_ENDS)
    return ends_V
