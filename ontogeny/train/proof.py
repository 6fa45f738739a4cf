"""The proof of a life: its corpus, its plan, what each stage was fed and left behind. Heavy rooms load when needed."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ontogeny.core.errors import Fault, OntogenyError
from ontogeny.core.hashes import file_sha256
from ontogeny.core.run import STAGE_FOLDER, RunDirectory
from ontogeny.train.fingerprints import FINGERPRINTS, LIVED_ROOT, LOG, fingerprints

if TYPE_CHECKING:
    from ontogeny.corpus.rows import Corpus

RESTORE = "restore the file from a copy of the run"
FAULTS_TOLD = 8


def verified(run: RunDirectory) -> tuple[list[str], list[Fault]]:
    """What was checked, and every fault found."""
    from ontogeny.corpus.proof import verify_corpus
    from ontogeny.corpus.rows import Corpus

    faults = verify_corpus(run / "corpus") + _found(_plan_faults, run) + _found(_measured_faults, run)
    if faults:
        return [], faults  # rows that are not the declared ones prove nothing about what was fed
    corpus = Corpus(run / "corpus")
    stages = [stage["name"] for stage in corpus.manifest["stages"]]
    packs = sum(stage["packs"] for stage in corpus.manifest["stages"])
    checks = [f"corpus: {len(corpus.manifest['books'])} books, {packs} packs, every root holds"]
    faults += _found(_started_faults, run) + _found(_unended, run, stages)
    for folder in run.stage_folders():
        faults += _found(_of_folder, run, corpus, folder, checks)
    return checks, faults


def _found(check: Callable[..., list[Fault]], *given: Any) -> list[Fault]:
    """What a check finds; a file that cannot be read is a fault like another."""
    try:
        return check(*given)
    except OntogenyError as problem:
        return list(problem.faults)
    except Exception as problem:  # whatever a damaged file leads to is a fault of that file, never a traceback
        places = ", ".join(str(one) for one in given if isinstance(one, Path)) or "genome.yaml, plan.json, events.jsonl"
        told = f"{type(problem).__name__}: {problem}"
        return [Fault("a file of the run cannot be read.", places, told, "files as they were written", RESTORE)]


def _of_folder(run: RunDirectory, corpus: Corpus, folder: Path, checks: list[str]) -> list[Fault]:
    """What is found in one stage folder; adds to `checks` what was looked at."""
    from ontogeny.corpus.consumed import verify_consumed

    named, listed = STAGE_FOLDER.fullmatch(folder.name), run.read_json(folder / FINGERPRINTS)
    index = int(named[1]) - 1
    if listed is None or index >= len(corpus.manifest["stages"]):
        checks.append(f"{folder.name}: not ended yet")
        return []
    told = f"{folder.name}: {len(listed)} files as fingerprinted"
    faults: list[Fault] = []
    if index >= 0:
        faults += _attempt_faults(run, corpus, index, folder) + _replay_faults(run, corpus, index, folder)
        faults += [] if faults else verify_consumed(corpus, index, folder, int(named[3] or 1))
        faults += [] if faults else _lived_faults(corpus, index, folder, listed)
        faults += _log_faults(run, folder)
        told += ", rows fed as " + ("sealed" if any(name.startswith(LIVED_ROOT) for name in listed) else "declared")
    checks.append(told)
    places = "\n".join(fault.where for fault in faults)
    faults += [fault for name, fault in _file_faults(folder, listed).items() if name not in places]
    for adapter in sorted((folder / "adapters").glob("[a-z]*")):
        faults += _adapter_faults(folder, adapter)
        checks.append(f"{folder.name}: adapter {adapter.name} loads")
    return faults


def _unended(run: RunDirectory, stages: list[str]) -> list[Fault]:
    """A stage that the life has left behind it has fingerprints; a life that is done has a folder for each stage."""
    folders = run.stage_folders()
    outcome = (run.read_json("outcome.json") or {}).get("outcome")
    faults = []
    for folder in folders if outcome in ("done", "gate_ended") else folders[:-1]:
        if not (folder / FINGERPRINTS).is_file():
            where, expected = f"stages/{folder.name}/{FINGERPRINTS}", "the hash of every file of the stage"
            faults.append(Fault("a stage that was left has no fingerprints.", where, "no file", expected, RESTORE))
    names = ["00-conception", *(f"{number:02d}-{name}" for number, name in enumerate(stages, 1))]
    passes: dict[str, int] = {}
    for folder in folders:
        name, _, last = folder.name.partition(".")
        passes[name] = max(passes.get(name, 1), int(last or 1))
    reached = len(names) if outcome == "done" else max((names.index(n) + 1 for n in passes if n in names), default=0)
    for name in names[:reached]:
        for number in range(1, passes.get(name, 1) + 1):
            place = f"stages/{name}" + (f".{number}" if number > 1 else "")
            if not (run / place).is_dir():
                what = "a stage that was lived is not there."
                faults.append(Fault(what, place, "no folder", "what the stage left", RESTORE))
    for name in passes.keys() - set(names):
        told = f"one of {', '.join(names)}"
        faults.append(Fault("a folder is that of no stage.", f"stages/{name}", name, told, "take it away"))
    return faults


def _lived_faults(corpus: Corpus, index: int, folder: Path, listed: dict) -> list[Fault]:
    """What was read of that which the weights decided is what the kept roots say."""
    from ontogeny.corpus.lived import CHOICES, lived_roots
    from ontogeny.corpus.sealed import FILES_OF

    got = lived_roots(corpus, index, folder)
    kept = {name.removeprefix(LIVED_ROOT): root for name, root in listed.items() if name.startswith(LIVED_ROOT)}
    chosen = {"books": CHOICES} if corpus.book_packs(index) else {}
    names = {phase: files[0] for phase, files in FILES_OF.items()} | chosen
    return [
        Fault(
            "the order that was lived is not the one sealed.",
            f"stages/{folder.name}/{names.get(phase, phase)} and {FINGERPRINTS}",
            str(got.get(phase)),
            str(kept.get(phase)),
            RESTORE,
        )
        for phase in sorted(got.keys() | kept.keys())
        if got.get(phase) != kept.get(phase)
    ]


def _replay_faults(run: RunDirectory, corpus: Corpus, index: int, folder: Path) -> list[Fault]:
    """The sealed rows of a replay are what the journals before it and the books make."""
    from ontogeny.core.genome import resolved_genome
    from ontogeny.corpus.journal import selection_of
    from ontogeny.corpus.journal_rows import journal_before, replay_faults
    from ontogeny.corpus.sealed import read_played, sealed_rows_of

    selection = selection_of(resolved_genome(run / "genome.yaml").arm)
    journal = (run.read_json("plan.json") or {})["stages"][index].get("journal") or {}
    rewritten = journal.get("rewrite") and sealed_rows_of(corpus.manifest["stages"][index])
    played = read_played(folder) if rewritten else None
    return replay_faults(corpus, index, journal_before(run, index + 1), selection, folder, played)


def _attempt_faults(run: RunDirectory, corpus: Corpus, index: int, folder: Path) -> list[Fault]:
    """The attempts that a stage's model wrote itself are those that its plan declares."""
    from ontogeny.corpus.braked import attempt_faults
    from ontogeny.corpus.sealed import Sealed

    plan = run.read_json("plan.json") or {}
    frac = plan["stages"][index]["loop_loss"].get("own_attempts_frac", 0.0)
    return attempt_faults(Sealed(folder, corpus, index), frac, plan["seed"])


