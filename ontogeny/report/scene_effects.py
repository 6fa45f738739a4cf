"""What reading each authored scene did to the surprise of its resolution, against a scene that was never read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ontogeny.report.figures import real, signed
from ontogeny.report.read import Life, Measurement, StageRecord
from ontogeny.report.tables import Table

PROBE, READ, HELD_OUT = "scene_surprise", "read", "held_out"
RESAMPLES, LEVEL = 2000, 0.95


@dataclass(frozen=True)
class SceneEffect:
    """Nats a byte of one scene's resolution before and after the stage that read it, and of its sham's.

    `sham`: the held-out scene of the stage whose resolution is nearest in bytes (of equals, the first by id)."""

    stage: str
    id: str
    before: float
    after: float
    sham: str
    sham_before: float
    sham_after: float

    @property
    def effect(self) -> float:
        """(before - after) - (sham before - sham after), in nats a byte: above 0, reading the scene helped."""
        return self.before - self.after - (self.sham_before - self.sham_after)


def scene_effects(life: Life) -> list[SceneEffect]:
    """One for each authored scene that a measured stage has read, in order; the last pass of a stage counts."""
    measured = [stage for stage in life.stages if stage.measurements]
    found = []
    for name in life.stage_names:
        own = [place for place, stage in enumerate(measured) if stage.name == name and stage.index > 0]
        if own and own[0] > 0:
            found += _effects(name, measured[own[0] - 1], measured[own[-1]])
    return found


def _effects(name: str, before: StageRecord, after: StageRecord) -> list[SceneEffect]:
    rows = [_form(stage, name, form) for stage in (before, after) for form in (READ, HELD_OUT)]
    if not all(rows):
        return []
    was, was_sham, now, now_sham = ({one[0]: one for one in row.scenes} for row in rows if row)
    shams = sorted(set(was_sham) & set(now_sham))
    found = []
    for one in was:
        if one in now and shams:
            sham = min(shams, key=lambda other: (abs(now_sham[other][2] - now[one][2]), other))
            found.append(SceneEffect(name, one, was[one][1], now[one][1], sham, was_sham[sham][1], now_sham[sham][1]))
    return found


def _form(stage: StageRecord, on: str, form: str) -> Measurement | None:
    return next((row for row in stage.measurements if (row.probe, row.on, row.form) == (PROBE, on, form)), None)


def mean_effect(effects: list[SceneEffect]) -> tuple[float, float, float]:
    """The mean effect and its 95 % percentile bootstrap over shams, each with all its scenes; of one sham, a point."""
    groups: dict[tuple[str, str], list[float]] = {}
    for one in effects:
        groups.setdefault((one.stage, one.sham), []).append(one.effect)
    sums_G = np.array([sum(some) for some in groups.values()])
    sizes_G = np.array([len(some) for some in groups.values()])
    drawn_RG = np.random.default_rng(0).integers(len(sums_G), size=(RESAMPLES, len(sums_G)))
    means_R = sums_G[drawn_RG].sum(axis=1) / sizes_G[drawn_RG].sum(axis=1)
    low, high = np.quantile(means_R, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(sums_G.sum() / sizes_G.sum()), float(low), float(high)


def effect_table(life: Life) -> Table | None:
    """Each authored scene with its measured effect, and the mean of each stage."""
    effects = scene_effects(life)
    if not effects:
        return None
    rows = []
    for stage in dict.fromkeys(one.stage for one in effects):
        mine = [one for one in effects if one.stage == stage]
        mean, low, high = mean_effect(mine)
        rows.append((stage, f"all {len(mine)}", "", "", "", f"{signed(mean)}\n{signed(low)} to {signed(high)}"))
        rows += [
            (
                "",
                one.id,
                f"{real(one.before)} to {real(one.after)}",
                one.sham,
                f"{real(one.sham_before)} to {real(one.sham_after)}",
                signed(one.effect),
            )
            for one in mine
        ]
    return Table(
        ("stage", "scene", "its resolution", "sham", "the sham's", "effect [95 %]"),
        tuple(rows),
        2,
        "Surprise of a resolution in its scene, in nats a byte, on the trunk before the stage and after it. The sham "
        "is the held-out scene of the stage whose resolution is nearest in length. Effect: how far the scene's fell, "
        "less how far its sham's fell. The interval of a mean is a 95 % bootstrap over shams, each with its scenes.",
        title="What each authored scene did",
        fold="shut",
    )
