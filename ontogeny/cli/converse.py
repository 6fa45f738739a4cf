"""`ontogeny converse`: the orchestra plays."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ontogeny.cli.shared import Json, Quiet, RunFolder

if TYPE_CHECKING:
    from ontogeny.core.run import RunDirectory
    from ontogeny.models.casting import Cast
    from ontogeny.models.foreign import ForeignCost
    from ontogeny.models.orchestra import Opening, Transcript


def register(app: typer.Typer) -> None:
    """Adds the verb."""
    app.command("converse")(converse)


def converse(
    run: RunFolder,
    scene: Annotated[Path | None, typer.Option("--scene", help="A scenes.yaml: its scenes are played.")] = None,
    scene_id: Annotated[str, typer.Option("--id", help="With --scene: this one alone.")] = "",
    topic: Annotated[str, typer.Option("--topic", help="A topic, or a question, that the teacher asks about.")] = "",
    cast: Annotated[
        str, typer.Option("--cast", help="ROLE@STAGE, with commas between; the others are of the trunk's stage.")
    ] = "",
    trunk: Annotated[
        str, typer.Option("--trunk", help="A stage whose trunk all play on; the latest one cast if not given.")
    ] = "",
    seed: Annotated[int | None, typer.Option("--seed", help="The run's if not given.")] = None,
    keep: Annotated[
        int | None, typer.Option("--keep", help="With --scene: turns given; those before the first attempt if not.")
    ] = None,
    turns: Annotated[int | None, typer.Option("--turns", help="Turns played; all there are if not given.")] = None,
    max_turn_tokens: Annotated[
        int | None, typer.Option("--max-turn-tokens", help="Where a turn that does not end is cut; 96 if not given.")
    ] = None,
    temperature: Annotated[float | None, typer.Option("--temperature", help="0.8 if not given.")] = None,
    top_p: Annotated[float | None, typer.Option("--top-p", help="The nucleus: 0.95 if not given.")] = None,
    measure: Annotated[
        bool, typer.Option("--measure", help="Also measure what an adapter on a trunk not its own costs.")
    ] = False,
    out: Annotated[Path | None, typer.Option("--out", help="Write the transcripts here, as JSON lines.")] = None,
    json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Let a run's specialists play a scene, or talk about a topic, each turn written by its role's adapter."""
    from ontogeny.cli.shared import existing_run

    directory = existing_run(run)
    drawing: dict[str, Any] = {"max_turn_tokens": max_turn_tokens, "temperature": temperature, "top_p": top_p}
    _require_sound((scene, topic, scene_id, keep), drawing, out)
    plan = _plan_of(directory)
    from ontogeny.models.casting import make_cast
    from ontogeny.models.foreign import measure_foreign_cost
    from ontogeny.models.orchestra import assemble, play, require_cast, topic_opening

    players = make_cast(directory, [word for word in cast.split(",") if word.strip()], trunk)
    if scene is None:
        openings = [topic_opening(topic, plan["language"], players, turns)]
    else:
        openings = _written(scene, scene_id, plan["language"], keep, turns)
    require_cast(players, openings)
    _state_foreign(players)
    asked = {name: value for name, value in drawing.items() if value is not None}
    orchestra = assemble(players, plan["context_tokens"])
    transcripts = play(orchestra, openings, plan["seed"] if seed is None else seed, **asked)
    costs = measure_foreign_cost(directory, players, plan["language"], plan["context_tokens"]) if measure else None
    _tell(transcripts, costs, out, json, quiet)


def _tell(
    transcripts: list[Transcript], costs: list[ForeignCost] | None, out: Path | None, json: bool, quiet: bool
) -> None:
    """`costs`: None where they were not asked for."""
    from dataclasses import asdict
    from json import dumps

    from ontogeny.cli.shared import print_json
    from ontogeny.core.run import write_atomic
    from ontogeny.models.orchestra import lines_of

    lines = [one.as_line() for one in transcripts]
    if out is not None:
        write_atomic(out, "".join(dumps(line, ensure_ascii=False) + "\n" for line in lines))
    if json:
        print_json({"transcripts": lines, "foreign_cost": [asdict(cost) for cost in costs or ()]})
    elif not quiet:
        for one in transcripts:
            print(f"{one.scene_id}  (trunk of {one.trunk}; {', '.join(one.cast.values())}; seed {one.seed})")
            print("\n".join(lines_of(one)) + "\n")
        if costs is not None:
            _print_costs(costs)


