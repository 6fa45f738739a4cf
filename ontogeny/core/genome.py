"""A genome file -> a Genome: composed, overridden, validated; all its faults in one go."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from ruamel.yaml import YAML

from ontogeny.core.arms import arm_faults
from ontogeny.core.errors import Fault, GenomeError, closest
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.library import CATALOGUE, Library, find_root, load_library
from ontogeny.core.lock import Lock, load_lock, unfilled_slots, unpinned_books
from ontogeny.core.positions import NO_FIT, Document, Where, load_yaml, model_faults, parse_yaml, shown
from ontogeny.core.rules import SCENES, rule_faults
from ontogeny.core.schema import STAGE_NAME, Genome

WHOLE = ("span", "gate", "scenes", "sections")  # a stage's own key replaces the default whole
MISSING = "???"  # OmegaConf's word for a value to come


class LoadedGenome:
    """A genome with what surrounds it: where it stands, its catalogue, and the place of every key."""

    def __init__(self, genome: Genome, path: Path, library: Library, document: Document):
        self.genome = genome
        self.path = path
        self.library = library
        self.document = document

    @property
    def provisional(self) -> list[Fault]:
        """Why its numbers are not final: slots without books, then remote books without a fingerprint."""
        told = [*unfilled_slots(self.genome), *unpinned_books(self.genome, self.library)]
        return [self.document.located(fault) for fault in told]

    def require_books(self) -> None:
        """Raises: GenomeError while slots have no books, with a fault for each."""
        if faults := unfilled_slots(self.genome):
            raise GenomeError([self.document.located(fault) for fault in faults])

    @property
    def resolved(self) -> dict[str, Any]:
        """The composed genome as plain values: what `genome.yaml` of a run holds."""
        value = self.genome.model_dump(mode="json", exclude_none=True)
        value["machine"]["deepspeed"] = self.genome.machine.deepspeed  # a null in these is a value of its own
        if self.genome.model.architecture is not None:
            value["model"]["architecture"] = self.genome.model.architecture
        return value

    @property
    def text(self) -> str:
        """`resolved` as YAML that `resolved_genome` reads back the same; in blocks, as a flow loses a key like ':0'."""
        writer, text = YAML(typ="safe", pure=True), io.StringIO()
        writer.default_flow_style, writer.allow_unicode, writer.width = False, True, 120
        writer.sort_base_mapping_type_on_output = False
        writer.dump(self.resolved, text)
        return text.getvalue()


def load_genome(
    path: Path, overrides: Sequence[str] = (), libraries: Sequence[Path] = (), locked: bool = True
) -> LoadedGenome:
    """Reads, composes, overrides and validates a genome; the lock beside it, if any, fills slots and pins books.

    Raises: GenomeError with every fault found, each with file:line:column; LibraryError for a catalogue."""
    path = Path(path)
    document = load_yaml(path, GenomeError)
    if not isinstance(document.value, dict):
        raise GenomeError(
            Fault(
                "a genome is not a mapping.",
                shown(path),
                type(document.value).__name__,
                "keys such as name, seed, model, stages",
                "start from `ontogeny genome new`",
            )
        )
    root = find_root(path.absolute().parent)
    if root is None:
        raise GenomeError(
            Fault(
                "no library stands near this genome.",
                shown(path),
                f"no {CATALOGUE} above it",
                f"a folder that holds {CATALOGUE}",
                "put the genome into the project, or make one",
            )
        )
    library = load_library(root, tuple(Path(extra) for extra in libraries))
    return compose(document, path, library, overrides, load_lock(path) if locked else None)


def compose(
    document: Document, path: Path, library: Library, overrides: Sequence[str], lock: Lock | None = None
) -> LoadedGenome:
    """The genome of a parsed file (see `load_genome`)."""
    library = lock.pin(library) if lock else library
    faults: list[Fault] = []
    raw = _without_references(document.value, (), document, faults)
    raw = _with_overrides(raw, [one for one in overrides if _key(one).endswith(".use")], document, faults)
    raw = _with_stage_defaults(raw, library, document, faults)
    raw = _with_overrides(raw, [one for one in overrides if not _key(one).endswith(".use")], document, faults)
    raw = lock.fill(raw, library) if lock else raw
    faults += rule_faults(raw, library, document)
    found, genome = model_faults(Genome, _with_trunk_and_roles(raw, document), document)
    faults += found
    faults += [document.located(fault) for fault in arm_faults(genome)] if genome is not None else []
    if faults or genome is None:
        raise GenomeError(once_a_place(faults))
    return LoadedGenome(genome, path, library, document)


def resolved_genome(path: Path) -> Genome:
    """The genome of a run directory: already composed, so nothing is looked up."""
    document = load_yaml(path, GenomeError)
    found, genome = model_faults(Genome, document.value, document)
    if genome is None:
        raise GenomeError(found)
    return genome


def genome_hash(genome: Genome) -> str:
    """SHA-256 of all that can influence what a life becomes; probes, experiment, gates' texts and machine left out.

    Gates stay in: a gate's repeat changes the weights."""
    value = genome.model_dump(mode="json", exclude={"machine": True, "name": True, "experiment": True})
    if value["arm"] is None:
        value.pop("arm")
    value["roles"] = list(value["roles"].items())  # their order is the order of their rows
    for stage in value["stages"]:
        stage.pop("probes")
        stage.pop("use")
    return sha256_hex(value)


