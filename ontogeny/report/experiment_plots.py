"""The charts of an experiment: the primary contrast pair by pair, and a forest of all contrasts."""

# Altair takes literals that its generated annotations do not admit.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from ontogeny.report.drawing import NARROW, Chart, make_chart
from ontogeny.report.figures import signed

LETTER_EM = 0.5  # mean width of a letter, in font sizes
SHORT = 15  # letters of an arm on a phone
ROW_PX = 17
KINDS = ("said beforehand", "leaves 0 out", "holds 0")
COLOURS = ["var(--c1)", "var(--mark)", "var(--soft)"]
SHAPES = ["diamond", "circle", "circle"]


def primary_chart(primary: Mapping[str, Any], found: Mapping[str, Any]) -> Chart:
    """The differences of the primary contrast, a point a pair, with the mean and its interval."""
    low, high = primary["ci95"]
    points = [
        {"row": f"seed-{number}", "mean": value, "kind": "pair"}
        for number, value in zip(primary["numbers"], primary["differences"], strict=True)
    ]
    mean = [{"row": "mean, 95 %", "mean": primary["mean"], "low": low, "high": high}]
    order = [*(point["row"] for point in points), "mean, 95 %"]
    unit = primary["unit"] or primary["form"]

    def draw(width: int) -> alt.LayerChart:
        y = alt.Y("row:N", sort=order, title=None, axis=alt.Axis(ticks=False, domain=False))
        x = alt.X("mean:Q", title=f"{primary['arm']} minus genome, {unit}", axis=alt.Axis(tickCount=width // 90))
        zero = alt.Chart(alt.Data(values=[{"mean": 0}])).mark_rule(stroke="var(--ink)", strokeDash=[4, 4]).encode(x=x)
        dots = alt.Chart(alt.Data(values=points)).mark_point(filled=True, size=45, color="var(--soft)", opacity=1)
        bar = alt.Chart(alt.Data(values=mean)).mark_rule(strokeWidth=2.4, stroke="var(--c1)")
        diamond = alt.Chart(alt.Data(values=mean)).mark_point(
            filled=True, size=120, shape="diamond", color="var(--c1)", opacity=1
        )
        return alt.layer(
            zero, dots.encode(x=x, y=y), bar.encode(x="low:Q", x2="high:Q", y=y), diamond.encode(x=x, y=y)
        ).properties(width=width - (90 if width == NARROW else 100), height=ROW_PX * len(order) + 10)

    return make_chart(
        "primary",
        f"The primary contrast: {primary['probe']} on {primary['on']}",
        draw,
        f"Dot chart of {primary['n']} paired differences of {primary['arm']} minus genome; mean "
        f"{signed(primary['mean'])}, 95 % interval {signed(low)} to {signed(high)} {unit}.",
        f"Each point is one pair of lives with the same seed ({found['name']} and its arm {primary['arm']}); the "
        "diamond is their mean with Student’s 95 % interval. Dashed: no difference.",
    )


def forests(contrasts: Sequence[Mapping[str, Any]]) -> list[Chart]:
    """A forest for each probe and form, which share a unit: every arm on everything it was measured on."""
    families: dict[tuple[str, str], list[Mapping[str, Any]]] = {}
    for row in contrasts:
        if row["ci95"] is not None:
            families.setdefault((row["probe"], row["form"]), []).append(row)
    return [_forest(probe, form, rows) for (probe, form), rows in families.items()]


def _forest(probe: str, form: str, rows: Sequence[Mapping[str, Any]]) -> Chart:
    points = [
        {"place": place, "mean": row["mean"], "low": row["ci95"][0], "high": row["ci95"][1], "kind": _kind(row)}
        for place, row in enumerate(rows)
    ]
    better = rows[0]["higher_is_better"]
    side = "" if better is None else f" ({'right' if better else 'left'} of 0: the arm does better)"
    unit = rows[0]["unit"] or form

    def draw(width: int) -> alt.LayerChart:
        names = [_label(row, width == NARROW) for row in rows]
        font = 10 if width == NARROW else 11
        room = max(map(len, names)) * LETTER_EM * font
        axis = alt.Axis(
            ticks=False,
            domain=False,
            grid=False,
            labelFontSize=font,
            labelLimit=room + 40,
            minExtent=room,
            labelExpr=f"{json.dumps(names)}[datum.value]",
        )
        y = alt.Y("place:O", title=None, axis=axis)
        x = alt.X(
            "mean:Q",
            title=f"arm minus genome, {unit}",
            axis=alt.Axis(tickCount=max(2, round((width - room) / 90)), titleLimit=width, titleAnchor="end"),
        )
        colour = alt.Color("kind:N", scale=alt.Scale(domain=KINDS, range=COLOURS), legend=None)
        shape = alt.Shape("kind:N", scale=alt.Scale(domain=KINDS, range=SHAPES), legend=None)
        base = alt.Chart(alt.Data(values=points)).encode(y=y, color=colour)
        zero = (
            alt.Chart(alt.Data(values=[{"mean": 0}]))
            .mark_rule(stroke="var(--ink)", strokeDash=[4, 4])
            .encode(x="mean:Q")
        )
        bars = base.mark_rule(strokeWidth=1.6).encode(x="low:Q", x2="high:Q")
        dots = base.mark_point(filled=True, size=50, opacity=1).encode(x=x, shape=shape)
        across = width - room + (30 if width == NARROW else 40)
        return alt.layer(zero, bars, dots).properties(width=across, height=ROW_PX * len(rows) + 6)

    key = re.sub(r"[^a-z0-9]+", "-", f"{probe} {form}".lower()).strip("-")
    out = sum(point["kind"] != KINDS[2] and not point["low"] <= 0 <= point["high"] for point in points)
    return make_chart(
        key,
        f"{probe}, {form}",
        draw,
        f"Forest plot of {len(points)} contrasts of {probe} ({form}) with 95 % intervals; {out} leave 0 out. Every "
        "value stands in the tables.",
        f"Mean difference, arm minus genome, with Student’s 95 % interval over pairs{side}. Diamond: said beforehand; "
        "coloured circle: its interval leaves 0 out, before any correction; grey: it holds 0.",
    )


def _label(row: Mapping[str, Any], short: bool) -> str:
    arm = row["arm"]
    if short and len(arm) > SHORT:
        arm = f"{arm[:8]}…{arm[-6:]}"
    whom = "" if row["subject"] == "trunk" else f" ({row['subject']})"
    return f"{arm} · {row['on']}{whom}"


def _kind(row: Mapping[str, Any]) -> str:
    if row["primary"]:
        return KINDS[0]
    return KINDS[2] if row["ci95"][0] <= 0 <= row["ci95"][1] else KINDS[1]
