"""Charts as inline SVG: drawn once here, so that a page needs no script and no network.

Each chart is drawn twice, for a wide page and for a phone; the page shows the one that fits. Colours are
CSS variables of the page, so that one drawing serves the light and the dark scheme."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import altair as alt
import vl_convert

from ontogeny.report.read import Life, LoggedStep
from ontogeny.report.story import BITS

WIDE, NARROW = 900, 300  # width of the plot itself; axes come on top
POINTS_A_STAGE = 150
PHASES = ("books", "replay", "roles")
PHASE_COLOURS = ["var(--books)", "var(--replay)", "var(--roles)"]
SUBJECT_COLOURS = [f"var(--c{place})" for place in range(1, 7)]
RESOLUTION = "conflict_resolution"


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


def loss_chart(life: Life) -> Chart | None:
    """Training loss of the trunk by tokens, stage after stage, and under it the phases."""
    lines = _trunk_lines(life, "bits_per_byte")
    if not lines:
        return None
    stages = _stage_marks(life)
    bands = _phase_bands(life)

    def draw(width: int) -> alt.LayerChart:
        x = _tokens_axis(width)
        line = _lines(lines, x, "bits per byte (training)", width, PHASES)
        strip = alt.Chart(alt.Data(values=bands)).mark_rect(height=7, yOffset=6, strokeWidth=1.5).encode(
            x=alt.X("from:Q"), x2="to:Q", y=alt.value(280), color=_phase_colour(PHASES), stroke=_phase_colour(PHASES))
        return alt.layer(*_boundaries(stages, width), strip, line).properties(width=width, height=280)

    ends = [f"{stage['name']} from {stage['tokens']:,.0f} tokens" for stage in stages]
    return _chart(
        "loss", "Training loss by tokens read", draw,
        f"Line chart of training loss in bits per byte against tokens seen; stages: {', '.join(ends)}. "
        f"First point {lines[0]['value']:.2f}, last point {lines[-1]['value']:.2f} bits per byte.",
        "Trunk loss on the packs as they were fed, replayed packs apart. Vertical rules: where a stage begins. The strip "
        "under the curve shows the phases; in the roles phase the trunk is frozen and has no loss. "
        f"{_thinning(life)} Training loss is not held out: see the forgetting matrix for that.", stages)


def rate_chart(life: Life) -> Chart | None:
    """Learning rate of the trunk by tokens."""
    lines = _trunk_lines(life, "lr")
    if not lines:
        return None
    stages = _stage_marks(life)

    def draw(width: int) -> alt.LayerChart:
        line = _lines(lines, _tokens_axis(width), "learning rate (trunk)", width, PHASES[:2], zero=True)
        return alt.layer(*_boundaries(stages, width), line).properties(width=width, height=130)

    top = max(line["value"] for line in lines)
    return _chart("rate", "Learning rate by tokens read", draw,
                  f"Line chart of the trunk's learning rate against tokens seen; its peak is {top:.3g}.",
                  "As set on the trunk's parameter groups. The roles' rates stand in the table of roles.", stages)


def roles_chart(life: Life) -> Chart | None:
    """Loss of each role adapter by its own steps, stage after stage."""
    points, starts, done = [], [], 0
    for stage in life.trained:
        steps = [step for step in stage.steps if step.roles]
        if steps:
            starts.append({"tokens": done, "name": stage.folder})
        for step in steps:
            points += [{"x": done + step.step, "role": role, "stage": stage.folder, "value": role_step.loss_nats}
                       for role, role_step in step.roles.items() if role_step.loss_nats is not None]
        done += max((step.step for step in steps), default=0)
    if not points:
        return None
    roles = list(dict.fromkeys(point["role"] for point in points))

    def draw(width: int) -> alt.LayerChart:
        colour = alt.Color("role:N", sort=roles, scale=alt.Scale(domain=roles, range=SUBJECT_COLOURS[:len(roles)]),
                           legend=alt.Legend(title=None, orient="top", columns=2 if width == NARROW else 6, offset=22, symbolOpacity=1))
        line = alt.Chart(alt.Data(values=points)).mark_line(strokeWidth=1.4).encode(
            x=alt.X("x:Q", title="steps of the roles phases, one stage after another", axis=alt.Axis(tickCount=width // 90)),
            y=alt.Y("value:Q", title="nats per token", scale=alt.Scale(zero=False)), color=colour, detail="stage:N")
        dots = line.mark_point(size=9, filled=True)
        return alt.layer(*_boundaries(starts, width), line, dots).properties(width=width, height=190)

    return _chart("roles", "Training loss of the roles", draw,
                  f"Line chart of training loss in nats per token of the roles {', '.join(roles)} by step.",
                  "Cross-entropy of each role on its own turns, its adapter on the frozen trunk of that stage; a point "
                  "is one logged step. Vertical rules: the next stage's trunk, so a fresh start.", starts)


def forgetting_chart(life: Life) -> Chart | None:
    """Held-out bits per byte of every stage's text, after every stage."""
    cells = []
    for stage in life.stages:
        for on in life.stage_names:
            row = stage.find(BITS, on)
            if row and row.value is not None:
                cells.append({"after": stage.folder, "on": on, "value": row.value, "text": f"{row.value:.2f}",
                              "own": stage.name == on and stage.index > 0})
    if not cells:
        return None
    rows = [stage.folder for stage in life.stages if any(cell["after"] == stage.folder for cell in cells)]
    values = sorted(cell["value"] for cell in cells)
    dark_from = values[0] + 0.45 * (values[-1] - values[0])

    def draw(width: int) -> alt.LayerChart:
        base = alt.Chart(alt.Data(values=cells)).encode(
            x=alt.X("on:N", sort=life.stage_names, title="held-out text of stage",
                    axis=alt.Axis(orient="top", labelAngle=0 if width == WIDE else -45, labelLimit=110)),
            y=alt.Y("after:N", sort=rows, title="measured after" if width == WIDE else None))
        colour = alt.Color("value:Q", legend=None, scale=alt.Scale(range=["#08306b", "#3a7ab8", "#b9d3e8", "#f1f5f9"]))
        size = 14 if width == WIDE else 11
        shade = alt.condition(f"datum.value < {dark_from}", alt.value("#ffffff"), alt.value("#10202f"))
        cell = base.mark_rect(stroke="var(--page)", strokeWidth=2).encode(color=colour)
        own = base.transform_filter("datum.own").mark_rect(fillOpacity=0, stroke="var(--mark)", strokeWidth=3)
        text = base.mark_text(fontSize=size).encode(text="text:N", color=shade)
        across = min(width, 150 * len(life.stage_names)) if width == WIDE else width - 60
        return alt.layer(cell, own, text).properties(width=across, height=(38 if width == WIDE else 32) * len(rows))

    return _chart("forgetting", "Forgetting matrix: held-out bits per byte of the trunk", draw,
                  f"Heat map, one row after each of {', '.join(rows)}, one column for the held-out text of each of "
                  f"{', '.join(life.stage_names)}; every value stands in the tables under it.",
                  "Read down a column: how well one stage's held-out text is predicted as the life goes on; lower (darker) "
                  "is better. The framed cell is right after the stage itself was read: below it, forgetting shows "
                  "as rising values; above it, what earlier stages already gave. bits per byte = nats / ln 2 / UTF-8 bytes.")


