"""What was found, as tables of text: changes, forgetting, probes, gates, roles, samples."""

from __future__ import annotations

from dataclasses import dataclass

from ontogeny.report.emergence import MIN_POINTS, TELLING, change_points, emergence_series, step_or_smooth
from ontogeny.report.figures import ABSENT, count, interval, plural, rate, real, signed
from ontogeny.report.plots import RESOLUTION
from ontogeny.report.read import Life, Measurement, StageRecord, listed, mapped, number
from ontogeny.report.story import BITS, Change
from ontogeny.report.times import where

VERDICTS = {"fell": "fell", "rose": "ROSE", "unclear": "no change shown", "unmeasured": "not measured"}


@dataclass(frozen=True)
class Table:
    """A table as text. `left` counts the leading columns that hold words; the others hold figures."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    left: int = 1
    note: str = ""
    title: str = ""
    fold: str = ""  # open | shut: on a screen it can be folded, in print it always stands open
    loud: frozenset[int] = frozenset()  # rows that say something went wrong


def change_table(found: list[Change]) -> Table:
    """Each stage's effect on its own held-out text, and what was left of it at the end."""
    rows = tuple(
        (
            change.stage,
            VERDICTS[change.verdict],
            f"{signed(change.delta)}\n{_ends(change.low, change.high)}" if change.delta is not None else ABSENT,
            _with_ends(change.before),
            _with_ends(change.after),
            _with_ends(change.at_end),
            signed(change.forgotten),
            _count_of(change.after),
            str(change.passes or ABSENT),
        )
        for change in found
    )
    split = next((change.after.split for change in found if change.after and change.after.split), "")
    return Table(
        ("stage", "verdict", "change [95 %]", "before it", "after it", "at the end", "forgotten", "n", "passes"),
        rows,
        2,
        f"Held-out bits per byte of the trunk{f', split ‘{split}’' if split else ''}; lower is better; n: held-out "
        "passages. The interval of a change is a 95 % bootstrap of the difference, paired by passage. "
        "Forgotten: the value at the last measurement minus the value right "
        "after the stage. Intervals cover the choice of passages, not the luck of the seed: that an order of books "
        "matters takes several lives and control arms.",
        loud=frozenset(place for place, change in enumerate(found) if change.verdict == "rose"),
    )


def forgetting_table(life: Life) -> Table | None:
    """The forgetting matrix with its intervals."""
    measured = [stage for stage in life.stages if any(row.probe == BITS for row in stage.measurements)]
    if not measured:
        return None
    rows = [(stage.folder, *(_with_ends(stage.find(BITS, on)) for on in life.scored_texts)) for stage in measured]
    last = [
        next((found for stage in reversed(measured) if (found := stage.find(BITS, on))), None)
        for on in life.scored_texts
    ]
    rows.append(("n", *(_count_of(row) for row in last)))
    return Table(
        ("measured after", *life.scored_texts),
        tuple(rows),
        note="Bits per byte with 95 % bootstrap intervals over held-out passages; n is the number of passages scored.",
        title="The same with intervals",
    )


def probe_tables(life: Life) -> list[Table]:
    """Every row of every probes.json, a table a stage; the last one stands open."""
    measured = [stage for stage in life.stages if stage.measurements]
    return [
        Table(
            ("probe", "subject", "on", "split", "form", "unit", "better", "value", "95 % interval", "chance", "n"),
            tuple(
                (
                    row.probe,
                    row.subject,
                    row.on or ABSENT,
                    row.split or ABSENT,
                    row.form or ABSENT,
                    row.unit or ABSENT,
                    "higher" if row.higher_is_better else "lower",
                    real(row.value),
                    interval(row),
                    real(row.chance),
                    count(row.n),
                )
                for row in stage.measurements
            ),
            7,
            title=f"After {stage.folder}: {plural(len(stage.measurements), 'row')}",
            fold="open" if stage is measured[-1] else "shut",
        )
        for stage in measured
    ]


def emergence_table(life: Life) -> Table | None:
    """Where each continuous score changed its level, and whether a step or a smooth curve describes it better."""
    rows = []
    for series in emergence_series(life):
        shape = step_or_smooth(series.tokens, series.values)
        if shape is None:
            continue
        changes = "\n".join(map(count, change_points(series.tokens, series.values)))
        rows.append(
            (
                series.name,
                series.on or ABSENT,
                shape.verdict,
                changes or "none",
                count(shape.change_tokens),
                real(shape.bic_step, 1),
                real(shape.bic_smooth, 1),
                count(len(series.tokens)),
            )
        )
    return (
        Table(
            ("score", "on", "verdict", "change points", "best step at", "BIC of a step", "BIC of a curve", "points"),
            tuple(rows),
            3,
            "Continuous scores of the trunk over tokens seen, never shares of right answers, which step where a "
            "probability rises smoothly. Change points: tokens at which a new level begins, levels fitted by least "
            "squares; of a smooth curve they only cut it in pieces. Step: two levels; curve: the best of a line or a "
            "parabola in log tokens and a power law. Lower BIC is better; “cannot tell”: they differ by less than "
            f"{TELLING:.0f}, or neither beats one level. Scores of fewer than {MIN_POINTS} points are left out.",
        )
        if rows
        else None
    )


