"""The plan of every shipped genome, to the number. Rewrite with ONTOGENY_UPDATE_GOLDEN=1, and read the difference."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from ontogeny.core.errors import OntogenyError
from tests.shipped import BROUGHT, GENOMES, load_shipped

PLANNED = [path for path in GENOMES if path.stem not in BROUGHT]
GOLDEN = Path(__file__).parent / "plans"
OF_THE_MACHINE = ("world", "memory", "time_s")


def told(path: Path) -> dict[str, Any]:
    """The plan before anything is prepared, without what hangs on the machine."""
    from ontogeny.cli.shared import planned

    loaded = load_shipped(path)
    try:
        value = planned(loaded).as_dict()
    except OntogenyError as problem:
        if any("is not installed" in fault.got for fault in problem.faults):
            pytest.skip("the package that carries this genome's model is not installed")
        raise
    return {key: item for key, item in value.items() if key not in OF_THE_MACHINE}


@pytest.mark.parametrize("path", PLANNED, ids=lambda path: path.stem)
def test_a_plan_is_what_it_was(path):
    golden = GOLDEN / f"{path.stem}.json"
    text = json.dumps(told(path), indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if os.environ.get("ONTOGENY_UPDATE_GOLDEN") == "1":
        GOLDEN.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert golden.is_file(), "no golden plan yet: run with ONTOGENY_UPDATE_GOLDEN=1"
    assert text == golden.read_text("utf-8")


def test_no_golden_plan_is_left_over():
    assert {path.stem for path in GOLDEN.glob("*.json")} <= {path.stem for path in PLANNED}
