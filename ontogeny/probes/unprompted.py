"""What a model says with nothing asked: samples from BOS alone, and how much they repeat themselves.

`unprompted` is of the default battery and cheap. `unprompted_structure` asks longer and more, so it runs where it is
asked for by name: do samples hold scenes, and do they join what training never joined?

Shapes: B sample, V vocabulary, S section."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.connected import LINK_TERMS, book_terms
from ontogeny.corpus.difficulty import words_of
from ontogeny.corpus.shard import read_manifest
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.probes.intervals import interval_of_mean, interval_of_share
from ontogeny.probes.sets import Asked
from ontogeny.scenes.gap import CAST
from ontogeny.scenes.language import speaker_label

SAMPLES, SAMPLE_TOKENS = 8, 32
STRUCTURE_SAMPLES, STRUCTURE_TOKENS = 64, 160
SECTION_CHARS = 300_000  # of a section's training text: enough to know its words
CONCEPTION = "conception"
ON = "empty prompt"


def measure_unprompted(model: Any, asked: Asked) -> list[dict[str, Any]]:
    """The probe's rows: it samples, then counts."""
    samples = sample_unprompted(model, asked.encoder.bos_id, asked.seed, asked.stage, asked.context_tokens)
    fed = sum(map(len, samples))
    seed = seed_of(asked.seed, asked.stage or CONCEPTION, "unprompted interval")
    return [row | {"forward_tokens": fed} for row in sample_results(samples, asked.encoder, seed)]


def measure_structure(model: Any, asked: Asked) -> list[dict[str, Any]]:
    """Rows of `unprompted_structure`; none where the folder has no manifest to tell the speakers and the sections.

    Raises: RunError if the manifest cannot be read."""
    if not (asked.folder / "manifest.json").is_file():
        return []
    manifest = read_manifest(asked.folder)
    samples = sample_unprompted(
        model,
        asked.encoder.bos_id,
        asked.seed,
        asked.stage,
        asked.context_tokens,
        (STRUCTURE_SAMPLES, STRUCTURE_TOKENS),
        "unprompted structure",
    )
    texts = [asked.encoder.tokenizer.decode(ids, skip_special_tokens=False) for ids in samples]
    labels = {speaker_label(one, manifest["language"]) for one in (*CAST, *manifest["roles"])}
    seed = seed_of(asked.seed, asked.stage or CONCEPTION, "unprompted interval")
    told = [*scene_results(texts, labels, seed), *link_results(texts, section_terms(asked.folder, manifest), seed)]
    common = {"probe": "unprompted_structure", "on": ON, "split": None}
    further = {"n": len(samples), "forward_tokens": sum(map(len, samples))}
    return [common | row | further for row in told]


def scene_results(texts: Sequence[str], labels: set[str], seed: int) -> list[dict[str, Any]]:
    """`speaker`: the share of samples that hold a line of one of the speakers; `alternation`: of those where another
    speaker's line is next after one's."""
    line = re.compile(rf"^({'|'.join(map(re.escape, sorted(labels)))}):", re.MULTILINE)
    turns = [line.findall(text) for text in texts]
    forms = {
        "speaker": [float(bool(some)) for some in turns],
        "alternation": [float(any(a != b for a, b in pairwise(some))) for some in turns],
    }
    return [_structure_row(form, values, "fraction", interval_of_share(values, seed)) for form, values in forms.items()]


def link_results(texts: Sequence[str], terms_of: Mapping[tuple[str, str], set[str]], seed: int) -> list[dict[str, Any]]:
    """Links between sections of different stages, which no pack and so no training context ever joined.

    A sample holds a section where LINK_TERMS of its terms or more stand in it, and links two that it holds both.
    `links`: linked pairs a sample; its chance: the same where each section's places are dealt to samples anew, the mean
    over all ways to deal. `links_difference`: links above chance. Empty: all sections are of one stage."""
    names = list(terms_of)
    pairs = [(a, b) for a in range(len(names)) for b in range(a) if names[a][0] != names[b][0]]
    if not pairs or len(texts) < 2:
        return []
    words = [set(words_of(text)) for text in texts]
    has_BS = np.array([[len(terms_of[name] & some) >= LINK_TERMS for name in names] for some in words], float)
    left, right = has_BS[:, [a for a, _ in pairs]], has_BS[:, [b for _, b in pairs]]
    links_B = (left * right).sum(axis=1)
    shuffled = float((left.mean(axis=0) * right.mean(axis=0)).sum())
    apart_B = ((left - left.mean(axis=0)) * (right - right.mean(axis=0))).sum(axis=1)  # its mean: links above chance
    return [
        _structure_row(form, values, "pairs/sample", interval_of_mean(values, seed), chance)
        for form, values, chance in (
            ("links", links_B.tolist(), shuffled),
            ("links_difference", apart_B.tolist(), 0.0),
        )
    ]