def resolution_chart(life: Life) -> Chart | None:
    """conflict_resolution on the stage just read: trunk before, trunk after, and the roles, with chance."""
    rows = []
    for place, stage in enumerate(life.stages):
        if stage.index == 0:
            continue
        subjects = list(dict.fromkeys(row.subject for row in stage.measurements if row.probe == RESOLUTION))
        found = [("trunk before", life.stages[place - 1].find(RESOLUTION, stage.name) if place else None)]
        found += [(subject, stage.find(RESOLUTION, stage.name, subject)) for subject in subjects]
        counts = sorted({row.n for _, row in found if row and row.n is not None})
        label = f"{stage.folder}, n {'–'.join(str(end) for end in dict.fromkeys((counts[0], counts[-1])))}" if counts else stage.folder
        rows += [{"stage": label, "subject": subject, "value": row.value, "low": row.low, "high": row.high,
                  "chance": row.chance} for subject, row in found if row and row.value is not None]
    if not rows:
        return None
    subjects = ["trunk before"] + [subject for subject in dict.fromkeys(row["subject"] for row in rows) if subject != "trunk before"]
    folders = list(dict.fromkeys(row["stage"] for row in rows))
    chances = sorted({row["chance"] for row in rows if row["chance"] is not None})

    def draw(width: int) -> alt.LayerChart:
        colours = ["var(--soft)", *SUBJECT_COLOURS][:len(subjects)]
        base = alt.Chart(alt.Data(values=rows)).encode(
            y=alt.Y("stage:N", sort=folders, title=None, scale=alt.Scale(paddingInner=0.35), axis=alt.Axis(ticks=False)),
            yOffset=alt.YOffset("subject:N", sort=subjects), color=alt.Color(
                "subject:N", sort=subjects, scale=alt.Scale(domain=subjects, range=colours),
                legend=alt.Legend(title=None, orient="top", columns=2 if width == NARROW else 6)))
        x = alt.X("value:Q", title="fraction resolved as expected",
                  scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=5, titleLimit=width, format=".1f"))
        bar = base.mark_rule(strokeWidth=1.6).encode(x="low:Q", x2="high:Q")
        dot = base.mark_point(filled=True, size=46, opacity=1).encode(x=x, shape=alt.Shape("subject:N", sort=subjects, legend=None))
        line = alt.Chart(alt.Data(values=[{"chance": chance} for chance in chances])).mark_rule(
            strokeDash=[4, 4], stroke="var(--ink)").encode(x="chance:Q")
        height = len(folders) * (13 * len(subjects) + 12)
        return alt.layer(line, bar, dot).properties(width=width - (70 if width == NARROW else 60), height=height)

    return _chart("resolution", "Conflict resolution on the stage just read", draw,
                  f"Dot chart of conflict resolution with 95 % intervals for {', '.join(subjects)} in {', '.join(folders)}.",
                  "A scene never trained on, or a gap in held-out text: does the subject prefer the expected resolution over "
                  "a matched foil? Bars: 95 % bootstrap intervals over items; dashed: chance. Grey: the trunk on the same "
                  "items before it read the stage. n: items.")