def _require_sound(asked: tuple[Path | None, str, str, int | None], drawing: dict[str, Any], out: Path | None) -> None:
    from ontogeny.core.errors import Fault, RunError

    scene, topic, scene_id, keep = asked
    faults = []
    if (scene is None) == (not topic.strip()):
        got = "neither" if scene is None else "both"
        faults.append(Fault("what is to be played is not clear.", "--scene, --topic", got, "one of them", "give one"))
    if scene is None and (scene_id or keep is not None):
        fix = "give --scene, or leave them out"
        faults.append(Fault("--id and --keep speak of a scene.", "--scene", "no file", "a scenes.yaml", fix))
    bounds = {"max_turn_tokens": (1, 1_000_000), "temperature": (0.01, 100.0), "top_p": (0.001, 1.0)}
    for name, (least, most) in bounds.items():
        value = drawing[name]
        if value is not None and not least <= value <= most:
            option = "--" + name.replace("_", "-")
            faults.append(Fault("a number is out of bounds.", option, str(value), f"{least} to {most}", "correct it"))
    if out is not None and (out.is_dir() or not out.absolute().parent.is_dir()):
        faults.append(
            Fault("no file can be written here.", "--out", str(out), "a file in a folder that exists", "choose another")
        )
    if faults:
        raise RunError(faults)


def _plan_of(run: RunDirectory) -> dict[str, Any]:
    """What is read off plan.json: language, seed, context_tokens."""
    from ontogeny.core.errors import Fault, RunError

    plan = run.read_json("plan.json")
    if not isinstance(plan, dict) or not {"language", "seed", "context_tokens"} <= plan.keys():
        fix = "let `ontogeny prepare` or `run` write it"
        raise RunError(Fault("this run has no plan.", str(run / "plan.json"), "nothing", "plan.json", fix))
    return plan


def _written(scene: Path, scene_id: str, language: str, keep: int | None, turns: int | None) -> list[Opening]:
    """The openings of a file's scenes in the run's language, or of one of them."""
    from ontogeny.core.errors import Fault, RunError, closest
    from ontogeny.models.orchestra import scene_opening
    from ontogeny.scenes.conflict import load_scenes

    scenes = {one.id: one for one in load_scenes(scene, language)}
    if scene_id and scene_id not in scenes:
        expected = f"an id of a scene there in language '{language}'{closest(scene_id, scenes)}"
        raise RunError(Fault("no such scene.", str(scene), f"'{scene_id}'", expected, "correct --id"))
    return [scene_opening(one, keep, turns) for one in scenes.values() if scene_id in ("", one.id)]


def _state_foreign(cast: Cast) -> None:
    """On standard error, however quiet the command: nobody should take such a turn for the specialist's own."""
    for member in cast.foreign:
        print(f"{member.name} plays on the trunk of {cast.trunk}, which it was not trained on", file=sys.stderr)


def _print_costs(costs: list[ForeignCost]) -> None:
    if not costs:
        print("every adapter sits on the trunk it was trained on: there is nothing to measure")
    for cost in costs:
        if cost.own_nats is None:
            print(f"{cost.member}: its stage holds out no turn of it")
        else:
            print(
                f"{cost.member}, {cost.turns} held-out turns of {cost.bytes:,} bytes, nats a byte: "
                f"{cost.own_nats:.4f} on its own trunk ({cost.own_bare_nats:.4f} without the adapter), "
                f"{cost.other_nats:.4f} on that of {cost.trunk} ({cost.other_bare_nats:.4f} without)"
            )
