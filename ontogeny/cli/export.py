"""`ontogeny export`: a folder that transformers or peft loads."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ontogeny.cli.shared import Quiet, RunFolder


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("export")(export)


def export(
    run: RunFolder,
    stage: Annotated[str, typer.Option("--stage", help="A stage's name, or conception.")],
    role: Annotated[str, typer.Option("--role", help="This role's adapter instead of the model.")] = "",
    merge: Annotated[bool, typer.Option("--merge", help="With --role: the model with the adapter in it.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Where to; ./<run>-<stage>[-<role>] if not given.")] = None,
    quiet: Quiet = False,
) -> None:
    """Copy a stage's model, a role's adapter, or both merged, into a folder of its own."""
    from ontogeny.cli.shared import existing_run
    from ontogeny.core.errors import Fault, RunError, closest

    directory = existing_run(run)
    stages = {
        folder.name.partition("-")[2].partition(".")[0]: folder
        for folder in directory.stage_folders()
        if (folder / "model").is_dir()
    }
    if stage not in stages:
        raise RunError(
            Fault(
                "no such stage to export.",
                str(directory.path),
                f"'{stage}'",
                f"one of {', '.join(stages)}{closest(stage, stages)}",
                "correct --stage",
            )
        )
    roles = [path.name for path in sorted((stages[stage] / "adapters").glob("[a-z]*"))]
    if (role and role not in roles) or (merge and not role):
        raise RunError(
            Fault(
                "no such role to export.",
                str(stages[stage]),
                f"'{role}'",
                f"one of {', '.join(roles) or 'none'}{closest(role, roles)}",
                "correct --role",
            )
        )
    final = out or Path("-".join(part for part in (directory.path.name, stage, role) if part))
    if final.exists() and (final.is_file() or any(final.iterdir())):
        raise RunError(
            Fault(
                "the folder to export to is not empty.",
                str(final),
                "files in it",
                "an absent or empty folder",
                "choose another --out",
            )
        )
    folder = _write(stages[stage], role, merge, final.absolute())
    if not quiet:
        print(folder)


def _write(stage: Path, role: str, merge: bool, final: Path) -> Path:
    """Makes the folder aside and lets it appear whole."""
    import shutil

    from ontogeny.core.run import publish_folder, remove_tree

    if role:
        from ontogeny.models.adapters import require_base

        require_base(stage / "model", stage / "adapters" / role)
    aside = final.with_name(f".{final.name}.tmp")
    remove_tree(aside)
    if merge:
        _write_merged(stage / "model", stage / "adapters" / role, aside)
    else:
        shutil.copytree(stage / "adapters" / role if role else stage / "model", aside)
    publish_folder(aside, final)
    return final


def _write_merged(model_folder: Path, adapter: Path, out: Path) -> None:
    from ontogeny.models.adapters import load_adapter
    from ontogeny.models.causal import load_model, write_model

    model = load_model(model_folder)
    dtype = model.dtype
    merged = load_adapter(model, adapter).merge_and_unload()
    write_model(merged.state_dict(), merged.config, model_folder, out, dtype)