def _chart(key: str, title: str, draw: Callable[[int], alt.LayerChart], alt_text: str, caption: str,
           marks: list[dict] | None = None) -> Chart:
    drawings = (_svg(draw(width), f"{key}-{width}") for width in (WIDE, NARROW))
    return Chart(key, title, alt_text, caption, *drawings, ", ".join(mark["name"] for mark in marks or []), _tight(marks or []))


def _svg(drawing: alt.LayerChart, prefix: str) -> str:
    """Vega-Lite to an SVG that may stand inline: no white background, and no id another chart could also use."""
    plain = drawing.configure(background="transparent", font="system-ui, sans-serif",
        padding={"left": 12, "right": 10, "top": 4, "bottom": 4}).configure_axis(
        labelColor="var(--soft)", titleColor="var(--soft)", domainColor="var(--line)", tickColor="var(--line)",
        gridColor="var(--grid)", labelFontSize=11, titleFontSize=11, titleFontWeight="normal", labelPadding=4,
    ).configure_view(stroke=None).configure_legend(labelColor="var(--ink)", labelFontSize=12, symbolSize=90, padding=0)
    version = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
    svg = vl_convert.vegalite_to_svg(plain.to_dict(), vl_version=version)
    svg = re.sub(r'\bid="', f'id="{prefix}-', svg)
    svg = re.sub(r'url\(#', f'url(#{prefix}-', svg)
    svg = re.sub(r'(href="#)', rf'\1{prefix}-', svg)
    return svg.replace("<svg ", '<svg aria-hidden="true" focusable="false" ', 1)


