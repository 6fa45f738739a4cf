"""Errors as part of the product: what, where, got, expected, fix.

OntogenyError                 a person can mend this; exit code in brackets
|- GenomeError        [2]     the genome file, its composition, its overrides
|- LibraryError       [2]     a catalogue, a source, a fingerprint
|- CorpusError        [2]     books that cannot become packs
|- ModelError         [2]     a base model, tokenizer or adapter that does not fit
|- RunError           [2]     a run directory that may not be used this way
|- DiskError          [1]     the machine refused a write
|- TrainError         [1]     the life itself failed (a loss that is not finite, a dead rank)
`- VerifyError        [1]     a proof that does not hold
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

DONE, FAILED, USER_FAULT, GATE_ENDED, INTERRUPTED = 0, 1, 2, 3, 130


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, told so that a person can mend it without reading code."""

    what: str
    where: str = ""
    got: str = ""
    expected: str = ""
    fix: str = ""

    def render(self) -> str:
        """The fault as a block: the sentence, then the fields that say something, indented."""
        lines = [self.what]
        for name in ("where", "got", "expected", "fix"):
            value = getattr(self, name)
            if value:
                lines.append(f"  {name:<9} {value}")
        return "\n".join(lines)


MOST_TOLD = 40  # a catalogue that was not named is a fault in every book of the genome


class OntogenyError(Exception):
    """A fault that a person can mend. Takes one Fault or several; as text the first MOST_TOLD."""

    exit_code = USER_FAULT

    def __init__(self, faults: Fault | Iterable[Fault]):
        self.faults = (faults,) if isinstance(faults, Fault) else tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        name, more = type(self).__name__, len(self.faults) - MOST_TOLD
        told = [f"{name}: {fault.render()}" for fault in self.faults[:MOST_TOLD]]
        return "\n".join([*told, f"{name}: and {more:,} more faults like these."] if more > 0 else told)

    def __reduce__(self):
        return (type(self), (self.faults,))


class GenomeError(OntogenyError):
    """The genome, its composition or its overrides are at fault."""


class LibraryError(OntogenyError):
    """A catalogue, a source or a fingerprint is at fault."""


class CorpusError(OntogenyError):
    """The books cannot become packs as the genome asks."""


class ModelError(OntogenyError):
    """A base model, tokenizer or adapter does not fit what the genome asks of it."""


class RunError(OntogenyError):
    """A run directory may not be used this way."""


class DiskError(OntogenyError):
    """The machine refused a write."""

    exit_code = FAILED


class TrainError(OntogenyError):
    """The life itself failed."""

    exit_code = FAILED


class VerifyError(OntogenyError):
    """A proof does not hold."""

    exit_code = FAILED


def closest(word: str, known: Iterable[str]) -> str:
    """The end of a sentence that names the nearest known word, or nothing."""
    import difflib

    near = difflib.get_close_matches(str(word), [str(name) for name in known], n=1, cutoff=0.5)
    return f"; closest: '{near[0]}'" if near else ""