def _without_references(value: Any, path: Where, document: Document, faults: list[Fault]) -> Any:
    """The value with every `${` told and disarmed, so that OmegaConf looks nothing up."""
    if isinstance(value, dict):
        return {key: _without_references(item, (*path, key), document, faults) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_references(item, (*path, index), document, faults) for index, item in enumerate(value)]
    if isinstance(value, str) and ("${" in value or value == MISSING):
        faults.append(
            Fault(
                "a genome reads nothing outside itself.",
                document.at(path),
                repr(value)[:120],
                "a value without '${' (and not '???')",
                "write the value out",
            )
        )
        return value.replace("${", "$ {").replace(MISSING, "?")
    return value


def _key(override: str) -> str:
    return override.partition("=")[0]


def _with_overrides(raw: dict, overrides: Sequence[str], document: Document, faults: list[Fault]) -> dict:
    if not overrides:
        return raw
    config = OmegaConf.create(raw)
    for override in overrides:
        key, equals, text = override.partition("=")
        place = f"command line: {override}"
        parent, _, leaf = key.rpartition(".")
        try:
            if not equals or not key or "[" in key:
                raise ValueError("it is not of the form key=value with list indices by dots")
            told = parse_yaml(text, place, GenomeError)
            value = _without_references(told.value, (), Document(None, place), faults)
            if parent.rpartition(".")[2] == "span":  # one unit at a time: {tokens: N} replaces {books: all}
                key, leaf, value = parent, "span", {leaf: value}
            OmegaConf.update(config, key, value, merge=leaf not in WHOLE)
        except GenomeError as problem:
            faults += problem.faults
            continue
        except (OmegaConfBaseException, ValueError, TypeError, KeyError, IndexError, AttributeError) as problem:
            faults.append(
                Fault(
                    "an override cannot be applied.",
                    place,
                    str(problem).splitlines()[0][:160],
                    "key=value, list indices by dots: stages.0.span.tokens=5000",
                    "correct the override",
                )
            )
            continue
        where: Where = tuple(int(part) if part.isdigit() else part for part in key.split("."))
        document.places = {path: at for path, at in document.places.items() if path[: len(where)] != where}
        document.places[where] = place
    return _plain(config)


def _plain(config: Any) -> dict:
    value = OmegaConf.to_container(config)
    assert isinstance(value, dict), type(value)
    return {str(key): item for key, item in value.items()}


def _merged(base: dict, over: dict) -> dict:
    """`over` on `base`, key by key; the keys of WHOLE at once."""
    try:
        merged = _plain(OmegaConf.merge(base, over))
    except (OmegaConfBaseException, TypeError, ValueError):  # a mapping over a list, or the like: the type check tells
        merged = {**base, **over}
    _take_whole(merged, over)
    return merged


def _take_whole(merged: dict, over: dict) -> None:
    for key, value in over.items():
        if key in WHOLE:
            merged[key] = value
        elif isinstance(value, dict) and isinstance(merged.get(key), dict):
            _take_whole(merged[key], value)


def _with_stage_defaults(raw: dict, library: Library, document: Document, faults: list[Fault]) -> dict:
    stages = raw.get("stages")
    if not isinstance(stages, list):
        return raw
    composed = []
    for index, stage in enumerate(stages):
        if not isinstance(stage, dict) or not isinstance(stage.get("use"), str):
            composed.append(stage)
            continue
        try:
            defaults = _stage_file(stage, library.root, document, ("stages", index), faults)
        except GenomeError as problem:
            faults += problem.faults
            defaults = _unread(stage["use"], index, library)
        composed.append(_merged(defaults, stage))
    return {**raw, "stages": composed}


