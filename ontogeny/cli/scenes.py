"""`ontogeny scenes`: the authored scenes of the stages."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ontogeny.cli.shared import Json, Quiet, print_json

if TYPE_CHECKING:
    from ontogeny.core.errors import Fault
    from ontogeny.scenes.shape import Scene

SOURCES = "stages/*/scenes.yaml"
MOST_TOLD = 10  # a filter with more values than this is not answered with all of them

Stage = Annotated[str, typer.Option("--stage", help="Only scenes of this stage.")]
Field = Annotated[str, typer.Option("--field", help="Only scenes of this field of knowledge.")]
Tag = Annotated[str, typer.Option("--tag", help="Only scenes with this tag.")]
Kind = Annotated[str, typer.Option("--kind", help="Only scenes of this kind: conflict, mismatch.")]
Language = Annotated[str, typer.Option("--language", help="Only scenes of this language.")]
Level = Annotated[str, typer.Option("--level", help="Only scenes of this level.")]


@dataclass(frozen=True)
class Authored:
    """A scene and where it was written."""

    scene: Scene
    stage: str
    file: str
    line: int

    def record(self) -> dict[str, Any]:
        """All of it as JSON."""
        return {"stage": self.stage, "file": self.file, "line": self.line, **asdict(self.scene)}

    def row(self) -> str:
        """One line: id, stage, kind, field, tags."""
        one = self.scene
        return f"{one.id:<40} {self.stage:<11} {one.kind:<9} {one.field:<22} {', '.join(one.tags)}"


VALUES: dict[str, Callable[[Authored], Iterable[str]]] = {
    "stage": lambda one: (one.stage,),
    "field": lambda one: (one.scene.field,),
    "tag": lambda one: one.scene.tags,
    "kind": lambda one: (one.scene.kind,),
    "language": lambda one: (one.scene.language,),
    "level": lambda one: (one.scene.level,),
}


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    group = typer.Typer(no_args_is_help=True, help="The library of tensions: authored scenes.")
    group.command("list")(list_scenes)
    group.command("find")(find)
    group.command("show")(show)
    app.add_typer(group, name="scenes")


def list_scenes(
    stage: Stage = "",
    field: Field = "",
    tag: Tag = "",
    kind: Kind = "",
    language: Language = "",
    level: Level = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """List the authored scenes: id, stage, kind, field, tags."""
    asked = {"stage": stage, "field": field, "tag": tag, "kind": kind, "language": language, "level": level}
    _print(_chosen(asked, []), json, quiet)


def find(
    text: Annotated[list[str], typer.Argument(metavar="TEXT...", help="Words, or beginnings of words: all of them.")],
    stage: Stage = "",
    field: Field = "",
    tag: Tag = "",
    kind: Kind = "",
    language: Language = "",
    level: Level = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Find authored scenes by words of their turns, field and tags, in any case."""
    asked = {"stage": stage, "field": field, "tag": tag, "kind": kind, "language": language, "level": level}
    _print(_chosen(asked, " ".join(text).split()), json, quiet)


def show(
    scene_id: Annotated[str, typer.Argument(metavar="ID")],
    language: Language = "",
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Print one scene as the model reads it, what it should find, its foil, and where it was written."""
    from ontogeny.core.errors import Fault, LibraryError, closest
    from ontogeny.scenes.shape import render

    known = {one.scene.id: one for one in _every_scene() if language in ("", one.scene.language)}
    if scene_id not in known:
        expected = f"an id of `ontogeny scenes list`{closest(scene_id, known)}"
        raise LibraryError(Fault("no such scene.", SOURCES, f"'{scene_id}'", expected, "correct the id"))
    one = known[scene_id]
    if json:
        print_json(one.record())
        return
    if quiet:
        return
    print("".join(piece.text for piece in render(one.scene)).rstrip())
    print(f"\nresolution expected: {one.scene.resolution_expected}\nfoil: {one.scene.foil}")
    print(f"tags: {', '.join(one.scene.tags)}\nwritten: {one.file}:{one.line}")


def _print(found: list[Authored], json: bool, quiet: bool) -> None:
    if json:
        print_json([one.record() for one in found])
        return
    for one in found if not quiet else ():
        print(one.row())


def _every_scene() -> list[Authored]:
    from ontogeny.cli.shared import nearest_root
    from ontogeny.core.errors import LibraryError
    from ontogeny.core.positions import load_known_yaml
    from ontogeny.scenes.conflict import read_scenes

    found = []
    for path in sorted((nearest_root() / "stages").glob("*/scenes.yaml")):
        scenes, document = read_scenes(path), load_known_yaml(path, LibraryError)
        for index, scene in enumerate(scenes):
            line = int(document.places[index,].rsplit(":", 2)[1])
            found.append(Authored(scene, path.parent.name, document.file, line))
    return found


def _chosen(asked: dict[str, str], words: list[str]) -> list[Authored]:
    """The scenes that pass every filter that says something and hold every word.

    Raises: LibraryError where something was asked for and no scene has it."""
    from ontogeny.core.errors import LibraryError

    tests = {f"--{name} '{value}'": _has(name, value) for name, value in asked.items() if value}
    tests |= {f"'{word}'": _speaks_of(word) for word in words}
    everything = _every_scene()
    found = [one for one in everything if all(test(one) for test in tests.values())]
    if tests and not found:
        raise LibraryError(_none_found(everything, asked, words, tests))
    return found


def _has(name: str, value: str) -> Callable[[Authored], bool]:
    return lambda one: value.casefold() in {known.casefold() for known in VALUES[name](one)}


def _speaks_of(word: str) -> Callable[[Authored], bool]:
    sought = re.compile(rf"(?<!\w){re.escape(_plain(word))}")

    def test(one: Authored) -> bool:
        parts = [one.scene.field, *one.scene.tags, *(turn.text for turn in one.scene.turns)]
        return sought.search(_plain("\n".join(parts))) is not None

    return test


def _plain(text: str) -> str:
    return text.casefold().replace("ё", "е")  # Russian readers type either


def _none_found(
    everything: list[Authored], asked: dict[str, str], words: list[str], tests: dict[str, Callable[[Authored], bool]]
) -> list[Fault]:
    """What to tell of a search without a result: each thing that no scene has, or else that none has all of them."""
    from ontogeny.core.errors import Fault, closest

    faults = []
    for name, value in asked.items():
        if not value or any(map(_has(name, value), everything)):
            continue
        known = sorted({one for scene in everything for one in VALUES[name](scene)})
        told = ", ".join(known) if len(known) <= MOST_TOLD else f"a {name} of `ontogeny scenes list`"
        expected = f"{told}{closest(value.casefold(), known)}"
        faults.append(Fault(f"no scene has this {name}.", SOURCES, f"--{name} '{value}'", expected, "correct it"))
    known = sorted({one for scene in everything for name in ("field", "tag") for one in VALUES[name](scene)})
    for word in words:
        if not any(map(_speaks_of(word), everything)):
            expected = f"a word, or its beginning, of a turn, a field or a tag{closest(word.casefold(), known)}"
            faults.append(Fault("no scene speaks of this.", SOURCES, f"'{word}'", expected, "try another word"))
    if faults:
        return faults
    fewer = [
        f"{count} without {left}"
        for left in tests
        if (count := sum(all(test(one) for key, test in tests.items() if key != left) for one in everything))
    ]
    expected = f"fewer of them{': ' if fewer else ''}{', '.join(fewer)}"
    return [Fault("no scene has all of this at once.", SOURCES, " ".join(tests), expected, "leave one out")]
