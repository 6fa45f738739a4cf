"""The pre-registration of an experiment: can what it names be measured at all?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ontogeny.core.errors import Fault, closest
from ontogeny.core.schema import TRUNK, Genome

SETS = {"minimal_pairs": ("simple", "middle", "rich")}  # item sets that belong to no stage
ELSEWHERE = ("trail_recall", "induction", "unprompted", "health", "bits_per_byte")  # also scored on sets of their own
WHERE = "experiment.primary"


def registered_faults(genome: Genome, arms: Sequence[str]) -> Iterator[Fault]:
    """Why the primary contrast would never be measured by these lives; nothing where none is registered."""
    if genome.experiment is None:
        return
    primary = genome.experiment.primary
    if primary.contrast not in arms:
        yield Fault(
            "the registered contrast is not among the arms.",
            f"{WHERE}.contrast",
            f"'{primary.contrast}'",
            f"one of --arms {','.join(arms)}{closest(primary.contrast, arms)}",
            "add it to --arms, or register another contrast",
        )
    measured = sorted({probe for stage in genome.stages for probe in stage.probes.battery})
    if primary.probe not in measured:
        yield Fault(
            "the registered probe is never measured.",
            f"{WHERE}.probe",
            f"'{primary.probe}'",
            f"a probe of the stages' batteries: {', '.join(measured)}",
            "add it to probes.battery of the last stage, or register another probe",
        )
    subjects = (TRUNK, *genome.roles)
    if primary.subject not in subjects:
        yield Fault(
            "the registered subject does not exist.",
            f"{WHERE}.subject",
            f"'{primary.subject}'",
            f"one of {', '.join(subjects)}{closest(primary.subject, subjects)}",
            "correct it",
        )
    known = SETS.get(primary.probe) or tuple(stage.name for stage in genome.stages)
    if primary.on not in known and primary.probe not in ELSEWHERE:
        yield Fault(
            "what the registered probe is to be measured on does not exist.",
            f"{WHERE}.on",
            f"'{primary.on}'",
            f"one of {', '.join(known)}{closest(primary.on, known)}",
            "correct it",
        )
