"""`ontogeny verify`: order proof, fingerprints, adapters."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from ontogeny.cli.shared import Json, RunFolder, print_json

if TYPE_CHECKING:
    from ontogeny.core.errors import Fault
    from ontogeny.core.run import RunDirectory


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
    from ontogeny.corpus.proof import verify_consumed, verify_corpus
    from ontogeny.corpus.rows import Corpus

    faults = verify_corpus(run / "corpus") + _plan_faults(run)
    if faults:
        return [], faults  # rows that are not the declared ones prove nothing about what was fed
    corpus = Corpus(run / "corpus")
    checks = [
        f"corpus: {len(corpus.manifest['books'])} books, "
        f"{sum(stage['packs'] for stage in corpus.manifest['stages'])} packs, every root holds"
    ]
    for folder in run.stage_folders():
        number, _, name = folder.name.partition("-")
        name, _, last = name.partition(".")
        pass_ = int(last) if last.isdigit() else 1
        if (folder / "probes.json").is_file() and int(number):
            faults += verify_consumed(corpus, int(number) - 1, folder, pass_)
        found, files = _file_faults(folder)
        faults += found
        checks.append(
            f"{folder.name}: {files} files as fingerprinted"
            + (", rows fed as declared" if (folder / "consumed.bin").is_file() else "")
        )
        for adapter in sorted((folder / "adapters").glob("[a-z]*")):
            faults += _adapter_faults(folder, adapter)
            checks.append(f"{folder.name}: adapter {adapter.name} loads")
    return checks, faults


def _plan_faults(run: RunDirectory) -> list[Fault]:
    """The plan and the manifest speak of the same corpus."""
    from ontogeny.core.errors import Fault

    plan, manifest = run.read_json("plan.json") or {}, run.read_json("corpus/manifest.json") or {}
    faults = []
    if plan.get("corpus_hash") != manifest.get("corpus_hash"):
        faults.append(
            Fault(
                "the corpus is not the plan's.",
                "corpus/manifest.json corpus_hash",
                str(manifest.get("corpus_hash")),
                str(plan.get("corpus_hash")),
                "restore the run's corpus",
            )
        )
    for planned, declared in zip(plan.get("stages", []), manifest.get("stages", []), strict=False):
        for phase, entry in planned["phases"].items():
            if entry["root"] != declared["phases"][phase]["root"]:
                faults.append(
                    Fault(
                        f"the order root of {planned['name']}/{phase} is not the plan's.",
                        f"corpus/manifest.json stages[{planned['index']}].phases.{phase}.root",
                        declared["phases"][phase]["root"],
                        entry["root"],
                        "restore the run's manifest",
                    )
                )
    return faults


def _file_faults(folder: Path) -> tuple[list[Fault], int]:
    """Exported files against the fingerprints written with them."""
    import json

    from ontogeny.core.errors import Fault
    from ontogeny.core.hashes import file_sha256

    listed = folder / "fingerprints.json"
    if not listed.is_file():
        return [], 0
    fingerprints = json.loads(listed.read_text("utf-8"))
    faults = []
    for name, expected in fingerprints.items():
        got = file_sha256(folder / name) if (folder / name).is_file() else "no such file"
        if got != expected:
            faults.append(
                Fault(
                    "an exported file changed since it was written.",
                    f"stages/{folder.name}/{name}",
                    got,
                    expected,
                    "restore the file, or grow the stage again",
                )
            )
    return faults, len(fingerprints)


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
