"""What a stage will hold, guessed from the books' bytes; prepare counts it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ontogeny.core.schema import Genome, Stage
from ontogeny.core.units import usual_bytes_per_token

SCENE_TOKENS = 180  # a scene with its paragraph
ROLE_FRAC = 0.2  # share of a scene that one role speaks
MEAN_BOOK_BYTES = 460_000  # of a book nobody has fetched or chosen: the mean of 47 plain texts of Gutenberg


def estimated_counts(stage: Stage, genome: Genome, book_bytes: Mapping[str, int], index: int) -> dict[str, Any]:
    """Bytes, rows, steps and tokens of a stage before its books were read, in the form of a manifest's entry."""
    context = genome.model.context_tokens
    entries = getattr(genome.model.tokenizer, "vocab_size", 32768)
    bytes_per_token = usual_bytes_per_token(entries, genome.language)
    books = [book for section in stage.sections for book in section.book_ids]
    unchosen = sum(section.slot.count for section in stage.sections if section.slot)
    size = sum(book_bytes.get(book, 0) for book in books) + unchosen * MEAN_BOOK_BYTES
    held = 0.95 * size / bytes_per_token
    tokens = stage.span.amount if stage.span.unit == "tokens" else round(held) * stage.span.amount
    rows = max(1, math.ceil(tokens / (context - 1)))
    batch = stage.trunk.batch_tokens // context
    replay = math.floor(stage.trunk.replay_frac * rows) if index else 0
    replay += round(stage.journal.replay_frac * rows) if index and stage.journal else 0
    scenes = tokens // stage.scenes.every_tokens if stage.scenes else 0
    by_role = {}
    for name, role in stage.roles.items() if scenes else ():
        role_rows = math.ceil(scenes * SCENE_TOKENS / (context - 1))
        told = math.ceil(role.span.amount / (context * ROLE_FRAC)) if role.span.unit == "tokens" else 0
        by_role[name] = min(role_rows, told) if told else role_rows * role.span.amount
    tokens_by_role = {name: round(rows * context * ROLE_FRAC) for name, rows in by_role.items()}
    wanted = max((math.ceil(by_role[name] * context / stage.roles[name].batch_tokens) for name in by_role), default=0)
    return {
        "bytes": round((tokens if stage.span.unit == "tokens" else held) * bytes_per_token),
        "phases": {
            "books": {"rows": rows, "steps": math.ceil(rows / batch), "tokens": tokens},
            "replay": {"rows": replay, "steps": math.ceil(replay / batch), "tokens": replay * (context - 1)},
            "roles": {
                "rows": sum(by_role.values()),
                "steps": min([wanted, *by_role.values()]),
                "tokens": sum(tokens_by_role.values()),
                "rows_by_role": by_role,
                "tokens_by_role": tokens_by_role,
            },
        },
    }
