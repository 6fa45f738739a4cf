"""`ontogeny verify`: order proof, fingerprints, adapters."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from ontogeny.cli.shared import Json, RunFolder, print_json

if TYPE_CHECKING:
    from ontogeny.core.errors import Fault
    from ontogeny.core.run import RunDirectory
    from ontogeny.corpus.rows import Corpus

RESTORE = "restore the file from a copy of the run"
FAULTS_TOLD = 8


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("verify")(verify)


def verify(run: RunFolder, json: Json = False) -> None:
    """Prove that what was read is what was declared, that no file changed since, and that every adapter loads."""
    from ontogeny.cli.shared import existing_run
    from ontogeny.core.errors import VerifyError

    directory = existing_run(run)
    checks, faults = verified(directory)
    if json:
        print_json({"holds": not faults, "checks": checks, "faults": [fault.__dict__ for fault in faults]})
        raise typer.Exit(VerifyError.exit_code if faults else 0)
    if faults:
        raise VerifyError(faults)
    for check in checks:
        print(check)


def verified(run: RunDirectory) -> tuple[list[str], list[Fault]]:
    """What was checked, and every fault found."""
    from ontogeny.core.errors import OntogenyError
    from ontogeny.corpus.proof import verify_corpus
    from ontogeny.corpus.rows import Corpus

    faults = verify_corpus(run / "corpus") + _plan_faults(run)
    if faults:
        return [], faults  # rows that are not the declared ones prove nothing about what was fed
    corpus = Corpus(run / "corpus")
    checks = [
        f"corpus: {len(corpus.manifest['books'])} books, "
        f"{sum(stage['packs'] for stage in corpus.manifest['stages'])} packs, every root holds"
    ]
    faults += _unended(run, len(corpus.manifest["stages"]))
    for folder in run.stage_folders():
        try:
            told, found = _of_folder(run, corpus, folder)
        except OntogenyError as problem:
            told, found = [], list(problem.faults)
        checks += told
        faults += found
    return checks, faults


def _of_folder(run: RunDirectory, corpus: Corpus, folder: Path) -> tuple[list[str], list[Fault]]:
    """What was checked in one stage folder, and what was found."""
    from ontogeny.corpus.consumed import verify_consumed
    from ontogeny.train.fingerprints import FINGERPRINTS

    listed = run.read_json(folder / FINGERPRINTS)
    if listed is None:
        return [f"{folder.name}: not ended yet"], []
    number, _, last = folder.name.partition("-")[0], *folder.name.partition(".")[1:]
    index, faults = int(number) - 1, []
    checks = [f"{folder.name}: {len(listed)} fingerprints hold"]
    if index >= 0:
        faults += verify_consumed(corpus, index, folder, int(last) if last.isdigit() else 1)
        faults += [] if faults else _lived_faults(corpus, index, folder, listed)
        faults += _log_faults(run, folder)
        checks[0] += ", rows fed as " + ("sealed" if corpus.book_packs(index) else "declared")
    told = "\n".join(fault.where for fault in faults)
    faults += [fault for name, fault in _file_faults(folder, listed).items() if name not in told]
    for adapter in sorted((folder / "adapters").glob("[a-z]*")):
        faults += _adapter_faults(folder, adapter)
        checks.append(f"{folder.name}: adapter {adapter.name} loads")
    return checks, faults


def _unended(run: RunDirectory, stages: int) -> list[Fault]:
    """A stage that the life has left behind it has fingerprints; a life that is done has all of its stages."""
    from ontogeny.core.errors import Fault
    from ontogeny.train.fingerprints import FINGERPRINTS

    folders = run.stage_folders()
    outcome = (run.read_json("outcome.json") or {}).get("outcome")
    ended = folders if outcome in ("done", "gate_ended") else folders[:-1]
    faults = [
        Fault(
            "a stage that was left has no fingerprints.",
            f"stages/{folder.name}/{FINGERPRINTS}",
            "no file",
            "the hash of every file of the stage",
            RESTORE,
        )
        for folder in ended
        if not (folder / FINGERPRINTS).is_file()
    ]
    numbers = {int(folder.name.partition("-")[0]) for folder in folders}
    reached = stages if outcome == "done" else max(numbers, default=-1)
    missing = [number for number in range(reached + 1) if number not in numbers]
    if missing:
        told = f"no folder {', '.join(f'{number:02d}-...' for number in missing)}"
        faults.append(Fault("a stage that was lived is not there.", "stages/", told, "a folder a stage", RESTORE))
    return faults


def _lived_faults(corpus: Corpus, index: int, folder: Path, listed: dict) -> list[Fault]:
    """The order that a self-chosen stage was read in is the one whose root was kept."""
    from ontogeny.core.errors import Fault
    from ontogeny.corpus.lived import CHOICES, lived_root
    from ontogeny.train.fingerprints import FINGERPRINTS, LIVED_ROOT

    got = lived_root(corpus, index, folder)
    if got == listed.get(LIVED_ROOT):
        return []
    where = f"stages/{folder.name}/{CHOICES} and {FINGERPRINTS}"
    return [
        Fault("the order that was lived is not the one sealed.", where, str(got), str(listed.get(LIVED_ROOT)), RESTORE)
    ]


def _log_faults(run: RunDirectory, folder: Path) -> list[Fault]:
    """The log of a stage is the one it had when its probes were measured."""
    from ontogeny.core.errors import Fault
    from ontogeny.core.hashes import file_sha256

    told = [event for event in run.read_jsonl("events.jsonl") if event.get("event") == "probes_measured"]
    expected = next((e.get("metrics_sha256") for e in reversed(told) if e.get("stage") == folder.name), None)
    path = folder / "metrics.jsonl"
    got = file_sha256(path) if path.is_file() else None
    if got == expected:
        return []
    where = f"stages/{folder.name}/metrics.jsonl (its hash: probes_measured in events.jsonl)"
    return [Fault("the log of a stage changed since it was written.", where, str(got), str(expected), RESTORE)]


def _plan_faults(run: RunDirectory) -> list[Fault]:
    """The plan is the one that genome.yaml and the manifest make, and both are those that the life was started with."""
    import json

    from ontogeny.cli.shared import facts_of
    from ontogeny.core.errors import Fault, OntogenyError
    from ontogeny.core.genome import resolved_genome
    from ontogeny.core.plan import ModelFacts, World, make_plan

    try:
        manifest, written = run.read_json("corpus/manifest.json") or {}, run.read_json("plan.json") or {}
        genome = resolved_genome(run / "genome.yaml")
        try:
            model = facts_of(genome, manifest["tokenizer"]["vocab_size"])
        except OntogenyError:  # a base that is not on this machine
            model = ModelFacts(**written["model"])
        made = json.loads(json.dumps(make_plan(genome, None, World(**written["world"]), model, manifest).as_dict()))
    except OntogenyError as problem:
        return list(problem.faults)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as problem:
        told = f"{type(problem).__name__}: {problem}"
        return [Fault("a plan cannot be made.", "genome.yaml, plan.json", told, "the files of this run", RESTORE)]
    made["warnings"] = [one for one in made["warnings"] if one not in written.get("warnings", ())]
    differences = list(islice(_differences(written | {"warnings": []}, made, ""), FAULTS_TOLD))
    what = "the plan is not that of the genome and the corpus."
    faults = [
        Fault(what, f"plan.json {where} (of genome.yaml and corpus/manifest.json)", got, expected, RESTORE)
        for where, got, expected in differences
    ]
    return faults or _started_faults(run)


def _started_faults(run: RunDirectory) -> list[Fault]:
    """Genome and plan are, byte for byte, those that the ranks were last started with."""
    from ontogeny.core.errors import Fault
    from ontogeny.core.hashes import file_sha256

    started = [event for event in run.read_jsonl("events.jsonl") if event.get("event") == "ranks_started"][-1:]
    return [
        Fault(
            f"{name} changed since the life was started.",
            f"{name} (its hash: ranks_started in events.jsonl)",
            got,
            str(event.get(f"{name}_sha256")),
            RESTORE,
        )
        for event in started
        for name in ("genome.yaml", "plan.json")
        if (got := file_sha256(run / name)) != event.get(f"{name}_sha256")
    ]


def _differences(got: Any, expected: Any, where: str) -> Iterator[tuple[str, str, str]]:
    """(place, value, other value) for each leaf in which two JSON values differ."""
    if isinstance(got, dict) and isinstance(expected, dict):
        for key in [*expected, *(key for key in got if key not in expected)]:
            yield from _differences(got.get(key), expected.get(key), f"{where}.{key}" if where else key)
    elif isinstance(got, list) and isinstance(expected, list) and len(got) == len(expected):
        for number, (one, other) in enumerate(zip(got, expected, strict=True)):
            yield from _differences(one, other, f"{where}[{number}]")
    elif got != expected:
        yield where, repr(got)[:80], repr(expected)[:80]


def _file_faults(folder: Path, listed: dict[str, str]) -> dict[str, Fault]:
    """A fault for each file that is not as it was when the stage ended, by name."""
    from ontogeny.core.errors import Fault
    from ontogeny.train.fingerprints import FINGERPRINTS, LIVED_ROOT, fingerprints

    got = fingerprints(folder)
    expected = {name: digest for name, digest in listed.items() if name != LIVED_ROOT}
    return {
        name: Fault(
            "an exported file changed since it was written.",
            f"stages/{folder.name}/{name}",
            got.get(name, "no such file"),
            expected.get(name, f"no such name in {FINGERPRINTS}"),
            "restore the file, or grow the stage again",
        )
        for name in sorted(got.keys() | expected.keys())
        if got.get(name) != expected.get(name)
    }


def _adapter_faults(folder: Path, adapter: Path) -> list[Fault]:
    from ontogeny.core.errors import Fault, OntogenyError
    from ontogeny.models.adapters import check_adapter

    try:
        return check_adapter(folder / "model", adapter)
    except OntogenyError as problem:
        return list(problem.faults)
    except Exception as problem:
        return [
            Fault(
                "an adapter does not load.",
                f"stages/{folder.name}/adapters/{adapter.name}",
                f"{type(problem).__name__}: {str(problem).splitlines()[0] if str(problem) else ''}",
                "a PEFT folder that loads",
                "restore the file",
            )
        ]
