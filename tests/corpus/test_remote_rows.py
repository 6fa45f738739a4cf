"""Rows of data sets as books: local folders of JSON lines and parquet, read as they are; what is not there is told."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow
import pytest
from binding import Entry
from pyarrow import parquet

from ontogeny.core.errors import LibraryError
from ontogeny.corpus import remote
from ontogeny.corpus.fetch import FetchProblem
from ontogeny.corpus.remote import cache_place, dataset_rows, is_here, told_place
from ontogeny.corpus.sources import read_source

ROWS = [
    {
        "title": f"Story {n}",
        "text": f"Once upon a time there were {n} mice.",
        "topic": "mice" if n % 2 else "cats",
        "n": n,
    }
    for n in range(6)
]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A library's folder with one data set in two formats; nothing of it is cached elsewhere."""
    monkeypatch.setenv("ONTOGENY_CACHE", str(tmp_path / "cache"))
    root = tmp_path / "library"
    for name in ("lines", "tables"):
        (root / "sets" / name).mkdir(parents=True)
    (root / "sets/lines/train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    (root / "sets/lines/test.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    parquet.write_table(pyarrow.Table.from_pylist(ROWS), root / "sets/tables/train.parquet")
    return root


def fault_of(source: str, root: Path):
    with pytest.raises(LibraryError) as caught:
        read_source(Entry(source), root)
    (fault,) = caught.value.faults
    assert "'book'" in fault.what and source in fault.where and fault.got and fault.expected and fault.fix
    return fault


@pytest.mark.parametrize("path", ["{root}/secret.jsonl", "../../../secret.jsonl", "https://example.org/secret.jsonl"])
def test_a_card_may_not_name_data_outside_its_folder(library, path):
    (library.parent / "secret.jsonl").write_text(json.dumps({"text": "What nobody is to read."}) + "\n")
    card = library / "sets/lines/README.md"
    files = "---\nconfigs:\n- config_name: default\n  data_files:\n  - split: train\n    path: {}\n---\n"
    card.write_text(files.format(path.format(root=library.parent)))
    assert fault_of("hf:./sets/lines#train&body=text", library).what
    card.write_text(files.format("test.jsonl"))
    assert "0 mice" in read_source(Entry("hf:./sets/lines#train&body=text"), library).text


def test_a_folder_here_is_not_read_in_place_of_the_hub(library, monkeypatch):
    monkeypatch.chdir(library)
    assert "folder that stands here" in fault_of("hf:sets/lines#train&body=text", library).what


@pytest.mark.parametrize("folder", ["lines", "tables"])
def test_rows_of_a_local_folder_become_chapters(library, folder):
    book = read_source(Entry(f"hf:./sets/{folder}#train&heading=title&body=text"), library)
    assert book.text.startswith("# Story 0\n\nOnce upon a time there were 0 mice.\n\n# Story 1\n\n")
    assert book.text.count("# Story") == 6 and book.markup == "markdown"
    again = read_source(Entry(f"hf:./sets/{folder}#train&heading=title&body=text", sha256=book.raw_sha256), library)
    assert again == book and book.raw_bytes == len(
        dataset_rows(f"hf:./sets/{folder}#train&heading=title&body=text", library)
    )


def test_the_text_column_is_the_usual_body_and_a_selector_selects(library):
    assert "Once upon a time there were 0 mice." in read_source(Entry("hf:./sets/lines#test"), library).text
    picked = read_source(Entry("hf:./sets/lines#train&heading=title&body=text&topic=cats&skip=1&take=1"), library).text
    assert picked == "# Story 2\n\nOnce upon a time there were 2 mice.\n"


def test_only_the_rows_and_columns_asked_for_are_taken(library):
    raw = json.loads(dataset_rows("hf:./sets/lines#train&heading=title&body=text&skip=1&take=2", library))
    assert raw == [{"text": row["text"], "title": row["title"]} for row in ROWS[:3]], "skip and take are the reader's"
    raw = json.loads(dataset_rows("hf:./sets/lines#train&body=text&topic=cats&take=1", library))
    assert len(raw) == 6 and set(raw[0]) == {"text", "topic"}


def test_a_changed_folder_is_another_book(library):
    before = read_source(Entry("hf:./sets/lines#test"), library).raw_sha256
    (library / "sets/lines/test.jsonl").write_text(
        json.dumps({**ROWS[0], "text": "Another text of some length."}) + "\n"
    )
    assert read_source(Entry("hf:./sets/lines#test"), library).raw_sha256 != before


def test_what_a_data_set_does_not_give_is_told(library):
    assert "names rows that its data set does not give" in fault_of("hf:./sets/lines#dev", library).what
    assert "dev" in fault_of("hf:./sets/lines#dev", library).got
    assert "cfg" in fault_of("hf:./sets/lines:cfg#train", library).got
    assert "names a field no record has" in fault_of("hf:./sets/lines#train&body=prose", library).what
    assert "names a data set that is not there" in fault_of("hf:./sets/none#train", library).what
    assert "is not complete" in fault_of("hf:./sets/lines", library).what
    assert "is not complete" in fault_of("hf:../sets/lines#train", library).what


def test_a_data_set_may_not_leave_the_library(library, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/train.jsonl").write_text(json.dumps(ROWS[0]) + "\n")
    (library / "out").symlink_to(tmp_path / "outside")
    assert "leaves the library's folder" in fault_of("hf:./out#train", library).what
    (library / "mixed").mkdir()
    (library / "mixed/train.jsonl").symlink_to(tmp_path / "outside/train.jsonl")
    assert "leaves the library's folder" in fault_of("hf:./mixed#train", library).what


def test_rows_are_bounded(library, monkeypatch):
    monkeypatch.setattr(remote, "MAX_BYTES", 150)
    with pytest.raises(FetchProblem, match="too large for one book") as caught:
        dataset_rows("hf:./sets/lines#train&body=text", library)
    assert "take=N" in caught.value.fix
    assert dataset_rows("hf:./sets/lines#train&body=text&take=2", library)


def test_a_data_set_of_the_hub_offline(library, monkeypatch):
    import datasets
    import huggingface_hub.constants

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    source = "hf:nobody/none-at-all:big#train&body=text"
    assert not is_here(source) and is_here("hf:./sets/lines#train")
    fault = fault_of(source, library)
    assert told_place(source) in fault.expected and "the Hub gives no answer" in fault.what
    place = Path(told_place(source))
    assert place.parent == cache_place(source) and place.name == "rows.json"
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(json.dumps([{"text": "What was brought by hand is read."}]))
    assert read_source(Entry(source), library).text == "What was brought by hand is read.\n"
