"""card.md: a model card, with front matter that model hubs read and the headline figures of the report."""

from __future__ import annotations

import json
import re
from pathlib import Path

from ontogeny.core.run import write_atomic
from ontogeny.report import provenance, story, tables
from ontogeny.report.figures import count, visible
from ontogeny.report.read import Life, mapped, read_life

SAMPLES = 3


def write_card(run_dir: Path) -> Path:
    """Writes RUN/card.md from what the run directory holds now, and returns its path."""
    run_dir = Path(run_dir)
    return write_atomic(
        run_dir / "card.md", make_card(read_life(run_dir), run_dir.resolve().name).encode("utf-8", "replace")
    )


def make_card(life: Life, folder: str) -> str:
    """The card as Markdown; pure."""
    found = story.changes(life)
    parts = [
        front_matter(life),
        f"# {escaped(life.name)}",
        "A causal language model grown stage after stage on books in a declared order, with `ontogeny`.",
        escaped(story.outcome_sentence(life)),
        f"**{escaped(story.change_sentence(found))}**",
        escaped(story.forgetting_sentence(found)),
        "## Held-out text",
        markdown(tables.change_table(found) if found else None),
        "## Conflict resolution of the last stage measured",
        _last_resolution(life),
        "## Model",
        "\n".join(f"- {name}: {escaped(value)}" for name, value in provenance.plan_facts(life)),
        "## Books and licences",
        _licences(life),
        "## Warnings",
        "\n".join(f"- {escaped(warning)}" for warning in provenance.warnings(life)) or "None.",
        "## Roles",
        markdown(tables.role_table(life)),
        "## Samples from an empty prompt",
        _samples(life),
        "## Provenance",
        _hashes(life),
        "Made again by:",
        f"```sh\nontogeny run runs/{folder}/genome.yaml --out runs/{folder}-again\nontogeny verify runs/{folder}\n```",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def front_matter(life: Life) -> str:
    """YAML front matter; values are JSON, which is YAML, so that no title can break it."""
    licences = [licence for licence, _ in tables.licence_list(life)]
    values = {
        "language": [life.plan.get("language") or "en"],
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["ontogeny", "curriculum-learning", "causal-lm"],
    }
    if len(licences) == 1:
        values["license"] = licences[0].lower()
    elif licences:
        values |= {"license": "other", "license_name": "licences-of-the-books"}
    values["book_licences"] = licences
    if life.plan.get("base") not in (None, "scratch"):
        values["base_model"] = life.plan["base"]
    return "\n".join(
        ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()), "---"]
    )


def markdown(table: tables.Table | None) -> str:
    """A table as Markdown, its note under it."""
    if table is None:
        return "Not measured yet."
    sides = [":--" if place < table.left else "--:" for place in range(len(table.columns))]
    lines = [list(table.columns), sides, *([escaped(cell) for cell in row] for row in table.rows)]
    body = "\n".join(f"| {' | '.join(line)} |" for line in lines)
    return f"{body}\n\n{escaped(table.note)}" if table.note else body


def escaped(text: str) -> str:
    """Text that Markdown and HTML read as text, on one line."""
    plain = visible(text).replace("&", "&amp;").replace("<", "&lt;").replace("\n", " ")
    return re.sub(r"([\\`*_|\[\]])", r"\\\1", plain)


def _last_resolution(life: Life) -> str:
    for stage in reversed(life.trained):
        rows = [row for row in stage.measurements if row.probe == "conflict_resolution" and row.on == stage.name]
        if rows:
            return markdown(
                tables.Table(
                    ("subject", "split", "form", "unit", "value", "95 % interval", "chance", "n"),
                    tuple(
                        (
                            row.subject,
                            row.split,
                            row.form,
                            row.unit,
                            tables.real(row.value),
                            tables.interval(row),
                            tables.real(row.chance),
                            count(row.n),
                        )
                        for row in rows
                    ),
                    4,
                    f"Stage {stage.folder}: the expected resolution preferred over a matched foil.",
                )
            )
    return "Not measured yet."


def _licences(life: Life) -> str:
    found = tables.licence_list(life)
    return (
        "\n".join(f"- **{escaped(licence)}**: {escaped(', '.join(titles))}" for licence, titles in found)
        or "No book is known yet."
    )


def _samples(life: Life) -> str:
    groups = tables.sample_groups(life)
    if not groups:
        return "None drawn yet."
    folder, _, texts = groups[-1]
    return "\n\n".join(
        [f"After {folder}, as sampled, not chosen:", *(fenced(visible(text)) for text in texts[:SAMPLES])]
    )


def fenced(text: str) -> str:
    """A code block whose fence is longer than any in the text."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}"


def _hashes(life: Life) -> str:
    heads = [
        ("genome", life.plan.get("genome_hash")),
        ("corpus", life.manifest.get("corpus_hash")),
        ("tokenizer", mapped(life.manifest.get("tokenizer")).get("fingerprint")),
    ]
    heads += [
        (f"order root of {name}, {phase}", mapped(told).get("root"))
        for name, stage in life.corpus_stages.items()
        for phase, told in mapped(stage.get("phases")).items()
    ]
    return "\n".join(f"- {name}: `{value}`" for name, value in heads if value)