def _log_faults(run: RunDirectory, folder: Path) -> list[Fault]:
    """The log of a stage is the one it had when its probes were measured."""
    told = [event for event in run.read_jsonl("events.jsonl") if event.get("event") == "probes_measured"]
    expected = next((e.get("metrics_sha256") for e in reversed(told) if e.get("stage") == folder.name), None)
    path = folder / LOG
    got = file_sha256(path) if path.is_file() else None
    if got == expected:
        return []
    where = f"stages/{folder.name}/{LOG} (its hash: probes_measured in events.jsonl)"
    return [Fault("the log of a stage changed since it was written.", where, str(got), str(expected), RESTORE)]


def _plan_faults(run: RunDirectory) -> list[Fault]:
    """The plan is the one that genome.yaml and the manifest make."""
    from ontogeny.core.genome import resolved_genome
    from ontogeny.core.plan import ModelFacts, World, make_plan
    from ontogeny.models.causal import model_facts

    try:
        manifest, written = run.read_json("corpus/manifest.json") or {}, run.read_json("plan.json") or {}
        genome = resolved_genome(run / "genome.yaml")
        try:
            model = ModelFacts(**model_facts(genome.model, manifest["tokenizer"]["vocab_size"]))
        except OntogenyError:  # a base that is not on this machine
            model = ModelFacts(**written["model"])
        made = json.loads(json.dumps(make_plan(genome, None, World(**written["world"]), model, manifest).as_dict()))
    except OntogenyError as problem:
        return list(problem.faults)
    except Exception as problem:
        told = f"{type(problem).__name__}: {problem}"
        return [Fault("a plan cannot be made.", "genome.yaml, plan.json", told, "the files of this run", RESTORE)]
    made["warnings"] = [one for one in made["warnings"] if one not in written.get("warnings", ())]
    differences = list(islice(_differences(written | {"warnings": []}, made, ""), FAULTS_TOLD))
    return [_plan_fault(place, got, expected, made) for place, got, expected in differences]


