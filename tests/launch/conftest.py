"""One undisturbed life for all tests of this folder, which run one after another (`launch/test`)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.launch.lives import SPROUT, call


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: "launch/test_smollm2" in item.nodeid)  # the longest, last


@pytest.fixture(scope="session")
def grown(tmp_path_factory) -> Path:
    """A sprout grown from conception to the end under the launcher, one rank."""
    run = tmp_path_factory.mktemp("grown") / "sprout"
    call("run", SPROUT, "--out", run)
    return run
