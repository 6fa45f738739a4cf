"""`ontogeny plan`: every number of a life, nothing started."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from ontogeny.cli.shared import GenomeFile, Json, Libraries, Overrides, planned, print_json

if TYPE_CHECKING:
    from ontogeny.core.plan import Plan, StagePlan


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("plan")(plan)


def plan(genome: GenomeFile, overrides: Overrides = None, libraries: Libraries = None, json: Json = False) -> None:
    """Print every step, rate, batch, seed, token count, licence and warning; start nothing."""
    from ontogeny.core.genome import load_genome

    resolved = planned(load_genome(genome, overrides or (), libraries or ()))
    if json:
        print_json(resolved.as_dict())
    else:
        print(told(resolved))


def told(plan: Plan) -> str:
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
        lines += _stage_lines(stage, about)
    lines += [f"warning: {warning}" for warning in plan.warnings]
    return "\n".join(lines)


def _stage_lines(stage: StagePlan, about: str) -> list[str]:
    from ontogeny.core.units import counted

    lines = [
        f"\n{stage.number:02d} {stage.name}   span {stage.span.unit} {counted(stage.span.amount)}   batch "
        f"{stage.batch_packs} packs   text {about}{counted(stage.text_bytes)} bytes   trunk {stage.trunk.update}, "
        f"{stage.trunk.schedule}, rate {stage.trunk.learning_rate:g}, {stage.trunk.transition}"
    ]
    for name, books in stage.sections:
        lines.append(f"   {name}")
        lines += [f"      {book}   [{stage.licences[book]}]" for book in books]
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
