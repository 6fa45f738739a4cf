"""Items that are asked under several conditions: a row each, and all of them or none."""

from __future__ import annotations

from collections.abc import Sequence

from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, row_of

Ids = Sequence[int]


def encode_items(asked: Asked, texts: Sequence[Sequence[str]], where: str) -> list[list[Ids]]:
    """The texts of each item, each encoded apart from the others. Raises: what the encoder raises, with `where`."""
    coded = iter(asked.encoder.encode([text for some in texts for text in some], where))
    return [[[int(token) for token in next(coded)] for _ in some] for some in texts]


def whole_rows(asked: Asked, conditions: Sequence[tuple[Ids, Sequence[Ids]]]) -> tuple[Row, ...] | None:
    """A row for each condition (context, ends) of an item, or None if one of them does not fit whole.

    A context that lost its beginning in one condition alone would make the conditions differ in more than was meant."""
    rows = []
    for context, ends in conditions:
        if 1 + len(context) + max(map(len, ends)) > asked.context_tokens:
            return None
        rows.append(row_of(asked, context, ends))
    found = tuple(row for row in rows if row is not None)
    return found if len(found) == len(rows) else None
