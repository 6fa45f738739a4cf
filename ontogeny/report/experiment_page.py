"""experiment.html: control arms against their genome, on one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ontogeny.core.run import write_atomic
from ontogeny.report.experiment_plots import forests, primary_chart
from ontogeny.report.figures import ABSENT, count, duration, plural, real, sentence_list, signed
from ontogeny.report.page import templates
from ontogeny.report.tables import Table

FILE = "experiment.html"

Row = Mapping[str, Any]


def write_page(folder: Path, found: Mapping[str, Any]) -> Path:
    """Writes DIR/experiment.html from what experiment.json holds, and returns its path."""
    return write_atomic(Path(folder) / FILE, make_page(found).encode("utf-8", "replace"))


def make_page(found: Mapping[str, Any]) -> str:
    """The page as HTML; pure, so equal results give equal pages."""
    primary = next((row for row in found["contrasts"] if row["primary"]), None)
    charts = {chart.key: chart for chart in forests(found["contrasts"])}
    if primary is not None and primary["ci95"] is not None:
        charts["primary"] = primary_chart(primary, found)
    return (
        templates()
        .get_template("experiment.html.j2")
        .render(
            name=found["name"],
            genome=found["genome"],
            arms=found["arms"],
            question=question(found),
            verdict=verdict(found, primary),
            seen=primary is not None and excludes_zero(primary),
            registered=found["registered"],
            primary=found["primary"],
            departures=found["departures"],
            remarks=found["remarks"],
            complete=found["complete"],
            charts=charts,
            forest_keys=[key for key in charts if key != "primary"],
            pairs_table=pairs_table(primary),
            contrast_tables=contrast_tables(found),
            stage_table=stage_table(found["by_stage"]),
            equality_table=equality_table(found["equality"]),
            lives_table=lives_table(found["lives"]),
            counts=counts_sentence(found),
            notes=found["notes"],
            command=found["command"],
        )
    )


def excludes_zero(row: Row) -> bool:
    """Whether the interval of a contrast leaves 0 out."""
    return row["ci95"] is not None and not row["ci95"][0] <= 0 <= row["ci95"][1]


def place(row: Row) -> str:
    """What a contrast is about: probe, form, on what, and whom where it is not the trunk."""
    whom = "" if row["subject"] == "trunk" else f", {row['subject']}"
    return f"{row['probe']} on {row['on']} ({row['form']}{whom})"


def question(found: Mapping[str, Any]) -> str:
    """What was asked, in a sentence."""
    if not found["registered"]:
        return (
            f"No contrast was registered beforehand, so all of what follows is exploratory: {found['name']} against "
            f"{sentence_list(found['arms'])}."
        )
    asked = found["primary"]
    whom = "the trunk" if asked["subject"] == "trunk" else f"the {asked['subject']}"
    return (
        f"Does {asked['probe']} of {whom} on {asked['on']} differ between {found['name']} and its arm "
        f"{asked['contrast']}, at the end of lives paired by seed?"
    )


def verdict(found: Mapping[str, Any], primary: Row | None) -> str:
    """What the primary contrast says, in a sentence."""
    if primary is None or primary["n"] == 0:
        return "" if not found["registered"] else "It has not been measured."
    if primary["ci95"] is None:
        return f"One pair differs by {signed(primary['mean'])}; one pair has no interval."
    low, high = primary["ci95"]
    ends = f"{signed(primary['mean'])} {primary['unit'] or ''} [{signed(low)}, {signed(high)}]"
    pairs = plural(primary["n"], "pair")
    if not excludes_zero(primary):
        return (
            f"No difference was shown: {primary['arm']} minus genome is {ends} over {pairs}. A difference of "
            f"{real(primary['smallest_effect'])} or more would have been seen four times in five."
        )
    return f"Yes: {primary['arm']} minus genome is {ends} over {pairs}{_better(primary)}."


def _better(row: Row) -> str:
    if row.get("higher_is_better") is None:
        return ""
    arm = (row["mean"] > 0) == row["higher_is_better"]
    return f", better for the {'arm' if arm else 'genome'}"


def counts_sentence(found: Mapping[str, Any]) -> str:
    """How many contrasts there are and how many of them stand out, before and after correction."""
    rows = [row for row in found["contrasts"] if row["ci95"] is not None]
    out = sum(excludes_zero(row) for row in rows)
    held = sum(row["p_holm"] is not None and row["p_holm"] < 0.05 for row in rows)
    silent = len(found["contrasts"]) - len(rows)
    more = f" {plural(silent, 'contrast')} had no interval." if silent else ""
    return (
        f"{plural(len(rows), 'contrast')} with an interval; {out} of the intervals leave 0 out, where chance alone "
        f"would give about {0.05 * len(rows):.1f}; {held} keep p under 0.05 after Holm’s correction.{more}"
    )


def pairs_table(primary: Row | None) -> Table | None:
    """The differences of the primary contrast, pair by pair."""
    if primary is None or not primary["n"]:
        return None
    rows = tuple(
        (f"seed-{number}", signed(difference, 4))
        for number, difference in zip(primary["numbers"], primary["differences"], strict=True)
    )
    return Table(("pair", f"{primary['arm']} minus genome"), rows, title="Pair by pair", fold="shut")


def contrast_tables(found: Mapping[str, Any]) -> list[Table]:
    """Every contrast, a table an arm."""
    head = (
        "what",
        "genome",
        "arm",
        "arm − genome",
        "95 %",
        "n",
        "p (t)",
        "p (flips)",
        "p (Holm)",
        "smallest",
        "said before",
        "remarks",
    )
    return [
        Table(
            head,
            tuple(_contrast_row(row) for row in found["contrasts"] if row["arm"] == arm),
            title=f"{arm} against the genome",
            fold="open" if len(found["arms"]) == 1 else "shut",
            loud=frozenset(
                spot
                for spot, row in enumerate(row for row in found["contrasts"] if row["arm"] == arm)
                if row["primary"]
            ),
        )
        for arm in found["arms"]
    ]


def _contrast_row(row: Row) -> tuple[str, ...]:
    better = row["higher_is_better"]
    arrow = "" if better is None else " ↑" if better else " ↓"
    ends = f"[{signed(row['ci95'][0])}, {signed(row['ci95'][1])}]" if row["ci95"] else "no interval"
    remarks = "; ".join(filter(None, [row["note"], *row["missing"]]))
    return (
        place(row) + arrow,
        real(row["genome_mean"]),
        real(row["arm_mean"]),
        signed(row["mean"]),
        ends,
        str(row["n"]),
        real(row["p_t"]),
        real(row["p_sign_flip"]),
        real(row["p_holm"]),
        real(row["smallest_effect"]),
        "primary" if row["primary"] else "exploratory",
        remarks or ABSENT,
    )


def stage_table(rows: list[Row]) -> Table | None:
    """The same differences after the stages before the last."""
    if not rows:
        return None
    return Table(
        ("arm", "after stage", "what", "arm − genome", "95 %", "n"),
        tuple(
            (
                row["arm"],
                str(row["stage"]),
                place(row),
                signed(row["mean"]),
                f"[{signed(row['ci95'][0])}, {signed(row['ci95'][1])}]" if row["ci95"] else "no interval",
                str(row["n"]),
            )
            for row in rows
        ),
        3,
        "Stages by their number in the life (0: conception), so that both sides have read about as much. Described, "
        "not tested: no p is given, and none of them counts in the correction.",
        "After each earlier stage",
        fold="shut",
    )


def equality_table(rows: list[Row]) -> Table | None:
    """What each arm shares with the genome, as it was checked."""
    if not rows:
        return None
    broken = frozenset(spot for spot, row in enumerate(rows) if row["must"] and not row["equal"])
    return Table(
        ("arm", "what", "equal", "has to be", "genome", "arm"),
        tuple(
            (
                row["side"],
                row["what"],
                "yes" if row["equal"] else "no",
                "yes" if row["must"] else "not for this arm",
                _short(row["base"]),
                _short(row["arm"]),
            )
            for row in rows
        ),
        6,
        "Checked on the plans and packs of every pair; the values are those of the first. Tokens are equal within one "
        "batch, steps of repacked lives within one a stage."
        + (" The rows in colour have to be equal and are not." if broken else ""),
        loud=broken,
    )


def _short(value: object) -> str:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return count(value) if isinstance(value, int) else real(value)
    text = str(value)
    if len(text) == 64 and text.isalnum():
        return text[:12]
    return text if len(text) <= 60 else f"{text[:57]}…"


def lives_table(rows: list[Row]) -> Table:
    """Every life, with how it ended."""
    return Table(
        ("life", "seed", "ended", "trained tokens", "of snapshots", "time", "threads"),
        tuple(
            (
                f"{row['arm']}/seed-{row['number']}",
                str(row["seed"]),
                row["outcome"] + (f": {row['message'].splitlines()[0]}" if row["outcome"] == "failed" else ""),
                count(row["tokens_seen"] or row["trained_tokens"]),
                count(row["tokens_from_snapshots"]),
                duration(row["seconds"]),
                str(row["threads_per_rank"] or ABSENT),
            )
            for row in rows
        ),
        1,
        "Each is an ordinary run directory: `ontogeny report`, `ontogeny verify` and `ontogeny run --resume` take it. "
        "Gates were recorded and did not act. Of snapshots: tokens of stages that another life had already grown, "
        "bit by bit the same. Time: of the last start of that life.",
        loud=frozenset(spot for spot, row in enumerate(rows) if row["outcome"] != "done"),
    )
