from __future__ import annotations

import errno
import json

import pytest
from making import ROLES, make_library, make_plan, make_prose, make_stage, scene_yaml, span, two_stages

from ontogeny.core.errors import CorpusError, DiskError, OntogenyError
from ontogeny.corpus import prepare as prepare_module
from ontogeny.corpus.layout import read_json_lines
from ontogeny.corpus.passages import SPLITS
from ontogeny.corpus.prepare import corpus_hash, prepare_corpus
from ontogeny.corpus.vocabulary import train_tokenizer


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_script_that_the_tokenizer_never_saw_is_a_warning(tmp_path):
    strange = "\n\n".join("天地玄黄宇宙洪荒日月盈昃辰宿列张。" * 4 for _ in range(12))
    library = make_library(tmp_path, {"plain": make_prose(1, 30), "strange": strange})
    plan = make_plan([make_stage(0, "one", ["plain", "strange"], every_tokens=None)])
    plan.tokenizer = {"pretrained": "given"}
    train_tokenizer([make_prose(5, 30)], 333, tmp_path / "given")
    told = prepare_corpus(plan, library, tmp_path / "corpus", tmp_path / "given").manifest["stages"][0]["warnings"]
    assert [line for line in told if "script" in line] == [
        "the tokenizer hardly knows the script of book 'strange': 1.00 bytes a token"
    ]


def test_two_preparations_are_equal_to_the_byte(prepared, tmp_path):
    plan, library, corpus = prepared
    again = prepare_corpus(plan, library, tmp_path / "corpus")
    assert files_of(again.folder) == files_of(corpus.folder)
    assert again.manifest["corpus_hash"] == corpus_hash(plan, library)


def test_a_corpus_that_is_there_is_returned_at_once(prepared, monkeypatch):
    plan, library, corpus = prepared
    monkeypatch.setattr(prepare_module._Making, "write", lambda *a: pytest.fail("prepared again"))
    assert prepare_corpus(plan, library, corpus.folder).manifest == corpus.manifest


