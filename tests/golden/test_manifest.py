"""The sprout's packs, in hashes and counts: a change of what is read, or of its order, shows here."""

from __future__ import annotations

from tests.launch.lives import read_json

COUNTS = (
    "packs",
    "role_packs",
    "tokens",
    "text_tokens",
    "padding_tokens",
    "bytes",
    "contaminated",
    "scenes",
    "items",
    "held_out",
    "warnings",
)


def test_the_manifest_is_the_one_written_down(sprout, golden):
    manifest = read_json(sprout, "corpus/manifest.json")
    now = {
        "corpus_hash": manifest["corpus_hash"],
        "tokenizer": manifest["tokenizer"],
        "books": {book["id"]: book["fingerprint"] for book in manifest["books"]},
        "stages": {stage["name"]: {name: stage[name] for name in COUNTS} for stage in manifest["stages"]},
        "phases": {
            f"{stage['name']}/{phase}": {name: entry[name] for name in ("rows", "steps", "tokens", "root")}
            for stage in manifest["stages"]
            for phase, entry in stage["phases"].items()
        },
    }
    assert now == golden("sprout_manifest", now)
