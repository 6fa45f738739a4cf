"""Rules that join several keys of a genome. They look at raw values, so that they speak even when types do not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ontogeny.core.cleaning import unknown_rules
from ontogeny.core.errors import Fault, closest
from ontogeny.core.library import CATALOGUE, Library
from ontogeny.core.positions import Document, Where
from ontogeny.core.schema import CAST, RESERVED_SPEAKERS, TRUNK
from ontogeny.core.schema_apparatus import DEFAULT_BATTERY, PROBES

SCENES = "scenes.yaml"
SHAPE_OF_ADAPTER = {"rank": None, "targets": "attention", "layers": "all"}  # with what is meant where nothing is said
RESERVED_STAGE_NAMES = ("books", "tokenizer", "general", "conception")  # folders of a corpus and a run have these names


def rule_faults(raw: dict, library: Library, document: Document) -> list[Fault]:
    """Every broken rule of a composed genome that is not a matter of one key's type."""
    faults: list[Fault] = []
    faults += _batch_faults(raw, document)
    faults += _role_name_faults(raw, document)
    faults += _cleaning_faults(raw, document)
    names: dict[str, int] = {}
    for index, stage in _stages(raw):
        name = stage.get("name")
        if isinstance(name, str) and name in names:
            faults.append(
                Fault(
                    f"two stages have the name '{name}'.",
                    document.at(("stages", index, "name")),
                    f"'{name}' (also stages[{names[name]}])",
                    "a name of its own for every stage",
                    "rename one with `name:`",
                )
            )
        elif isinstance(name, str):
            names[name] = index
        if name in RESERVED_STAGE_NAMES:
            faults.append(
                Fault(
                    f"a stage may not be called '{name}'.",
                    document.at(("stages", index, "name")),
                    f"'{name}'",
                    f"another name than {', '.join(RESERVED_STAGE_NAMES)}",
                    "rename it with `name:`",
                )
            )
    for index, stage in _stages(raw):
        faults += _book_faults(index, stage, library, document)
        faults += _slot_name_faults(index, stage, document)
        faults += _scene_faults(index, stage, library.root, document)
        faults += _rewrite_faults(index, stage, raw, document)
        faults += _stage_role_faults(index, stage, raw, document)
        faults += _inherit_faults(index, stage, raw, document)
        faults += _gate_faults(index, stage, raw, names, document)
        faults += _probe_faults(index, stage, document)
    return faults


def books_of(stage: dict) -> Iterator[tuple[int, int, str]]:
    """(section index, book index, book id) of a raw stage, leaving out what is not text."""
    sections = stage.get("sections")
    for number, section in enumerate(sections if isinstance(sections, list) else []):
        books = section.get("books") if isinstance(section, dict) else None
        for position, book in enumerate(books if isinstance(books, list) else []):
            if isinstance(book, str):
                yield number, position, book


def _stages(raw: dict) -> Iterator[tuple[int, dict]]:
    stages = raw.get("stages")
    for index, stage in enumerate(stages if isinstance(stages, list) else []):
        if isinstance(stage, dict):
            yield index, stage


def _mapping(value: Any) -> dict:
    return value if isinstance(value, dict) else {}


def _batch_faults(raw: dict, document: Document) -> Iterator[Fault]:
    context = _mapping(raw.get("model")).get("context_tokens")
    if not isinstance(context, int) or context <= 0:
        return
    holders: list[tuple[Where, Any]] = [(("trunk",), raw.get("trunk"))]
    holders += [(("roles", name), role) for name, role in _mapping(raw.get("roles")).items()]
    for index, stage in _stages(raw):
        holders.append((("stages", index, "trunk"), stage.get("trunk")))
        holders += [(("stages", index, "roles", name), role) for name, role in _mapping(stage.get("roles")).items()]
    for where, holder in holders:
        batch = _mapping(holder).get("batch_tokens")
        if isinstance(batch, int) and not isinstance(batch, bool) and batch > 0 and batch % context:
            yield Fault(
                "a batch is not a whole number of packs.",
                document.at((*where, "batch_tokens")),
                str(batch),
                f"a multiple of model.context_tokens ({context})",
                f"write {max(context, round(batch / context) * context)}",
            )


