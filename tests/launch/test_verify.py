"""`ontogeny verify` on a grown run: it holds, and each planted fault makes it fail and name the place."""

from __future__ import annotations

import contextlib
import json
import shutil
from pathlib import Path

import pytest

from ontogeny.cli.verify import verified
from ontogeny.core.run import RunDirectory
from tests.launch.lives import call

RECORD_BYTES = 48
FIELDS = {"pass": 0, "phase": 4, "step": 8, "row": 12, "digest": 16}


@pytest.fixture(scope="module")
def copy(grown, tmp_path_factory):
    """A copy to plant faults in; every test leaves it as it was, which is proven at the end."""
    run = tmp_path_factory.mktemp("verify") / "moved and copied"
    shutil.copytree(grown, run)
    yield run
    assert verified(RunDirectory(run))[1] == []


@contextlib.contextmanager
def spoiled(path: Path, change):
    """The file with changed bytes, for a while."""
    raw = path.read_bytes()
    try:
        changed = bytes(change(bytearray(raw)))
        assert changed != raw
        path.write_bytes(changed)
        yield
    finally:
        path.write_bytes(raw)


def flip(at: int):
    """Changes the lowest bit of one byte; a negative place counts from the end."""

    def change(raw: bytearray) -> bytearray:
        raw[at] ^= 1
        return raw

    return change


def swap(size: int, one: int, other: int):
    """Exchanges two records of `size` bytes."""

    def change(raw: bytearray) -> bytearray:
        first, second = slice(one * size, (one + 1) * size), slice(other * size, (other + 1) * size)
        raw[first], raw[second] = raw[second], raw[first]
        return raw

    return change


def told(run: Path) -> str:
    """Every fault of a run, as a person reads them."""
    return "\n".join(fault.render() for fault in verified(RunDirectory(run))[1])


def assert_named(run: Path, *words: str) -> None:
    story = told(run)
    assert story, "nothing was found"
    missing = [word for word in words if word not in story]
    assert not missing, f"{missing} not in\n{story}"


def pack_bytes(run: Path, name: str) -> int:
    """Bytes of one pack in ids.bin or codes.bin."""
    manifest = json.loads((run / "corpus" / "manifest.json").read_text())
    return manifest["context_tokens"] * (1 if "codes" in name else int(manifest["ids_dtype"][-1]))


def test_a_grown_run_holds_wherever_it_is_copied(copy):
    checks, faults = verified(RunDirectory(copy))
    assert faults == []
    assert checks[0].startswith("corpus: 2 books")
    assert "02-lexicon: adapter critic loads" in checks
    assert sum("rows fed as sealed" in check for check in checks) == 2


@pytest.mark.parametrize("name", ["ids.bin", "codes.bin"])
@pytest.mark.parametrize("stage, book", [("primer", "bbe-genesis"), ("lexicon", "everyday-life-1")])
def test_one_byte_of_a_pack(copy, stage, book, name):
    with spoiled(copy / "corpus" / stage / name, flip(7 * pack_bytes(copy, name) + 40)):
        assert_named(copy, f"pack 7 of stage '{stage}'", f"book '{book}'")


def test_every_pack_is_watched(copy):
    for pack in (0, 9, 18):
        with spoiled(copy / "corpus/lexicon/ids.bin", flip(pack * pack_bytes(copy, "ids.bin") + 6)):
            assert_named(copy, f"pack {pack} of stage 'lexicon'")


@pytest.mark.parametrize("name", ["role_ids.bin", "role_codes.bin"])
def test_one_byte_of_a_pack_of_the_roles(copy, name):
    with spoiled(copy / "corpus/primer" / name, flip(3 * pack_bytes(copy, name) + 40)):
        assert_named(copy, "scene pack of the roles", "pack 3 of stage 'primer'")


def test_one_byte_of_a_digest(copy):
    with spoiled(copy / "corpus/primer/digests.bin", flip(5 * 32 + 3)):
        assert_named(copy, "digests.bin, pack 5 of stage 'primer'", "book 'bbe-genesis'", "its pack is whole")


def test_two_packs_swapped(copy):
    folder = copy / "corpus" / "primer"
    ids, codes = (swap(pack_bytes(copy, name), 4, 11) for name in ("ids.bin", "codes.bin"))
    with spoiled(folder / "ids.bin", ids), spoiled(folder / "codes.bin", codes):
        assert_named(copy, "packs 4 and 11 of stage 'primer' are swapped", "book 'bbe-genesis'")
        with spoiled(folder / "digests.bin", swap(32, 4, 11)):  # by someone who knows the format
            assert_named(copy, "packs 4 and 11 of stage 'primer' are swapped")


@pytest.mark.parametrize("file", ["segments.npy", "role_segments.npy"])
def test_one_byte_of_what_tells_whence_packs_come(copy, file):
    with spoiled(copy / "corpus/lexicon" / file, flip(-20)):
        assert_named(copy, "stage 'lexicon'")


