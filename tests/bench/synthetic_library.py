"""Synthetic libraries whose answer is known: one in which order must matter, one in which it cannot.

Every book states facts of a small world, three words each ("Bakof likes mirus."): a subject, a verb, and the object
that the world gives that verb. Facts are short because a run of eight words must hardly ever come again: held-out text
would stand in training text otherwise, and would not be scored. `contrary`: the books of the first stage tell of one
world, those of the second of another in which every verb has another object, so that whatever is read last is known
best: reading them in reverse must be seen. `alike`: all books of both stages are drawn from one world, fact by fact,
independently, and anew for every seed, so that no order of them can be better than another."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

SUBJECTS, VERBS, OBJECTS = 24, 16, 24
BOOKS, FACTS = 6, 350  # of a stage; of a book
STAGES = ("first", "second")
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"


def invented_words(count: int, rng: random.Random, taken: set[str]) -> list[str]:
    """Different pronounceable words of five letters."""
    words: list[str] = []
    while len(words) < count:
        word = "".join(rng.choice(CONSONANTS) + rng.choice(VOWELS) for _ in range(2)) + rng.choice(CONSONANTS)
        if word not in taken:
            taken.add(word)
            words.append(word)
    return words


@dataclass(frozen=True)
class World:
    """Who there is, what they do, and the object that goes with each verb."""

    subjects: tuple[str, ...]
    object_of: dict[str, str]


def make_worlds(rng: random.Random) -> tuple[World, World]:
    """Two worlds of the same subjects and verbs; no verb has the same object in both."""
    taken: set[str] = set()
    subjects, verbs, objects = (invented_words(count, rng, taken) for count in (SUBJECTS, VERBS, OBJECTS))
    pairs = [rng.sample(objects, 2) for _ in verbs]
    first, second = (dict(zip(verbs, told, strict=True)) for told in zip(*pairs, strict=True))
    return World(tuple(subjects), first), World(tuple(subjects), second)


def make_book(world: World, title: str, rng: random.Random) -> str:
    """A book of paragraphs of 8 to 16 facts, subjects and verbs drawn independently."""
    paragraphs, left = [f"# {title}"], FACTS
    while left > 0:
        facts = []
        for _ in range(min(left, rng.randint(8, 16))):
            verb = rng.choice(list(world.object_of))
            facts.append(f"{rng.choice(world.subjects).capitalize()} {verb} {world.object_of[verb]}.")
        paragraphs.append(" ".join(facts))
        left -= len(facts)
    return "\n\n".join(paragraphs) + "\n"


def write_library(root: Path, kind: str, seed: int, genome: str = "") -> Path:
    """Writes stages/library.yaml, the books, and genome/<kind>.yaml; returns the genome's path.

    `kind`: contrary | alike. `genome`: further YAML, such as an `experiment` block."""
    rng = random.Random(f"{kind}|{seed}")
    first, second = make_worlds(rng)
    worlds = {"first": first, "second": second if kind == "contrary" else first}
    (root / "stages/books").mkdir(parents=True, exist_ok=True)
    (root / "genome").mkdir(exist_ok=True)
    entries = ["books:"]
    for stage in STAGES:
        for number in range(BOOKS):
            name = f"{stage}-{number}"
            text = make_book(worlds[stage], f"Book {number} of the {stage}", rng)
            (root / f"stages/books/{name}.md").write_text(text, encoding="utf-8")
            told = {
                "source": f"file:stages/books/{name}.md",
                "title": name,
                "author": "a seeded generator",
                "language": "en",
                "field": "facts",
                "level": stage,
                "form": "reader",
                "licence": "Apache-2.0",
            }
            entries.append(f"  {name}: {json.dumps(told)}")
    (root / "stages/library.yaml").write_text("\n".join(entries) + "\n", encoding="utf-8")
    path = root / "genome" / f"{kind}.yaml"
    path.write_text(genome_text(kind, seed) + genome, encoding="utf-8")
    return path


def genome_text(kind: str, seed: int) -> str:
    """A life of a second or two: 0.1 M parameters, two stages read whole, no scenes."""
    lines = [
        f"name: {kind}",
        f"seed: {seed}",
        "model:",
        "  base: scratch",
        "  architecture: {type: llama, hidden_size: 64, num_hidden_layers: 2, num_attention_heads: 2,",
        "                 tie_word_embeddings: true}",
        "  context_tokens: 128",
        "  tokenizer: {train: bpe, vocab_size: 384}",
        "trunk: {learning_rate: 5.0e-3, schedule: constant, batch_tokens: 256}",
        "stages:",
    ]
    for stage in STAGES:
        books = ", ".join(f"{stage}-{number}" for number in range(BOOKS))
        lines += [
            f"  - name: {stage}",
            "    span: {books: all}",
            "    probes: {battery: [bits_per_byte]}",
            f"    sections: [{{name: facts, books: [{books}]}}]",
        ]
    return "\n".join(lines) + "\nmachine: {log_every_steps: 50, save_every_steps: 1000}\n"
