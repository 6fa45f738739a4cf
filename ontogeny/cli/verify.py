"""`ontogeny verify`: order proof, fingerprints, adapters."""

from __future__ import annotations

import typer

from ontogeny.cli.shared import Json, Quiet, RunFolder, print_json
from ontogeny.train.proof import verified


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("verify")(verify)


def verify(run: RunFolder, json: Json = False, quiet: Quiet = False) -> None:
    """Prove that what was read is what is declared, that no file changed since, and that every adapter loads."""
    from ontogeny.cli.shared import existing_run
    from ontogeny.core.errors import VerifyError

    directory = existing_run(run)
    checks, faults = verified(directory)
    if json:
        print_json({"holds": not faults, "checks": checks, "faults": [fault.__dict__ for fault in faults]})
        raise typer.Exit(VerifyError.exit_code if faults else 0)
    if faults:
        raise VerifyError(faults)
    for check in checks if not quiet else ():
        print(check)