def _measured_faults(run: RunDirectory) -> list[Fault]:
    """What an arm is measured on is what its genome holds out."""
    from ontogeny.corpus.repack import MEASURED, STAGES

    arm = (run.read_json("corpus/manifest.json") or {}).get("arm")
    if arm is None:
        return []
    got: dict[str, Any] = {name: None for name in arm["measured"]}
    got |= {name: file_sha256(path) for name in got if (path := run / MEASURED / name).is_file()}
    got[STAGES] = run.read_json(f"{MEASURED}/{STAGES}")
    what, declared = "what an arm is measured on is not its genome's.", "declared in corpus/manifest.json"
    return [
        Fault(what, f"{MEASURED}/{name} ({declared})", str(got[name]), str(expected), RESTORE)
        for name, expected in (arm["measured"] | {STAGES: arm["stages"]}).items()
        if got[name] != expected
    ]


def _plan_fault(place: str, got: str, expected: str, made: dict[str, Any]) -> Fault:
    """A number of the plan that is not the genome's and the corpus's; a root is told with its stage."""
    what = "the plan is not that of the genome and the corpus."
    if found := re.fullmatch(r"stages\[(\d+)\]\.phases\.(\w+)\.root", place):
        what = f"the order root of {made['stages'][int(found[1])]['name']}/{found[2]} is not the plan's."
    return Fault(what, f"plan.json {place} (of genome.yaml and corpus/manifest.json)", got, expected, RESTORE)


def _started_faults(run: RunDirectory) -> list[Fault]:
    """Genome and plan are, byte for byte, those that the ranks were last started with."""
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
    got = fingerprints(folder)
    expected = {name: digest for name, digest in listed.items() if not name.startswith(LIVED_ROOT)}
    return {
        name: Fault(
            "an exported file changed since it was written.",
            f"stages/{folder.name}/{name} (its hash: stages/{folder.name}/{FINGERPRINTS})",
            got.get(name, "no such file"),
            expected.get(name, f"no such name in {FINGERPRINTS}"),
            "restore the file, or grow the stage again",
        )
        for name in sorted(got.keys() | expected.keys())
        if got.get(name) != expected.get(name)
    }


def _adapter_faults(folder: Path, adapter: Path) -> list[Fault]:
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
