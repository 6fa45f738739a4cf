"""Which language a book is in, as it reads; to be held against what its catalogue says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

SAMPLES = 24
SAMPLE_CHARS = 1000
MIN_LETTERS = 40  # of a sample; fewer say nothing
MAIN_SHARE = 0.5


def detect_language(windows: Sequence[str]) -> dict[str, Any]:
    """{detected: ISO 639-1 code or None, share: of the samples that read so, n: samples with enough letters}.

    Looks at the first SAMPLE_CHARS of at most SAMPLES windows. None where no language has half of the samples."""
    step = max(1, len(windows) / SAMPLES)
    samples = [windows[int(index * step)][:SAMPLE_CHARS] for index in range(min(SAMPLES, len(windows)))]
    spoken = [text for text in samples if sum(map(str.isalpha, text)) >= MIN_LETTERS]
    if not spoken:
        return {"detected": None, "share": 0.0, "n": 0}
    (language, votes), *_ = Counter(_identifier().classify(text)[0] for text in spoken).most_common(1)
    share = votes / len(spoken)
    return {"detected": language if share >= MAIN_SHARE else None, "share": round(share, 3), "n": len(spoken)}


def differs(declared: str, found: dict[str, Any]) -> bool:
    """Whether a book reads as another language than its catalogue says; False for one that nobody here can tell."""
    return found["detected"] is not None and declared in _known() and found["detected"] != declared


@lru_cache(maxsize=1)
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE)


@lru_cache(maxsize=1)
def _known() -> frozenset[str]:
    return frozenset(_identifier().labels)
