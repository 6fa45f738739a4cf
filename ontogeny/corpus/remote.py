"""Books from outside: where each kind of remote source is fetched from, and where it is kept.

    https://HOST/PATH                    the file at an address
    gutenberg:ID                         a plain text of Project Gutenberg, from $ONTOGENY_GUTENBERG_MIRROR: the address
                                         of a mirror, or a folder laid out like one
    hf:DATASET[:CONFIG]#SPLIT[&...]      rows of a data set, streamed; `hf:./FOLDER#SPLIT` is in the library's

Rows become one JSON file, so that the selectors of records apply to them."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from ontogeny.core.address import HF, is_remote
from ontogeny.core.hashes import sha256_hex
from ontogeny.core.run import disk_faults, write_atomic
from ontogeny.corpus.fetch import (
    MAX_BYTES,
    FetchProblem,
    NotThere,
    Unreachable,
    WebPage,
    cache_folder,
    cached,
    fetched,
    held,
)

MIRROR = "https://aleph.pglaf.org"  # Project Gutenberg's own; its website is for people, and blocks programs
ROWS = "rows.json"
NO_COLUMN = ("strip", "min_chars", "without", "skip", "take", "table")
FILTERS = ("min_chars", "without")


def cache_place(source: str) -> Path:
    """The folder of the cache that a remote source has to itself."""
    scheme, _, rest = source.partition(":")
    if scheme == "gutenberg":
        return cache_folder() / "gutenberg" / rest
    name = source.partition("#")[0] if scheme != "hf" else source
    words = re.sub(r"[^A-Za-z0-9.-]+", "-", urlsplit(name).hostname or rest.partition("#")[0]).strip("-.")[:60]
    return cache_folder() / ("hf" if scheme == "hf" else "https") / f"{words}-{sha256_hex(name)[:16]}"


def told_place(source: str) -> str:
    """The path at which a file brought by hand is found; its suffix says its kind."""
    folder = cache_place(source)
    if source.startswith("hf:"):
        return str(folder / ROWS)
    name = Path(urlsplit(source.partition("#")[0]).path).name if not source.startswith("gutenberg:") else ""
    return str(folder / (name if Path(name).suffix else f"{name or folder.name}.txt"))


def is_here(source: str) -> bool:
    """Whether a source needs no network: it is local, or it was fetched, or the mirror is a folder that has it."""
    if not is_remote(source) or cached(cache_place(source)):
        return True
    folder = _mirror_folder() if source.startswith("gutenberg:") else None
    return folder is not None and _in_folder(folder, source.partition(":")[2]) is not None


def remote_file(source: str, sha256: str | None) -> Path:
    """The file of a remote source, from the cache, a local mirror, or the network. Raises: FetchProblem."""
    folder = cache_place(source)
    if found := cached(folder):
        return found
    if source.startswith("gutenberg:"):
        return _gutenberg_file(source.partition(":")[2], folder, sha256)
    if source.startswith("hf:"):
        with disk_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with held(folder / ".lock"):
                return cached(folder) or write_atomic(folder / ROWS, dataset_rows(source, None))
    return fetched(source.partition("#")[0], folder, sha256=sha256)


def _mirror() -> str:
    return os.environ.get("ONTOGENY_GUTENBERG_MIRROR") or MIRROR


def _mirror_folder() -> Path | None:
    """The folder that the mirror is, if it is one."""
    mirror = _mirror()
    if mirror.startswith("file://"):
        return Path(urlsplit(mirror).path)
    return None if "://" in mirror else Path(mirror).expanduser()


def gutenberg_names(number: str) -> list[str]:
    """The places of a book's plain text on a mirror: UTF-8, 8-bit, ASCII, then what is generated from its master."""
    home = "/".join(number[:-1] or "0") + f"/{number}"
    return [f"{home}/{number}{kind}.txt" for kind in ("-0", "-8", "")] + [f"cache/epub/{number}/pg{number}.txt"]


def _in_folder(folder: Path, number: str) -> Path | None:
    """A book of a local mirror: of either of Gutenberg's trees, or of a folder of files by number."""
    loose = [f"{place}pg{number}.txt" for place in (f"epub/{number}/", f"{number}/", "")]
    loose += [f"{number}{kind}.txt" for kind in ("-0", "-8", "")]
    return next((folder / name for name in [*gutenberg_names(number), *loose] if (folder / name).is_file()), None)


def _gutenberg_file(number: str, folder: Path, sha256: str | None) -> Path:
    local = _mirror_folder()
    if local is not None:
        if found := _in_folder(local, number):
            return found
        raise NotThere(
            "is not on the mirror.",
            f"no text of {number} in {local}",
            f"a file such as {gutenberg_names(number)[0]}",
            "bring the file to the mirror, or set ONTOGENY_GUTENBERG_MIRROR to another",
        )
    page: WebPage | None = None
    for name in gutenberg_names(number):
        try:
            return fetched(f"{_mirror().rstrip('/')}/{name}", folder, sha256=sha256)
        except NotThere:
            continue
        except WebPage as problem:  # a mirror's way to say 404, or somebody else's page
            page = page or problem
    raise page or NotThere(
        "is not on the mirror.",
        f"no text of {number} at {_mirror()}",
        f"one of {', '.join(gutenberg_names(number))}",
        "correct the number (some books are recordings alone), or set ONTOGENY_GUTENBERG_MIRROR to another mirror",
    )


