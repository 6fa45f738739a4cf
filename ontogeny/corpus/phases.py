"""The declared lists of rows of a stage's phases, and how they divide into steps. Pure."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from ontogeny.core.hashes import seed_of


def steps_of(rows: int, batch_packs: int) -> int:
    """Steps of a phase that feeds consecutive runs of `batch_packs` rows; the last may be short."""
    return -(-rows // batch_packs)


def epochs_of(span: Sequence) -> int:
    """How often a stage's packs are read in a pass; `span` is [unit, amount]."""
    return span[1] if span[0] == "epochs" else 1


def steps_of_books(runs: Iterable[Sequence[int]], batch_packs: int) -> int:
    """Steps of one reading of books that each begin a step; their runs of packs are [first, packs]."""
    return sum(steps_of(packs, batch_packs) for _, packs in runs)


def rows_of_book_step(
    step: int, order: Iterable[str], book_packs: Mapping[str, Sequence[int]], batch_packs: int
) -> range:
    """The rows that a step of a self-chosen stage feeds: a run of one book's packs, counted on from epoch to epoch.

    `order`: the books as they are chosen, as far as they are. Raises: IndexError for a step past them."""
    epoch, left = divmod(step, steps_of_books(book_packs.values(), batch_packs))
    before = epoch * sum(packs for _, packs in book_packs.values())
    for book in order:
        first, packs = book_packs[book]
        steps = steps_of(packs, batch_packs)
        if left < steps:
            begin = before + first + left * batch_packs
            return range(begin, min(begin + batch_packs, before + first + packs))
        left -= steps
    raise IndexError(f"step {step} is past the books that are chosen")


def sealed_rows(replay_frac: float, packs: int, stage_index: int) -> int:
    """Rows of a stage's replay that are made of the journals of the stages before it; a life's first stage has none."""
    return round(replay_frac * packs) if stage_index else 0


def replay_list(
    seed: int, stage: str, wanted: int, earlier_packs: list[int], purpose: str = "replay"
) -> list[list[int]]:
    """[stage, pack] of the `wanted` earlier packs a stage replays, in sampled order.

    Without replacement, at most all there are. `purpose`: what they are drawn for, so that two draws differ."""
    places = sum(earlier_packs)
    count = min(wanted, places)
    rng = random.Random(seed_of(seed, stage, purpose))
    chosen = []
    for place in rng.sample(range(places), count):
        index = 0
        while place >= earlier_packs[index]:
            place -= earlier_packs[index]
            index += 1
        chosen.append([index, place])
    return chosen


def role_steps(rows_by_role: Mapping[str, int], batch_tokens: Mapping[str, int], context_tokens: int) -> int:
    """Steps in which all roles train at once.

    Computes: the most steps any role needs for its rows of context_tokens at its batch_tokens, but no more
    than the role with the fewest rows has rows, so that each role has a row in each step; 0 where no role
    has any."""
    active = [role for role, rows in rows_by_role.items() if rows > 0]
    if not active:
        return 0
    wanted = max(-(-rows_by_role[role] * context_tokens // batch_tokens[role]) for role in active)
    return max(1, min(wanted, min(rows_by_role[role] for role in active)))


def dealt(step: int, rows: int, steps: int) -> tuple[int, int]:
    """The run of one role's rows that a step feeds: [floor(step n / S), floor((step + 1) n / S))."""
    return step * rows // steps, (step + 1) * rows // steps
