"""What the rules of cleaning work on: blocks of lines between blank ones, and the account of what was cut."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

SHOWN_A_RULE = 8
SHOWN_CHARS = 80
_SPACES = re.compile(r"\s+")
_NOT_WORD = re.compile(r"[\W_]+")


@dataclass(slots=True)
class Block:
    """Lines without a blank one among them; `gap` blank lines stood before.

    `kind` is empty until a rule has told what the block is; `depth` is a heading's, 0 for anything else; `front` is
    what stands before the table of contents."""

    lines: list[str]
    gap: int = 1
    kind: str = ""
    depth: int = 0
    front: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    @property
    def flat(self) -> str:
        """The block as one line."""
        return " ".join(" ".join(self.lines).split())

    @property
    def chars(self) -> int:
        return sum(map(len, self.lines)) + len(self.lines)


@dataclass
class Cuts:
    """What each rule did, by its name, and which rules are switched off."""

    skip: Collection[str] = ()
    found: dict[str, list[int]] = field(default_factory=dict)
    shown: list[tuple[str, str]] = field(default_factory=list)

    def on(self, rule: str) -> bool:
        """Whether a rule is to be applied."""
        return rule not in self.skip

    def add(self, rule: str, count: int, chars: int, shown: str = "") -> None:
        """Counts a rule's work, and keeps the first characters of what it cut."""
        if not count and not chars:
            return
        entry = self.found.setdefault(rule, [0, 0, 0])
        entry[0] += count
        entry[1] += chars
        if shown and entry[2] < SHOWN_A_RULE:
            entry[2] += 1
            self.shown.append((rule, _SPACES.sub(" ", shown[: 2 * SHOWN_CHARS]).strip()[:SHOWN_CHARS]))

    def counts(self) -> list[tuple[str, int, int]]:
        """(rule, how often, characters less) in the order of first use."""
        return [(rule, count, chars) for rule, (count, chars, _) in self.found.items()]

    def drop(self, rule: str, blocks: list[Block], doomed: Iterable[int]) -> list[Block]:
        """The blocks without the doomed ones: each run of them counts once, and the gap stays."""
        return self.drop_each(blocks, dict.fromkeys(doomed, rule))

    def drop_each(self, blocks: list[Block], doomed: Mapping[int, str]) -> list[Block]:
        """The same, each block by the rule that cuts it."""
        if not doomed:
            return blocks
        kept: list[Block] = []
        gap = 0
        for index, block in enumerate(blocks):
            if rule := doomed.get(index):
                first = doomed.get(index - 1) != rule
                self.add(rule, int(first), block.chars + block.gap, block.text[: 2 * SHOWN_CHARS] if first else "")
                gap = max(gap, block.gap)
            else:
                block.gap, gap = max(gap, block.gap), 0
                kept.append(block)
        return kept


def split_blocks(text: str) -> list[Block]:
    """The blocks of a text whose lines have no space at their end. Linear in the text."""
    blocks: list[Block] = []
    gap = 0
    for piece in text.split("\n\n"):
        bare = piece.lstrip("\n")
        gap += 1 + (len(piece) - len(bare))
        bare = bare.rstrip("\n")
        if bare:
            blocks.append(Block(bare.split("\n"), gap))
            gap = 0
        else:
            gap += 1
    return blocks


def closing_bracket(blocks: list[Block], first: int, reach: int) -> int | None:
    """Which block closes the bracket that one opens, if it is within reach."""
    depth = 0
    for index in range(first, min(len(blocks), first + reach)):
        for line in blocks[index].lines:
            depth += line.count("[") - line.count("]")
        if depth <= 0:
            return index
    return None


def norm(title: str) -> str:
    """A title by its words alone, to be compared with others."""
    return _NOT_WORD.sub(" ", title).strip().casefold()
