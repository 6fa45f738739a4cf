"""Attempts of the model's own: where, how many tokens, what is fed for them, and what a proof finds."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ontogeny.core.cursor import Cursor
from ontogeny.core.errors import RunError
from ontogeny.core.run import RunDirectory, remove_tree
from ontogeny.corpus.braked import attempt_faults, braked_places, chosen_places
from ontogeny.corpus.consumed import CONSUMED, declared_records, verify_consumed
from ontogeny.corpus.layout import NO_TARGET, row_digest
from ontogeny.corpus.lived import lived_roots
from ontogeny.corpus.sealed import ATTEMPTS, Sealed
from ontogeny.corpus.tokens import line_end_tokens
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.models.causal import build_model, write_model
from ontogeny.models.sampling import sample_tokens, token_kinds
from ontogeny.scenes.shape import SPANS
from ontogeny.train.attempts import own_attempts, seal_attempts
from tests.train.made_scenes import LENGTH, ROLES, SCENES, make_scenes_corpus

SEED, HALF = 7, 0.5
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return make_scenes_corpus(tmp_path_factory.mktemp("life") / "corpus")


@pytest.fixture(scope="module")
def model(corpus):
    architecture = {"type": "llama", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    spec = SimpleNamespace(base="scratch", architecture=architecture, context_tokens=LENGTH, precision="fp32")
    return build_model(spec, corpus.manifest["tokenizer"]["vocab_size"], 0, 7).eval()


def ledger_of(path, corpus, model, frac: float = HALF) -> SimpleNamespace:
    """A ledger as far as sealing asks, with the conception's model exported."""
    run = RunDirectory(path)
    folder = run.stage_folder(0, "conception") / "model"
    folder.mkdir(parents=True)
    write_model(model.state_dict(), model.config, corpus.folder / "tokenizer", folder, torch.float32)
    stage = SimpleNamespace(index=0, number=1, name="primer", loop_loss=SimpleNamespace(own_attempts_frac=frac))
    plan = SimpleNamespace(seed=SEED, stages=[stage])
    return SimpleNamespace(plan=plan, run=run, folder=lambda cursor: run.stage_folder(1, "primer", cursor.pass_))


@pytest.fixture
def sealed(tmp_path, corpus, model) -> Sealed:
    ledger = ledger_of(tmp_path, corpus, model)
    seal_attempts(ledger, corpus, Cursor(), CPU)
    return Sealed(ledger.folder(Cursor()), corpus, 0)


def places(corpus):
    return braked_places(corpus.shard(0), line_end_tokens(corpus.folder / "tokenizer"))


def words(corpus, ids) -> str:
    return make_encoder(corpus.folder / "tokenizer").tokenizer.decode([int(id_) for id_ in ids])


def test_braked_places_are_the_authored_attempts(corpus):
    shard = corpus.shard(0)
    told = [
        words(corpus, shard.ids_RT[place.pack][place.first_token : place.first_token + place.tokens])
        for place in places(corpus)
    ]
    authored = [text for turns in SCENES * 2 for _, span, text in turns if span == "attempt"]
    assert told == [f" {text}" for text in authored], "without the line's end"
    assert [place.scene for place in places(corpus)][:4] == ["scene-0", "scene-1", "scene-2", "scene-4"]


def test_the_choice_of_places_is_declared(corpus):
    all_places = places(corpus)
    chosen = chosen_places(all_places, 0.4, SEED, "primer")
    assert len(chosen) == round(0.4 * 8) == 3
    assert chosen == sorted(chosen, key=all_places.index) == chosen_places(all_places, 0.4, SEED, "primer")
    assert chosen_places(all_places, 1.0, SEED, "primer") == all_places
    assert chosen_places(all_places, 0.0, SEED, "primer") == []
    others = [chosen_places(all_places, 0.4, seed, name) for seed, name in ((8, "primer"), (SEED, "school"))]
    assert chosen not in others
    assert set(chosen) < set(chosen_places(all_places, 0.6, SEED, "primer")), "a larger share adds to a smaller"