def _role_name_faults(raw: dict, document: Document) -> Iterator[Fault]:
    for name in _mapping(raw.get("roles")):
        if name in RESERVED_SPEAKERS:
            yield Fault(
                f"'{name}' is not a role's name.",
                document.at(("roles", name)),
                f"'{name}'",
                "a name other than " + ", ".join(RESERVED_SPEAKERS),
                "rename the role",
            )
    if len(_mapping(raw.get("roles"))) > 30:
        yield Fault("too many roles.", document.at(("roles",)), str(len(raw["roles"])), "at most 30", "drop some")


def _cleaning_faults(raw: dict, document: Document) -> Iterator[Fault]:
    for position, name, expected in unknown_rules(_mapping(raw.get("cleaning")).get("skip_rules")):
        yield Fault(
            "a rule of cleaning does not exist.",
            document.at(("cleaning", "skip_rules", position)),
            f"'{name}'",
            expected,
            "correct the name",
        )


def _book_faults(index: int, stage: dict, library: Library, document: Document) -> Iterator[Fault]:
    for section, position, book in books_of(stage):
        if book not in library.entries:
            where = ("stages", index, "sections", section, "books", position)
            yield Fault(
                f"stage '{stage.get('name')}' names a book the library does not have.",
                document.at(where),
                f"'{book}'",
                f"a book id from {CATALOGUE}{closest(book, library.entries)}",
                f"correct the id, add the book to {CATALOGUE}, or name the genome's own catalogue with --library",
            )


def _slot_name_faults(index: int, stage: dict, document: Document) -> Iterator[Fault]:
    """A lock names a slot by its stage and section."""
    sections = stage.get("sections")
    met: set[str] = set()
    for number, section in enumerate(sections if isinstance(sections, list) else []):
        if isinstance(section, dict) and "slot" in section and isinstance(section.get("name"), str):
            if section["name"] in met:
                yield Fault(
                    f"two slots of stage '{stage.get('name')}' have the name '{section['name']}'.",
                    document.at(("stages", index, "sections", number, "name")),
                    f"'{section['name']}'",
                    "a name of its own for every slot of a stage",
                    "rename one",
                )
            met.add(section["name"])


def _scene_faults(index: int, stage: dict, root: Path, document: Document) -> Iterator[Fault]:
    kinds = _mapping(stage.get("scenes")).get("kinds")
    if not isinstance(kinds, list) or "conflict" not in kinds:
        return
    use = stage.get("use")
    if not isinstance(use, str) or (_is_there(root / use / "stage.yaml") and not _is_there(root / use / SCENES)):
        yield Fault(
            "conflict scenes are asked for, and none stand near.",
            document.at(("stages", index, "scenes")),
            f"use: {use!r}",
            f"a stage folder with a {SCENES}",
            "name one with `use:`, or take 'conflict' out of kinds",
        )


def _is_there(path: Path) -> bool:
    try:
        return path.is_file()
    except (OSError, ValueError):  # a name no file can have
        return False


def _stage_role_faults(index: int, stage: dict, raw: dict, document: Document) -> Iterator[Fault]:
    defined = _mapping(raw.get("roles"))
    for name in _mapping(stage.get("roles")):
        if name not in defined:
            yield Fault(
                f"stage '{stage.get('name')}' speaks of a role nobody defined.",
                document.at(("stages", index, "roles", name)),
                f"'{name}'",
                f"one of {', '.join(defined) or 'no role at all'}{closest(name, defined)}",
                "define the role under `roles:`, or correct its name",
            )


