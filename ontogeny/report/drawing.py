"""How the charts are drawn: the parts they share, and the way to inline SVG.

Each chart is drawn twice, for a wide page and for a phone; the page shows the one that fits. Colours are CSS variables
of the page, so that one drawing serves the light and the dark scheme."""

# Altair takes literals that its generated annotations do not admit.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import altair as alt
import vl_convert

WIDE, NARROW = 900, 300  # width of the plot itself; axes come on top
PHASES = ("books", "replay", "roles")
PHASE_COLOURS = ["var(--books)", "var(--replay)", "var(--roles)"]
SUBJECT_COLOURS = [f"var(--c{place})" for place in range(1, 7)]


@dataclass(frozen=True)
class Chart:
    """One figure: its two drawings, a title, what it shows in words, and what to know when reading it."""

    key: str
    title: str
    alt_text: str
    caption: str
    wide: str
    narrow: str
    stages: str = ""  # the key to numbered stages
    numbered: bool = False  # whether the wide drawing numbers them too; the narrow one always does


def make_chart(
    key: str,
    title: str,
    draw: Callable[[int], alt.LayerChart],
    alt_text: str,
    caption: str,
    marks: list[dict] | None = None,
) -> Chart:
    """The chart with its two drawings; `marks` are the stages it marks."""
    wide, narrow = (_svg(draw(width), f"{key}-{width}") for width in (WIDE, NARROW))
    stages = ", ".join(mark["name"] for mark in marks or [])
    return Chart(key, title, alt_text, caption, wide, narrow, stages, _tight(marks or []))


def _svg(drawing: alt.LayerChart, prefix: str) -> str:
    """Vega-Lite to an SVG that may stand inline: no white background, and no id another chart could also use."""
    plain = (
        drawing.configure(
            background="transparent",
            font="system-ui, sans-serif",
            padding={"left": 12, "right": 10, "top": 4, "bottom": 4},
        )
        .configure_axis(
            labelColor="var(--soft)",
            titleColor="var(--soft)",
            domainColor="var(--line)",
            tickColor="var(--line)",
            gridColor="var(--grid)",
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
            labelPadding=4,
        )
        .configure_view(stroke=None)
        .configure_legend(labelColor="var(--ink)", labelFontSize=12, symbolSize=90, padding=0)
    )
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    svg = vl_convert.vegalite_to_svg(plain.to_dict(), vl_version=version)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r"url\(#", f"url(#{prefix}-", svg)
    svg = re.sub(r'(href="#)', rf"\1{prefix}-", svg)
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def boundaries(marks: list[dict], width: int) -> list[alt.Chart]:
    """A rule where each stage begins, named where the names fit side by side, numbered where they do not."""
    named = width == WIDE and not _tight(marks)
    data = alt.Data(values=[{**mark, "label": mark["name"] if named else _number(mark["name"])} for mark in marks])
    rules = alt.Chart(data).mark_rule(stroke="var(--line)").encode(x="tokens:Q")
    names = (
        alt.Chart(data)
        .mark_text(align="left", baseline="bottom", dx=-1, dy=-5, fontSize=11, fill="var(--soft)")
        .encode(x="tokens:Q", y=alt.value(0), text="label:N")
    )
    return [rules, names]


def _number(folder: str) -> str:
    head, _, tail = folder.partition("-")
    last = tail.rpartition(".")[2]
    return f"{int(head)}.{last}" if last.isdigit() and "." in tail else str(int(head))


def _tight(marks: list[dict]) -> bool:
    """Whether the names of stages would run into each other, even on a wide page."""
    if len(marks) < 2:
        return False
    px_a_token = WIDE / max(1.0, marks[-1]["tokens"] * len(marks) / (len(marks) - 1))
    return any(
        (right["tokens"] - left["tokens"]) * px_a_token < 7 * len(left["name"]) + 10 for left, right in pairwise(marks)
    )


def tokens_axis(width: int) -> alt.X:
    """The axis of tokens seen, over all stages."""
    return alt.X(
        "tokens:Q",
        title="tokens seen",
        axis=alt.Axis(tickCount=width // 90, offset=14, labelExpr="datum.value ? format(datum.value, '~s') : '0'"),
    )


def phase_colour(shown: tuple[str, ...]) -> alt.Color:
    """The colour of a phase, with a legend of those shown."""
    return alt.Color(
        "phase:N",
        scale=alt.Scale(domain=list(shown), range=PHASE_COLOURS[: len(shown)]),
        legend=alt.Legend(title=None, orient="top", symbolType="square", offset=22),
    )


def make_lines(
    points: list[dict], x: alt.X, title: str, width: int, shown: tuple[str, ...], zero: bool = False
) -> alt.Chart:
    """A line for each stretch of one phase of one stage."""
    axis = alt.Axis(tickCount=4, **({"labelExpr": "datum.value ? format(datum.value, '~e') : '0'"} if zero else {}))
    return (
        alt.Chart(alt.Data(values=points))
        .mark_line(strokeWidth=1.6, point=alt.OverlayMarkDef(size=5 if width == NARROW else 8))
        .encode(
            x=x,
            y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=zero), axis=axis),
            color=phase_colour(shown),
            detail="line:N",
        )
    )
