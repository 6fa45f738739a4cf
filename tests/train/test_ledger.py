"""The ledger's files: growing ones cut back, checkpoints linked, a refused write told."""

from __future__ import annotations

import errno
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import DiskError, RunError
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.transitions import TRANSITION
from ontogeny.train.ledger import Ledger, link_tree, whole_or_gone


@pytest.fixture
def ledger(tmp_path) -> Ledger:
    """The ledger of a life whose first stage was read twice, and whose second is being read."""
    run = RunDirectory(tmp_path)
    for folder in ("00-conception", "01-primer", "01-primer.2", "02-lexicon", "03-school"):
        (run / "stages" / folder).mkdir(parents=True)
        for name in ("metrics.jsonl", "consumed.bin"):
            (run / "stages" / folder / name).write_bytes(b"0123456789")
    stages = [SimpleNamespace(name=name) for name in ("primer", "lexicon", "school")]
    return Ledger(run, SimpleNamespace(stages=stages), 0, 1)


def sizes(ledger: Ledger) -> dict[str, int]:
    return {
        str(path.relative_to(ledger.run / "stages")): path.stat().st_size
        for path in sorted((ledger.run / "stages").rglob("*"))
        if path.is_file()
    }


def test_growing_files_are_cut_back_from_the_cursors_stage_on(ledger):
    before = sizes(ledger)
    ledger._cut_back(Cursor(1, 1, 0, 5), {"stages/02-lexicon/metrics.jsonl": 7, "stages/02-lexicon/consumed.bin": 3})
    expected = {**before, "02-lexicon/metrics.jsonl": 7, "02-lexicon/consumed.bin": 3}
    assert sizes(ledger) == {name: size for name, size in expected.items() if not name.startswith("03-school")}


def test_a_second_pass_is_later_than_the_first(ledger):
    ledger._cut_back(Cursor(0, 1, 3, 0), {"stages/01-primer/metrics.jsonl": 10, "stages/01-primer/consumed.bin": 10})
    assert set(sizes(ledger)) == {
        "00-conception/metrics.jsonl",
        "00-conception/consumed.bin",
        "01-primer/metrics.jsonl",
        "01-primer/consumed.bin",
    }


def test_a_file_shorter_than_its_checkpoint_is_told(ledger):
    with pytest.raises(RunError, match="shorter than its checkpoint"):
        ledger._cut_back(Cursor(1), {"stages/02-lexicon/consumed.bin": 11})


def test_link_tree_stores_once_and_outlives_its_source(tmp_path):
    (tmp_path / "one" / "engine").mkdir(parents=True)
    (tmp_path / "one" / "engine" / "state.pt").write_bytes(b"weights")
    link_tree(tmp_path / "one", tmp_path / "two")
    path = tmp_path / "two" / "engine" / "state.pt"
    assert path.stat().st_ino == (tmp_path / "one" / "engine" / "state.pt").stat().st_ino
    (tmp_path / "one" / "engine" / "state.pt").unlink()
    assert path.read_bytes() == b"weights"


def full_disk(_folder):
    raise OSError(errno.ENOSPC, "No space left on device")


def torch_on_a_full_disk(_folder):
    raise RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 576 vs 534")


def safetensors_nowhere(folder):
    save_file({"a": torch.zeros(3)}, folder / "absent" / "a.safetensors")


@pytest.mark.parametrize("write", [full_disk, torch_on_a_full_disk, safetensors_nowhere])
def test_a_refused_write_is_a_disk_error_and_leaves_nothing(tmp_path, write):
    aside = tmp_path / "aside"
    with pytest.raises(DiskError, match="the disk refused a write"), whole_or_gone(aside):
        aside.mkdir()
        (aside / "half").write_text("a")
        write(aside)
    assert not aside.exists()


def test_another_error_stays_what_it_is(tmp_path):
    with pytest.raises(RuntimeError, match="of our own"), whole_or_gone(tmp_path):
        raise RuntimeError("of our own")
    assert tmp_path.exists()


def test_what_a_journal_heard_comes_back_with_the_checkpoint(ledger):
    machine = SimpleNamespace(zero_stage=0)
    ledger.plan.genome, ledger.plan.genome_hash, ledger.plan.corpus_hash = SimpleNamespace(machine=machine), "g", "c"
    for stage in ledger.plan.stages:
        stage.trunk = SimpleNamespace(update="full")
    (ledger.run / "checkpoints").mkdir()
    heard = np.zeros(3, TRANSITION)
    heard["pack"] = [4, 5, 6]
    ledger.candidates.add(heard, np.array([0.3, 0.9, 0.6]))
    ledger.save(SimpleNamespace(entered=None), Cursor(1, 1, 0, 5))
    again = Ledger(ledger.run, ledger.plan, 0, 1)
    assert again.restore() == Cursor(1, 1, 0, 5)
    assert again.candidates.count == 3 and again.candidates.best()["pack"].tolist() == [5, 6, 4]


def test_a_stage_that_is_read_again_has_no_journal_yet(ledger):
    journals = [ledger.run / "stages" / name / "journal.jsonl" for name in ("01-primer.2", "02-lexicon")]
    for path in journals:
        path.write_bytes(b"{}\n")
    ledger.enter(Cursor(1, 1, 0, 3))
    assert [path.exists() for path in journals] == [True, False]
