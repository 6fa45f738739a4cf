"""Surprise of the resolutions of authored scenes, read and never read: what reading a scene did to it.

Scored before the stage that reads them and after it, on the trunk. A scene's effect is how far the surprise of its
resolution fell, less how far that of its sham fell: the held-out scene of the stage whose resolution is nearest to it
in bytes (ontogeny/report/scene_effects.py)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ontogeny.probes.intervals import interval_of_mean
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import ITEMS, Asked, read_lines, result_row, row_of
from ontogeny.scenes.shape import Scene, Turn, led, render_until_repair

PROBE = "scene_surprise"
SCENES = "scenes.jsonl"
READ, HELD_OUT = "read", "held_out"


@dataclass(frozen=True)
class SceneSet:
    """Resolutions as ends of their own scenes; `read` says of each whether training holds it."""

    on: str
    rows: tuple[Row, ...]
    ids: tuple[str, ...]
    bytes_of: tuple[int, ...]
    read: tuple[bool, ...]
    split: str | None = None
    probe: str = PROBE

    def results(self, nats: Mapping[int, Sequence[float]], seed: int) -> list[dict[str, Any]]:
        """A row for the scenes read and one for those held out: mean nats a byte, and in `scenes` each one's."""
        found = []
        for form, wanted in ((READ, True), (HELD_OUT, False)):
            mine = [i for i, read in enumerate(self.read) if read == wanted]
            if not mine:
                continue
            per_byte = [nats[i][0] / self.bytes_of[i] for i in mine]
            interval = interval_of_mean(per_byte, seed)
            mean = sum(per_byte) / len(mine)
            row = result_row(self, form, mean, "nats/byte", None, len(mine), interval, higher=False)
            scenes = [[self.ids[i], round(value, 6), self.bytes_of[i]] for i, value in zip(mine, per_byte, strict=True)]
            found.append(row | {"scenes": scenes})
        return found


def make_scene_sets(asked: Asked, stages: Sequence[str]) -> list[SceneSet]:
    """One set for each stage that reads authored scenes; none for a folder without packs (an arm's measured one)."""
    made = [make_scene_set(asked, on) for on in stages if (asked.folder / on / SCENES).is_file()]
    return [one for one in made if one is not None]


def make_scene_set(asked: Asked, on: str) -> SceneSet | None:
    """The authored scenes that a stage reads, each once, and its held-out ones. None: it reads none."""
    texts: dict[str, tuple[str, str, bool]] = {}
    for record in read_lines(asked.folder / on / SCENES):
        if record.get("resolution"):
            texts.setdefault(record["id"], (_until_repair(record), led(record["resolution"]), True))
    if not texts:
        return None
    for item in read_lines(asked.folder / on / ITEMS):
        if item["probe"] == "conflict_resolution" and item["kind"] == "conflict":
            texts.setdefault(item["id"], (item["context"], item["answer"], False))
    where = f"scenes of {on}"
    stems = asked.encoder.encode([context for context, _, _ in texts.values()], where)
    ends = asked.encoder.encode([end for _, end, _ in texts.values()], where)
    rows, kept = [], []
    for (name, (_, end, read)), stem, ids in zip(texts.items(), stems, ends, strict=True):
        if (row := row_of(asked, stem, [ids])) is not None:
            rows.append(row)
            kept.append((name, len(end.encode()), read))
    if not any(read for _, _, read in kept):
        return None
    names, sizes, reads = zip(*kept, strict=True)
    return SceneSet(on, tuple(rows), names, sizes, reads)


def _until_repair(record: Mapping[str, Any]) -> str:
    turns = tuple(Turn(*turn) for turn in record["turns"])
    return render_until_repair(Scene(record["id"], record["kind"], "", "", {}, turns, "", "", (), record["language"]))