def _structure_row(
    form: str, values: Sequence[float], unit: str, ends: list[float], chance: float | None = None
) -> dict[str, Any]:
    value = sum(values) / len(values)
    return {"form": form, "value": value, "unit": unit, "chance": chance, "ci95": ends, "higher_is_better": True}


def section_terms(folder: Path, manifest: Mapping[str, Any]) -> dict[tuple[str, str], set[str]]:
    """(stage, section) -> the terms that its training text uses and that no other section's does.

    What a term is stands in corpus.connected; of a long section the first SECTION_CHARS are read."""
    found: dict[tuple[str, str], set[str]] = {}
    for stage in manifest["stages"]:
        books = iter(stage["books"])
        for section, count in stage["sections"]:
            parts, room = [], SECTION_CHARS
            for book in (next(books) for _ in range(count)):
                if room <= 0 or not book["training"]:
                    continue
                text = (folder / "books" / f"{book['id']}.txt").read_bytes().decode("utf-8")
                for start, end in book["training"]:
                    parts.append(text[start : min(end, start + max(0, room))])
                    room -= end - start
            words = Counter(words_of("\n".join(parts)))
            found[stage["name"], section] = set(book_terms(words, [], []).terms)
    spread = Counter(term for terms in found.values() for term in terms)
    return {name: {term for term in terms if spread[term] == 1} for name, terms in found.items()}


@torch.inference_mode()
def sample_unprompted(
    model: Any,
    bos_id: int,
    seed: int,
    stage: str | None,
    context_tokens: int,
    size: tuple[int, int] = (SAMPLES, SAMPLE_TOKENS),
    purpose: str = "unprompted",
) -> list[list[int]]:
    """Runs of ids at temperature 1, drawn with a generator of their own; `size`: how many, and of how many ids."""
    generator = torch.Generator("cpu").manual_seed(seed_of(seed, stage or CONCEPTION, purpose))
    ids_B = torch.full((size[0],), bos_id)
    drawn, cache = [], None
    for _ in range(min(size[1], context_tokens - 1)):
        output = model(input_ids=ids_B[:, None].to(model.device), past_key_values=cache, use_cache=True)
        cache = output.past_key_values
        chances_BV = output.logits[:, -1].float().softmax(dim=-1).cpu()
        ids_B = torch.multinomial(chances_BV, 1, generator=generator)[:, 0]
        drawn.append(ids_B)
    return torch.stack(drawn, dim=1).tolist()


def sample_results(samples: Sequence[Sequence[int]], encoder: Encoder, seed: int) -> list[dict[str, Any]]:
    """distinct_1, distinct_2 (share of different n-grams) and repetition (share of 4-grams that a sample held before),
    each a mean over samples; the texts are kept beside every row's numbers."""
    texts = [encoder.tokenizer.decode(list(ids), skip_special_tokens=False) for ids in samples]
    forms = {
        "distinct_1": ([distinct(ids, 1) for ids in samples], True),
        "distinct_2": ([distinct(ids, 2) for ids in samples], True),
        "repetition": ([1.0 - distinct(ids, 4) for ids in samples], False),
    }
    return [
        {
            "probe": "unprompted",
            "on": ON,
            "split": None,
            "form": form,
            "value": sum(values) / len(values),
            "unit": "fraction",
            "chance": None,
            "n": len(values),
            "ci95": interval_of_mean(values, seed),
            "higher_is_better": higher,
            "samples": texts,
        }
        for form, (values, higher) in forms.items()
    ]


def distinct(ids: Sequence[int], n: int) -> float:
    """Different n-grams by n-grams; 1 where there is none."""
    grams = [tuple(ids[i : i + n]) for i in range(len(ids) - n + 1)]
    return len(set(grams)) / len(grams) if grams else 1.0
