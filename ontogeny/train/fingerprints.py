"""The hashes of what a stage leaves behind: fingerprints.json, written last."""

from __future__ import annotations

from pathlib import Path

from ontogeny.core.hashes import file_sha256

FINGERPRINTS = "fingerprints.json"
LIVED_ROOT = "order root of "  # and a phase, beside the files: what was read there, which the weights decided
LOG = "metrics.jsonl"  # it holds times, so that equal lives differ in it; its hash is told in events.jsonl


def fingerprints(folder: Path) -> dict[str, str]:
    """SHA-256 of every file of a stage folder that equal lives have in common, by name; hidden ones apart."""
    names = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    kept = [name for name in names if not any(part[0] == "." for part in name.split("/"))]
    return {name: file_sha256(names[name]) for name in kept if name not in (FINGERPRINTS, LOG)}
