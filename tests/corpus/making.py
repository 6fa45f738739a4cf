"""Small libraries and plans, made in a test's own folder."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from types import SimpleNamespace

from ontogeny.core.library import Library, load_library

ROLES = ("student", "teacher", "critic", "reformulator")
SUBJECTS = (
    "river",
    "stone",
    "farmer",
    "lamp",
    "engine",
    "garden",
    "letter",
    "winter",
    "doctor",
    "bridge",
    "market",
    "sailor",
    "candle",
    "mirror",
    "valley",
)
VERBS = (
    "crosses",
    "carries",
    "follows",
    "answers",
    "watches",
    "repairs",
    "remembers",
    "measures",
    "colours",
    "forgets",
    "paints",
    "numbers",
)
LINKS = ("So", "But", "Therefore", "Because of this", "However", "Then", "And so", "For this reason")
TAILS = ("before noon", "with great care", "without a word", "in the cold rain", "for seven days", "under the old roof")


def make_prose(seed: int, paragraphs: int, chapter_every: int = 0) -> str:
    """Sentences about nothing, with linking words in the right places; the same for the same seed."""
    rng = random.Random(seed)
    blocks = []
    for number in range(paragraphs):
        if chapter_every and number % chapter_every == 0:
            blocks.append(f"CHAPTER {number // chapter_every + 1}. Of the {rng.choice(SUBJECTS)}")
        blocks.append(" ".join(_sentence(rng, rng.random() < 0.4) for _ in range(rng.randint(3, 7))))
    return "\n\n".join(blocks) + "\n"


def _sentence(rng: random.Random, linked: bool) -> str:
    body = (
        f"the {rng.choice(SUBJECTS)} {rng.choice(VERBS)} the {rng.choice(SUBJECTS)} and the {rng.choice(SUBJECTS)} "
        f"{rng.choice(TAILS)} {rng.randint(2, 99)} times"
    )
    return f"{rng.choice(LINKS)} {body}." if linked else body[0].upper() + body[1:] + "."


def scene_yaml(scene_id: str, trigger: str, field: str = "physics", speaker: str = "student") -> str:
    return f"""
- id: {scene_id}
  kind: conflict
  field: {field}
  level: primer
  language: en
  trigger: {{{trigger}}}
  tags: [test]
  turns:
    - {{speaker: teacher, span: question, text: "What does {scene_id} ask?"}}
    - {{speaker: student, span: attempt, text: "It asks for the weight of {scene_id}."}}
    - {{speaker: critic, span: objection, text: "Weight is not what {scene_id} is about."}}
    - {{speaker: {speaker}, span: repair, text: "It asks for the shape of {scene_id}."}}
  resolution_expected: "It asks for the shape of {scene_id}."
  foil: "It asks for the weight of {scene_id}."
"""


def make_library(root: Path, books: dict[str, str], scenes: dict[str, str] | None = None) -> Library:
    """A library of `file:` books under `root`, and each stage's scenes.yaml."""
    folder = root / "stages"
    folder.mkdir(parents=True, exist_ok=True)
    lines = ["books:"]
    for book_id, text in books.items():
        (folder / f"{book_id}.txt").write_text(text, encoding="utf-8")
        lines += [
            f"  {book_id}:",
            f'    source: "file:stages/{book_id}.txt"',
            f"    title: The {book_id}",
            "    author: Nobody",
            "    language: en",
            "    field: physics",
            "    level: primer",
            "    form: reader",
            "    licence: Apache-2.0",
        ]
    (folder / "library.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for stage, text in (scenes or {}).items():
        (folder / stage).mkdir(exist_ok=True)
        (folder / stage / "scenes.yaml").write_text(text, encoding="utf-8")
    return load_library(root)


def span(**unit) -> SimpleNamespace:
    ((name, amount),) = unit.items()
    return SimpleNamespace(unit=name, amount=1 if name == "books" else amount)


def make_stage(
    index: int,
    name: str,
    books: list[str],
    *,
    stage_span=None,
    every_tokens: int | None = 300,
    kinds=("conflict", "gap"),
    rhythm="interleaved",
    attempt=0.0,
    repair=2.0,
    replay_frac=0.0,
    journal_replay_frac=0.0,
    batch_packs=3,
    batch_tokens=256,
    role_span=None,
    roles=ROLES,
    reading="sequential",
) -> SimpleNamespace:
    scenes = SimpleNamespace(every_tokens=every_tokens, kinds=list(kinds), rhythm=rhythm, folder=f"stages/{name}")
    return SimpleNamespace(
        index=index,
        name=name,
        sections=[("all", books)],
        span=stage_span or span(books="all"),
        reading=reading,
        scenes=scenes if every_tokens else None,
        loop_loss=SimpleNamespace(question=1.0, attempt=attempt, objection=1.0, repair=repair),
        replay_frac=replay_frac,
        journal_replay_frac=journal_replay_frac,
        batch_packs=batch_packs,
        roles={role: SimpleNamespace(span=role_span or span(epochs=1), batch_tokens=batch_tokens) for role in roles},
    )


def make_plan(
    stages: list[SimpleNamespace],
    *,
    seed: int = 7,
    context_tokens: int = 128,
    vocab_size: int = 512,
    language: str = "en",
    roles=ROLES,
) -> SimpleNamespace:
    return SimpleNamespace(
        seed=seed,
        language=language,
        context_tokens=context_tokens,
        roles=list(roles),
        skip_rules=(),
        tokenizer={"train": "bpe", "vocab_size": vocab_size},
        stages=stages,
    )


def two_stages(root: Path) -> tuple[SimpleNamespace, Library]:
    """Three books, two stages, scenes of both kinds: enough for every rule to have work."""
    scenes = "".join(
        scene_yaml(f"first-{i}", trigger)
        for i, trigger in enumerate(
            (
                "phrase: bridge with",
                "pattern: 'm[ai]rror with'",
                "after: chapter",
                "phrase: nowhere at all",
                "phrase: lamp with",
            )
        )
    )
    books = {"alpha": make_prose(1, 60, chapter_every=12), "beta": make_prose(2, 40), "gamma": make_prose(3, 50)}
    library = make_library(root, books, {"first": scenes, "second": scenes.replace("first-", "second-")})
    plan = make_plan([make_stage(0, "first", ["alpha", "beta"]), make_stage(1, "second", ["gamma"], replay_frac=0.2)])
    return plan, library


def copy_corpus(folder: Path, to: Path) -> Path:
    return Path(shutil.copytree(folder, to))
