"""`ontogeny plan`: every number of a life, nothing started."""

from __future__ import annotations

import shlex
from collections import Counter
from typing import TYPE_CHECKING, Any

import typer

from ontogeny.cli.shared import GenomeFile, Json, Libraries, Overrides, Quiet, known_books, located, planned, print_json

if TYPE_CHECKING:
    from ontogeny.core.genome import LoadedGenome
    from ontogeny.core.plan import Plan, StagePlan


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("plan")(plan)


def plan(
    genome: GenomeFile,
    overrides: Overrides = None,
    libraries: Libraries = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print every step, rate, batch, seed, token count, licence, scene and warning; start nothing."""
    from ontogeny.core.genome import load_genome

    loaded = load_genome(genome, overrides or (), libraries or ())
    known = known_books(loaded)
    resolved = planned(loaded, known)
    leaves, scenes = _leaves(loaded, known), _scenes(loaded, resolved)
    if json:
        print_json({**resolved.as_dict(), "books": leaves, "scenes": scenes})
    elif not quiet:
        print(told(resolved, leaves, scenes))
        if resolved.provisional:
            further = "".join(f" --library {shlex.quote(str(path))}" for path in libraries or ())
            print(f"to settle it: ontogeny library lock {shlex.quote(str(genome))}{further}")


def _leaves(loaded: LoadedGenome, known: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What stands beside each book in the tree: of the catalogue, and as far as it was cleaned or audited."""
    from ontogeny.core.ascent import MARGINS

    leaves = {}
    for stage in loaded.genome.stages:
        for book in (book for section in stage.sections for book in section.book_ids):
            entry, record = loaded.library.entries[book], known["books"].get(book)
            leaves[book] = {
                "level": entry.level,
                "language": entry.language,
                "bytes": known["bytes"].get(book),
                "raw_bytes": entry.bytes,
                "difficulty": {name: record["difficulty"][name] for name in MARGINS} if record else None,
            }
    return leaves


def _scenes(loaded: LoadedGenome, plan: Plan) -> dict[str, dict[str, Any]]:
    """For each stage with scenes, by kind: about how many, and from where. Raises: CorpusError for scenes at fault."""
    from ontogeny.corpus.authored import authored_scenes, scenes_path
    from ontogeny.corpus.made import MADE
    from ontogeny.corpus.survey import expected_counts

    with located(loaded):
        authored = authored_scenes(plan, loaded.library)
    found = {}
    for stage in plan.stages:
        if stage.scenes is None:
            continue
        training, held_out = authored[stage.name]
        due = max(1, round(stage.phases["books"].tokens / stage.scenes.every_tokens))
        file = scenes_path(stage, loaded.library)
        made = [kind for kind in stage.scenes.kinds if kind in MADE]
        counts = expected_counts(due, Counter(scene.kind for scene in training), made)
        found[stage.name] = {
            kind: {
                "scenes": counts.get(kind, 0),
                "authored": sum(scene.kind == kind for scene in training),
                "held_out": sum(scene.kind == kind for scene in held_out),
                "file": str(file) if any(scene.kind == kind for scene in (*training, *held_out)) else None,
                "made": kind in made,
            }
            for kind in stage.scenes.kinds
        }
    return found


def _scene_line(kind: str, told: dict[str, Any]) -> str:
    from ontogeny.core.positions import shown

    sources = [f"{shown(told['file'])} ({told['authored']}, {told['held_out']} more held out)"] if told["file"] else []
    sources += ["made of the books"] if told["made"] else []
    return f"   scenes {kind:<13} ~{told['scenes']:<4} {', '.join(sources)}"


def _leaf_line(book: str, licence: str, leaf: dict[str, Any]) -> str:
    from ontogeny.core.units import counted

    size = f"{counted(leaf['bytes'])} bytes" if leaf["bytes"] else ""
    size = size or (f"~{counted(leaf['raw_bytes'])} bytes" if leaf["raw_bytes"] else "")
    measures = (leaf["difficulty"] or {}).items()
    hard = ", ".join(f"{name.replace('_', ' ')} {told['value']:.3g}" for name, told in measures if told)
    parts = [f"      {book}", f"[{licence}]", f"{leaf['level']}, {leaf['language']}", size, hard]
    return "   ".join(part for part in parts if part)


def told(plan: Plan, leaves: dict[str, dict[str, Any]], scenes: dict[str, dict[str, Any]]) -> str:
    """A plan for a person; '~' marks what the prepared corpus will make exact."""
    from ontogeny.core.units import counted
    from ontogeny.report.figures import duration

    about = "~" if plan.estimate else ""
    lines = [
        f"life {plan.name}   seed {plan.seed}   genome {plan.genome_hash[:12]}",
        f"model {plan.model.type} {counted(plan.model.parameters)} parameters, {plan.genome.model.precision}, context "
        f"{plan.context_tokens} tokens, from {plan.genome.model.base}",
        f"world {plan.world.ranks} rank(s) x {plan.world.threads_per_rank} thread(s), {plan.world.device}, "
        f"ZeRO {plan.genome.machine.zero_stage}, {plan.micro_batch_packs} packs a micro-batch",
        f"memory ~{plan.memory.total_gib:.2f} GiB a rank"
        + (f"   training ~{duration(seconds)}" if (seconds := plan.time_s()) is not None else ""),
        f"trained tokens {about}{counted(plan.trained_tokens)}",
    ]
    for stage in plan.stages:
        lines += _stage_lines(stage, about, leaves)
        if stage.scenes is not None:
            lines.append(f"   a scene every {counted(stage.scenes.every_tokens)} tokens, {stage.scenes.rhythm}")
            lines += [_scene_line(kind, of) for kind, of in scenes[stage.name].items()]
    lines += [f"warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines)


def _stage_lines(stage: StagePlan, about: str, leaves: dict[str, dict[str, Any]]) -> list[str]:
    from ontogeny.core.units import counted

    lines = [
        f"\n{stage.number:02d} {stage.name}   span {stage.span.unit} {counted(stage.span.amount)}   batch "
        f"{stage.batch_packs} packs   text {about}{counted(stage.text_bytes)} bytes   trunk {stage.trunk.update}, "
        f"{stage.trunk.schedule}, rate {stage.trunk.learning_rate:g}, {stage.trunk.transition}"
    ]
    for name, books in stage.sections:
        lines.append(f"   {name}")
        if name in stage.slots:
            lines.append(f"      ~{stage.slots[name]}, not chosen yet")
        lines += [_leaf_line(book, stage.licences[book], leaves[book]) for book in books]
    for phase in stage.phases.values():
        lines.append(
            f"   {phase.phase:<7} {about}{counted(phase.rows)} rows   {about}{counted(phase.steps)} steps   "
            f"{about}{counted(phase.tokens)} tokens"
        )
    for name, role in stage.roles.items():
        lines.append(
            f"   role {name}: rank {role.rank}, {role.targets}, layers {role.layers}, rate "
            f"{role.learning_rate:g}, {about}{stage.phases['roles'].rows_by_role.get(name, 0)} rows"
        )
    if stage.gate:
        bound = f"below {stage.gate.below}" if stage.gate.below is not None else f"above {stage.gate.above}"
        lines.append(
            f"   gate: {stage.gate.probe} of {stage.gate.subject} on {stage.gate.on} {bound}, otherwise "
            f"{stage.gate.otherwise}"
        )
    return lines
