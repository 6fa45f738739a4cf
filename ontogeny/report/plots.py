"""The charts of a report, drawn once here, so that a page needs no script and no network."""

# Altair takes literals that its generated annotations do not admit.
# pyright: reportArgumentType=false, reportReturnType=false

from __future__ import annotations

import altair as alt

from ontogeny.report.drawing import (
    NARROW,
    PHASES,
    SUBJECT_COLOURS,
    WIDE,
    Chart,
    boundaries,
    make_chart,
    make_lines,
    phase_colour,
    tokens_axis,
)
from ontogeny.report.read import Life, LoggedStep
from ontogeny.report.story import BITS

POINTS_A_STAGE = 150
RESOLUTION = "conflict_resolution"


def loss_chart(life: Life) -> Chart | None:
    """Training loss of the trunk by tokens, stage after stage, and under it the phases."""
    lines = _trunk_lines(life, "bits_per_byte")
    if not lines:
        return None
    stages = _stage_marks(life)
    bands = _phase_bands(life)

    def draw(width: int) -> alt.LayerChart:
        x = tokens_axis(width)
        line = make_lines(lines, x, "bits per byte (training)", width, PHASES)
        strip = (
            alt.Chart(alt.Data(values=bands))
            .mark_rect(height=7, yOffset=6, strokeWidth=1.5)
            .encode(
                x=alt.X("from:Q"), x2="to:Q", y=alt.value(280), color=phase_colour(PHASES), stroke=phase_colour(PHASES)
            )
        )
        return alt.layer(*boundaries(stages, width), strip, line).properties(width=width, height=280)

    ends = [f"{stage['name']} from {stage['tokens']:,.0f} tokens" for stage in stages]
    return make_chart(
        "loss",
        "Training loss by tokens read",
        draw,
        f"Line chart of training loss in bits per byte against tokens seen; stages: {', '.join(ends)}. "
        f"First point {lines[0]['value']:.2f}, last point {lines[-1]['value']:.2f} bits per byte.",
        "Trunk loss on the packs as they were fed, replayed packs apart. Vertical rules: where a stage begins. The "
        "strip under the curve shows the phases; in the roles phase the trunk is frozen and has no loss. "
        f"{_thinning(life)} Training loss is not held out: see the forgetting matrix for that.",
        stages,
    )


def rate_chart(life: Life) -> Chart | None:
    """Learning rate of the trunk by tokens."""
    lines = _trunk_lines(life, "lr")
    if not lines:
        return None
    stages = _stage_marks(life)

    def draw(width: int) -> alt.LayerChart:
        line = make_lines(lines, tokens_axis(width), "learning rate (trunk)", width, PHASES[:2], zero=True)
        return alt.layer(*boundaries(stages, width), line).properties(width=width, height=130)

    top = max(line["value"] for line in lines)
    return make_chart(
        "rate",
        "Learning rate by tokens read",
        draw,
        f"Line chart of the trunk's learning rate against tokens seen; its peak is {top:.3g}.",
        "As set on the trunk's parameter groups. The roles' rates stand in the table of roles.",
        stages,
    )


def light_chart(life: Life) -> Chart | None:
    """Held-out bits per byte inside the stages, as the light probes saw it."""
    return _light_chart(life, "bits_per_byte", "light", "bits per byte (held out)", "Held-out text inside the stages")


def margin_chart(life: Life) -> Chart | None:
    """The margin of conflict resolution inside the stages, as the light probes saw it."""
    return _light_chart(
        life, "margin", "light-margin", "nats per byte", "Conflict resolution inside the stages: margin"
    )


def _light_chart(life: Life, name: str, key: str, axis: str, title: str) -> Chart | None:
    points = [
        {"tokens": step.tokens_seen, "phase": step.phase, "line": stage.folder, "value": step.scores[name]}
        for stage in life.trained
        for step in stage.light
        if name in step.scores
    ]
    if not points:
        return None
    stages = _stage_marks(life)

    def draw(width: int) -> alt.LayerChart:
        line = make_lines(points, tokens_axis(width), axis, width, PHASES[:2])
        return alt.layer(*boundaries(stages, width), line).properties(width=width, height=190)

    return make_chart(
        key,
        title,
        draw,
        f"Line chart of {axis} against tokens seen, {len(points)} light probes; first {points[0]['value']:.3f}, last "
        f"{points[-1]['value']:.3f}.",
        "Light probes at the genome's probes.every_tokens: a few held-out rows of the stage just being read, scored "
        "on the trunk in training. Each stage has rows of its own, so lines of two stages do not compare; the "
        "probes between stages ask more.",
        stages,
    )