def _rewrite_faults(index: int, stage: dict, raw: dict, document: Document) -> Iterator[Fault]:
    """A journal that is rewritten into scenes needs those who speak in them."""
    lacking = [role for role in CAST if role not in _mapping(raw.get("roles"))]
    if _mapping(stage.get("journal")).get("rewrite") is True and lacking:
        yield Fault(
            "a journal is to be rewritten into scenes, and roles are wanting.",
            document.at(("stages", index, "journal", "rewrite")),
            f"no role {', '.join(lacking)}",
            f"roles {', '.join(CAST)}",
            "define them under `roles`, or say `rewrite: false`",
        )


def _inherit_faults(index: int, stage: dict, raw: dict, document: Document) -> Iterator[Fault]:
    """An adapter that goes on from the stage before has its rank, targets and layers."""
    before = dict(_stages(raw)).get(index - 1)
    if before is None:
        return
    for name, base in _mapping(raw.get("roles")).items():
        now, then = ({**_mapping(base), **_mapping(_mapping(one.get("roles")).get(name))} for one in (stage, before))
        if now.get("inherit", "continue") != "continue":
            continue
        for key, default in SHAPE_OF_ADAPTER.items():
            was, is_ = then.get(key, default), now.get(key, default)
            if was != is_:
                yield Fault(
                    f"the adapter of '{name}' cannot go on from the stage before.",
                    document.at(("stages", index, "roles", name, key)),
                    f"{key} {is_!r}, inherit: continue",
                    f"{was!r}, as in stage '{before.get('name')}'",
                    f"keep `{key}`, or say `inherit: fresh` in stage '{stage.get('name')}'",
                )


def _gate_faults(index: int, stage: dict, raw: dict, names: dict[str, int], document: Document) -> Iterator[Fault]:
    gate = _mapping(stage.get("gate"))
    where = ("stages", index, "gate")
    subject, on, probe = gate.get("subject", TRUNK), gate.get("on"), gate.get("probe")
    roles = _mapping(raw.get("roles"))
    if isinstance(on, str) and on not in names:
        yield Fault(
            "a gate looks at a stage that does not exist.",
            document.at((*where, "on")),
            f"'{on}'",
            f"one of {', '.join(names)}{closest(on, names)}",
            "correct `on`",
        )
    if isinstance(subject, str) and subject != TRUNK and subject not in roles:
        yield Fault(
            "a gate looks at a role nobody defined.",
            document.at((*where, "subject")),
            f"'{subject}'",
            f"{TRUNK}, {', '.join(roles)}{closest(subject, roles)}",
            "correct `subject`",
        )
    elif subject != TRUNK and (probe != "conflict_resolution" or on != stage.get("name")):
        yield Fault(
            "a gate asks of a role what is not measured of roles.",
            document.at(where),
            f"probe {probe!r} on {on!r}",
            f"conflict_resolution on '{stage.get('name')}'",
            "roles are scored on conflict_resolution, on the stage just read",
        )
    battery = _mapping(stage.get("probes")).get("battery", list(DEFAULT_BATTERY))
    if isinstance(probe, str) and probe in PROBES and isinstance(battery, list) and probe not in battery:
        yield Fault(
            "a gate looks at a probe that the stage does not measure.",
            document.at((*where, "probe")),
            f"'{probe}'",
            f"one of the stage's battery: {', '.join(map(str, battery))}",
            "add the probe to `probes.battery`",
        )


def _probe_faults(index: int, stage: dict, document: Document) -> Iterator[Fault]:
    battery = _mapping(stage.get("probes")).get("battery")
    for position, name in enumerate(battery if isinstance(battery, list) else []):
        if isinstance(name, str) and name not in PROBES:
            yield Fault(
                f"a probe '{name}' does not exist.",
                document.at(("stages", index, "probes", "battery", position)),
                f"'{name}'",
                f"one of {', '.join(PROBES)}{closest(name, PROBES)}",
                "correct the name",
            )
