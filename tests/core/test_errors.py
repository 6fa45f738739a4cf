"""Faults as text."""

from __future__ import annotations

from ontogeny.core.errors import MOST_TOLD, Fault, GenomeError


def test_a_wall_of_faults_is_cut_and_counted():
    faults = [Fault(f"fault {number}.", "here", "a", "b", "c") for number in range(MOST_TOLD + 7)]
    told = str(GenomeError(faults))
    assert told.count("  where     here") == MOST_TOLD and told.endswith("GenomeError: and 7 more faults like these.")
    assert "more faults" not in str(GenomeError(faults[:MOST_TOLD]))
    assert len(GenomeError(faults).faults) == MOST_TOLD + 7
