"""A genome file -> a Genome: composed, overridden, validated; all its faults in one go."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ontogeny.core.errors import Fault, GenomeError
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.library import CATALOGUE, Library, find_root, load_library
from ontogeny.core.positions import Document, Where, load_yaml, model_faults, parse_yaml, shown
from ontogeny.core.rules import rule_faults
from ontogeny.core.schema import Genome

WHOLE = ("span", "gate", "scenes", "sections")  # a stage's own key replaces the default whole


class LoadedGenome:
    """A genome with what surrounds it: where it stands, its catalogue, and the place of every key."""

    def __init__(self, genome: Genome, path: Path, library: Library, document: Document):
        self.genome = genome
        self.path = path
        self.library = library
        self.document = document

    @property
    def resolved(self) -> dict[str, Any]:
        """The composed genome as plain values: what `genome.yaml` of a run holds."""
        return self.genome.model_dump(mode="json", exclude_none=True)


def load_genome(path: Path, overrides: Sequence[str] = (), libraries: Sequence[Path] = ()) -> LoadedGenome:
    """Reads, composes, overrides and validates a genome.

    Raises: GenomeError with every fault found, each with file:line:column; LibraryError for a catalogue."""
    path = Path(path)
    document = load_yaml(path, GenomeError)
    if not isinstance(document.value, dict):
        raise GenomeError(Fault("a genome is not a mapping.", shown(path), type(document.value).__name__,
                                "keys such as name, seed, model, stages", "start from `ontogeny genome new`"))
    root = find_root(path.absolute().parent)
    if root is None:
        raise GenomeError(Fault("no library stands near this genome.", shown(path), f"no {CATALOGUE} above it",
                                f"a folder that holds {CATALOGUE}", "put the genome into the project, or make one"))
    library = load_library(root, tuple(Path(extra) for extra in libraries))
    return compose(document, path, library, overrides)


def compose(document: Document, path: Path, library: Library, overrides: Sequence[str]) -> LoadedGenome:
    """The genome of a parsed file (see `load_genome`)."""
    faults = _references(document.value, (), document)
    if faults:
        raise GenomeError(faults)
    raw = _with_overrides(document.value, [one for one in overrides if _key(one).endswith(".use")], document)
    raw = _with_stage_defaults(raw, library.root, document, faults)
    raw = _with_overrides(raw, [one for one in overrides if not _key(one).endswith(".use")], document)
    faults += rule_faults(raw, library, document)
    resolved = _with_trunk_and_roles(raw)
    found, genome = model_faults(Genome, resolved, document)
    faults += found
    if faults:
        raise GenomeError(_once_a_place(faults))
    return LoadedGenome(genome, path, library, document)


def resolved_genome(path: Path) -> Genome:
    """The genome of a run directory: already composed, so nothing is looked up."""
    document = load_yaml(path, GenomeError)
    found, genome = model_faults(Genome, document.value, document)
    if found:
        raise GenomeError(found)
    return genome


def genome_hash(genome: Genome) -> str:
    """SHA-256 of all that can influence what a life becomes; probes, gates' texts and machine left out.

    Gates stay in: a gate's repeat changes the weights."""
    value = genome.model_dump(mode="json", exclude={"machine": True, "name": True})
    for stage in value["stages"]:
        stage.pop("probes")
        stage.pop("use")
    return sha256_hex(value)


def _references(value: Any, path: Where, document: Document) -> list[Fault]:
    if isinstance(value, dict):
        return [fault for key, item in value.items() for fault in _references(item, (*path, key), document)]
    if isinstance(value, list):
        return [fault for index, item in enumerate(value) for fault in _references(item, (*path, index), document)]
    if isinstance(value, str) and "${" in value:
        return [Fault("a genome reads nothing outside itself.", document.at(path), repr(value)[:120],
                      "a value without '${'", "write the value out")]
    return []


def _key(override: str) -> str:
    return override.partition("=")[0]


