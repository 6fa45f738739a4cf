"""Two lives side by side on the last stage's held-out text: this one, and one that read something else before it."""

from __future__ import annotations

from pathlib import Path

from ontogeny.core.errors import Fault, RunError
from ontogeny.report.figures import ABSENT, count, interval, real, signed
from ontogeny.report.read import Life, Measurement, StageRecord
from ontogeny.report.story import difference
from ontogeny.report.tables import Table

GENERAL = "general"


def beside_table(life: Life, other: Life, path: Path) -> Table:
    """What both trunks make of the last stage's text, and of general text, at the end of their lives.

    Raises: RunError where the other has measured nothing of it, or on other held-out passages."""
    wanted = (life.stage_names[-1], GENERAL) if life.stage_names else ()
    ours, theirs = (_measured_last(one) for one in (life, other))
    rows = []
    for row in ours.measurements if ours else ():
        if row.on not in wanted or row.subject != "trunk" or row.value is None:
            continue
        if (match := _same(row, theirs)) is None or match.value is None:
            continue
        if (row.n, [size for _, size in row.parts]) != (match.n, [size for _, size in match.parts]):
            raise _unlike(path, f"other items of '{row.on}' under {row.probe}", "the same ones")
        change, low, high = difference(match, row)
        ends = ABSENT if low is None else f"[{signed(low)}, {signed(high)}]"
        rows.append(
            (
                row.probe,
                row.on,
                row.form or ABSENT,
                row.unit or ABSENT,
                "higher" if row.higher_is_better else "lower",
                f"{real(row.value)}\n{interval(row)}",
                f"{real(match.value)}\n{interval(match)}",
                f"{signed(change)}\n{ends}",
                count(row.n),
            )
        )
    if not rows:
        got = f"nothing measured on {' or '.join(wanted) or 'any stage'}"
        raise _unlike(path, got, "a life that was measured on it")
    return Table(
        ("probe", "on", "form", "unit", "better", "this life", "the other", "this less the other", "n"),
        tuple(rows),
        5,
        f"The other: {_named(other, path)}. The trunks as they were last measured, on one held-out text. Intervals of "
        "differences: bits per byte by paired bootstrap over passages, the rest from both intervals as if they were "
        "independent. One pair of lives: that the order did it takes several seeds, as an experiment has.",
    )


def _named(other: Life, path: Path) -> str:
    arm = f", arm {other.arm}" if other.arm else ""
    return f"{other.name} ({path.name}{arm}; stages {', '.join(other.stage_names)})"


def _measured_last(life: Life) -> StageRecord | None:
    return next((stage for stage in reversed(life.trained) if stage.measurements), None)


def _same(row: Measurement, stage: StageRecord | None) -> Measurement | None:
    def key(one: Measurement) -> tuple[str, ...]:
        return one.probe, one.subject, one.on, one.split, one.form

    return next((one for one in (stage.measurements if stage else ()) if key(one) == key(row)), None)


def _unlike(path: Path, got: str, expected: str) -> RunError:
    fix = "give a life of the same last stage: the same genome with `arm={kind: initiation_only}`, say"
    return RunError(Fault("two lives cannot stand side by side.", str(path), got, expected, fix))
