"""The sealed rows of a replay: planned before, made of journals and books, and made again by the proof."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest
from making import make_library, make_plan, make_prose, make_stage

from ontogeny.core.errors import RunError
from ontogeny.core.run import RunDirectory
from ontogeny.corpus.consumed import CONSUMED, declared_records, verify_consumed
from ontogeny.corpus.journal import JOURNAL, KEYS, Texts
from ontogeny.corpus.journal_rows import in_turn, journal_before, replay_faults, replay_rows
from ontogeny.corpus.layout import NO_TARGET
from ontogeny.corpus.lived import lived_roots
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.sealed import REPLAY, REPLAY_CODES, REPLAY_IDS, Sealed
from ontogeny.corpus.transitions import BookRuns, SentenceStarts, transitions
from ontogeny.corpus.vocabulary import make_encoder

ROWS = 5


@pytest.fixture(scope="module")
def life(tmp_path_factory):
    """(corpus, journal): three stages; the third replays earlier packs and the journals of the first two."""
    root = tmp_path_factory.mktemp("rows")
    library = make_library(root, {name: make_prose(seed, 50) for seed, name in enumerate(("a", "b", "c"))})
    stages = [
        make_stage(0, "one", ["a"], kinds=["gap"], journal_replay_frac=0.2),
        make_stage(1, "two", ["b"], kinds=["gap"]),
        make_stage(2, "three", ["c"], kinds=["gap"], replay_frac=0.1, journal_replay_frac=0.08),
    ]
    corpus = prepare_corpus(make_plan(stages), library, root / "corpus")
    return corpus, [entry for stage in (1, 0) for entry in entries_of(corpus, stage)]


def entries_of(corpus, stage: int, count: int = 12) -> list[dict]:
    """Entries as a stage's end writes them, of transitions spread over its packs; the first is the best."""
    shard = corpus.shard(stage)
    runs, packs, ids_RT = BookRuns(shard), np.arange(len(shard.ids_RT)), np.asarray(shard.ids_RT, np.int32)
    runs_RT = np.stack([runs.of_pack(pack) for pack in packs])
    found = transitions(SentenceStarts(corpus.folder / "tokenizer"), packs, ids_RT, np.ones(ids_RT.shape), runs_RT)
    texts = Texts(corpus, make_encoder(corpus.folder / "tokenizer"))
    told = [
        {"stage": shard.entry["name"], "pass": 1, **texts.place(runs, one)} for one in found[:: len(found) // count]
    ]
    told = [entry | dict.fromkeys(KEYS - entry.keys(), 1.0) for entry in told]
    return [entry | {"reducible_nats": 9.0 - number} for number, entry in enumerate(told)]


def seal(life, folder, entries=None):
    """The stage folder as the third stage seals it."""
    corpus, journal = life
    for name, content in replay_rows(corpus, 2, journal if entries is None else entries, "reducible").files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return Sealed(folder, corpus, 2)


def test_their_number_is_planned_and_the_first_stage_has_none(life):
    replay = [stage["phases"]["replay"] for stage in life[0].manifest["stages"]]
    packs = life[0].manifest["stages"][2]["packs"]
    assert "sealed_rows" not in replay[0] and replay[0]["rows"] == 0
    assert replay[2]["sealed_rows"] == round(0.08 * packs) == ROWS
    assert replay[2]["rows"] == len(replay[2]["list"]) + ROWS and replay[2]["steps"] == -(-replay[2]["rows"] // 3)
    assert life[0].phase_rows(2, "replay") == replay[2]["rows"]


def test_a_row_holds_paragraphs_whole_as_they_were_read(life):
    corpus, journal = life
    made, texts = replay_rows(corpus, 2, journal, "reducible"), Texts(corpus, make_encoder(corpus.folder / "tokenizer"))
    assert made.ids_RT.shape == made.codes_RT.shape == (ROWS, corpus.context_tokens)
    by_place = {(entry["book"], entry["start"]): entry for entry in journal}
    parts = [(row["row"], part) for row in made.told for part in row["parts"]]
    assert [row["row"] for row in made.told] == list(range(ROWS)) and len(parts) >= ROWS
    for row, part in parts:
        place = slice(part["first_token"], part["first_token"] + part["tokens"])
        entry = by_place[part["book"], part["start"]]
        text = texts.encoder.tokenizer.decode(made.ids_RT[row, place].tolist())
        assert entry["text"] in text and text.count("\n\n") <= 2
        paragraph = "".join(texts.of(part["book"])[start:end] for start, end in texts.paragraph(entry))
        whole = part["tokens"] < corpus.context_tokens - 1
        assert text == paragraph if whole else texts.of(part["book"])[entry["before_start"] :].startswith(text[:60])
        assert (made.codes_RT[row, place] == 0).all(), "weighed as plain text"
    filled = np.zeros(made.codes_RT.shape, bool)
    for row, part in parts:
        filled[row, part["first_token"] : part["first_token"] + part["tokens"]] = True
    assert (made.codes_RT[~filled] == NO_TARGET).all() and (made.ids_RT[~filled] == 0).all() and not filled[:, 0].any()


def test_nothing_held_out_is_replayed(life):
    corpus, journal = life
    texts = Texts(corpus, make_encoder(corpus.folder / "tokenizer"))
    for entry in journal:
        stage = next(one for one in corpus.manifest["stages"] if one["name"] == entry["stage"])
        book = next(one for one in stage["books"] if one["id"] == entry["book"])
        kept_back = [*((s, e) for s, e, _ in book["held_out"]), *((s, e) for s, e, _ in book["moved"])]
        for start, end in texts.paragraph(entry):
            assert any(s <= start and end <= e for s, e in book["training"])
            assert not any(s < end and e > start for s, e in kept_back)


def test_stages_take_turns_best_first_and_a_paragraph_comes_once(life):
    corpus, journal = life
    assert [entry["stage"] for entry in in_turn(journal, "reducible", 7)[:4]] == ["two", "one", "two", "one"]
    told = [part for row in replay_rows(corpus, 2, journal, "reducible").told for part in row["parts"]]
    assert (told[0]["stage"], told[0]["start"]) == ("two", journal[0]["start"])
    rows = replay_rows(corpus, 2, [journal[0], journal[0], *journal[1:3]], "reducible").told
    starts = [part["start"] for row in rows for part in row["parts"]]
    assert starts[:3] == [entry["start"] for entry in journal[:3]], "the same paragraph once"
    assert len(starts) > 3 and starts == (starts[:3] * len(starts))[: len(starts)], "then all begin again"


def test_a_paragraph_longer_than_a_row_begins_with_its_entry(life):
    corpus, journal = life
    texts = Texts(corpus, make_encoder(corpus.folder / "tokenizer"))
    entry = max(journal, key=lambda one: len(texts.context_ids(one, 10_000)))
    most = len(texts.context_ids(entry, 10_000)) - 1
    text = texts.encoder.tokenizer.decode(texts.context_ids(entry, most).tolist())
    assert texts.of(entry["book"])[entry["before_start"] :].startswith(text[:40])
    assert len(texts.context_ids(entry, 20)) == 20


def test_without_a_journal_earlier_packs_stand_for_it(life):
    corpus, _ = life
    made = replay_rows(corpus, 2, [], "reducible")
    chosen = [(part["stage"], part["pack"]) for row in made.told for part in row["parts"]]
    assert len(set(chosen)) == ROWS and {stage for stage, _ in chosen} <= {"one", "two"}
    for row, (stage, pack) in enumerate(chosen):
        shard = corpus.shard(["one", "two"].index(stage))
        assert (made.ids_RT[row] == shard.ids_RT[pack]).all() and (made.codes_RT[row] == shard.codes_RT[pack]).all()
    declared = corpus.manifest["stages"][2]["phases"]["replay"]["list"]
    assert [[["one", "two"].index(stage), pack] for stage, pack in chosen][: len(declared)] != declared


def test_batches_feed_the_declared_packs_then_the_sealed_rows(life, tmp_path):
    corpus, _ = life
    sealed, declared = seal(life, tmp_path), len(corpus.manifest["stages"][2]["phases"]["replay"]["list"])
    fed = list(corpus.batches(2, "replay", sealed=sealed))
    rows = [int(row) for batch in fed for row in batch.rows_B]
    ids_RT, weights_RT = (np.concatenate([getattr(batch, name) for batch in fed]) for name in ("ids_BT", "weights_BT"))
    assert rows == list(range(declared + ROWS))
    assert (ids_RT[declared:] == sealed.replay_ids_RT).all()
    assert ((weights_RT[declared:] == 1.0) == (sealed.replay_codes_RT == 0)).all()
    again = corpus.batch(2, "replay", 1, None, sealed)
    assert (again.ids_BT == fed[1].ids_BT).all(), "any batch, at once"
    with pytest.raises(AssertionError, match="sealed"):
        corpus.row(2, "replay", declared)


def test_what_was_fed_is_proven_with_what_was_sealed(life, tmp_path):
    corpus, _ = life
    sealed = seal(life, tmp_path)
    (tmp_path / CONSUMED).write_bytes(declared_records(corpus, 2, 1, None, sealed).tobytes())
    assert verify_consumed(corpus, 2, tmp_path, 1) == []
    root = lived_roots(corpus, 2, tmp_path)
    assert set(root) == {"replay"} and root["replay"] != corpus.manifest["stages"][2]["phases"]["replay"]["root"]
    assert lived_roots(corpus, 1, tmp_path) == {}
    raw = bytearray((tmp_path / REPLAY_IDS).read_bytes())
    raw[2 * corpus.context_tokens * 3 + 10] ^= 1
    (tmp_path / REPLAY_IDS).write_bytes(raw)
    (fault,) = verify_consumed(corpus, 2, tmp_path, 1)
    assert "sealed row 3 of stage 'three'" in fault.where
    assert lived_roots(corpus, 2, tmp_path) != root


@pytest.mark.parametrize(
    ("name", "damage", "told"),
    [
        (REPLAY_IDS, lambda raw: raw[:-2], "bytes"),
        (REPLAY_CODES, lambda raw: b"", "0 bytes"),
        (REPLAY_IDS, lambda raw: b"\xff\xff" + raw[2:], "token 65535"),
        (REPLAY, lambda raw: raw.replace(b'"row": 2', b'"row": 4'), "rows"),
        (REPLAY, lambda raw: raw[:40], "JSONDecodeError"),
    ],
)
def test_spoiled_sealed_rows_are_told(life, tmp_path, name, damage, told):
    sealed = seal(life, tmp_path)
    (tmp_path / name).write_bytes(damage((tmp_path / name).read_bytes()))
    with pytest.raises(RunError, match="sealed") as problem:
        _ = sealed.replay_ids_RT, sealed.replay_codes_RT, sealed.replay_parts
    assert told in problem.value.faults[0].got and name in problem.value.faults[0].where


def test_the_proof_makes_the_rows_again(life, tmp_path):
    corpus, journal = life
    seal(life, tmp_path)
    assert replay_faults(corpus, 2, journal, "reducible", tmp_path) == []
    assert replay_faults(corpus, 1, journal, "reducible", tmp_path) == [], "a stage that replays no journal"
    (fault,) = replay_faults(corpus, 2, journal[1:], "reducible", tmp_path)
    assert "a sealed row is not what the journal makes" in fault.what
    raw = bytearray((tmp_path / REPLAY_CODES).read_bytes())
    raw[2 * corpus.context_tokens + 5] ^= 1
    (tmp_path / REPLAY_CODES).write_bytes(raw)
    (fault,) = replay_faults(corpus, 2, journal, "reducible", tmp_path)
    assert fault.where.endswith(f"{REPLAY_CODES}, row 2") and "around characters" in fault.expected
    (tmp_path / REPLAY_IDS).unlink()
    (fault,) = replay_faults(corpus, 2, journal, "reducible", tmp_path)
    assert REPLAY_IDS in fault.where


def test_the_journal_before_is_the_newest_of_earlier_stages(life, tmp_path):
    entry = dict.fromkeys(sorted(KEYS), 1)
    for name, mark in (("01-one", 1), ("01-one.2", 2), ("03-three", 3)):
        (tmp_path / "stages" / name).mkdir(parents=True)
        (tmp_path / "stages" / name / JOURNAL).write_text(json.dumps(entry | {"pack": mark}) + "\n")
    (tmp_path / "stages" / "02-two").mkdir()
    run = RunDirectory(tmp_path)
    assert [[one["pack"] for one in journal_before(run, number)] for number in (1, 2, 3, 4)] == [[], [2], [2], [3]]


def test_an_arm_of_other_packs_seals_as_many_rows(life):
    from ontogeny.corpus.manifest import replay_phase
    from ontogeny.corpus.repack import replays_of

    corpus, _ = life
    entries = corpus.manifest["stages"]
    stage = SimpleNamespace(name="three", replay_frac=0.9, journal_replay_frac=0.9, batch_packs=3)
    plan = SimpleNamespace(seed=7, context_tokens=corpus.context_tokens)
    told = replay_phase(stage, plan, corpus.folder, 999, entries[:2], [], replays_of(entries[2]))
    assert told | {"root": None} == entries[2]["phases"]["replay"] | {"root": None}
