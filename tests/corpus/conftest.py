from __future__ import annotations

import pytest
from making import copy_corpus, two_stages

from ontogeny.corpus.prepare import prepare_corpus


@pytest.fixture(scope="session")
def prepared(tmp_path_factory):
    """(plan, library, corpus) of two stages; not to be changed."""
    root = tmp_path_factory.mktemp("library")
    plan, library = two_stages(root)
    return plan, library, prepare_corpus(plan, library, root / "corpus")


@pytest.fixture
def own_copy(prepared, tmp_path):
    """The folder of a copy of the prepared corpus, to be damaged."""
    return copy_corpus(prepared[2].folder, tmp_path / "corpus")
