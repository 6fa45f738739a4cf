"""Golden files: what the sprout was when they were written. ONTOGENY_UPDATE_GOLDEN=1 writes them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.launch.lives import prepare

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def sprout(tmp_path_factory) -> Path:
    """The sprout, prepared."""
    return prepare(tmp_path_factory.mktemp("golden") / "sprout")


@pytest.fixture
def golden():
    """A function: the golden value of a name; where goldens are to be updated, the value given (if any) becomes it."""

    def of(name: str, now: Any) -> Any:
        path = HERE / f"{name}.json"
        if now is not None and os.environ.get("ONTOGENY_UPDATE_GOLDEN") == "1":
            path.write_text(json.dumps(now, indent=1) + "\n", encoding="utf-8")
        return json.loads(path.read_text("utf-8"))

    return of