def _with_overrides(raw: dict, overrides: Sequence[str], document: Document) -> dict:
    if not overrides:
        return raw
    config = OmegaConf.create(raw)
    faults = []
    for override in overrides:
        key, equals, text = override.partition("=")
        try:
            if not equals or not key or "[" in key:
                raise ValueError("not of the form key=value with list indices by dots")
            value = parse_yaml(text, "command line", GenomeError).value
            if _references(value, (), document):
                raise ValueError("a genome reads nothing outside itself: no '${'")
            parent, _, leaf = key.rpartition(".")
            if parent.endswith("span"):  # one unit at a time: {tokens: N} replaces {books: all}
                key, value = parent, {leaf: value}
            OmegaConf.update(config, key, value, merge=not parent.endswith("span") and not key.endswith("span"))
        except (OmegaConfBaseException, ValueError, TypeError, KeyError, IndexError, AttributeError) as problem:
            faults.append(Fault("an override cannot be applied.", "command line", override, "key=value, as in "
                                "stages.0.span.tokens=5000", str(problem).splitlines()[0][:160]))
            continue
        place: Where = tuple(int(part) if part.isdigit() else part for part in key.split("."))
        document.places = {where: at for where, at in document.places.items() if where[: len(place)] != place}
        document.places[place] = f"command line: {override}"
    if faults:
        raise GenomeError(faults)
    return OmegaConf.to_container(config)


def _with_stage_defaults(raw: dict, root: Path, document: Document, faults: list[Fault]) -> dict:
    stages = raw.get("stages")
    if not isinstance(stages, list):
        return raw
    composed = []
    for index, stage in enumerate(stages):
        if not isinstance(stage, dict) or not isinstance(stage.get("use"), str):
            composed.append(stage)
            continue
        defaults = _stage_file(stage["use"], root, document, ("stages", index), faults)
        kept = {key: value for key, value in defaults.items() if not (key in WHOLE and key in stage)}
        composed.append(OmegaConf.to_container(OmegaConf.merge(kept, stage)))
    return {**raw, "stages": composed}


def _stage_file(use: str, root: Path, document: Document, where: Where, faults: list[Fault]) -> dict:
    folder = (root / use).resolve()
    fault = None
    if root.resolve() not in folder.parents or Path(use).is_absolute():
        fault = Fault("a stage folder leaves the library's folder.", document.at((*where, "use")), repr(use),
                      f"a folder under the one that holds {CATALOGUE}", "copy the stage folder in")
    elif not (folder / "stage.yaml").is_file():
        near = sorted(str(path.parent.relative_to(root)) for path in (root / "stages").glob("*/stage.yaml"))
        fault = Fault("a stage folder does not exist.", document.at((*where, "use")), repr(use),
                      f"one of {', '.join(near)}", "correct `use`, or make the folder with a stage.yaml")
    if fault:
        faults.append(fault)
        return {}
    defaults = load_yaml(folder / "stage.yaml", GenomeError)
    if not isinstance(defaults.value, dict):
        faults.append(Fault("a stage file is not a mapping.", defaults.file, type(defaults.value).__name__,
                            "keys such as name, sections, scenes", "see stages/primer/stage.yaml"))
        return {}
    faults += _references(defaults.value, (), defaults)
    for path, place in defaults.places.items():
        document.places.setdefault((*where, *path), place)
    defaults.value.setdefault("name", folder.name)
    defaults.value.pop("use", None)
    return defaults.value


def _with_trunk_and_roles(raw: dict) -> dict:
    """Each stage gets the genome's trunk and roles, with its own keys over them."""
    stages = raw.get("stages")
    if not isinstance(stages, list):
        return raw
    return {**raw, "stages": [_grown(stage, raw) for stage in stages]}


def _grown(stage: Any, raw: dict) -> Any:
    if not isinstance(stage, dict):
        return stage
    grown = dict(stage)
    for key in ("trunk", "roles"):
        ours, base = stage.get(key) or {}, raw.get(key) or {}
        if not isinstance(ours, dict) or not isinstance(base, dict):
            continue
        if key == "roles":
            ours = {name: value for name, value in ours.items() if name in base}
        merged = OmegaConf.to_container(OmegaConf.merge(base, ours))
        for name, value in ours.items():  # a role's span replaces whole, too
            if key == "roles" and isinstance(value, dict) and "span" in value:
                merged[name]["span"] = value["span"]
        grown[key] = merged
    return grown


def _once_a_place(faults: list[Fault]) -> list[Fault]:
    """One fault a place: a fault in `trunk` shows again in every stage that inherits it, a broken rule again as a
    value that does not fit. The first told is the most telling."""
    kept: dict[str, Fault] = {}
    for fault in faults:
        place = fault.where.split("  ")[0]
        kept.setdefault(place if ":" in place else fault.where + fault.what, fault)
    return list(kept.values())


def genome_schema() -> str:
    """The JSON Schema of a genome file, for editors."""
    schema = Genome.model_json_schema()
    stage = schema["$defs"]["Stage"]
    stage["required"] = []  # a stage file may give any of them
    return json.dumps(schema, indent=2) + "\n"
