"""`ontogeny scenes`: the authored scenes of the stages."""

from __future__ import annotations

from dataclasses import asdict

import typer

from ontogeny.cli.shared import Json, Quiet, print_json

Language = typer.Option("", "--language", help="Only scenes of this language.")


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(no_args_is_help=True, help="The library of tensions: authored scenes.")
    group.command("list")(list_scenes)
    group.command("show")(show)
    app.add_typer(group, name="scenes")


def list_scenes(
    stage: str = typer.Option("", help="Only this stage's."),
    language: str = Language,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the authored scenes: id, stage, field, tags."""
    found = [(folder, scene) for folder, scene in _scenes(language) if stage in ("", folder)]
    if json:
        print_json([{"stage": folder, **asdict(scene)} for folder, scene in found])
        return
    for folder, scene in found if not quiet else ():
        print(f"{scene.id:<40} {folder:<11} {scene.field:<18} {', '.join(scene.tags)}")


def show(
    scene_id: str = typer.Argument(metavar="ID"), language: str = Language, json: Json = False, quiet: Quiet = False
) -> None:
    """Print one scene as the model reads it, with what it should find and its foil."""
    from ontogeny.core.errors import Fault, LibraryError, closest
    from ontogeny.scenes.shape import render

    scenes = {scene.id: scene for _, scene in _scenes(language)}
    if scene_id not in scenes:
        raise LibraryError(
            Fault(
                "no such scene.",
                "stages/*/scenes.yaml",
                f"'{scene_id}'",
                f"an id of `ontogeny scenes list`{closest(scene_id, scenes)}",
                "correct the id",
            )
        )
    scene = scenes[scene_id]
    if json:
        print_json(asdict(scene))
        return
    if quiet:
        return
    print("".join(piece.text for piece in render(scene)).rstrip())
    print(f"\nresolution expected: {scene.resolution_expected}\nfoil: {scene.foil}")


def _scenes(language: str) -> list:
    from ontogeny.cli.shared import nearest_root
    from ontogeny.scenes.conflict import read_scenes

    return [
        (path.parent.name, scene)
        for path in sorted((nearest_root() / "stages").glob("*/scenes.yaml"))
        for scene in read_scenes(path)
        if language in ("", scene.language)
    ]