def gate_table(life: Life) -> Table | None:
    """What each gate asked, saw and decided."""
    stages = [stage for stage in life.trained if stage.gate]
    rows = []
    for stage in stages:
        gate = mapped(stage.gate)
        ruled = gate.get("rule") is not None
        rows.append(
            (
                stage.folder,
                rule_sentence(gate.get("rule")),
                ("yes" if gate.get("passed") else "NO") if ruled else ABSENT,
                str(gate.get("decision") or ABSENT),
                real(gate.get("value")) if ruled else ABSENT,
                real(gate.get("bound")) if ruled else ABSENT,
            )
        )
    loud = frozenset(place for place, row in enumerate(rows) if row[2] == "NO")
    return (
        Table(
            ("after", "rule", "passed", "decision", "worse end", "bound"),
            tuple(rows),
            4,
            "A gate compares the worse end of the probe's 95 % interval with its bound. A repeat is a new pass over "
            "the same packs in the same order, with a schedule of its own.",
            loud=loud,
        )
        if rows
        else None
    )


def rule_sentence(rule: object) -> str:
    """A gate's rule as words, whether it was written as a mapping or already is a sentence."""
    if not isinstance(rule, dict):
        return str(rule) if rule else "no gate"
    bound = "below" if rule.get("below") is not None else "above"
    repeats = (
        f", at most {plural(int(number(rule.get('max_repeats')) or 0), 'time')}"
        if rule.get("otherwise") == "repeat"
        else ""
    )
    return (
        f"{rule.get('probe')} of {rule.get('subject', 'trunk')} on {rule.get('on')} {bound} {rule.get(bound)}, "
        f"otherwise {rule.get('otherwise', 'end')}{repeats}"
    )


def role_table(life: Life) -> Table | None:
    """What each role read and became, stage after stage."""
    planned = {str(stage.get("name")): stage for stage in life.planned}
    rows = []
    for stage in life.trained:
        spec = mapped(planned.get(stage.name))
        told = mapped(mapped(life.corpus_stages.get(stage.name)).get("phases")) or mapped(spec.get("phases"))
        told = mapped(told.get("roles"))
        trained = dict.fromkeys(
            [*mapped(told.get("rows_by_role")), *stage.adapters, *(role for step in stage.steps for role in step.roles)]
        )
        rows += [_role_row(life, stage, role, mapped(mapped(spec.get("roles")).get(role)), told) for role in trained]
    return (
        Table(
            (
                "after",
                "role",
                "adapter",
                "rows",
                "tokens",
                "rank",
                "rate",
                "last loss",
                "norm of B",
                "conflict resolution",
                "n",
            ),
            tuple(rows),
            3,
            "Rows fed and loss-bearing tokens of the role's own turns; rank of its LoRA; peak learning rate; last "
            "logged loss in nats per token; L2 norm of the adapter's lora_B matrices (0: it learned nothing); "
            "conflict resolution on the stage just read, 95 % interval.",
        )
        if rows
        else None
    )


def _role_row(life: Life, stage: StageRecord, role: str, spec: dict, told: dict) -> tuple[str, ...]:
    losses = [step.roles[role].loss_nats for step in stage.steps if role in step.roles]
    norms = [
        mapped(event.get("lora_b_norm")).get(role)
        for event in life.events
        if "lora_b_norm" in event and where(event) == (stage.name, stage.pass_number)
    ]
    score = stage.find(RESOLUTION, stage.name, role)
    return (
        stage.folder,
        role,
        "exported" if role in stage.adapters else "not there",
        count(mapped(told.get("rows_by_role")).get(role)),
        count(mapped(told.get("tokens_by_role")).get(role)),
        count(spec.get("rank")),
        rate(spec.get("learning_rate")),
        real(losses[-1] if losses else None),
        real(next((norm for norm in reversed(norms) if norm is not None), None)),
        _with_ends(score),
        _count_of(score),
    )


def sample_groups(life: Life) -> list[tuple[str, str, list[str]]]:
    """Unprompted samples a stage: folder, the figures of the probe in words, the texts once each."""
    groups = []
    for stage in life.stages:
        rows = [row for row in stage.measurements if row.probe == "unprompted"]
        texts = list(dict.fromkeys(text for row in rows for text in row.samples))
        figures = "; ".join(f"{row.form or row.unit or 'value'} {real(row.value)} (n {count(row.n)})" for row in rows)
        if texts:
            groups.append((stage.folder, figures, texts))
    return groups


def licence_list(life: Life) -> list[tuple[str, list[str]]]:
    """Licence -> titles of the books under it that this life reads."""
    found: dict[str, list[str]] = {}
    for stage in life.planned:
        for book, licence in mapped(stage.get("licences")).items():
            found.setdefault(str(licence), []).append(str(mapped(life.books.get(book)).get("title") or book))
    if not found:
        for book in life.books.values():
            found.setdefault(str(book.get("licence") or "unknown"), []).append(str(book.get("title") or book.get("id")))
    return sorted((licence, list(dict.fromkeys(titles))) for licence, titles in found.items())


def sections_of(stage: dict) -> list[tuple[str, list[str]]]:
    """The sections of a planned stage: name and book ids, in order."""
    return [
        (str(section[0]), [str(book) for book in listed(section[1])])
        for section in listed(stage.get("sections"))
        if isinstance(section, list) and len(section) == 2
    ]


def _with_ends(row: Measurement | None) -> str:
    if row is None or row.value is None:
        return ABSENT
    return f"{real(row.value)}\n{interval(row)}" if row.low is not None else real(row.value)


def _ends(low: float | None, high: float | None) -> str:
    return f"[{signed(low)}, {signed(high)}]" if low is not None and high is not None else "no interval"


def _count_of(row: Measurement | None) -> str:
    return count(row.n) if row else ABSENT
