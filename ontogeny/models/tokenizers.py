"""Tokenizers that exist already: brought into a life as they are, never grown."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer
from transformers import AutoTokenizer

from ontogeny.core.errors import Fault, ModelError
from ontogeny.core.hashes import file_sha256
from ontogeny.models.bases import Base, read_base

FAST, CONFIG = "tokenizer.json", "tokenizer_config.json"


def write_pretrained_tokenizer(spec: Any, out: Path) -> dict[str, Any]:
    """Writes a pretrained tokenizer as a folder that transformers and the tokenizers library both read.

    `spec`: {pretrained: Hub id | folder | package:DIST/PATH}. A tokenizer.json that exists is copied to the byte.
    Returns: fingerprint (SHA-256 of tokenizer.json), vocab_size (with added tokens), bos_id; the config gains `bos_id`.
    Raises: ModelError if it cannot be read, is not a fast one, or has no token to begin a text with."""
    name = spec["pretrained"] if isinstance(spec, Mapping) else spec.pretrained
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    tokenizer = read_base(name, lambda base, local: _load(base, local, out))
    if not (out / FAST).is_file():
        raise ModelError(
            Fault(
                "a tokenizer has no fast form.",
                "model.tokenizer.pretrained",
                name,
                f"one that saves {FAST}",
                "convert it with transformers once, and name the folder",
            )
        )
    bos_id = next((one for one in (tokenizer.bos_token_id, tokenizer.eos_token_id) if one is not None), None)
    if bos_id is None:
        raise ModelError(
            Fault(
                "a tokenizer has no token to begin a text with.",
                "model.tokenizer.pretrained",
                name,
                "bos_token or eos_token, one of its own entries",
                f"name one in its {CONFIG}",
            )
        )
    config = json.loads((out / CONFIG).read_text(encoding="utf-8"))
    for key in ("name_or_path", "is_local", "local_files_only"):  # of this machine, not of the tokenizer
        config.pop(key, None)
    config["bos_id"] = int(bos_id)
    (out / CONFIG).write_text(json.dumps(config, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    vocab_size = Tokenizer.from_file(str(out / FAST)).get_vocab_size(with_added_tokens=True)
    return {"fingerprint": file_sha256(out / FAST), "vocab_size": vocab_size, "bos_id": int(bos_id)}


def _load(base: Base, local_only: bool, out: Path) -> Any:
    """Loads and saves; where the source holds its own tokenizer.json, that one is kept."""
    tokenizer = AutoTokenizer.from_pretrained(base.source, local_files_only=local_only, **base.where)
    tokenizer.save_pretrained(str(out))
    own = Path(base.source) / FAST
    if base.gguf is None and own.is_file():
        shutil.copyfile(own, out / FAST)
    return tokenizer
