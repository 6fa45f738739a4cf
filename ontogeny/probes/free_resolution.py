"""Free resolution: does a model find the transition itself, with no choice given? The items are conflict_resolution's.

It goes on from the context, always with its likeliest token, until its line ends; the words that it says are compared
with those of the answer and of the foil.

Shapes: B row, T token (padded on the left to the longest context), V vocabulary."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.difficulty import words_of
from ontogeny.probes.intervals import interval_of_mean, interval_of_share
from ontogeny.probes.scoring import BATCH_TOKENS
from ontogeny.probes.sets import Asked, items_of
from ontogeny.scenes.language import TABLES, LanguageTable

PROBE, ASKED_AS = "free_resolution", "conflict_resolution"
CONTENT_LETTERS = 4
SHOWN = 4  # texts kept beside the numbers


def measure_free_resolution(model: Any, asked: Asked) -> list[dict[str, Any]]:
    """The probe's rows, two a stage and split.

    An item may say as many tokens as the longer of answer and foil. Forms: `difference`, overlap with the answer minus
    overlap with the foil; `preferred`, the share of items where the answer's is greater, a tie one half. Overlap is F1
    of content words. Raises: ModelError if a file cannot be read."""
    found = []
    for on, split, lines in items_of(asked, ASKED_AS):
        where = f"{ASKED_AS} items of {on}"
        contexts, answers, foils = (
            asked.encoder.encode(texts, where)
            for texts in (
                [one["context"] for one in lines],
                [one["answer"] for one in lines],
                [one["foils"][0] for one in lines],
            )
        )
        rooms = [max(len(answer), len(foil)) for answer, foil in zip(answers, foils, strict=True)]
        fits = [i for i, room in enumerate(rooms) if room + 2 <= asked.context_tokens]
        stems = [[asked.encoder.bos_id, *map(int, contexts[i][-(asked.context_tokens - 1 - rooms[i]) :])] for i in fits]
        if not fits:
            continue
        said = continued(model, stems, [rooms[i] for i in fits])
        texts = [line_of(asked.encoder.tokenizer.decode(ids, skip_special_tokens=False)) for ids in said]
        fed = sum(len(stem) + len(ids) - 1 for stem, ids in zip(stems, said, strict=True))
        ends = [(lines[i]["answer"], lines[i]["foils"][0]) for i in fits]
        groups = [lines[i].get("template") or lines[i]["id"] for i in fits]
        told = _scored(texts, ends, groups, seed_of(asked.seed, on, f"{PROBE} interval"))
        common = {"probe": PROBE, "on": on, "split": split}
        found += [common | row | {"samples": texts[:SHOWN], "forward_tokens": fed} for row in told]
    return found


def _scored(
    texts: Sequence[str], ends: Sequence[tuple[str, str]], groups: Sequence[str], seed: int
) -> list[dict[str, Any]]:
    table = table_of([text for pair in ends for text in pair])
    gaps = []
    for text, (answer, foil) in zip(texts, ends, strict=True):
        gaps.append(overlap(text, answer, table) - overlap(text, foil, table))
    rights = [0.5 if gap == 0 else float(gap > 0) for gap in gaps]
    told = (
        ("difference", gaps, "F1", 0.0, interval_of_mean(gaps, seed, groups)),
        ("preferred", rights, "fraction", 0.5, interval_of_share(rights, seed, groups)),
    )
    return [
        {
            "form": form,
            "value": sum(values) / len(values),
            "unit": unit,
            "chance": chance,
            "n": len(values),
            "ci95": interval,
            "higher_is_better": True,
        }
        for form, values, unit, chance, interval in told
    ]


def overlap(said: str, wanted: str, table: LanguageTable) -> float:
    """F1 of the content words of two texts, compared by their stems; 0 where either has none."""
    ours, theirs = content_stems(said, table), content_stems(wanted, table)
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours and theirs else 0.0


def content_stems(text: str, table: LanguageTable) -> set[str]:
    """Stems of the words of CONTENT_LETTERS letters or more that are no small words of the language."""
    return {
        table.stem(word) for word in words_of(text) if len(word) >= CONTENT_LETTERS and word not in table.small_words
    }


def table_of(texts: Sequence[str]) -> LanguageTable:
    """The language of some texts: the one whose small words stand there most (the first where none does)."""
    words = [word for text in texts for word in words_of(text)]
    return max(TABLES.values(), key=lambda table: sum(word in table.small_words for word in words))


def line_of(text: str) -> str:
    """The first line that says something; an answer may begin with the line's end that parts it from its label."""
    return text.lstrip().split("\n", 1)[0].rstrip()


@torch.inference_mode()
def continued(model: Any, stems: Sequence[Sequence[int]], rooms: Sequence[int]) -> list[list[int]]:
    """`rooms[i]` ids that greedily follow each stem, in batches of like lengths.

    Stems are padded on the left and the padding is hidden; positions begin at 0 with each stem's first token, so that a
    row says what it would say alone."""
    model = model.get_base_model() if hasattr(model, "get_base_model") else model  # an adapter stays switched on in it
    order = sorted(range(len(stems)), key=lambda i: (len(stems[i]) + rooms[i], i))
    batches: list[list[int]] = []
    for i in order:
        size = len(batches[-1]) + 1 if batches else 1
        if batches and size * _width(stems, rooms, [*batches[-1], i]) <= BATCH_TOKENS:
            batches[-1].append(i)
        else:
            batches.append([i])
    said: dict[int, list[int]] = {}
    for batch in batches:
        ids_BT = _greedy(model, [stems[i] for i in batch], max(rooms[i] for i in batch))
        said |= {i: ids[: rooms[i]] for i, ids in zip(batch, ids_BT.tolist(), strict=True)}
    return [said[i] for i in range(len(stems))]


def _width(stems: Sequence[Sequence[int]], rooms: Sequence[int], batch: Sequence[int]) -> int:
    return max(len(stems[i]) for i in batch) + max(rooms[i] for i in batch)


def _greedy(model: Any, stems: Sequence[Sequence[int]], room: int) -> Tensor:
    longest = max(map(len, stems))
    ids_BT = torch.tensor([[0] * (longest - len(stem)) + list(stem) for stem in stems])
    seen_BT = torch.tensor([[0] * (longest - len(stem)) + [1] * len(stem) for stem in stems])
    ids_BT, seen_BT = ids_BT.to(model.device), seen_BT.to(model.device)
    placed = "position_ids" in inspect.signature(model.forward).parameters
    said, cache, positions_BT = [], None, (seen_BT.cumsum(dim=1) - 1).clamp(min=0)
    for _ in range(room):
        further = {"position_ids": positions_BT} if placed else {}
        output = model(input_ids=ids_BT, attention_mask=seen_BT, past_key_values=cache, use_cache=True, **further)
        cache = output.past_key_values
        ids_BT = output.logits[:, -1].float().argmax(dim=-1, keepdim=True)
        said.append(ids_BT.cpu())
        seen_BT = torch.cat([seen_BT, torch.ones_like(ids_BT)], dim=1)
        positions_BT = positions_BT[:, -1:] + 1
    return torch.cat(said, dim=1)