def test_one_letter_of_a_scene_as_it_is_told(copy):
    path = copy / "corpus/lexicon/scenes.jsonl"
    turns = path.read_bytes().rindex(b'"turns": [["')
    with spoiled(path, flip(turns + path.read_bytes()[turns:].index(b'", "') + 20)):
        assert_named(copy, "lexicon")
    with spoiled(path, flip(-20)):  # of a resolution, which no pack needs
        assert_named(copy, "lexicon/scenes.jsonl")


def test_a_pack_taken_from_a_role(copy):
    with spoiled(copy / "corpus/lexicon/role_rows.npy", lambda raw: flip(bytes(raw).rindex(1))(raw)):
        assert_named(copy, "stage 'lexicon', phase roles")


def test_one_letter_of_a_held_out_passage(copy):
    path = copy / "corpus/lexicon/heldout.jsonl"
    at = path.read_bytes().index(b'"text": "') + 12
    with spoiled(path, flip(at)):
        assert_named(copy, "a held-out passage", "stage 'lexicon'", "book 'everyday-life-1'", "characters")


def test_one_letter_of_a_book(copy):
    with spoiled(copy / "corpus/books/bbe-genesis.txt", flip(1000)):
        assert_named(copy, "book 'bbe-genesis' is not what was packed")


@pytest.mark.parametrize(
    "name",
    [
        "model/model.safetensors",
        "model/config.json",
        "model/tokenizer.json",
        "adapters/critic/adapter_model.safetensors",
        "adapters/student/adapter_config.json",
    ],
)
def test_one_byte_of_an_exported_file(copy, name):
    with spoiled(copy / "stages/02-lexicon" / name, flip(-40)):
        assert_named(copy, f"stages/02-lexicon/{name}", "changed since it was written")


def test_a_missing_adapter(copy):
    path = copy / "stages/01-primer/adapters/teacher"
    path.rename(copy / "teacher")
    try:
        assert_named(copy, "stages/01-primer/adapters/teacher/adapter_model.safetensors", "no such file")
    finally:
        (copy / "teacher").rename(path)


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("record, phase, words", [(9, "books", "book 'everyday-life-1'"), (-1, "roles", "read as")])
def test_one_byte_of_a_consumed_record(copy, record, phase, words, field):
    path = copy / "stages/02-lexicon/consumed.bin"
    at = record % (path.stat().st_size // RECORD_BYTES)
    with spoiled(path, flip(at * RECORD_BYTES + FIELDS[field])):
        assert_named(
            copy,
            f"02-lexicon/consumed.bin, record {at}: stage 'lexicon', {phase}",
            words,
            f"{field} " if field != "digest" else "digest",
        )


@pytest.mark.parametrize(
    "change, words",
    [
        (lambda raw: raw[:-RECORD_BYTES], "fed less than was declared"),
        (lambda raw: raw[:-7], "fed less than was declared"),
        (lambda raw: raw + raw[-RECORD_BYTES:], "fed more than was declared"),
        (lambda raw: raw[: 5 * RECORD_BYTES] + raw[4 * RECORD_BYTES :], "record 5: stage 'primer', books"),
        (swap(RECORD_BYTES, 3, 17), "record 3: stage 'primer', books, step 1, row 3"),
    ],
    ids=["last dropped", "last torn", "last doubled", "one doubled", "two swapped"],
)
def test_records_dropped_doubled_swapped(copy, change, words):
    with spoiled(copy / "stages/01-primer/consumed.bin", change):
        assert_named(copy, words, "01-primer/consumed.bin")


@pytest.mark.parametrize("file", ["corpus/manifest.json", "plan.json"])
@pytest.mark.parametrize("phase", ["books", "replay", "roles"])
def test_another_order_root(copy, file, phase):
    root = json.loads((copy / file).read_text())["stages"][1]["phases"][phase]["root"].encode()
    with spoiled(copy / file, lambda raw: raw.replace(root, b"0" * 64)):
        assert_named(copy, f"lexicon/{phase}" if file == "plan.json" else "lexicon", phase, "0" * 64)


def test_the_verb_ends_with_1_and_names_the_place(copy):
    assert "every root holds" in call("verify", copy).stdout
    with spoiled(copy / "corpus/primer/ids.bin", flip(7 * pack_bytes(copy, "ids.bin") + 40)):
        done = call("verify", copy, code=1)
        assert "VerifyError" in done.stderr and "pack 7 of stage 'primer'" in done.stderr
    with spoiled(copy / "stages/01-primer/consumed.bin", flip(9 * RECORD_BYTES + FIELDS["row"])):
        done = call("verify", copy, "--json", code=1)
        answer = json.loads(done.stdout)
        assert not answer["holds"] and "record 9" in answer["faults"][0]["where"]
