"""Near-duplicates: planted ones are found for what they are, books that merely share a language are not."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest

from ontogeny.corpus.duplicates import COMMON_BOOKS, PIECE_CHARS, SKETCH_HASHES, THRESHOLD, find_duplicates, sketch_of

BOOKS = Path(__file__).parents[3] / "shared" / "books"


def words_text(seed: int, count: int) -> str:
    """Words in an order of their own, in lines."""
    rng = random.Random(seed)
    known = [
        f"{first}{middle}{last}" for first in "bdfklmnprst" for middle in "aeiou" for last in ("n", "rt", "l", "sk")
    ]
    return " ".join(rng.choices(known, k=count)) + "\n"


def edited(text: str, frac: float, rng: random.Random) -> str:
    """The text with a share of its words replaced."""
    words = sorted(set(re.findall(r"\w+", text)))
    return re.sub(r"\w+", lambda found: rng.choice(words) if rng.random() < frac else found.group(), text)


def planted(text: str, other: str, rng: random.Random) -> dict[str, str]:
    """A text as a copy, with 10 % of its words replaced, with a third of it inside another book, as an edition."""
    start = rng.randrange(len(text) * 2 // 3)
    half = len(other) // 2
    kept = [edited(part, 0.03, rng) for part in re.split(r"(?<=\n)", text) if rng.random() > 0.1]
    return {
        "copy": text.upper(),
        "edited": edited(text, 0.1, rng),
        "third": other[:half] + "\n" + text[start : start + len(text) // 3] + "\n" + other[half:],
        "edition": "A preface to the second edition.\n" + "".join(kept),
    }


def check_planted(texts: dict[str, str]) -> None:
    """Plants every kind in every text; nothing else may be found."""
    rng = random.Random(11)
    sketches = {name: sketch_of(text) for name, text in texts.items()}
    assert find_duplicates(sketches) == []
    names = sorted(texts)
    for name, other in zip(names, names[1:] + names[:1], strict=True):
        for kind, text in planted(texts[name], texts[other], rng).items():
            found = {(pair["a"], pair["b"]): pair for pair in find_duplicates({**sketches, "~": sketch_of(text)})}
            assert (name, "~") in found, (name, kind)
            pair = found.pop((name, "~"))
            assert pair["ci95"]["a_in_b"][0] <= pair["a_in_b"] <= pair["ci95"]["a_in_b"][1]
            if kind == "copy":
                assert pair["kind"] == "copy" and pair["resemblance"] == pytest.approx(1.0, abs=0.01)
            elif kind == "third":
                assert pair["kind"] in ("overlap", "contained") and pair["a_in_b"] == pytest.approx(1 / 3, abs=0.1)
                assert found.pop((other, "~"))["a_in_b"] > 0.8  # the book that it was put into is there as well
            else:
                assert pair["kind"] == "edition" and 0.5 < pair["a_in_b"] < 0.95
            assert found == {}


def test_planted_duplicates_are_found():
    check_planted({f"book-{seed}": words_text(seed, 3000 * (seed + 1)).replace(" b", "\nb") for seed in range(4)})


@pytest.mark.skipif(not BOOKS.is_dir(), reason="../shared/books is not here")
def test_planted_duplicates_of_real_books_are_found():
    names = (
        "1-primer/14304-tale-of-peter-rabbit",
        "1-primer/11-alice-in-wonderland",
        "3-school/12228-home-geography",
        "6-initiation/1656-apology",
        "3-school/ruslit-istoriya-pugacheva",
    )
    raw = {name.rpartition("/")[2]: (BOOKS / f"{name}.txt").read_text("utf-8") for name in names}
    texts = {name: text.partition("*** START")[2] or text for name, text in raw.items()}
    texts = {name: re.split(r"\*\*\* END|End of (?:the )?Project Gutenberg", text)[0] for name, text in texts.items()}
    check_planted(texts)


def test_a_tale_in_an_anthology_a_hundred_times_as_long():
    tale, anthology = words_text(1, 2000), words_text(2, 200_000)
    within = anthology[:500_000] + tale + anthology[500_000:]
    (pair,) = find_duplicates({"tale": sketch_of(tale), "anthology": sketch_of(within)})
    assert (pair["kind"], pair["a"]) == ("contained", "anthology")
    assert pair["b_in_a"] > 0.7 and pair["a_in_b"] < 0.02 and pair["resemblance"] < 0.02


def test_a_sketch_is_bounded_and_knows_no_case_marks_or_pieces():
    text = words_text(3, 400_000)
    assert len(text) > PIECE_CHARS
    assert len(sketch_of(text)) < 8 * SKETCH_HASHES + 64
    plain = "the cat sat on the mat and the dog ran far away " * 3
    loud = plain.upper().replace(" and ", ", AND -- ")
    (pair,) = find_duplicates({"a": sketch_of(text), "b": sketch_of(text.replace(" ", "\n\n"))})
    assert pair["kind"] == "copy" and pair["resemblance"] == 1.0
    assert sketch_of(plain) == sketch_of(loud) != sketch_of(plain + "then it slept")


def test_books_of_no_shingles_make_no_pairs():
    sketches = {
        name: sketch_of(text) for name, text in (("a", ""), ("b", "one two"), ("c", "1 2 3 4"), ("d", "x" * 99))
    }
    assert find_duplicates(sketches) == [] == find_duplicates({})
    few = {"a": sketch_of("one two three four five six"), "b": sketch_of("one two three four five six seven")}
    assert find_duplicates(few) == []  # too few shingles in common to mean anything


def test_more_copies_than_are_compared_with_each_other_are_all_found():
    count = COMMON_BOOKS + 6
    sketch = sketch_of(words_text(5, 500))
    found = find_duplicates({f"{number:03d}": sketch for number in range(count)})
    assert {name for pair in found for name in (pair["a"], pair["b"])} == {f"{number:03d}" for number in range(count)}
    assert all(max(pair["a_in_b"], pair["b_in_a"]) >= THRESHOLD for pair in found)