def dataset_rows(source: str, root: Path | None) -> bytes:
    """The rows of a data set's split as a JSON list, one a line; of a local one with its folder's `root`.

    Raises: FetchProblem."""
    match = HF.fullmatch(source)
    assert match is not None, source
    name = match["dataset"]
    pairs = parse_qsl(match["query"] or "", keep_blank_values=True)
    lines, size = [], 2
    for row in _rows(str(root / name) if root else name, match["config"], match["split"], pairs, root is not None):
        line = json.dumps(row, ensure_ascii=False, default=_json_value)
        size += len(line.encode("utf-8")) + 2
        if size > MAX_BYTES:
            raise FetchProblem(
                "is too large for one book.",
                f"more than {MAX_BYTES} bytes after {len(lines)} rows",
                f"at most {MAX_BYTES} bytes",
                "take fewer rows with `take=N`, and divide it by `skip=N` into several books",
            )
        lines.append(line)
    return ("[\n" + ",\n".join(lines) + "\n]\n").encode("utf-8")


def _rows(
    name: str, config: str | None, split: str, pairs: list[tuple[str, str]], local: bool
) -> Iterator[dict[str, Any]]:
    """The rows that a selector can need, each with the columns that it names."""
    from datasets import load_dataset, load_dataset_builder
    from datasets.exceptions import DatasetsError
    from huggingface_hub.errors import HfHubHTTPError

    asked = dict(pairs)
    named = [value for key, value in pairs if key in ("heading", "body", "labelled")]
    columns = {path.strip().partition("/")[0] for value in named for path in value.split(",")}
    filters = [key for key in asked if key not in ("heading", "body", "labelled", *NO_COLUMN)]
    columns |= {key.partition("/")[0] for key in filters}
    counted = all(asked.get(key, "0").isdigit() for key in ("take", "skip"))
    exact = "take" in asked and counted and not filters and not any(key in asked for key in FILTERS)
    last = int(asked["take"]) + int(asked.get("skip", 0)) if exact else None
    try:
        with _quiet():
            if local:
                _check_inside(Path(name).resolve(), load_dataset_builder(name, config).config.data_files or {})
            elif Path(name).exists():  # `datasets` would read it in the Hub's place
                raise FetchProblem(
                    "has the name of a folder that stands here.",
                    str(Path(name).absolute()),
                    "no folder of a data set's name in the working folder",
                    "change into another folder, or name this one: hf:./FOLDER#SPLIT",
                )
            rows = load_dataset(name, config, split=split, streaming=True)
            known = set(rows.column_names or ())
            if ("body" in asked or "labelled" in asked) and columns & known:
                rows = rows.select_columns(sorted(columns & known))
            yield from rows if last is None else rows.take(last)
    except FileNotFoundError as error:
        raise NotThere(
            "names a data set that is not there.", _line(error), "a data set of the Hub, or hf:./FOLDER", "correct it"
        ) from error
    except (ConnectionError, HfHubHTTPError) as error:
        raise Unreachable(
            "cannot be fetched: the Hub gives no answer.", _line(error), "an answer of the Hub", ""
        ) from error
    except (DatasetsError, ValueError, OSError, TypeError, ImportError) as error:
        raise FetchProblem(
            "names rows that its data set does not give.",
            _line(error),
            "a config and a split that it has, in a format `datasets` reads",
            "correct the source: hf:DATASET[:CONFIG]#SPLIT",
        ) from error


def _check_inside(folder: Path, files: Mapping[str, Iterable[str]]) -> None:
    """Raises: FetchProblem where a data set's own card names files outside its folder, or on the network."""
    for path in (str(path) for paths in files.values() for path in paths):
        if "://" in path or not Path(path).resolve().is_relative_to(folder):
            raise FetchProblem(
                "is a folder whose README names data outside itself.",
                path,
                f"files under {folder}",
                "copy the data into the folder, and correct `data_files` in its README.md",
            )


class _quiet:
    """Keeps the Hub's client from writing its own lines between ours."""

    def __enter__(self) -> None:
        from datasets.utils import logging as ours
        from huggingface_hub.utils import logging as theirs

        self.levels = [(module, module.get_verbosity()) for module in (ours, theirs)]
        for module, _ in self.levels:
            module.set_verbosity_error()

    def __exit__(self, *_: object) -> None:
        for module, level in self.levels:
            module.set_verbosity(level)


def _line(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"


def _json_value(value: Any) -> Any:
    """Dates as text; what is no text (pictures, sound, bytes) as nothing."""
    return value.isoformat() if hasattr(value, "isoformat") else None
