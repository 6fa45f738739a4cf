"""What a life's last bits hang on besides its plan: versions of libraries, our own code, the processor, the base."""

from __future__ import annotations

import platform
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any

from ontogeny.core.hashes import file_sha256, sha256_hex

LIBRARIES = ("torch", "deepspeed", "transformers", "peft", "numpy", "tokenizers", "safetensors")
WEIGHTS_CODE = ("core", "corpus", "models", "train")  # what decides weights; the texts themselves are in the packs
ANSWERS_CODE = ("probes", "corpus/items")  # what decides what is measured of them
BASE_FILES = ("*.json", "*.safetensors", "*.bin", "*.gguf", "*.model")


@lru_cache
def versions() -> dict[str, str]:
    """Versions of the libraries that train, a digest of our own code, the processor's name."""
    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "absent"
    return found | {"ontogeny": _digest(WEIGHTS_CODE), "processor": _processor()}


@lru_cache
def probes_version() -> str:
    """A digest of the code that makes items and scores them."""
    return _digest(ANSWERS_CODE)


def _digest(rooms: tuple[str, ...]) -> str:
    root = Path(__file__).parents[1]
    files = [path for room in rooms for path in sorted((root / room).glob("*.py"))]
    return sha256_hex([[path.relative_to(root).as_posix(), file_sha256(path)] for path in files])


def _processor() -> str:
    """The names of the processor and of the GPUs: another one may add in another order."""
    lines = []
    for path in (Path("/proc/cpuinfo"), *sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))):
        try:
            text = path.read_text("utf-8", "replace")
        except OSError:
            continue
        lines += [line.partition(":")[2].strip() for line in text.splitlines() if line.lower().startswith("model")]
    return ", ".join(dict.fromkeys(lines)) or platform.processor() or platform.machine()


def base_digest(model: Any) -> str | None:
    """A digest of a base model's files ("scratch" for none); None where they are not on this machine, so that nothing
    can be said of them. `model`: the genome's `model`."""
    from ontogeny.models.bases import SCRATCH

    return SCRATCH if model.base == SCRATCH else _files_digest(model.base)


@lru_cache
def _files_digest(name: str) -> str | None:
    from ontogeny.core.errors import OntogenyError
    from ontogeny.models.bases import find_base

    try:
        base = find_base(name)
    except OntogenyError:
        return None
    folder = Path(base.source)
    if not folder.is_dir():
        from huggingface_hub import try_to_load_from_cache

        config = try_to_load_from_cache(base.source, "config.json")
        if not isinstance(config, str):
            return None
        folder = Path(config).parent
    files = sorted({path for pattern in BASE_FILES for path in folder.glob(pattern)})
    chosen = [path for path in files if base.gguf is None or path.name == base.gguf]
    return sha256_hex([[path.name, file_sha256(path)] for path in chosen])