def test_what_a_dead_preparation_left_is_removed_and_nothing_is_half_written(tmp_path, monkeypatch):
    plan, library = two_stages(tmp_path)
    left = tmp_path / ".corpus.partial" / "first"
    left.mkdir(parents=True)
    (left / "ids.bin").write_bytes(b"half")
    real = prepare_module.write_manifest
    monkeypatch.setattr(prepare_module, "write_manifest", lambda *a: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        prepare_corpus(plan, library, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()
    monkeypatch.setattr(prepare_module, "write_manifest", real)
    prepare_corpus(plan, library, tmp_path / "corpus")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus", "stages"]


def test_a_full_disk_is_a_disk_error_and_leaves_nothing(tmp_path, monkeypatch):
    plan, library = two_stages(tmp_path)

    def full(*a):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(prepare_module, "write_manifest", full)
    with pytest.raises(DiskError, match="No space left"):
        prepare_corpus(plan, library, tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["stages"]


@pytest.mark.parametrize(
    "change",
    [
        lambda plan: setattr(plan, "seed", 8),
        lambda plan: setattr(plan, "context_tokens", 64),
        lambda plan: setattr(plan.stages[1], "replay_frac", 0.3),
        lambda plan: setattr(plan.stages[0], "name", "other"),
        lambda plan: setattr(plan.stages[0].loop_loss, "attempt", 0.1),
        lambda plan: setattr(plan.stages[0].scenes, "every_tokens", 301),
        lambda plan: setattr(plan.stages[0], "batch_packs", 5),
        lambda plan: setattr(plan.stages[0].roles["student"], "batch_tokens", 128),
        lambda plan: setattr(plan.stages[1], "sections", [("all", ["beta", "gamma"])]),
    ],
)
def test_what_decides_packs_decides_the_hash(tmp_path, change):
    plan, library = two_stages(tmp_path)
    (tmp_path / "stages/other").mkdir()
    before = corpus_hash(plan, library)
    assert before == corpus_hash(plan, library)
    change(plan)
    assert corpus_hash(plan, library) != before


def test_a_changed_book_or_scene_is_another_corpus(tmp_path):
    plan, library = two_stages(tmp_path)
    hashes = {corpus_hash(plan, library)}
    for path in ("stages/beta.txt", "stages/first/scenes.yaml"):
        with open(tmp_path / path, "a") as file:
            file.write("\n")
        hashes.add(corpus_hash(plan, library))
    assert len(hashes) == 3


def test_a_given_tokenizer_is_used_as_it_is_and_found_again(tmp_path):
    plan, library = two_stages(tmp_path)
    plan.tokenizer, plan.context_tokens = {"pretrained": "somewhere"}, 160
    with pytest.raises(CorpusError, match="not handed in"):
        prepare_corpus(plan, library, tmp_path / "corpus")
    fingerprint = train_tokenizer([make_prose(5, 30)], 333, tmp_path / "given")
    corpus = prepare_corpus(plan, library, tmp_path / "corpus", tmp_path / "given")
    assert corpus.manifest["tokenizer"]["fingerprint"] == fingerprint
    assert prepare_corpus(plan, library, tmp_path / "corpus").manifest == corpus.manifest


def test_scenes_stand_where_they_are_triggered(prepared):
    _, _, corpus = prepared
    records = corpus.shard(0).scenes
    texts = {
        book["id"]: (corpus.folder / "books" / f"{book['id']}.txt").read_bytes().decode()
        for book in corpus.manifest["books"]
    }
    triggers = {"first-0": "bridge", "first-1": "mirror", "first-4": "lamp"}
    seen = set()
    for record in records:
        text = texts[record["book"]]
        paragraph = text[record["offset"] : text.find("\n\n", record["offset"])]
        if record["matched"] and record["id"] in triggers:
            assert triggers[record["id"]] in paragraph.lower()
            seen.add(record["id"])
        if record["id"] == "first-2":
            assert text[record["offset"] + len(paragraph) + 2 :].startswith("CHAPTER")
        if record["id"] == "first-3":
            assert not record["matched"]
    ids = [record["id"] for record in records]
    assert len(ids) == len(set(ids)) and len(seen) >= 2
    items = [item for item in read_json_lines(corpus.folder / "first/items.jsonl") if item["kind"] == "conflict"]
    held = [item for item in items if item["probe"] == "conflict_resolution"]
    assert len(held) == 1 and held[0]["id"] not in ids
    assert {held[0]["id"], *ids} >= {f"first-{i}" for i in range(5)}


def test_the_pace_is_kept(prepared):
    _, _, corpus = prepared
    for index, stage in enumerate(corpus.manifest["stages"]):
        due = sum(int(s["tokens"]) for s in corpus.shard(index).segments() if s["kind"] == 0) / 300
        assert 0.8 * due <= sum(stage["scenes"].values()) <= 1.1 * due, stage["name"]


def test_a_scene_follows_its_paragraph_in_one_pack(prepared, tmp_path):
    _, library, small = prepared
    plan, _ = two_stages(tmp_path)
    plan.context_tokens = 420
    corpus = prepare_corpus(plan, library, tmp_path / "corpus")
    shard = corpus.shard(0)
    segments = shard.segments()
    assert len(shard.scenes) > 10
    for record in shard.scenes:
        place = (record["pack"], record["first_token"])
        (at,) = (i for i, s in enumerate(segments) if (s["pack"], s["first_token"]) == place)
        unit = segments[at : at + (3 if record["removed"] else 2)]
        assert unit["pack"].tolist() == [record["pack"]] * len(unit)
        assert unit["kind"].tolist() == [0] * (len(unit) - 1) + [1]
        assert unit[0]["start"] == record["offset"] and unit[-1]["tokens"] == record["tokens"]
    roomy, narrow = (c.manifest["stages"][0]["warnings"] for c in (corpus, small))
    assert not any("cut between turns" in warning for warning in roomy)
    assert any("cut between turns" in warning for warning in narrow)


def test_held_out_text_is_in_no_pack_and_splits_have_shares(prepared):
    _, _, corpus = prepared
    for index, stage in enumerate(corpus.manifest["stages"]):
        passages = list(read_json_lines(corpus.folder / stage["name"] / "heldout.jsonl"))
        counts = {split: stage["held_out"][split]["passages"] for split in SPLITS}
        assert passages
        assert abs(counts["test"] - counts["gate"] - counts["search"]) <= 1 + stage["contaminated"], counts
        assert 0 <= counts["gate"] - counts["search"] + stage["contaminated"] <= 1 + 2 * stage["contaminated"], counts
        ranges = [(s["source"], s["start"], s["end"]) for s in corpus.shard(index).segments() if s["kind"] == 0]
        books = [book["id"] for book in corpus.manifest["books"]]
        for passage in passages:
            assert not any(
                books[k] == passage["book"] and s < passage["end"] and e > passage["start"] for k, s, e in ranges
            )


def test_items_ask_what_training_asked(prepared):
    _, _, corpus = prepared
    items = list(read_json_lines(corpus.folder / "first/items.jsonl"))
    gaps = [item for item in items if (item["probe"], item["kind"]) == ("conflict_resolution", "gap")]
    assert len(gaps) >= 5 and len({(item["probe"], item["id"]) for item in items}) == len(items)
    for item in gaps:
        assert item["context"].endswith("Reformulator:") and item["context"].startswith("Teacher: ")
        (foil,) = item["foils"]
        assert item["answer"] != foil and item["answer"][0] == foil[0] == " "
        assert item["answer"].strip() not in item["context"] and foil.strip() not in item["context"]
        assert len(item["context"]) < 600


def test_a_span_of_tokens_ends_with_the_passage_that_reaches_it(tmp_path):
    library = make_library(tmp_path, {"alpha": make_prose(1, 40), "beta": make_prose(2, 40), "gamma": make_prose(3, 9)})
    stage = make_stage(0, "one", ["alpha", "beta", "gamma"], stage_span=span(tokens=4000), every_tokens=None)
    plan = make_plan([stage])
    stage = prepare_corpus(plan, library, tmp_path / "corpus").manifest["stages"][0]
    assert 4000 <= stage["tokens"] < 4400 and stage["phases"]["books"]["tokens"] == stage["tokens"]
    alpha, beta, gamma = stage["books"]
    assert alpha["unread"] == [] and beta["unread"] and beta["held_out"]
    assert gamma["held_out"] == gamma["training"] == [] and len(gamma["unread"]) == 1


def test_more_tokens_than_the_books_hold(tmp_path):
    library = make_library(tmp_path, {"alpha": make_prose(1, 40)})
    plan = make_plan([make_stage(0, "one", ["alpha"], stage_span=span(tokens=10**6), every_tokens=None)])
    with pytest.raises(CorpusError, match=r"at most \d,\d{3}"):
        prepare_corpus(plan, library, tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_epochs_repeat_the_packs(tmp_path):
    library = make_library(tmp_path, {"alpha": make_prose(1, 40)})
    plan = make_plan([make_stage(0, "one", ["alpha"], stage_span=span(epochs=3), every_tokens=None)])
    corpus = prepare_corpus(plan, library, tmp_path / "corpus")
    packs = corpus.manifest["stages"][0]["packs"]
    assert corpus.phase_rows(0, "books") == 3 * packs
    digests = list(corpus.phase_digests(0, "books"))
    assert digests[:packs] == digests[packs : 2 * packs] == digests[2 * packs :]


def test_each_role_reads_its_packs_once_in_order(prepared):
    _, _, corpus = prepared
    entry = corpus.manifest["stages"][0]["phases"]["roles"]
    assert entry["steps"] > 1
    for role, name in enumerate(ROLES):
        fed = [
            corpus.locate(0, "roles", row)
            for batch in corpus.batches(0, "roles")
            for row, group in zip(batch.rows_B, batch.group_B, strict=True)
            if group == role
        ]
        assert fed == [(0, int(pack), role) for pack in corpus.shard(0).packs_of_role(role)]
        assert len(fed) == entry["rows_by_role"][name]


def test_role_spans_repeat_and_cap(tmp_path):
    books = {"alpha": make_prose(1, 60)}
    counts = {}
    for name, role_span in (("one", span(epochs=1)), ("two", span(epochs=2)), ("cap", span(tokens=100))):
        library = make_library(tmp_path / name, books)
        plan = make_plan([make_stage(0, "one", ["alpha"], kinds=["gap"], role_span=role_span)])
        corpus = prepare_corpus(plan, library, tmp_path / name / "corpus")
        counts[name] = corpus.manifest["stages"][0]["phases"]["roles"]
        assert "student" not in counts[name]["rows_by_role"]
        assert any("role 'student' has no turn" in warning for warning in corpus.manifest["stages"][0]["warnings"])
        for batch in corpus.batches(0, "roles"):
            assert set(batch.group_B.tolist()) == {1, 2, 3}
    assert counts["two"]["tokens_by_role"]["critic"] == 2 * counts["one"]["tokens_by_role"]["critic"]
    assert 100 <= counts["cap"]["tokens_by_role"]["critic"] < counts["one"]["tokens_by_role"]["critic"]


def test_a_repeated_passage_is_contaminated_and_stays_out(tmp_path):
    text = make_prose(1, 200)
    library = make_library(tmp_path, {"alpha": text, "twin": text + "\n\nOne line more."})
    plan = make_plan([make_stage(0, "one", ["alpha"]), make_stage(1, "two", ["twin"])])
    for name in ("one", "two"):
        (tmp_path / f"stages/{name}").mkdir()
        (tmp_path / f"stages/{name}/scenes.yaml").write_text(scene_yaml("s", "phrase: river with"))
    corpus = prepare_corpus(plan, library, tmp_path / "corpus")
    for stage in corpus.manifest["stages"]:
        passages = list(read_json_lines(corpus.folder / stage["name"] / "heldout.jsonl"))
        assert stage["contaminated"] == sum(p["contaminated"] for p in passages) > 0
        assert sum(stage["held_out"][split]["passages"] for split in SPLITS) == len(passages) - stage["contaminated"]


@pytest.mark.parametrize(
    ("books", "told"),
    [
        ({"alpha": "word"}, "book 'alpha' is empty after cleaning"),
        (
            {"alpha": "*** START OF THE PROJECT GUTENBERG EBOOK X ***\n\n*** END OF THE PROJECT GUTENBERG EBOOK X ***"},
            "book 'alpha' is empty",
        ),
        ({"alpha": "\n\n  \n"}, "'alpha'"),
    ],
)
def test_a_book_of_nothing(tmp_path, books, told):
    plan = make_plan([make_stage(0, "one", ["alpha"], every_tokens=None)])
    with pytest.raises(OntogenyError, match=told):
        prepare_corpus(plan, make_library(tmp_path, books), tmp_path / "corpus")
    assert not (tmp_path / "corpus").exists()


def test_faults_of_all_books_come_at_once(tmp_path):
    library = make_library(tmp_path, {"alpha": make_prose(1, 9), "beta": make_prose(2, 9)})
    (tmp_path / "stages/beta.txt").unlink()
    plan = make_plan([make_stage(0, "one", ["alpha", "beta", "alhpa"], every_tokens=None)])
    with pytest.raises(OntogenyError) as caught:
        prepare_corpus(plan, library, tmp_path / "corpus")
    assert len(caught.value.faults) == 2 and "closest: 'alpha'" in str(caught.value)


def test_scenes_that_cannot_be_cast(tmp_path):
    scenes = scene_yaml("s", "phrase: river with", speaker="judge")
    library = make_library(tmp_path, {"alpha": make_prose(1, 60)}, {"one": scenes})
    plan = make_plan([make_stage(0, "one", ["alpha"], roles=ROLES[:2])], roles=ROLES[:2])
    with pytest.raises(CorpusError) as caught:
        prepare_corpus(plan, library, tmp_path / "corpus")
    told = str(caught.value)
    assert "'judge'" in told and "no critic, reformulator" in told and "'critic'" in told


def test_a_language_without_scenes_is_an_error(tmp_path):
    library = make_library(tmp_path, {"alpha": make_prose(1, 60)}, {"one": scene_yaml("s", "phrase: river with")})
    plan = make_plan([make_stage(0, "one", ["alpha"])], language="fi")
    with pytest.raises(CorpusError) as caught:
        prepare_corpus(plan, library, tmp_path / "corpus")
    assert "gap scenes do not exist in language 'fi'" in str(caught.value)
    assert "no scene in language 'fi'" in str(caught.value)


def test_the_manifest_is_json_with_the_declared_keys(prepared):
    manifest = json.loads((prepared[2].folder / "manifest.json").read_text())
    assert manifest.keys() >= {"version", "corpus_hash", "language", "context_tokens", "tokenizer", "books", "stages"}
    assert manifest["tokenizer"].keys() >= {"fingerprint", "vocab_size", "bytes_per_token"}
    for stage in manifest["stages"]:
        assert stage.keys() >= {
            "name",
            "books",
            "packs",
            "tokens",
            "padding_tokens",
            "utilisation",
            "bytes",
            "scenes",
            "warnings",
            "phases",
            "held_out",
            "items",
        }
        assert stage["phases"].keys() == {"books", "replay", "roles"}
        assert 0.7 < stage["utilisation"] <= 1
    assert manifest["stages"][1]["phases"]["replay"]["rows"] == int(0.2 * manifest["stages"][1]["packs"])
    assert manifest["stages"][0]["phases"]["replay"]["list"] == []
