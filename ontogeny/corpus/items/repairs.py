"""Items of self_repair: the questions of conflict_resolution, asked again after an attempt and an objection."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ontogeny.core.hashes import seed_of
from ontogeny.corpus.heldout import HeldOut
from ontogeny.corpus.items.gaps import dealt_scenes, gap_candidates, gap_id
from ontogeny.corpus.items.sentences import matched, sound_passages
from ontogeny.corpus.items.shape import Item, Material
from ontogeny.scenes.gap import PROBED_WORDS, QUOTED_WORDS, ask, has_gaps, lacking_words, object_to
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.shape import Scene, Turn, label, render, render_until_repair

PROBE = "self_repair"


def make_repair_items(material: Material, asked: Sequence[Item]) -> list[Item]:
    """An item for each conflict_resolution item of `asked` that can be objected to; answer and foil stay as they are.

    Its context is the question alone; `more["second"]` goes on from it as scenes in training do: the student gives the
    foil, the critic names what it lacks, and the same label as in the first ends it. `more["fresh"]`: a wrong end that
    nobody has said, the answer to a gap of another passage, near in length; None where there is none. In an authored
    scene attempt and objection are the author's; its foil is wrong as the attempt is, and nobody has said it."""
    scenes = {scene.id: scene for scene, _ in dealt_scenes(material.scenes)}
    gaps = list(gap_scenes(material, asked, PROBE, short=True))
    scenes |= {item.id: scene for item, _, scene in gaps}
    homes = {item.id: passage for item, passage, _ in gaps}
    found = []
    for item in asked:
        if item.id in scenes and (contexts := _contexts(scenes[item.id])) is not None:
            first, second = contexts
            others = [other.answer for other, passage, _ in gaps if passage is not homes.get(item.id)]
            fresh = _fresh(item, others, material) if item.kind == "gap" else item.foils[0]
            found.append(replace(item, probe=PROBE, context=first, more={"second": second, "fresh": fresh}))
    return found


def _fresh(item: Item, others: Sequence[str], material: Material) -> str | None:
    rng = random.Random(f"{seed_of(material.seed, material.stage, 'fresh')}|{item.id}")
    unsaid = [text for text in others if text.strip() != item.foils[0].strip()]
    found = matched(item.answer, (unsaid,), 1, rng)
    return item.answer[0] + found[0] if found else None


def gap_scenes(
    material: Material, asked: Sequence[Item], purpose: str, short: bool = False
) -> Iterator[tuple[Item, HeldOut, Scene]]:
    """(item, its passage, its scene) of each item of kind `gap` whose foil can be objected to.

    Its turns: question, attempt, objection, repair. The forms of question and objection are drawn for each item and
    purpose; `short`: the question is the probe's."""
    if not has_gaps(material.language):
        return
    language, table = material.language, TABLES[material.language]
    gaps = {gap_id(one): one for passage in sound_passages(material) for one in gap_candidates(passage, language)}
    for item in (item for item in asked if item.kind == "gap"):
        gap, attempt = gaps[item.id], item.foils[0].strip()
        if not (lacking := lacking_words(attempt, gap.after, table)):
            continue
        rng = random.Random(f"{seed_of(material.seed, material.stage, purpose)}|{item.id}")
        objection = object_to(lacking, table, rng.choice(table.objections))
        form, words = (
            (min(table.missing, key=len), PROBED_WORDS) if short else (rng.choice(table.missing), QUOTED_WORDS)
        )
        turns = (
            Turn("teacher", "question", ask(gap.before, gap.after, table, form, words)),
            Turn("student", "attempt", attempt),
            Turn("critic", "objection", objection),
            Turn("reformulator", "repair", item.answer.removeprefix(" ")),
        )
        yield item, gap.passage, Scene(item.id, "gap", "", "", {}, turns, gap.sentence, attempt, (), language)


def _contexts(scene: Scene) -> tuple[str, str] | None:
    """What stands before the first attempt, with the label of the last repair; and all before that repair."""
    attempts = [index for index, turn in enumerate(scene.turns) if turn.span == "attempt"]
    if not attempts or attempts[0] == 0:
        return None
    last = max(index for index, turn in enumerate(scene.turns) if turn.span == "repair")
    before = "".join(piece.text for piece in render(scene) if piece.turn < attempts[0])
    return before + label(scene.turns[last].speaker, scene.language), render_until_repair(scene)
