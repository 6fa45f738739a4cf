"""One undisturbed life for all tests of this folder; its files run two at a time (`launch/test`), the longest first."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.lives import SPROUT, call

LONGEST = ("test_resume", "test_kinds_of_life", "test_ranks", "test_smollm2", "test_experiment")


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: LONGEST.index(item.path.stem) if item.path.stem in LONGEST else len(LONGEST))


@pytest.fixture(scope="session")
def grown(tmp_path_factory) -> Path:
    """A sprout grown from conception to the end under the launcher, one rank."""
    run = tmp_path_factory.mktemp("grown") / "sprout"
    call("run", SPROUT, "--out", run)
    return run