def _trunk_lines(life: Life, key: str) -> list[dict]:
    points = []
    for stage in life.trained:
        for phase in PHASES[:2]:
            steps = [step for step in stage.steps if step.phase == phase and getattr(step, key) is not None]
            points += [{"tokens": chunk[-1].tokens_seen, "phase": phase, "line": f"{stage.folder} {phase}",
                        "value": sum(getattr(step, key) for step in chunk) / len(chunk)} for chunk in _chunks(steps)]
    return points


def _chunks(steps: list[LoggedStep]) -> list[list[LoggedStep]]:
    size = max(1, -(-len(steps) // POINTS_A_STAGE))
    return [steps[start:start + size] for start in range(0, len(steps), size)]


def _thinning(life: Life) -> str:
    longest = max((len(stage.steps) for stage in life.stages), default=0)
    most = max(1, -(-longest // POINTS_A_STAGE))
    return "A point is one logged step." if most == 1 else f"A point is the mean of up to {most} logged steps."


def _stage_marks(life: Life) -> list[dict]:
    return [{"name": stage.folder, "tokens": _entry_tokens(life, stage.folder)} for stage in life.trained if stage.steps]


def _entry_tokens(life: Life, folder: str) -> float:
    """Where a stage begins: the last figure before it, since its own first line comes after some steps."""
    seen = 0.0
    for stage in life.trained:
        if stage.folder == folder:
            return seen
        seen = max([seen, *(step.tokens_seen for step in stage.steps)])
    return seen


def _phase_bands(life: Life) -> list[dict]:
    bands, seen = [], 0.0
    for stage in life.trained:
        for phase in PHASES:
            tokens = [step.tokens_seen for step in stage.steps if step.phase == phase]
            if tokens:
                bands.append({"phase": phase, "from": min(seen, tokens[0]), "to": max(tokens)})
                seen = max(seen, *tokens)
    return bands


def _boundaries(marks: list[dict], width: int) -> list[alt.Chart]:
    """A rule where each stage begins, named where the names fit side by side, numbered where they do not."""
    named = width == WIDE and not _tight(marks)
    data = alt.Data(values=[{**mark, "label": mark["name"] if named else _number(mark["name"])} for mark in marks])
    rules = alt.Chart(data).mark_rule(stroke="var(--line)").encode(x="tokens:Q")
    names = alt.Chart(data).mark_text(align="left", baseline="bottom", dx=-1, dy=-5, fontSize=11, fill="var(--soft)").encode(
        x="tokens:Q", y=alt.value(0), text="label:N")
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
    return any((right["tokens"] - left["tokens"]) * px_a_token < 7 * len(left["name"]) + 10
               for left, right in zip(marks, marks[1:], strict=False))


def _tokens_axis(width: int) -> alt.X:
    return alt.X("tokens:Q", title="tokens seen", axis=alt.Axis(tickCount=width // 90, offset=14, labelExpr="datum.value ? format(datum.value, '~s') : '0'"))


def _phase_colour(shown: tuple[str, ...]) -> alt.Color:
    return alt.Color("phase:N", scale=alt.Scale(domain=list(shown), range=PHASE_COLOURS[:len(shown)]),
                     legend=alt.Legend(title=None, orient="top", symbolType="square", offset=22))


def _lines(points: list[dict], x: alt.X, title: str, width: int, shown: tuple[str, ...], zero: bool = False) -> alt.Chart:
    axis = alt.Axis(tickCount=4, **({"labelExpr": "datum.value ? format(datum.value, '~e') : '0'"} if zero else {}))
    return alt.Chart(alt.Data(values=points)).mark_line(strokeWidth=1.6, point=alt.OverlayMarkDef(size=5 if width == NARROW else 8)).encode(
        x=x, y=alt.Y("value:Q", title=title, scale=alt.Scale(zero=zero), axis=axis), color=_phase_colour(shown), detail="line:N")


