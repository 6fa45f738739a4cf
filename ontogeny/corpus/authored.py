"""The authored scenes of a plan's stages, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from ontogeny.core.errors import CorpusError, Fault, LibraryError, OntogenyError
from ontogeny.core.library import Library
from ontogeny.corpus.layout import MAX_ROLES
from ontogeny.corpus.made import MADE
from ontogeny.corpus.survey import split_authored
from ontogeny.corpus.vocabulary import Encoder
from ontogeny.scenes.conflict import AUTHORED, load_scenes
from ontogeny.scenes.gap import CAST, has_gaps
from ontogeny.scenes.language import TABLES
from ontogeny.scenes.shape import Scene, render


def authored_scenes(plan: Any, library: Library) -> dict[str, tuple[list[Scene], list[Scene]]]:
    """(training, held out) of each stage's authored scenes. Raises: CorpusError with all faults."""
    faults: list[Fault] = []
    found: dict[str, tuple[list[Scene], list[Scene]]] = {}
    if len(plan.roles) > MAX_ROLES:
        faults.append(
            Fault("a genome has too many roles.", "roles", str(len(plan.roles)), f"at most {MAX_ROLES}", "remove some")
        )
    for stage in plan.stages:
        found[stage.name] = ([], [])
        if stage.scenes is None:
            continue
        faults.extend(_made_faults(stage, plan))
        kinds = [kind for kind in stage.scenes.kinds if kind in AUTHORED]
        path = scenes_path(stage, library)
        if "conflict" in kinds or (kinds and path.is_file()):  # mismatch scenes are made as well
            try:
                scenes = [scene for scene in load_scenes(path, plan.language) if scene.kind in kinds]
            except OntogenyError as problem:
                faults.extend(problem.faults)
                continue
            faults.extend(check_speakers(scenes, plan.roles, stage.name))
            found[stage.name] = split_authored(scenes)
    if faults:
        raise CorpusError(faults)
    return found


def scenes_path(stage: Any, library: Library) -> Path:
    """Where a stage's authored scenes stand."""
    return library.root / Path(stage.scenes.folder) / "scenes.yaml"


def _made_faults(stage: Any, plan: Any) -> Iterator[Fault]:
    """What the made kinds of a stage lack: a language, roles."""
    made = [kind for kind in stage.scenes.kinds if kind in MADE]
    if made and not has_gaps(plan.language):
        yield Fault(
            f"{' and '.join(made)} scenes do not exist in language '{plan.language}'.",
            f"stages[{stage.index}].scenes.kinds",
            ", ".join(made),
            f"one of the languages {', '.join(TABLES)}",
            "leave them out, or add a language table",
        )
    asking = [kind for kind in made if kind != "dialogue"]
    if asking and (missing := [role for role in CAST if role not in plan.roles]):
        yield Fault(
            f"{' and '.join(asking)} scenes of stage '{stage.name}' need roles the genome does not have.",
            f"stages[{stage.index}].scenes.kinds",
            f"no {', '.join(missing)}",
            f"roles {', '.join(CAST)}",
            f"define them under `roles:`, or leave out {' and '.join(asking)}",
        )
    if "dialogue" in made and len(plan.roles) < 2:
        yield Fault(
            f"dialogue scenes of stage '{stage.name}' need two roles.",
            f"stages[{stage.index}].scenes.kinds",
            f"{len(plan.roles)} roles",
            "two roles or more",
            "define them under `roles:`, or leave out dialogue",
        )


def check_speakers(scenes: Sequence[Scene], roles: Sequence[str], stage: str) -> list[Fault]:
    """A fault for every speaker of a scene that no role of the genome plays."""
    known = {"narrator", *roles}
    return [
        Fault(
            f"scene '{scene.id}' of stage '{stage}' has a speaker nobody plays.",
            scene.where or f"scene {scene.id}",
            repr(speaker),
            f"narrator, or one of {', '.join(roles) or '(the genome has no roles)'}",
            "define the role in the genome, or change the speaker",
        )
        for scene in scenes
        for speaker in dict.fromkeys(turn.speaker for turn in scene.turns)
        if speaker not in known
    ]


def refuse_long_scenes(scenes: Sequence[Scene], context_tokens: int, encoder: Encoder) -> None:
    """Raises: LibraryError with every scene that alone, without a paragraph, is longer than a pack."""
    room = context_tokens - 1
    texts = ["".join(piece.text for piece in render(scene)) for scene in scenes]
    faults = [
        Fault(
            f"scene '{scene.id}' is longer than a pack.",
            scene.where or f"scene {scene.id}",
            f"{len(ids)} tokens",
            f"at most {room}: context_tokens less one",
            "shorten the scene, raise model.context_tokens, or take its kind out of scenes.kinds",
        )
        for scene, ids in zip(scenes, encoder.encode(texts), strict=True)
        if len(ids) > room
    ]
    if faults:
        raise LibraryError(faults)
