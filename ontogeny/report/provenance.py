"""Where the figures come from, as tables of text: plan, books, corpus, fingerprints, times, events."""

from __future__ import annotations

import json
from typing import Any

from ontogeny.report.figures import ABSENT, count, duration, moment, plural, rate, real, share
from ontogeny.report.read import Life, listed, mapped, number
from ontogeny.report.tables import Table, sections_of
from ontogeny.report.times import STARTING, lived_seconds, spent_times

MOST_EVENTS = 1000
SHORT = 120  # characters of a fact in the table of events


def plan_facts(life: Life) -> list[tuple[str, str]]:
    """The few figures that say what kind of life this is."""
    plan = life.plan
    model, world, machine = mapped(plan.get("model")), mapped(plan.get("world")), mapped(plan.get("machine"))
    tokenizer = mapped(plan.get("tokenizer"))
    trained = f"trained here ({tokenizer.get('train')})" if tokenizer.get("train") else tokenizer.get("pretrained")
    facts = [
        ("base", plan.get("base")),
        ("architecture", model.get("architecture")),
        ("parameters", count(model.get("parameters"))),
        ("layers", count(model.get("layers"))),
        ("hidden size", count(model.get("hidden_size"))),
        ("vocabulary", count(model.get("vocab_size"))),
        ("tokenizer", trained),
        ("context", f"{count(plan.get('context_tokens'))} tokens"),
        ("precision", plan.get("precision")),
        ("seed", plan.get("seed")),
        ("language", plan.get("language")),
        ("trained tokens", count(plan.get("trained_tokens"))),
        ("ranks", count(world.get("ranks"))),
        ("threads a rank", count(world.get("threads_per_rank"))),
        ("device", world.get("device")),
        ("ZeRO stage", count(machine.get("zero_stage"))),
        ("micro-batch", f"{count(plan.get('micro_batch_packs'))} packs"),
    ]
    return [
        (name, str(value)) for name, value in facts if value not in (None, "") and not str(value).startswith(ABSENT)
    ]


def phase_table(life: Life) -> Table | None:
    """Rows, steps, tokens and rates of every phase, as planned."""
    rows = []
    for stage in life.planned:
        for name, phase in mapped(stage.get("phases")).items():
            if not number(mapped(phase).get("rows")):
                continue
            schedules = [mapped(schedule) for schedule in mapped(phase.get("schedules")).values()]
            rows.append(
                (
                    str(stage.get("name")),
                    name,
                    " / ".join(dict.fromkeys(str(schedule.get("kind")) for schedule in schedules)),
                    _span(stage) if name == "books" else "",
                    count(phase.get("rows")),
                    count(phase.get("steps")),
                    count(phase.get("tokens")),
                    count(mapped(stage.get("trunk")).get("batch_tokens")) if name != "roles" else "by role",
                    " / ".join(dict.fromkeys(rate(schedule.get("learning_rate")) for schedule in schedules)),
                )
            )
    return (
        Table(
            ("stage", "phase", "schedule", "span", "rows", "steps", "tokens", "batch tokens", "peak rate"),
            tuple(rows),
            4,
            "A row is one pack of context length; tokens count what bears loss. Figures of one pass; a gate's repeat "
            "walks them again.",
            "Phases",
        )
        if rows
        else None
    )


def book_table(life: Life) -> Table | None:
    """The books in reading order, with their licences and the tokens they gave."""
    rows = []
    for stage in life.planned:
        corpus = {
            book.get("id"): book for book in listed(mapped(life.corpus_stages.get(str(stage.get("name")))).get("books"))
        }
        for section, books in sections_of(stage):
            for book_id in books:
                book = mapped(life.books.get(book_id))
                licence = book.get("licence") or mapped(stage.get("licences")).get(book_id)
                rows.append(
                    (
                        str(stage.get("name")),
                        section,
                        str(book.get("title") or book_id),
                        str(licence or "unknown"),
                        str(book.get("source") or ABSENT),
                        count(book.get("bytes")),
                        count(mapped(corpus.get(book_id)).get("tokens")),
                    )
                )
    return (
        Table(
            ("stage", "section", "book", "licence", "source", "bytes", "tokens"),
            tuple(rows),
            5,
            "In reading order. Bytes: UTF-8 of the cleaned book; tokens: training tokens of the book in that stage.",
            "Books",
        )
        if rows
        else None
    )


def corpus_table(life: Life) -> Table | None:
    """What prepare made of the books: packs, padding, held-out text, scenes."""
    rows = []
    for stage in life.corpus_stages.values():
        held = mapped(stage.get("held_out"))
        scenes = ", ".join(f"{amount} {kind}" for kind, amount in mapped(stage.get("scenes")).items() if amount)
        rows.append(
            (
                str(stage.get("name")),
                scenes or "none",
                ", ".join(f"{split} {count(mapped(part).get('passages'))}" for split, part in held.items()) or ABSENT,
                ", ".join(f"{split} {count(amount)}" for split, amount in mapped(stage.get("items")).items()) or ABSENT,
                count(stage.get("packs")),
                count(stage.get("tokens")),
                count(stage.get("padding_tokens")),
                real(stage.get("utilisation")),
            )
        )
    return (
        Table(
            ("stage", "scenes", "held-out passages", "conflict items", "packs", "tokens", "padding", "filled"),
            tuple(rows),
            4,
            "Filled: share of a pack that is not padding. Held-out passages and conflict items by split.",
            "Prepared corpus",
        )
        if rows
        else None
    )


