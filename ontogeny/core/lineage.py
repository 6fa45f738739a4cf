"""Where a genome comes from: comments at its head that are YAML once the marks are taken off.

    # lineage:
    # - child: 5e1f...                        (the genome's hash)
    #   operation: mutate                     (or cross)
    #   seed: 3
    #   parents:
    #   - {name: seedling, genome: 93ab...}
    #   changes:
    #   - "swapped bbe-mark and bbe-luke in primer, long stories"

A child carries the records of all its ancestors, oldest first."""

from __future__ import annotations

import re
from typing import Any

from ontogeny.core.errors import Fault, GenomeError
from ontogeny.core.nodes import flow
from ontogeny.core.positions import parse_yaml

KEYS = ("child", "operation", "seed", "parents", "changes")
BLOCK = re.compile(r"^# lineage:\r?\n(?:# (?:-|  ).*\r?\n)*", re.MULTILINE)


def read_lineage(text: str) -> list[dict[str, Any]]:
    """The records of a genome file, oldest first; none where nothing is told.

    Raises: GenomeError if the block is spoiled."""
    block = BLOCK.search(text)
    if not block:
        return []
    plain = "".join(line[2:] + "\n" for line in block[0].splitlines())
    records = parse_yaml(plain, "lineage", GenomeError).value["lineage"] or []
    if not (isinstance(records, list) and all(_is_whole(record) for record in records)):
        raise GenomeError(
            Fault(
                "a lineage is spoiled.",
                "the comment `# lineage:`",
                "a record that is not whole",
                ", ".join(KEYS),
                "bring the block back as it was written, or remove it",
            )
        )
    return records


def _is_whole(record: Any) -> bool:
    if not isinstance(record, dict) or record.keys() != set(KEYS):
        return False
    return isinstance(record["parents"], list) and isinstance(record["changes"], list)


def with_lineage(text: str, records: list[dict[str, Any]]) -> str:
    """The text with these records at its head, in the place of those that it had."""
    lines = ["# lineage:"]
    for record in records:
        lines += [f"# - child: {flow(record['child'])}", f"#   operation: {record['operation']}"]
        lines += [f"#   seed: {record['seed']}", "#   parents:"]
        lines += [f"#   - {flow(parent)}" for parent in record["parents"]]
        lines += ["#   changes:", *(f"#   - {flow(change)}" for change in record["changes"])]
    newline = "\r\n" if "\r\n" in text else "\n"
    block = newline.join(lines) + newline
    if old := BLOCK.search(text):
        return text[: old.start()] + block + text[old.end() :]
    head = re.match(r"\ufeff?(?:#.*\n)*", text)
    at = head.end() if head else 0
    return text[:at] + block + text[at:]


def joined(*lineages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The records of several parents, each once."""
    found: dict[tuple[Any, ...], dict[str, Any]] = {}
    for record in (record for lineage in lineages for record in lineage):
        found.setdefault((record.get("child"), record.get("operation"), record.get("seed")), record)
    return list(found.values())
