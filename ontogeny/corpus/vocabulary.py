"""The tokenizer as an artifact: trained before anything else, on training passages only, then never changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from ontogeny.core.errors import CorpusError, Fault
from ontogeny.core.hashes import file_sha256
from ontogeny.core.positions import shown
from ontogeny.corpus.byte_level import BYTE_OF, WordCoder, is_by_words

END_OF_TEXT = "<|endoftext|>"
TRAINING_BATCH = 1000
SAMPLE_BYTES = 200_000_000


def train_tokenizer(texts: Iterable[str], vocab_size: int, out: Path, context_tokens: int = 0) -> str:
    """Trains a byte-level BPE of exactly `vocab_size` entries, writes it, and returns its fingerprint.

    Token 0 is <|endoftext|>, the beginning, end and padding alike; the 256 bytes follow, so that any text
    can be written. Raises: CorpusError if the texts hold too few pairs for so large a vocabulary."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[END_OF_TEXT],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    tokenizer.train_from_iterator(_in_batches(texts), trainer)
    if tokenizer.get_vocab_size() != vocab_size:
        raise CorpusError(
            Fault(
                "the books are too small for the vocabulary.",
                "model.tokenizer.vocab_size",
                str(vocab_size),
                f"at most {tokenizer.get_vocab_size()} for these books",
                "lower vocab_size, or add books",
            )
        )
    out.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(out / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": END_OF_TEXT,
        "eos_token": END_OF_TEXT,
        "pad_token": END_OF_TEXT,
        "bos_id": 0,
        "clean_up_tokenization_spaces": False,
        "model_max_length": context_tokens or int(1e30),
    }
    (out / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    return tokenizer_fingerprint(out)


class Sized(Protocol):
    """What is asked of a book's record here."""

    @property
    def id(self) -> str: ...
    @property
    def bytes(self) -> int: ...


Book = TypeVar("Book", bound=Sized)


def sample_of(books: Sequence[Book]) -> list[Book]:
    """The books a tokenizer is trained on, in id order: all of a small library; of one larger than SAMPLE_BYTES those
    with the least SHA-256 of their ids, until they hold so much. A change of another book does not move them."""
    ranked = sorted(books, key=lambda book: hashlib.sha256(book.id.encode()).digest())
    sizes = list(accumulate(book.bytes for book in ranked))
    enough = next((count for count, size in enumerate(sizes, 1) if size >= SAMPLE_BYTES), len(ranked))
    return sorted(ranked[:enough], key=lambda book: book.id)


def tokenizer_fingerprint(folder: Path) -> str:
    """SHA-256 of tokenizer.json."""
    return file_sha256(folder / "tokenizer.json")


def load_encoder(folder: Path) -> Tokenizer:
    """The tokenizer of a folder, with special tokens in a text read as text.

    Raises: CorpusError if there is none, or it cannot be read."""
    path = folder / "tokenizer.json"
    try:
        tokenizer = Tokenizer.from_file(str(path))
    except Exception as problem:  # the library raises bare Exception
        raise CorpusError(
            Fault(
                "a tokenizer cannot be loaded.",
                shown(path),
                str(problem).splitlines()[0],
                "a tokenizer.json as the tokenizers library writes it",
                "export the tokenizer again",
            )
        ) from None
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


@dataclass
class Encoder:
    """A loaded tokenizer that proves, text by text, that nothing is lost."""

    tokenizer: Tokenizer
    bos_id: int
    vocab_size: int

    @property
    def ids_dtype(self) -> np.dtype:
        return np.dtype("<u2") if self.vocab_size <= 1 << 16 else np.dtype("<u4")

    def encode(self, texts: Sequence[str], where: str = "") -> list[np.ndarray]:
        """The ids of each text, alone and without specials; decoding them gives the text back to the byte.

        Raises: CorpusError if it does not (a tokenizer that normalises what it reads)."""
        texts = list(texts)
        found = self._by_words.encode(texts) if self._by_words else [None] * len(texts)
        others = [text for text, ids in zip(texts, found, strict=True) if ids is None]
        whole = iter(self._encode_whole(others, where) if others else ())
        return [next(whole) if ids is None else ids for ids in found]

    def _encode_whole(self, texts: list[str], where: str) -> list[np.ndarray]:
        """The same by the library alone."""
        coded = [one.ids for one in self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)]
        for text, back in zip(texts, self._decoded(coded), strict=True):
            if text != back:
                at = next(
                    (i for i, (a, b) in enumerate(zip(text, back, strict=False)) if a != b), min(len(text), len(back))
                )
                raise CorpusError(
                    Fault(
                        "the tokenizer does not give a text back to the byte.",
                        where,
                        repr(back[max(0, at - 20) : at + 20]),
                        repr(text[max(0, at - 20) : at + 20]),
                        "use a byte-level tokenizer that normalises nothing",
                    )
                )
        return [np.asarray(ids, dtype=np.int32) for ids in coded]

    def _decoded(self, coded: Sequence[Sequence[int]]) -> Iterable[str]:
        """The texts of ids; of a byte-level tokenizer by joining bytes, which takes a fifth of the time."""
        if not self._bytes_of:
            return self.tokenizer.decode_batch(list(coded), skip_special_tokens=False)
        return (b"".join(map(self._bytes_of.__getitem__, ids)).decode("utf-8", "replace") for ids in coded)

    @cached_property
    def _described(self) -> dict[str, Any]:
        return json.loads(self.tokenizer.to_str())

    @cached_property
    def _by_words(self) -> WordCoder | None:
        return WordCoder(self.tokenizer, self._bytes_of) if is_by_words(self._described) else None

    @cached_property
    def _bytes_of(self) -> list[bytes]:
        """The bytes of each token of a byte-level tokenizer; of another, nothing."""
        decoder = self._described["decoder"]
        if decoder is None or decoder["type"] != "ByteLevel":
            return []
        tokens = self.tokenizer.get_vocab(with_added_tokens=True)
        found = [b""] * (1 + max(tokens.values()))
        for token, at in tokens.items():
            is_mapped = BYTE_OF.keys() >= set(token)
            found[at] = bytes(map(BYTE_OF.__getitem__, token)) if is_mapped else token.encode()
        return found


def make_encoder(folder: Path) -> Encoder:
    """The encoder of a tokenizer folder; BOS is its bos or eos token as tokenizer_config.json names it."""
    tokenizer = load_encoder(folder)
    return Encoder(tokenizer, _bos_id(tokenizer, folder), tokenizer.get_vocab_size(with_added_tokens=True))


def _bos_id(tokenizer: Tokenizer, folder: Path) -> int:
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    if isinstance(config.get("bos_id"), int):
        return config["bos_id"]
    for key in ("bos_token", "eos_token"):
        named = config.get(key)
        token = tokenizer.token_to_id(named["content"] if isinstance(named, dict) else str(named))
        if token is not None:
            return token
    raise CorpusError(
        Fault(
            "a tokenizer names no token to begin with.",
            shown(path),
            "no bos_token, no eos_token",
            "bos_token or eos_token, one of its own entries",
            "name one in tokenizer_config.json",
        )
    )


def _in_batches(texts: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    for text in texts:
        batch.append(text)
        if len(batch) == TRAINING_BATCH:
            yield batch
            batch = []
    if batch:
        yield batch
