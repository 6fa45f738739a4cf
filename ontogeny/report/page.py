"""report.html: one life on one self-contained page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ontogeny.core.run import write_atomic
from ontogeny.report import plots, provenance, remembered, scene_effects, story, tables
from ontogeny.report.beside import beside_table
from ontogeny.report.figures import count, moment, visible
from ontogeny.report.read import Life, read_life

CHARTS: tuple[Callable[[Life], plots.Chart | None], ...] = (
    plots.loss_chart,
    plots.rate_chart,
    plots.light_chart,
    plots.margin_chart,
    plots.roles_chart,
    plots.forgetting_chart,
    plots.resolution_chart,
)


def write_report(run_dir: Path, beside: Path | None = None) -> Path:
    """Writes RUN/report.html from what the run directory holds now, and returns its path; `beside`: another life's.

    Raises: RunError where that was not measured on the same held-out text."""
    run_dir = Path(run_dir)
    life = read_life(run_dir)
    table = beside_table(life, read_life(beside), beside) if beside else None
    html = make_page(life, run_dir.resolve().name, table)
    return write_atomic(run_dir / "report.html", html.encode("utf-8", "replace"))


def templates() -> Environment:
    """Where pages come from: the templates of this room, escaping whatever they are given."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters.update(svg=Markup, visible=visible)
    return environment


def make_page(life: Life, folder: str, beside: tables.Table | None = None) -> str:
    """The page as HTML; pure, so equal run directories give equal pages."""
    charts = {chart.key: chart for make in CHARTS if (chart := make(life))}
    return (
        templates()
        .get_template("page.html.j2")
        .render(charts=charts, beside_table=beside, **headline(life), **results(life), **origins(life, folder))
    )


def headline(life: Life) -> dict:
    """Name, outcome, the sentences, and the table under them; what a card says too."""
    found = story.changes(life)
    return {
        "name": life.name,
        "state": life.state,
        "outcome": story.outcome_sentence(life),
        "message": str((life.outcome or {}).get("message") or ""),
        "learned": story.change_sentence(found),
        "forgot": story.forgetting_sentence(found),
        "rose": any(change.verdict == "rose" for change in found),
        "change_table": tables.change_table(found) if found else None,
        "arm": life.arm,
        "tokens": count(story.tokens_seen(life)),
        "as_of": moment(life.events[-1].get("time")) if life.events else "",
        "estimate": bool(life.plan.get("estimate")),
    }


def results(life: Life) -> dict:
    """What was found."""
    return {
        "forgetting_table": tables.forgetting_table(life),
        "probe_tables": tables.probe_tables(life),
        "emergence_table": tables.emergence_table(life),
        "gate_table": tables.gate_table(life),
        "role_table": tables.role_table(life),
        "effect_table": scene_effects.effect_table(life),
        "journal_tables": [one for one in (remembered.fate_table(life), remembered.entry_table(life)) if one],
        "played_table": remembered.played_table(life),
        "transcripts": remembered.transcripts(life),
        "samples": tables.sample_groups(life),
    }


def origins(life: Life, folder: str) -> dict:
    """Where it comes from."""
    return {
        "facts": provenance.plan_facts(life),
        "warnings": provenance.warnings(life),
        "licences": tables.licence_list(life),
        "plan_tables": [
            table
            for table in (provenance.phase_table(life), provenance.book_table(life), provenance.corpus_table(life))
            if table
        ],
        "whole_plan": provenance.whole_plan(life),
        "fingerprint_tables": provenance.fingerprint_tables(life),
        "time_table": provenance.time_table(life),
        "event_table": provenance.event_table(life),
        "folder": folder,
        "genome_hash": str(life.plan.get("genome_hash") or ""),
    }