def test_only_the_chosen_attempts_change_token_for_token(corpus, sealed):
    chosen = chosen_places(places(corpus), HALF, SEED, "primer")
    assert len(sealed.attempt_records) == len(chosen) == 4
    mine = {place.pack: [] for place in chosen}
    for place in chosen:
        mine[place.pack] += range(place.first_token, place.first_token + place.tokens)
    changed = 0
    for pack in range(corpus.phase_rows(0, "books")):
        declared, weights, _ = corpus.row(0, "books", pack)
        fed, fed_weights, _ = corpus.row(0, "books", pack, sealed)
        assert np.array_equal(weights, fed_weights)
        moved = np.flatnonzero(declared != fed).tolist()
        assert set(moved) <= set(mine.get(pack, []))
        changed += len(moved)
    assert changed > 10
    line_end_V = line_end_tokens(corpus.folder / "tokenizer")
    for record in sealed.attempt_records:
        assert not line_end_V[record["ids"]].any() and 0 not in record["ids"]
        assert record["text"] == words(corpus, record["ids"])


def test_roles_read_the_same_attempts(corpus, sealed):
    """Each chosen attempt stands in the roles' rows where the authored one did, and nothing else changed."""
    student = ROLES.index("student") + 1
    attempt = SPANS.index("attempt") + 8 * student
    chosen = [words(corpus, record["ids"]) for record in sealed.attempt_records]
    found, authored = [], []
    for row in range(corpus.phase_rows(0, "roles")):
        declared, fed = corpus.row(0, "roles", row)[0], corpus.row(0, "roles", row, sealed)[0]
        codes = corpus.coded(0, "roles", row)[1]
        assert (codes[declared != fed] == attempt).all()
        edges = np.flatnonzero(np.diff((codes == attempt).astype(int), prepend=0, append=0)).reshape(-1, 2)
        for start, end in edges:
            before, after = words(corpus, declared[start : end - 1]), words(corpus, fed[start : end - 1])
            (found if before != after else authored).append(after)
    assert sorted(found) == sorted(chosen)
    assert len(authored) == len(places(corpus)) - len(chosen)


def test_replay_reads_packs_as_they_are(corpus, sealed):
    assert all(sealed.over("replay", pack) == [] for pack in sealed.attempts)


def test_a_stem_holds_the_models_own_attempts_of_before(corpus, model):
    """Against a plain loop: one place after another, each read off the pack as it will be fed."""
    chosen = places(corpus)
    assert len({place.pack for place in chosen}) < len(chosen), "some pack has two"
    shard, kinds = corpus.shard(0), token_kinds(make_encoder(corpus.folder / "tokenizer"))
    fed = {place.pack: np.array(shard.ids_RT[place.pack]) for place in chosen}
    for place, ids in own_attempts(model, corpus, 0, chosen, (SEED, "primer", 1)):
        stem = fed[place.pack][: place.first_token].tolist()
        seed = (SEED, "primer", 1, "own attempts", place.pack, place.first_token)
        [slow] = sample_tokens(model, [stem], [place.tokens], [seed], kinds)
        assert ids == slow and len(ids) == place.tokens
        fed[place.pack][place.first_token : place.first_token + place.tokens] = ids


def test_what_is_sealed_is_used_as_it_is(tmp_path, corpus, model):
    ledger = ledger_of(tmp_path, corpus, model)
    seal_attempts(ledger, corpus, Cursor(), CPU)
    path = ledger.folder(Cursor()) / ATTEMPTS
    before = path.read_bytes()
    remove_tree(ledger.run.stage_folder(0, "conception"))
    seal_attempts(ledger, corpus, Cursor(step=3), CPU)
    assert path.read_bytes() == before


def test_attempts_that_were_lived_on_and_are_gone_are_an_error(tmp_path, corpus, model):
    ledger = ledger_of(tmp_path, corpus, model)
    with pytest.raises(RunError, match="sealed attempts are gone"):
        seal_attempts(ledger, corpus, Cursor(step=1), CPU)
    assert not (ledger.folder(Cursor()) / ATTEMPTS).exists()


def test_equal_lives_seal_equal_attempts_and_another_pass_others(tmp_path, corpus, model):
    ledgers = [ledger_of(tmp_path / name, corpus, model, frac=1.0) for name in ("one", "two")]
    stages = ledgers[0].run
    shutil.copytree(stages.stage_folder(0, "conception") / "model", stages.stage_folder(1, "primer") / "model")
    told = []
    for ledger, cursor in ((ledgers[0], Cursor()), (ledgers[1], Cursor()), (ledgers[0], Cursor(pass_=2))):
        seal_attempts(ledger, corpus, cursor, CPU)
        told.append((ledger.folder(cursor) / ATTEMPTS).read_bytes())
    assert told[0] == told[1] != told[2]