def _unread(use: str, index: int, library: Library) -> dict:
    """What stands for a stage file that could not be read, so that it is one fault and not one for each key."""
    name = Path(use).name[:80] if re.fullmatch(STAGE_NAME, Path(use).name) else f"unread-{index}"
    sections = [{"name": "unread", "books": list(library.entries)[:1]}]
    return {"name": name, "span": {"books": "all"}, "sections": sections}


def _stage_file(stage: dict, root: Path, document: Document, where: Where, faults: list[Fault]) -> dict:
    """The defaults of a stage's folder. Raises: GenomeError where there are none to be had."""
    use = stage["use"]
    place = document.at((*where, "use"))
    try:
        files = [(root / use / name).resolve() for name in ("stage.yaml", SCENES)]
        leaves = not all(file.parent != root.resolve() and file.is_relative_to(root.resolve()) for file in files)
        there = files[0].is_file()
    except (OSError, ValueError):  # a name no file can have
        leaves = there = False
    if leaves or Path(use).is_absolute():
        raise GenomeError(
            Fault(
                "a stage folder leaves the library's folder.",
                place,
                repr(use)[:120],
                f"a folder under the one that holds {CATALOGUE}",
                "copy the stage folder in",
            )
        )
    if not there:
        near = sorted(str(path.parent.relative_to(root)) for path in (root / "stages").glob("*/stage.yaml"))
        raise GenomeError(
            Fault(
                "a stage folder does not exist.",
                place,
                repr(use)[:120],
                f"one of {', '.join(near)}{closest(use, near)}",
                "correct `use`, or make the folder with a stage.yaml",
            )
        )
    defaults = load_yaml(root / use / "stage.yaml", GenomeError)
    if not isinstance(defaults.value, dict):
        raise GenomeError(
            Fault(
                "a stage file is not a mapping.",
                defaults.file,
                type(defaults.value).__name__,
                "keys such as name, sections, scenes",
                "see stages/primer/stage.yaml",
            )
        )
    value = _without_references(defaults.value, (), defaults, faults)
    if value.pop("use", None) is not None:
        faults.append(
            Fault("a stage file uses another.", defaults.at(("use",)), "use", "keys of its own", "remove `use`")
        )
    for path, at in defaults.places.items():
        if not (path and path[0] in WHOLE and path[0] in stage):
            document.places.setdefault((*where, *path), at)
    value.setdefault("name", Path(use).name)
    return value


def _with_trunk_and_roles(raw: dict, document: Document) -> dict:
    """Each stage gets the genome's trunk and roles, with its own keys over them."""
    stages = raw.get("stages")
    if not isinstance(stages, list):
        return raw
    inherited = [(path, at) for path, at in document.places.items() if path and path[0] in ("trunk", "roles")]
    for index in range(len(stages)):
        for path, at in inherited:
            document.places.setdefault(("stages", index, *path), at)
    return {**raw, "stages": [_grown(stage, raw) for stage in stages]}


def _grown(stage: Any, raw: dict) -> Any:
    if not isinstance(stage, dict):
        return stage
    grown = dict(stage)
    for key in ("trunk", "roles"):
        ours, base = stage.get(key) or {}, raw.get(key) or {}
        if not isinstance(ours, dict) or not isinstance(base, dict):
            continue
        if key == "roles":  # a role nobody defined is a broken rule, told there
            ours = {name: value for name, value in ours.items() if name in base}
        grown[key] = _merged(base, ours)
    return grown


def once_a_place(faults: Iterable[Fault]) -> list[Fault]:
    """Each fault once: one in `trunk` shows again in every stage that inherits it, and a broken rule shows again as
    a value that does not fit."""
    kept: dict[tuple[str, str], Fault] = {}
    for fault in faults:
        place = fault.where.rpartition("  ")[0] or fault.where
        told = any(place == other for other, _ in kept)
        if not (told and fault.what.endswith(NO_FIT)):
            kept.setdefault((place, fault.what), fault)
    return list(kept.values())


def genome_schema() -> str:
    """The JSON Schema of a genome file, for editors."""
    schema = Genome.model_json_schema()
    stage = schema["$defs"]["Stage"]
    stage["required"] = []  # a stage file may give any of them
    return json.dumps(schema, indent=2) + "\n"
