"""What a model says with nothing asked: samples from BOS alone, and how much they repeat themselves.

Shapes: B sample, V vocabulary."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.probes.intervals import interval_of_mean

SAMPLES, SAMPLE_TOKENS = 8, 64
CONCEPTION = "conception"
ON = "empty prompt"


@torch.inference_mode()
def sample_unprompted(model: Any, bos_id: int, seed: int, stage: str | None, context_tokens: int) -> list[list[int]]:
    """SAMPLES runs of SAMPLE_TOKENS ids at temperature 1, drawn with a generator of their own."""
    generator = torch.Generator("cpu").manual_seed(seed_of(seed, stage or CONCEPTION, "unprompted"))
    ids_B = torch.full((SAMPLES,), bos_id)
    drawn, cache = [], None
    for _ in range(min(SAMPLE_TOKENS, context_tokens - 1)):
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
