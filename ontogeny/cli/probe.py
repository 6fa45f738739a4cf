"""`ontogeny probe`: the battery and suites of others on any model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ontogeny.cli.shared import Json, Quiet

SPLITS = ("gate", "search", "test")
NONE = "none"


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("probe")(probe)


def probe(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="A model's folder, a stage's, an adapter's, a Hub id, or package:DIST/PATH."
        ),
    ],
    suite: Annotated[
        list[str] | None,
        typer.Option("--suite", metavar="NAME:PATH", help="blimp:FOLDER, zorro:FOLDER, or olmo:TASK; may be repeated."),
    ] = None,
    battery: Annotated[
        str, typer.Option("--battery", help="Probes, with commas between them, or none; all with items if not given.")
    ] = "",
    run: Annotated[Path | None, typer.Option("--run", help="The run whose items are asked.")] = None,
    adapter: Annotated[Path | None, typer.Option("--adapter", help="A PEFT folder to put on the model.")] = None,
    base: Annotated[str, typer.Option("--base", help="Where MODEL is an adapter: the model it belongs to.")] = "",
    split: Annotated[str, typer.Option("--split", help="gate, search or test.")] = "test",
    language: Annotated[str, typer.Option("--language", help="Outside a run: the language of the items.")] = "en",
    export: Annotated[Path | None, typer.Option("--export", help="Write the items as lm-eval tasks here.")] = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the rows here, as JSON.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Probe a model: the battery on the items of its run or the general ones, and suites made by others."""
    from tempfile import TemporaryDirectory

    from ontogeny.cli.shared import existing_run, print_json, teller
    from ontogeny.core.run import write_json

    _require_split(split)
    if run is not None:
        existing_run(run)
    tell = teller(quiet or json)
    from ontogeny.probes.ask import find_subject, request_for
    from ontogeny.probes.battery import asked_of, measure
    from ontogeny.probes.suites import load_suite

    suites = [found for spec in suite or () for found in load_suite(spec)]
    for one in suites:
        if one.left_out:
            tell(f"{one.probe}:{one.on}: {one.left_out} questions whose foil is the answer once more are left out")
    subject = find_subject(model, base, adapter, run)
    names = [] if battery == NONE else [name.strip() for name in battery.split(",")] if battery else None
    with TemporaryDirectory() as folder:
        request = request_for(subject, Path(folder), names, split, suites, language)
        if export is not None:
            from ontogeny.probes.export import write_lm_eval

            for line in write_lm_eval(asked_of(request), request.battery, suites, export):
                tell(line)
        rows = [row | {"subject": subject.name} for row in measure(request)]
    if out is not None:
        write_json(out, rows)
    if json:
        print_json(rows)
    elif not quiet:
        _print_table(rows)


def _require_split(split: str) -> None:
    from ontogeny.core.errors import Fault, RunError, closest

    if split not in SPLITS:
        expected = f"one of {', '.join(SPLITS)}{closest(split, SPLITS)}"
        raise RunError(Fault("a split does not exist.", "--split", repr(split), expected, "correct --split"))


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("probe", "subject", "on", "split", "form"):
        table.add_column(name, overflow="fold")
    for name in ("value", "95 %", "chance", "n", "tokens fed"):
        table.add_column(name, justify="right")
    table.add_column("unit")
    for row in rows:
        chance = "" if row["chance"] is None else f"{row['chance']:.3f}"
        words = (str(row[name] or "") for name in ("probe", "subject", "on", "split", "form"))
        low, high = row["ci95"]
        fed = f"{row.get('forward_tokens') or '':,}" if row.get("forward_tokens") else ""
        figures = (f"{row['value']:.3f}", f"{low:.3f} .. {high:.3f}", chance, str(row["n"]), fed)
        table.add_row(*words, *figures, row["unit"])
    console = Console()
    if not console.is_terminal:  # in a file a row is one line
        console = Console(width=160)
    console.print(table)