def roles_chart(life: Life) -> Chart | None:
    """Loss of each role adapter by its own steps, stage after stage."""
    points, starts, done = [], [], 0
    for stage in life.trained:
        steps = [step for step in stage.steps if step.roles]
        if steps:
            starts.append({"tokens": done, "name": stage.folder})
        for step in steps:
            points += [
                {"x": done + step.step, "role": role, "stage": stage.folder, "value": role_step.loss_nats}
                for role, role_step in step.roles.items()
                if role_step.loss_nats is not None
            ]
        done += max((step.step for step in steps), default=0)
    if not points:
        return None
    roles = list(dict.fromkeys(point["role"] for point in points))

    def draw(width: int) -> alt.LayerChart:
        colour = alt.Color(
            "role:N",
            sort=roles,
            scale=alt.Scale(domain=roles, range=SUBJECT_COLOURS[: len(roles)]),
            legend=alt.Legend(
                title=None, orient="top", columns=2 if width == NARROW else 6, offset=22, symbolOpacity=1
            ),
        )
        line = (
            alt.Chart(alt.Data(values=points))
            .mark_line(strokeWidth=1.4)
            .encode(
                x=alt.X(
                    "x:Q",
                    title="steps of the roles phases, one stage after another",
                    axis=alt.Axis(tickCount=width // 90),
                ),
                y=alt.Y("value:Q", title="nats per token", scale=alt.Scale(zero=False)),
                color=colour,
                detail="stage:N",
            )
        )
        dots = line.mark_point(size=9, filled=True)
        return alt.layer(*boundaries(starts, width), line, dots).properties(width=width, height=190)

    return make_chart(
        "roles",
        "Training loss of the roles",
        draw,
        f"Line chart of training loss in nats per token of the roles {', '.join(roles)} by step.",
        "Cross-entropy of each role on its own turns, its adapter on the frozen trunk of that stage; a point "
        "is one logged step. Vertical rules: the next stage's trunk, so a fresh start.",
        starts,
    )


def forgetting_chart(life: Life) -> Chart | None:
    """Held-out bits per byte of every stage's text, after every stage."""
    cells = []
    for stage in life.stages:
        for on in life.scored_texts:
            row = stage.find(BITS, on)
            if row and row.value is not None:
                cells.append(
                    {
                        "after": stage.folder,
                        "on": on,
                        "value": row.value,
                        "text": f"{row.value:.2f}",
                        "own": stage.name == on and stage.index > 0,
                    }
                )
    if not cells:
        return None
    rows = [stage.folder for stage in life.stages if any(cell["after"] == stage.folder for cell in cells)]
    values = sorted(cell["value"] for cell in cells)
    dark_from = values[0] + 0.45 * (values[-1] - values[0])

    def draw(width: int) -> alt.LayerChart:
        base = alt.Chart(alt.Data(values=cells)).encode(
            x=alt.X(
                "on:N",
                sort=life.scored_texts,
                title="held-out text of",
                axis=alt.Axis(orient="top", labelAngle=0 if width == WIDE else -45, labelLimit=110),
            ),
            y=alt.Y("after:N", sort=rows, title="measured after" if width == WIDE else None),
        )
        colour = alt.Color("value:Q", legend=None, scale=alt.Scale(range=["#08306b", "#3a7ab8", "#b9d3e8", "#f1f5f9"]))
        size = 14 if width == WIDE else 11
        shade = alt.condition(f"datum.value < {dark_from}", alt.value("#ffffff"), alt.value("#10202f"))
        cell = base.mark_rect(stroke="var(--page)", strokeWidth=2).encode(color=colour)
        own = base.transform_filter("datum.own").mark_rect(fillOpacity=0, stroke="var(--mark)", strokeWidth=3)
        text = base.mark_text(fontSize=size).encode(text="text:N", color=shade)
        across = min(width, 150 * len(life.scored_texts)) if width == WIDE else width - 60
        return alt.layer(cell, own, text).properties(width=across, height=(38 if width == WIDE else 32) * len(rows))

    return make_chart(
        "forgetting",
        "Forgetting matrix: held-out bits per byte of the trunk",
        draw,
        f"Heat map, one row after each of {', '.join(rows)}, one column for the held-out text of each of "
        f"{', '.join(life.scored_texts)}; every value stands in the tables under it.",
        "Read down a column: how well one stage's held-out text (or general text, which no stage holds) is predicted "
        "as the life goes on; lower (darker) is better. The framed cell is right after the stage itself was read: "
        "below it, forgetting shows as rising values; above it, what earlier stages already gave. bits per byte = "
        "nats / ln 2 / UTF-8 bytes.",
    )


def resolution_chart(life: Life) -> Chart | None:
    """conflict_resolution on the stage just read: trunk before, trunk after, and the roles, with chance."""
    rows = _resolution_rows(life)
    if not rows:
        return None
    subjects = list(dict.fromkeys(["trunk before", *(row["subject"] for row in rows)]))
    labels = list(dict.fromkeys(row["stage"] for row in rows))
    forms = sorted({row["form"] or "plain" for row in rows})
    return make_chart(
        "resolution",
        "Conflict resolution on the stage just read",
        lambda width: _resolution_drawing(rows, subjects, labels, width),
        f"Dot chart of conflict resolution with 95 % intervals for {', '.join(subjects)} in {', '.join(labels)}.",
        "A scene never trained on, or a gap in held-out text: does the subject prefer the expected resolution over "
        "a matched foil? Bars: 95 % bootstrap intervals over items; dashed: chance. Grey: the trunk on the same "
        f"items before it read the stage. n: items; form: {', '.join(forms)}.",
    )


def _resolution_rows(life: Life) -> list[dict]:
    rows = []
    for place, stage in enumerate(life.stages):
        if stage.index == 0:
            continue
        subjects = dict.fromkeys(row.subject for row in stage.measurements if row.probe == RESOLUTION)
        before = life.stages[place - 1].find(RESOLUTION, stage.name) if place else None
        pairs = [("trunk before", before)]
        pairs += [(subject, stage.find(RESOLUTION, stage.name, subject)) for subject in subjects]
        found = {subject: row for subject, row in pairs if row and row.value is not None}
        counts = sorted({row.n for row in found.values() if row.n is not None})
        ends = "–".join(dict.fromkeys(str(end) for end in (counts[:1] + counts[-1:])))
        label = f"{stage.folder}, n {ends}" if ends else stage.folder
        rows += [
            {"stage": label, "subject": subject, "value": row.value, "low": row.low, "high": row.high}
            | {"chance": row.chance, "form": row.form}
            for subject, row in found.items()
        ]
    return rows


def _resolution_drawing(rows: list[dict], subjects: list[str], labels: list[str], width: int) -> alt.LayerChart:
    scale = alt.Scale(domain=subjects, range=["var(--soft)", *SUBJECT_COLOURS][: len(subjects)])
    legend = alt.Legend(title=None, orient="top", columns=2 if width == NARROW else 6)
    axis = alt.Axis(tickCount=5, titleLimit=width, format=".1f")
    x = alt.X("value:Q", title="fraction resolved as expected", scale=alt.Scale(domain=[0, 1]), axis=axis)
    y = alt.Y("stage:N", sort=labels, title=None, scale=alt.Scale(paddingInner=0.35), axis=alt.Axis(ticks=False))
    base = alt.Chart(alt.Data(values=rows)).encode(
        y=y,
        yOffset=alt.YOffset("subject:N", sort=subjects),
        color=alt.Color("subject:N", sort=subjects, scale=scale, legend=legend),
    )
    shape = alt.Shape("subject:N", sort=subjects, legend=None)
    bars = base.mark_rule(strokeWidth=1.6).encode(x="low:Q", x2="high:Q")
    dots = base.mark_point(filled=True, size=46, opacity=1).encode(x=x, shape=shape)
    chances = [{"chance": chance} for chance in sorted({row["chance"] for row in rows} - {None})]
    line = alt.Chart(alt.Data(values=chances)).mark_rule(strokeDash=[4, 4], stroke="var(--ink)").encode(x="chance:Q")
    height = len(labels) * (13 * len(subjects) + 12)
    return alt.layer(line, bars, dots).properties(width=width - (70 if width == NARROW else 60), height=height)


def _trunk_lines(life: Life, key: str) -> list[dict]:
    points = []
    for stage in life.trained:
        for phase in PHASES[:2]:
            steps = [step for step in stage.steps if step.phase == phase and getattr(step, key) is not None]
            points += [
                {
                    "tokens": chunk[-1].tokens_seen,
                    "phase": phase,
                    "line": f"{stage.folder} {phase}",
                    "value": sum(getattr(step, key) for step in chunk) / len(chunk),
                }
                for chunk in _chunks(steps)
            ]
    return points


def _chunks(steps: list[LoggedStep]) -> list[list[LoggedStep]]:
    size = max(1, -(-len(steps) // POINTS_A_STAGE))
    return [steps[start : start + size] for start in range(0, len(steps), size)]


def _thinning(life: Life) -> str:
    longest = max((len(stage.steps) for stage in life.stages), default=0)
    most = max(1, -(-longest // POINTS_A_STAGE))
    return "A point is one logged step." if most == 1 else f"A point is the mean of up to {most} logged steps."


def _stage_marks(life: Life) -> list[dict]:
    return [
        {"name": stage.folder, "tokens": _entry_tokens(life, stage.folder)} for stage in life.trained if stage.steps
    ]


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