def warnings(life: Life) -> list[str]:
    """What the plan, the corpus and the life warned of, each once."""
    told = [str(warning) for warning in listed(life.plan.get("warnings"))]
    for stage in life.corpus_stages.values():
        told += [f"{stage.get('name')}: {warning}" for warning in listed(stage.get("warnings"))]
    told += [str(event.get("message") or _facts(event)) for event in life.events if event.get("event") == "warning"]
    return list(dict.fromkeys(told))


def fingerprint_tables(life: Life) -> list[Table]:
    """Hashes of what went in, of the order it was declared in, and of what came out."""
    manifest, plan = life.manifest, life.plan
    heads = [
        ("genome", plan.get("genome_hash")),
        ("corpus", manifest.get("corpus_hash") or plan.get("corpus_hash")),
        ("tokenizer", mapped(manifest.get("tokenizer")).get("fingerprint")),
    ]
    heads += [(f"book {book_id}", book.get("fingerprint")) for book_id, book in life.books.items()]
    roots = [
        (stage, name, count(mapped(phase).get("rows")), str(phase["root"]))
        for stage, told in life.corpus_stages.items()
        for name, phase in mapped(told.get("phases")).items()
        if mapped(phase).get("root") and mapped(phase).get("rows")
    ]
    files = [(stage.folder, name, str(value)) for stage in life.stages for name, value in stage.fingerprints.items()]
    tables = [
        Table(
            ("what", "SHA-256"),
            tuple((name, str(value)) for name, value in heads if value),
            2,
            title="What went in",
            fold="open",
        ),
        Table(
            ("stage", "phase", "rows", "order root"),
            tuple((stage, phase, rows, root) for stage, phase, rows, root in roots),
            4,
            "The root chains the SHA-256 of every row in declared order; ontogeny verify recomputes it from "
            "consumed.bin, the record of what was really fed on all ranks.",
            title="Declared order",
            fold="open",
        ),
        Table(("stage", "file", "SHA-256"), tuple(files), 3, title="What came out", fold="shut"),
    ]
    return [table for table in tables if table.rows]


def time_table(life: Life) -> Table | None:
    """Seconds by stage and phase, and the share of the probes."""
    spent = spent_times(life)
    total = sum(row.seconds for row in spent)
    rows = [
        (
            row.stage,
            str(row.pass_number),
            row.phase,
            duration(row.seconds),
            share(row.seconds, total),
            str(row.entered),
            count(row.tokens_per_s),
        )
        for row in spent
    ]
    if not rows:
        return None
    probes = sum(row.seconds for row in spent if row.phase == "probes")
    rows.append(("all", "", "", duration(total), share(total, total), "", ""))
    rows.append(("probes", "", "", duration(probes), share(probes, total), "", ""))
    whole = lived_seconds(life)
    rest = (
        f" The whole life took {duration(whole)}; the rest is start-up, the way between phases, and export."
        if whole
        else ""
    )
    return Table(
        ("stage", "pass", "phase", "time", "share", "entered", "tokens/s"),
        tuple(rows),
        3,
        "Entered more than once: the life was resumed. tokens/s: median of the logged steps, real tokens only, "
        f"never padding.{rest}",
    )


def event_table(life: Life) -> Table | None:
    """Everything that happened, with times since the start."""
    events = life.events
    if not events:
        return None
    start = next(
        (number(event.get("time")) for event in events if event.get("event") in STARTING), number(events[0].get("time"))
    )
    shown = events if len(events) <= MOST_EVENTS else events[:100] + events[100 - MOST_EVENTS :]
    cut = (
        ""
        if shown is events
        else f" The first 100 and the last {MOST_EVENTS - 100} are shown; all are in events.jsonl."
    )
    rows = tuple(
        (moment(event.get("time")), _since(event, start), str(event.get("event")), _facts(event)) for event in shown
    )
    return Table(
        ("time", "since start", "event", "facts"),
        rows,
        4,
        f"Begun {moment(start)}.{cut}",
        title=plural(len(events), "event"),
        fold="open" if len(rows) <= 12 else "shut",
    )


def _since(event: dict[str, Any], start: float | None) -> str:
    now = number(event.get("time"))
    return ABSENT if now is None or start is None else f"{now - start:,.1f} s"


def _facts(event: dict[str, Any]) -> str:
    facts = []
    for name, value in event.items():
        if name in ("time", "event"):
            continue
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        facts.append(f"{name} {text if len(text) <= SHORT else text[:SHORT] + '…'}")
    return "; ".join(facts)


def _span(stage: dict[str, Any]) -> str:
    return ", ".join(
        f"{unit}: {count(amount) if number(amount) is not None else amount}"
        for unit, amount in mapped(stage.get("span")).items()
    )


def whole_plan(life: Life) -> str:
    """plan.json as text, without the folders of the machine it was made on."""
    stages = []
    for stage in life.planned:
        scenes = mapped(stage.get("scenes"))
        stages.append({**stage, "scenes": {key: value for key, value in scenes.items() if key != "folder"} or None})
    return json.dumps({**life.plan, "stages": stages}, indent=1, ensure_ascii=False) if life.plan else ""
