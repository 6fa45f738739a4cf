"""Every planted fault is found, and told where it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
from making import copy_corpus, make_library, make_plan, make_prose, make_stage, scene_yaml

from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.proof import declared_records, verify_consumed, verify_corpus
from ontogeny.corpus.rows import Corpus

CONTEXT = 128


def flip_byte(path, at):
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)[0]
        file.seek(at)
        file.write(bytes([byte ^ 1]))


def swap_rows(path, row_bytes, i, j):
    raw = bytearray(path.read_bytes())
    a, b = slice(i * row_bytes, (i + 1) * row_bytes), slice(j * row_bytes, (j + 1) * row_bytes)
    raw[a], raw[b] = raw[b], raw[a]
    path.write_bytes(raw)


def whole(faults):
    return "\n".join(fault.render() for fault in faults)


def test_an_untouched_corpus_has_no_fault(prepared):
    assert verify_corpus(prepared[2].folder) == []


@pytest.mark.parametrize("at", [0, 5, 2 * 128 * 3 + 20])
def test_one_byte_of_a_pack(own_copy, at):
    flip_byte(own_copy / "first/ids.bin", at)
    (fault,) = verify_corpus(own_copy)
    assert f"pack {at // 256} of stage 'first' (book 'alpha', characters" in fault.where


def test_one_code_of_a_pack(own_copy):
    flip_byte(own_copy / "second/codes.bin", 4 * CONTEXT + 7)
    (fault,) = verify_corpus(own_copy)
    assert "pack 4 of stage 'second' (scene 'gap-second-1'" in fault.where


def test_one_stored_digest(own_copy):
    flip_byte(own_copy / "first/digests.bin", 32 * 6 + 3)
    (fault,) = verify_corpus(own_copy)
    assert "digest" in fault.what and "pack 6 of stage 'first'" in fault.where


@pytest.mark.parametrize("with_digests", [False, True])
def test_two_swapped_packs_are_told_as_swapped(own_copy, with_digests):
    swap_rows(own_copy / "first/ids.bin", 2 * CONTEXT, 2, 9)
    swap_rows(own_copy / "first/codes.bin", CONTEXT, 2, 9)
    if with_digests:
        swap_rows(own_copy / "first/digests.bin", 32, 2, 9)
    (fault,) = verify_corpus(own_copy)
    assert fault.what == "packs 2 and 9 of stage 'first' are swapped."
    assert "book 'alpha'" in fault.where


def test_swapped_with_their_segments_too(own_copy):
    """Whoever swaps everything consistently is caught by the declared ranges."""
    swap_rows(own_copy / "first/ids.bin", 2 * CONTEXT, 2, 9)
    swap_rows(own_copy / "first/codes.bin", CONTEXT, 2, 9)
    swap_rows(own_copy / "first/digests.bin", 32, 2, 9)
    path = own_copy / "first/segments.npy"
    segments = np.load(path)
    packs = segments["pack"].copy()
    segments["pack"][packs == 2], segments["pack"][packs == 9] = 9, 2
    np.save(path, segments[np.argsort(segments["pack"], kind="stable")])
    assert "first" in whole(verify_corpus(own_copy))


@pytest.mark.parametrize(
    ("file", "at", "told"),
    [
        ("books/alpha.txt", 100, "book 'alpha' is not what was packed"),
        ("tokenizer/tokenizer.json", -20, "tokenizer"),
        ("first/role_ids.bin", 40, "scene pack of the roles"),
        ("first/role_codes.bin", 40, "roles"),
        ("second/heldout.jsonl", 120, "held-out passage"),
    ],
)
def test_one_byte_elsewhere(own_copy, file, at, told):
    path = own_copy / file
    flip_byte(path, at if at >= 0 else path.stat().st_size + at)
    assert told in whole(verify_corpus(own_copy))


def test_a_pack_too_many(own_copy):
    with open(own_copy / "first/ids.bin", "ab") as file:
        file.write(bytes(2 * CONTEXT))
    (fault,) = verify_corpus(own_copy)
    assert "first/ids.bin" in fault.where


def change_manifest(folder, change):
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest["stages"])
    path.write_text(json.dumps(manifest))


@pytest.mark.parametrize("phase", ["books", "replay", "roles"])
def test_a_root_that_is_not_the_rows(own_copy, phase):
    def change(stages):
        stages[1]["phases"][phase]["root"] = "0" * 64

    change_manifest(own_copy, change)
    (fault,) = verify_corpus(own_copy)
    assert "root" in fault.what and f"phase {phase}" in fault.where


def test_a_replay_list_that_was_changed(own_copy):
    def change(stages):
        stages[1]["phases"]["replay"]["list"].reverse()

    change_manifest(own_copy, change)
    assert "phase replay" in whole(verify_corpus(own_copy))


@pytest.mark.parametrize("kind", ["training", "held_out"])
def test_a_range_that_breaks_the_law_of_the_book(own_copy, kind):
    def change(stages):
        stages[0]["books"][0][kind][0][0] += 1

    change_manifest(own_copy, change)
    assert "book 'alpha'" in whole(verify_corpus(own_copy))


def test_no_manifest(tmp_path):
    (fault,) = verify_corpus(tmp_path)
    assert "manifest.json" in fault.where


# every file, all three modes of reading


@pytest.fixture(scope="module")
def modes(tmp_path_factory):
    """A corpus of three stages: sequential, interleaved with replay, self-chosen; not to be changed."""
    root = tmp_path_factory.mktemp("modes")
    books = {name: make_prose(seed, 14 + 6 * seed, 4) for seed, name in enumerate(("alpha", "beta", "gamma"))}
    triggers = ("phrase: bridge with", "phrase: lamp with")
    scenes = "".join(scene_yaml(f"s{i}", trigger) for i, trigger in enumerate(triggers))
    library = make_library(root, books, {name: scenes for name in ("first", "second", "third")})
    stages = [
        make_stage(0, "first", ["alpha"]),
        make_stage(1, "second", [], reading="interleaved", replay_frac=0.2),
        make_stage(2, "third", ["alpha", "beta", "gamma"], reading="self_chosen", replay_frac=0.2),
    ]
    stages[1].sections = [("one", ["alpha", "beta"]), ("two", ["gamma"])]
    return prepare_corpus(make_plan(stages, context_tokens=128), library, root / "corpus").folder


FILES = ["manifest.json", "SHA256SUMS", "items.jsonl", "tokenizer/tokenizer.json", "tokenizer/tokenizer_config.json"]
FILES += [f"books/{book}.txt" for book in ("alpha", "beta", "gamma")]
FILES += [
    f"{stage}/{name}"
    for stage in ("first", "second", "third")
    for name in (
        "ids.bin",
        "codes.bin",
        "digests.bin",
        "segments.npy",
        "role_ids.bin",
        "role_codes.bin",
        "role_segments.npy",
        "role_rows.npy",
        "scenes.jsonl",
        "heldout.jsonl",
        "items.jsonl",
    )
]


def test_no_file_of_a_corpus_is_left_out(modes):
    assert sorted(FILES) == sorted(p.relative_to(modes).as_posix() for p in modes.rglob("*") if p.is_file())
    assert verify_corpus(modes) == []


@pytest.mark.parametrize("file", FILES)
def test_one_byte_of_any_file_is_found_and_the_file_named(modes, file):
    path = modes / file
    raw = path.read_bytes()
    size = len(raw)
    try:
        for at, bit in zip((0, size // 3, size * 2 // 3, size - 1), (1, 32, 4, 128), strict=True) if size else ():
            path.write_bytes(raw[:at] + bytes([raw[at] ^ bit]) + raw[at + 1 :])
            faults = verify_corpus(modes)
            assert faults, f"byte {at}, bit {bit}"
            assert any(file in fault.where for fault in faults), (at, bit, whole(faults))
        path.rename(path.with_name(".away"))
        assert any(file in fault.where for fault in verify_corpus(modes)), "the file is gone"
        path.with_name(".away").rename(path)
    finally:
        path.write_bytes(raw)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda stages: stages[1]["turns"].reverse(), "the sections are not read in the order of their turns"),
        (lambda stages: stages[1]["turns"].pop(3), "book 'gamma'"),
        (lambda stages: stages[1]["sections"].reverse(), "stage 'second'"),
        (lambda stages: stages[2]["book_packs"]["beta"].__setitem__(0, 1), "book 'beta'"),
        (lambda stages: stages[0]["books"][0]["training"][0].__setitem__(1, 40), "characters 40 to"),
        (lambda stages: stages[2].update(reading="interleaved"), "stage 'third'"),
    ],
)
def test_a_manifest_that_tells_another_order(modes, tmp_path, change, told):
    folder = copy_corpus(modes, tmp_path / "corpus")
    change_manifest(folder, change)
    found = whole(verify_corpus(folder))
    assert told in found and "manifest.json" in found, found


def test_a_fault_tells_the_book_the_words_and_the_step(modes, tmp_path):
    folder = copy_corpus(modes, tmp_path / "corpus")
    flip_byte(folder / "first/ids.bin", 2 * (128 * 7 + 20))
    (fault,) = verify_corpus(folder)
    corpus = Corpus(folder)
    segments = corpus.shard(0).segments()
    start = segments[segments["pack"] == 7]["start"][0]
    words = " ".join(corpus.folder.joinpath("books/alpha.txt").read_text()[start : start + 100].split())[:40]
    assert fault.where.startswith("first/ids.bin: pack 7 of stage 'first' (book 'alpha', characters ")
    assert f"'{words}...'" in fault.where and fault.where.endswith("; step 2)")
    assert "token 20" in fault.got
    assert "; step " in corpus.describe(2, 9) and "of book '" in corpus.describe(2, 9)


def test_an_answer_or_a_held_out_passage_that_the_book_does_not_hold(own_copy):
    for name, key, told in (("items.jsonl", "answer", "item 'gap-"), ("heldout.jsonl", "text", "book '")):
        path = own_copy / "first" / name
        lines = path.read_text().splitlines()
        at = next(i for i, line in enumerate(lines) if json.loads(line).get("kind", "gap") == "gap")
        record = json.loads(lines[at])
        record[key] = record[key][:3] + "X" + record[key][4:]
        path.write_text("\n".join([*lines[:at], json.dumps(record), *lines[at + 1 :]]) + "\n")
        (fault,) = verify_corpus(own_copy)
        assert f"first/{name}, line {at + 1}: stage 'first', {told}" in fault.where and "characters" in fault.where
        path.write_text("\n".join([*lines[:at], *lines[at + 1 :]]) + "\n")
        assert name in verify_corpus(own_copy)[0].where, "a line that is missing"
        path.write_text("\n".join(lines) + "\n")


def test_a_whole_stage_of_wrong_packs_is_told_in_a_few_faults(own_copy):
    path = own_copy / "first/ids.bin"
    path.write_bytes(bytes(path.stat().st_size))
    faults = verify_corpus(own_copy)
    assert 2 < len(faults) < 12 and "more packs are not what was declared" in whole(faults)


# consumed.bin


@pytest.fixture
def consumed(prepared, tmp_path):
    plan, _, corpus = prepared
    declared_records(corpus, 1, 1).tofile(tmp_path / "consumed.bin")
    return corpus, plan.stages[1], tmp_path


def test_what_was_declared_was_fed(consumed):
    corpus, stage, folder = consumed
    assert verify_consumed(corpus, stage, folder, 1) == []
    rows = sum(corpus.phase_rows(1, phase) for phase in ("books", "replay", "roles"))
    assert (folder / "consumed.bin").stat().st_size == 48 * rows
    assert "pass" in verify_consumed(corpus, stage, folder, 2)[0].got


@pytest.mark.parametrize(("offset", "told"), [(0, "pass"), (4, "phase"), (8, "step"), (12, "row"), (20, "digest")])
def test_one_byte_of_a_record(consumed, offset, told):
    corpus, stage, folder = consumed
    flip_byte(folder / "consumed.bin", 48 * 5 + offset)
    (fault,) = verify_consumed(corpus, stage, folder, 1)
    assert (
        "record 5: stage 'second', books, step 1, row 5: pack 5 of stage 'second' (scene 'gap-second-1'" in fault.where
    )
    assert told in fault.got


def test_rows_fed_in_another_order(consumed):
    corpus, stage, folder = consumed
    records = np.fromfile(folder / "consumed.bin", dtype=declared_records(corpus, 1, 1).dtype)
    records["digest"][[3, 4]] = records["digest"][[4, 3]]
    records.tofile(folder / "consumed.bin")
    (fault,) = verify_consumed(corpus, stage, folder, 1)
    assert "record 3" in fault.where and "row 4: an order that was not declared" in fault.got


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda rows: np.delete(rows, 4), "was dropped"),
        (lambda rows: np.insert(rows, 4, rows[3]), "the record before it, once more"),
        (lambda rows: rows[[0, 1, 2, 3, 6, 5, 4, *range(7, len(rows))]], "the record that belongs here is record 6"),
        (lambda rows: np.concatenate([rows[:4], rows[:1], rows[5:]]), "row 0"),
    ],
)
def test_what_happened_to_a_record_is_told(consumed, change, told):
    corpus, stage, folder = consumed
    rows = np.fromfile(folder / "consumed.bin", dtype=declared_records(corpus, 1, 1).dtype)
    change(rows).tofile(folder / "consumed.bin")
    (fault,) = verify_consumed(corpus, stage, folder, 1)
    assert "record 4: stage 'second', books, step 1, row 4: pack 4" in fault.where and told in fault.got


def test_a_foreign_row_is_told(consumed):
    corpus, stage, folder = consumed
    flip_byte(folder / "consumed.bin", 48 * 4 + 20)
    assert "which no declared row has" in verify_consumed(corpus, stage, folder, 1)[0].got


def test_replayed_and_role_rows_are_named(consumed):
    corpus, stage, folder = consumed
    books, replay = corpus.phase_rows(1, "books"), corpus.phase_rows(1, "replay")
    assert replay > 0
    flip_byte(folder / "consumed.bin", 48 * books + 20)
    assert "of stage 'first' (" in verify_consumed(corpus, stage, folder, 1)[0].where
    flip_byte(folder / "consumed.bin", 48 * books + 20)
    flip_byte(folder / "consumed.bin", 48 * (books + replay) + 20)
    assert "read as student" in verify_consumed(corpus, stage, folder, 1)[0].where


def test_missing_and_surplus_records(consumed):
    corpus, stage, folder = consumed
    path = folder / "consumed.bin"
    raw = path.read_bytes()
    path.write_bytes(raw[:-48])
    assert "less than was declared" in verify_consumed(corpus, stage, folder, 1)[0].what
    path.write_bytes(raw + raw[:48])
    assert "more than was declared" in verify_consumed(corpus, stage, folder, 1)[0].what
    path.write_bytes(raw + b"x")
    assert "more than was declared" in verify_consumed(corpus, stage, folder, 1)[0].what
    path.unlink()
    assert "no record" in verify_consumed(corpus, stage, folder, 1)[0].what


def test_a_corpus_can_be_moved(prepared, own_copy):
    assert Corpus(own_copy).manifest == prepared[2].manifest
    assert verify_corpus(own_copy) == []