def test_no_share_seals_nothing(tmp_path, corpus, model):
    ledger = ledger_of(tmp_path, corpus, model, frac=0.0)
    seal_attempts(ledger, corpus, Cursor(), CPU)
    nothing = Sealed(ledger.folder(Cursor()), corpus, 0)
    assert not (ledger.folder(Cursor()) / ATTEMPTS).exists()
    assert attempt_faults(nothing, 0.0, SEED) == []
    assert lived_roots(corpus, 0, nothing.folder) == {}


def test_the_proof_finds_nothing_in_what_was_sealed(corpus, sealed):
    assert attempt_faults(sealed, HALF, SEED) == []


DAMAGES = [
    (lambda lines: lines[:-1], "3 attempts"),
    (lambda lines: [lines[1], lines[0], *lines[2:]], "tokens from"),
    (lambda lines: [lines[0] | {"scene": "scene-99"}, *lines[1:]], "scene-99"),
    (lambda lines: [lines[0] | {"ids": [0, *lines[0]["ids"][1:]]}, *lines[1:]], "special"),
    (lambda lines: [lines[0] | {"text": "other words"}, *lines[1:]], "other words"),
    (lambda lines: [lines[0] | {"first_token": lines[0]["first_token"] + 1}, *lines[1:]], "pack"),
]


@pytest.mark.parametrize("damage, told", DAMAGES)
def test_the_proof_finds_what_was_changed(corpus, sealed, damage, told):
    lines = [json.loads(line) for line in (sealed.folder / ATTEMPTS).read_text("utf-8").splitlines()]
    text = "".join(json.dumps(line) + "\n" for line in damage(lines))
    (sealed.folder / ATTEMPTS).write_text(text, encoding="utf-8")
    [fault] = attempt_faults(Sealed(sealed.folder, corpus, 0), HALF, SEED)
    assert told in fault.got


@pytest.mark.parametrize("first", [1, -3])
def test_an_attempt_put_over_other_words_is_refused(corpus, sealed, first):
    lines = [json.loads(line) for line in (sealed.folder / ATTEMPTS).read_text("utf-8").splitlines()]
    lines[0]["first_token"] = first
    (sealed.folder / ATTEMPTS).write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    with pytest.raises(RunError, match="not as it was sealed"):
        corpus.batch(0, "books", 0, sealed=Sealed(sealed.folder, corpus, 0))


def test_another_share_or_seed_is_not_what_was_declared(corpus, sealed):
    assert attempt_faults(sealed, 0.25, SEED) and attempt_faults(sealed, HALF, SEED + 1)
    assert attempt_faults(sealed, 0.0, SEED), "and attempts that no plan declares"


def test_what_was_fed_is_proven_with_the_attempts(corpus, sealed):
    """consumed.bin of rows as fed passes; that of the authored rows does not."""

    def feed(with_attempts: Sealed | None) -> bytes:
        records = declared_records(corpus, 0, 1, sealed=sealed)
        rows = [
            row_digest(*corpus.row(0, phase, row, with_attempts)[:2])
            for phase in ("books", "roles")
            for row in range(corpus.phase_rows(0, phase))
        ]
        records["digest"] = np.frombuffer(b"".join(rows), "V32")
        return records.tobytes()

    (sealed.folder / CONSUMED).write_bytes(feed(sealed))
    assert verify_consumed(corpus, 0, sealed.folder, 1) == []
    (sealed.folder / CONSUMED).write_bytes(feed(None))
    assert verify_consumed(corpus, 0, sealed.folder, 1) != []


def test_the_lived_roots_hold_the_sealed_file_and_the_rows(corpus, sealed):
    roots = lived_roots(corpus, 0, sealed.folder)
    assert set(roots) == {"books", "roles"}
    path = sealed.folder / ATTEMPTS
    lines = path.read_text("utf-8").splitlines(keepends=True)
    first = json.loads(lines[0])
    first["ids"][0] = first["ids"][0] % 200 + 1
    path.write_text("".join([json.dumps(first) + "\n", *lines[1:]]), encoding="utf-8")
    changed = lived_roots(corpus, 0, sealed.folder)
    assert all(changed[phase] != roots[phase] for phase in roots)


def test_batches_carry_codes_beside_the_overlay(corpus, sealed):
    batch = corpus.batch(0, "books", 0, sealed=sealed)
    assert np.array_equal(batch.codes_BT, corpus.shard(0).codes_RT[batch.rows_B])
    assert (batch.weights_BT[batch.codes_BT == NO_TARGET] == 0).all()
