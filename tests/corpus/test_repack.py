"""Arms packed anew: the same text in another order, or with the one change they state; proven like any corpus."""

from __future__ import annotations

import json
import re
from collections import Counter
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from making import copy_corpus, make_library, make_prose, scene_yaml
from making_arms import plan_of, prepare_life, small_genome

from ontogeny.core.arms import arm_equalities, arm_of, with_arm
from ontogeny.core.errors import CorpusError
from ontogeny.core.genome import load_genome
from ontogeny.corpus import repack
from ontogeny.corpus.arranged import ends_of, own_repair, shuffled_life, swapped_repairs, units_of
from ontogeny.corpus.layout import NO_TARGET, PASSAGE, merge_ranges, read_json_lines
from ontogeny.corpus.prepare import prepare_corpus
from ontogeny.corpus.proof import verify_corpus
from ontogeny.corpus.repack import packs_of
from ontogeny.corpus.rows import Corpus
from ontogeny.corpus.shelf import BookRecord, Shelf

STAGES = ("first", "second", "third")
MIXED = ("shuffle", "sentence_shuffle", "sham_scenes")
ARMS = (*MIXED, "subset_only=second", "initiation_only", "reverse", "stage_permute", "no_scenes", "no_roles")
ARMS += ("without=eta", "again")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """(loaded genome, its plan, its corpus, the corpora of its arms by their words, the folder of runs)."""
    root = tmp_path_factory.mktemp("arms")
    loaded = small_genome(root)
    runs = root / "runs"
    genome = prepare_corpus(plan_of(loaded), loaded.library, runs / "genome/corpus", store=runs / ".store")
    arms = {words: prepare_life(loaded, words, runs / words) for words in ARMS}
    return loaded, plan_of(loaded, genome.manifest), genome, arms, runs


def segments_of(corpus, index):
    """(kind, source, start, end) of what begins in a stage's packs, in order."""
    segments = corpus.shard(index).segments()
    return segments[segments["skip"] == 0][["kind", "source", "start", "end"]].tolist()


def token_counts(corpus):
    """How often each token stands in the packs of a life, padding and beginnings apart, by its code."""
    found = Counter()
    for index in range(len(corpus.manifest["stages"])):
        shard = corpus.shard(index)
        real = shard.codes_RT != NO_TARGET
        found.update(zip(shard.ids_RT[real].tolist(), shard.codes_RT[real].tolist(), strict=True))
    return found


def texts_of(corpus, index):
    """The text of a stage as its packs decode, pack by pack, joined."""
    shard = corpus.shard(index)
    tokenizer = repack.make_encoder(corpus.folder / "tokenizer").tokenizer
    rows = [ids[codes != NO_TARGET].tolist() for ids, codes in zip(shard.ids_RT, shard.codes_RT, strict=True)]
    return "".join(tokenizer.decode_batch(rows, skip_special_tokens=False))


def whole(faults):
    return "\n".join(fault.render() for fault in faults)


# every arm


@pytest.mark.parametrize("words", ARMS)
def test_an_arm_is_proven_like_any_corpus(small, words):
    _, _, genome, arms, _ = small
    plan, corpus = arms[words]
    assert verify_corpus(corpus.folder) == []
    told = corpus.manifest["arm"]
    assert told["kind"] == words.partition("=")[0] == plan.arm["kind"]
    assert told["corpus"] == genome.manifest["corpus_hash"] != corpus.manifest["corpus_hash"]
    assert corpus.manifest["tokenizer"] == {
        **genome.manifest["tokenizer"],
        "bytes_per_token": corpus.manifest["tokenizer"]["bytes_per_token"],
    }
    assert [stage.name for stage in plan.stages] == [entry["name"] for entry in corpus.manifest["stages"]]


@pytest.mark.parametrize("words", ARMS)
def test_what_must_be_equal_is_equal(small, words):
    _, base, genome, arms, _ = small
    plan, corpus = arms[words]
    rows = arm_equalities(base.as_dict(), plan.as_dict(), (genome.manifest, corpus.manifest))
    assert [row for row in rows if row["must"] and not row["equal"]] == []
    assert sum(row["must"] for row in rows) >= 6


@pytest.mark.parametrize("words", ARMS)
def test_an_arm_is_measured_on_what_its_genome_holds_out(small, words):
    _, _, genome, _, runs = small
    folder = runs / words / "measured"
    assert json.loads((folder / "stages.json").read_text()) == list(STAGES)
    names = ["items.jsonl", *(f"{stage}/{name}.jsonl" for stage in STAGES for name in ("heldout", "items"))]
    for name in names:
        assert (folder / name).read_bytes() == (genome.folder / name).read_bytes()


@pytest.mark.parametrize("words", ARMS)
def test_no_held_out_passage_stands_in_the_text_of_an_arm(small, words):
    _, _, genome, arms, _ = small
    corpus = arms[words][1]
    text = " ".join("".join(texts_of(corpus, index) for index in range(3)).split())
    held = [record for stage in STAGES for record in read_json_lines(genome.folder / stage / "heldout.jsonl")]
    assert len(held) >= 5
    for record in held:
        assert record["contaminated"] or " ".join(record["text"].split()) not in text


@pytest.mark.parametrize("words", MIXED)
def test_the_same_arm_is_the_same_packs_and_another_seed_others(small, tmp_path, words):
    loaded, _, _, arms, _ = small
    again = prepare_life(loaded, words, tmp_path / "again")[1]
    assert again.manifest == arms[words][1].manifest
    other = loaded.genome.model_copy(update={"seed": 6})
    other = type(loaded)(other, loaded.path, loaded.library, loaded.document)
    roots = [
        [entry["phases"]["books"]["root"] for entry in corpus.manifest["stages"]]
        for corpus in (again, prepare_life(other, words, tmp_path / "other")[1])
    ]
    assert all(a != b for a, b in zip(*roots, strict=True))


def test_an_arm_that_is_there_is_read_and_its_genome_is_not_made_again(small, monkeypatch):
    loaded, _, _, arms, runs = small
    monkeypatch.setattr("ontogeny.corpus.prepare_arm.prepare_corpus", lambda *_: pytest.fail("it is there"))
    assert prepare_life(loaded, "shuffle", runs / "shuffle")[1].manifest == arms["shuffle"][1].manifest


# shuffle


def test_a_shuffled_life_holds_the_same_tokens(small):
    _, _, genome, arms, _ = small
    corpus = arms["shuffle"][1]
    assert token_counts(corpus) == token_counts(genome)
    largest = 0
    for index, (arm, base) in enumerate(zip(corpus.manifest["stages"], genome.manifest["stages"], strict=True)):
        largest = max(largest, max(segment[3] - segment[2] for segment in segments_of(corpus, index)))
        assert abs(arm["text_tokens"] - base["text_tokens"]) < 400 < base["text_tokens"] / 4
    assert sum(arm["text_tokens"] for arm in corpus.manifest["stages"]) == sum(
        base["text_tokens"] for base in genome.manifest["stages"]
    )


@pytest.mark.parametrize("words", MIXED)
def test_an_arm_that_keeps_the_text_has_as_many_packs(small, words):
    _, _, genome, arms, _ = small
    packs = [[entry["packs"] for entry in corpus.manifest["stages"]] for corpus in (genome, arms[words][1])]
    steps = [
        [entry["phases"]["books"]["steps"] for entry in corpus.manifest["stages"]]
        for corpus in (genome, arms[words][1])
    ]
    assert packs[0] == packs[1] and steps[0] == steps[1]


def test_what_a_stage_has_too_many_packs_those_after_it_have_less():
    assert packs_of([4, 4, 4], [31, 41, 20], 10) == [4, 5, 3]
    assert packs_of([4, 4, 4], [31, 31, 41], 10) == [4, 4, 5]
    assert packs_of([4, 4, 4], [10, 10, 10], 10) == [4, 4, 4]


def test_every_stage_of_a_shuffled_life_reads_of_all(small):
    _, _, genome, arms, _ = small
    corpus = arms["shuffle"][1]
    home = {book["id"]: entry["name"] for entry in genome.manifest["stages"] for book in entry["books"]}
    books = [record["id"] for record in corpus.manifest["books"]]
    for index in range(3):
        read = Counter(home[books[source]] for kind, source, *_ in segments_of(corpus, index) if kind == PASSAGE)
        assert set(read) == set(STAGES), read


@pytest.mark.parametrize("words", ["shuffle", "sentence_shuffle"])
def test_the_law_of_the_book_holds_over_the_life(small, words):
    _, _, genome, arms, _ = small
    corpus = arms[words][1]

    def read(one):
        found = [segment[1:] for index in range(3) for segment in segments_of(one, index) if segment[0] == PASSAGE]
        assert len(found) == len(set(found)), "once each"
        by_book = {source: sorted(r[1:] for r in found if r[0] == source) for source, *_ in found}
        return {source: merge_ranges(ranges) for source, ranges in by_book.items()}

    assert read(corpus) == read(genome)


@pytest.mark.parametrize("words", MIXED)
def test_a_scene_stands_where_its_paragraph_stood(small, words):
    _, _, genome, arms, _ = small
    corpus = arms[words][1]
    base = [genome.shard(index).scenes for index in range(3)]
    seen = []
    for index in range(3):
        shard = corpus.shard(index)
        flow = segments_of(corpus, index)
        assert sum(kind != PASSAGE for kind, *_ in flow) == len(shard.scenes)
        for at, (kind, source, *_) in enumerate(flow):
            if kind == PASSAGE:
                continue
            record = shard.scenes[source]
            stage, number = record["of"]
            seen.append((stage, number))
            home = base[stage][number]
            same = ("id", "kind", "book", "offset", "removed", "matched", "language")
            assert {key: record[key] for key in same} == {key: home[key] for key in same}
            if words == "sentence_shuffle":
                continue
            before = flow[at - 1]
            text = (corpus.folder / "books" / f"{record['book']}.txt").read_text()
            assert corpus.manifest["books"][before[1]]["id"] == record["book"]
            paragraph = text[record["offset"] : before[3]]
            assert paragraph.endswith("\n\n") and "\n\n" not in paragraph.rstrip("\n")
    assert sorted(seen) == [(stage, number) for stage in range(3) for number in range(len(base[stage]))]


@pytest.mark.parametrize("words", MIXED)
def test_roles_read_the_scenes_of_the_stage_they_are_in(small, words):
    _, _, genome, arms, _ = small
    corpus = arms[words][1]
    for index in range(3):
        shard = corpus.shard(index)
        segments = shard.segments("role_")
        begun = segments[(segments["skip"] == 0) & (segments["kind"] != PASSAGE)]
        assert begun["source"].tolist() == list(range(len(shard.scenes)))
    if words != "sham_scenes":
        tokens = [sum(e["phases"]["roles"]["tokens"] for e in one.manifest["stages"]) for one in (corpus, genome)]
        assert tokens[0] == tokens[1]


def test_replay_is_of_the_arms_own_earlier_packs(small):
    _, _, genome, arms, _ = small
    for words in ("shuffle", "reverse", "subset_only=second"):
        plan, corpus = arms[words]
        for index, entry in enumerate(corpus.manifest["stages"]):
            replay = entry["phases"]["replay"]
            assert replay["rows"] == genome.manifest["stages"][index]["phases"]["replay"]["rows"]
            assert all(stage < index for stage, _ in replay["list"])
            for stage, pack in replay["list"]:
                assert pack < corpus.manifest["stages"][stage]["packs"]
        assert plan.stages[1].phases["replay"].rows > 0


@given(st.lists(st.integers(0, 50), min_size=1, max_size=30), st.lists(st.integers(0, 400), min_size=1, max_size=5))
def test_a_stage_ends_where_the_tokens_come_nearest(tokens, wanted):
    ends = ends_of(tokens, wanted, [sum(tokens)] * len(wanted))
    sums = [sum(tokens[:count]) for count in range(len(tokens) + 1)]
    for number, end in enumerate(ends[:-1]):
        goal = sum(wanted[: number + 1])
        nearest = min(abs(one - goal) for one in sums)
        assert end == max(count for count, one in enumerate(sums) if abs(one - goal) == nearest)
    assert ends[-1] == len(tokens) and len(ends) == len(wanted) and ends == sorted(ends)


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.lists(st.integers(0, 20), min_size=1, max_size=3))
def test_no_stage_has_more_than_its_room(tokens, rooms):
    ends = ends_of(tokens, rooms, rooms)
    counts = range(len(tokens) + 1)
    ways = [
        [*way, len(tokens)]
        for way in product(counts, repeat=len(rooms) - 1)
        if list(way) == sorted(way) and fits(tokens, [*way, len(tokens)], rooms)
    ]
    assert ends in ways if ends is not None else not ways or len(rooms) > 2  # three stages: it does not look back


def fits(tokens, ends, rooms):
    return all(sum(tokens[a:b]) <= room for a, b, room in zip([0, *ends], ends, rooms, strict=False))


def test_an_order_is_drawn_in_which_every_stage_has_room():
    tokens = [7] * 5 + [3] * 5
    order, ends = shuffled_life(tokens, [20, 30], [20, 30], 1)
    assert sum(tokens[number] for number in order[: ends[0]]) == 20 and sorted(order) == list(range(10))
    assert ends_of(tokens, [20, 30], [20, 30]) is None
    order, ends = shuffled_life([7] * 4, [14, 14], [13, 13], 1)  # there is none
    assert (sorted(order), ends) == ([0, 1, 2, 3], [2, 4])


# sentence_shuffle


def test_sentences_change_places_within_their_section(small):
    _, _, genome, arms, _ = small
    corpus = arms["sentence_shuffle"][1]
    assert token_counts(corpus) == token_counts(genome)
    books = [record["id"] for record in corpus.manifest["books"]]
    sections = {"first": [{"alpha", "beta"}], "second": [{"gamma"}, {"delta", "epsilon"}], "third": [{"zeta", "eta"}]}
    for index, stage in enumerate(STAGES):
        base_order, order = (
            [next(i for i, part in enumerate(sections[stage]) if books[source] in part)
             for kind, source, *_ in segments_of(one, index) if kind == PASSAGE]
            for one in (genome, corpus)
        )  # fmt: skip
        turns = [
            [key for key, near in zip(run, [None, *run], strict=False) if key != near] for run in (base_order, order)
        ]
        assert turns[0] == turns[1], "sections take their turns as they did"
        assert [record["of"] for record in corpus.shard(index).scenes] == [
            [index, number] for number in range(len(corpus.shard(index).scenes))
        ]


def test_what_joins_sentences_is_gone_and_paragraphs_are_as_they_were(small):
    _, _, genome, arms, _ = small
    for index in range(3):
        plain, mixed = texts_of(genome, index), texts_of(arms["sentence_shuffle"][1], index)
        assert len(plain) == len(mixed)
        shapes = [
            [len(re.findall(r"[.]", block)) for block in text.split("\n\n") if ":" not in block]
            for text in (plain, mixed)
        ]
        assert shapes[0] == shapes[1], "as many sentences in each paragraph"
        assert not re.search(r"[a-z]\.[A-Z]", mixed), "no sentence touches another"
        sentences = [re.split(r"(?<=\.)\s+", text) for text in (plain, mixed)]
        pairs = [set(pairwise(one)) for one in sentences]
        beside = {pair for pair in pairs[0] if not any(":" in sentence for sentence in pair)}
        assert len(beside & pairs[1]) < 0.1 * len(beside)


# sham_scenes


def test_every_scene_bears_the_repair_of_another(small):
    _, _, genome, arms, _ = small
    corpus = arms["sham_scenes"][1]
    for index in range(3):
        base, sham = genome.shard(index).scenes, corpus.shard(index).scenes
        assert len(base) > 2
        repairs = [[turn[2] for turn in scene["turns"] if turn[1] == "repair"] for scene in base]
        given = [[turn[2] for turn in scene["turns"] if turn[1] == "repair"] for scene in sham]
        assert sorted(repairs) == sorted(given) and all(a != b for a, b in zip(repairs, given, strict=True))
        others = [[[t for t in scene["turns"] if t[1] != "repair"] for scene in one] for one in (base, sham)]
        assert others[0] == others[1]
        assert [own_repair(scene) for scene in sham] == [repair for (repair,) in repairs]
        assert segments_of(corpus, index) == segments_of(genome, index), "in the same places"


@given(st.lists(st.integers(1, 9), min_size=0, max_size=25))
def test_repairs_are_swapped_among_the_nearest_in_tokens(sizes):
    scenes = [{"id": f"s{i}", "turns": [["critic", "repair", f"{i} {n}"]]} for i, n in enumerate(sizes)]
    swapped = swapped_repairs(scenes, lambda texts: [int(text.split()[1]) for text in texts])
    given = [int(scene["turns"][0][2].split()[0]) for scene in swapped]
    assert sorted(given) == list(range(len(sizes)))
    assert all(a != b for a, b in enumerate(given)) or len(sizes) < 2
    ranked = sorted(sizes)
    cost = sum(abs(sizes[a] - sizes[b]) for a, b in enumerate(given))
    even = len(sizes) - (3 if len(sizes) % 2 and len(sizes) > 1 else len(sizes) % 2)
    best = 2 * sum(ranked[i + 1] - ranked[i] for i in range(0, even, 2))
    best += 2 * (ranked[-1] - ranked[-3]) if even + 3 == len(sizes) else 0
    assert cost == best
    assert swapped_repairs(swapped, lambda texts: [int(text.split()[1]) for text in texts]) == swapped


# one stage again and again


@pytest.mark.parametrize("words", ["subset_only=second", "initiation_only"])
def test_one_stage_is_read_in_a_circle(small, words):
    _, base, genome, arms, _ = small
    plan, corpus = arms[words]
    one = 1 if words.startswith("subset") else 2
    packs = genome.manifest["stages"][one]["packs"]
    expected = 0
    for index in range(3):
        rows = genome.phase_rows(index, "books")
        assert corpus.phase_rows(index, "books") == rows
        assert corpus.phase_steps(index, "books") == genome.phase_steps(index, "books")
        assert plan.stages[index].phases["books"].schedules == base.stages[index].phases["books"].schedules
        loss = 0
        for batch in corpus.batches(index, "books"):
            for ids, weights in zip(batch.ids_BT, batch.weights_BT, strict=True):
                assert np.array_equal(ids, genome.row(one, "books", expected % packs)[0])
                loss += int((weights > 0).sum())
                expected += 1
        assert loss == corpus.manifest["stages"][index]["phases"]["books"]["tokens"]
        for role, count in genome.manifest["stages"][index]["phases"]["roles"]["rows_by_role"].items():
            assert corpus.manifest["stages"][index]["phases"]["roles"]["rows_by_role"][role] == count


# what is told


def flip_byte(path, at):
    raw = bytearray(path.read_bytes())
    raw[at] ^= 1
    path.unlink()  # it may be a link to the genome's
    path.write_bytes(raw)


@pytest.mark.parametrize("words", [*MIXED, "subset_only=second", "reverse"])
def test_one_byte_of_a_pack_of_an_arm(small, tmp_path, words):
    folder = copy_corpus(small[3][words][1].folder, tmp_path / "corpus")
    stage = small[3][words][1].manifest["stages"][1]["name"]
    flip_byte(folder / stage / "ids.bin", 2 * (128 * 3 + 20))
    assert f"{stage}/ids.bin: pack 3 of stage '{stage}'" in whole(verify_corpus(folder))


@pytest.mark.parametrize("words", MIXED)
def test_two_packs_swapped_with_all_that_belongs_to_them(small, tmp_path, words):
    folder = copy_corpus(small[3][words][1].folder, tmp_path / "corpus")
    for name, size in (("ids.bin", 256), ("codes.bin", 128), ("digests.bin", 32)):
        path = folder / "first" / name
        rows = np.frombuffer(path.read_bytes(), dtype=f"V{size}").copy()
        rows[[2, 9]] = rows[[9, 2]]
        path.unlink()
        path.write_bytes(rows.tobytes())
    found = whole(verify_corpus(folder))
    assert "packs 2 and 9 of stage 'first' are swapped" in found


def forged(small, monkeypatch, tmp_path, words, name, change):
    """The faults of an arm that is written, whole and consistent, by another rule."""
    own = getattr(repack, name)
    monkeypatch.setattr(repack, name, lambda *given: change(own(*given)))
    plan, corpus = prepare_life(small[0], words, tmp_path / "run")
    assert plan.corpus_hash == small[3][words][0].corpus_hash
    return whole(verify_corpus(corpus.folder))


def test_two_units_in_each_others_place_are_told(small, monkeypatch, tmp_path):
    def change(drawn):
        order, ends = drawn
        return [order[1], order[0], *order[2:]], ends

    found = forged(small, monkeypatch, tmp_path, "shuffle", "shuffled_life", change)
    assert "the packs do not hold what the arm shuffle makes" in found or "does not end where it should" in found


def test_a_unit_that_is_lost_is_told(small, monkeypatch, tmp_path):
    def change(drawn):
        order, ends = drawn
        return order[1:], [end - 1 for end in ends]

    found = forged(small, monkeypatch, tmp_path, "shuffle", "shuffled_life", change)
    assert "text of the genome is lost" in found or "of its scene" in found


def test_a_boundary_elsewhere_is_told(small, monkeypatch, tmp_path):
    def change(drawn):
        return drawn[0], [drawn[1][0] + 1, *drawn[1][1:]]

    found = forged(small, monkeypatch, tmp_path, "shuffle", "shuffled_life", change)
    assert "a stage does not end where it should" in found


def test_sentences_in_another_order_are_told(small, monkeypatch, tmp_path):
    found = forged(small, monkeypatch, tmp_path, "sentence_shuffle", "with_mixed_sentences", lambda units: units[::-1])
    assert "sentence_shuffle" in found or "scene" in found


def test_a_repair_that_was_not_given_is_told(small, monkeypatch, tmp_path):
    def change(scenes):
        one, other = ([t for t in scenes[i]["turns"] if t[1] == "repair"][-1] for i in (0, 1))
        one[2], other[2] = other[2], one[2]
        return scenes

    found = forged(small, monkeypatch, tmp_path, "sham_scenes", "swapped_repairs", change)
    assert "a scene does not bear the repair it was given" in found


@pytest.mark.parametrize(
    ("words", "change", "told"),
    [
        ("shuffle", lambda m: m.update(seed=6), "arm shuffle"),
        ("shuffle", lambda m: m["arm"]["units"].reverse(), "does not end where it should"),
        ("shuffle", lambda m: m["stages"][0]["books"][0]["training"].pop(), "book 'alpha'"),
        ("sentence_shuffle", lambda m: m.update(seed=6), "the arm sentence_shuffle makes"),
        ("subset_only=second", lambda m: m["stages"][1]["phases"]["books"].update(first=1), "second-2"),
    ],
)
def test_a_manifest_that_tells_another_arm(small, tmp_path, words, change, told):
    folder = copy_corpus(small[3][words][1].folder, tmp_path / "corpus")
    manifest = json.loads((folder / "manifest.json").read_text())
    change(manifest)
    (folder / "manifest.json").unlink()
    (folder / "manifest.json").write_text(json.dumps(manifest))
    assert told in whole(verify_corpus(folder))


def test_an_arm_that_changes_nothing_leaves_nothing(tmp_path):
    small_genome(tmp_path)
    make_library(tmp_path, {"alpha": make_prose(1, 40)}, {"first": scene_yaml("one", "phrase: bridge with")})
    (tmp_path / "genome.yaml").write_text(
        (tmp_path / "genome.yaml").read_text().partition("stages:")[0]
        + "stages: [{name: first, use: stages/first, span: {books: all}, sections: [{name: a, books: [alpha]}],"
        " scenes: {every_tokens: 100000, kinds: [gap]}}]\n"
    )
    loaded = load_genome(tmp_path / "genome.yaml")
    with pytest.raises(CorpusError) as caught:
        prepare_life(loaded, "sham_scenes", tmp_path / "runs" / "sham")
    assert caught.value.faults[0].what == "an arm changes nothing."
    assert not (tmp_path / "runs" / "sham" / "corpus").exists() and not (tmp_path / "runs" / ".store").exists()


@pytest.mark.parametrize("words", ["shuffle", "subset_only=third"])
def test_an_arm_of_stages_that_choose_and_of_stages_read_twice(tmp_path, words):
    loaded = small_genome(tmp_path, "stages.0.reading=self_chosen", "stages.2.span={epochs: 2}")
    plan, corpus = prepare_life(loaded, words, tmp_path / "runs" / "arm")
    assert verify_corpus(corpus.folder) == []
    assert plan.stages[0].reading == "sequential" and not corpus.book_packs(0)
    packs = corpus.manifest["stages"][2]["packs"]
    if words == "shuffle":
        assert corpus.phase_rows(2, "books") == 2 * packs
    genome = Corpus(next(path for path in (tmp_path / "runs/.store/corpora").iterdir() if path.is_dir()))
    assert genome.book_packs(0) and verify_corpus(genome.folder) == []
    if words != "shuffle":
        assert [corpus.phase_rows(i, "books") for i in range(3)] == [genome.phase_rows(i, "books") for i in range(3)]


def test_a_stage_that_cannot_read_on_without_its_book(tmp_path):
    loaded = small_genome(tmp_path, "stages.2.span.tokens=4500")
    with pytest.raises(CorpusError) as caught:
        prepare_life(loaded, "without=zeta", tmp_path / "runs" / "arm")
    assert caught.value.faults[0].what == "stage 'third' asks for more tokens than its books hold."
    assert not (tmp_path / "runs" / "arm" / "corpus").exists()


def test_without_a_book_the_stage_reads_on_in_its_others(small):
    _, _, genome, arms, _ = small
    third = arms["without=eta"][1].manifest["stages"][2]
    assert [book["id"] for book in third["books"]] == ["zeta"]
    assert abs(third["tokens"] - genome.manifest["stages"][2]["tokens"]) < 512


def test_units_are_the_passages_as_they_were_read(small):
    """Against a plain reading of the genome's packs: what begins in them, cut where passages begin."""
    _, _, genome, _, _ = small
    shelf = Shelf(genome.folder, [BookRecord(**book) for book in genome.manifest["books"]])
    for index, entry in enumerate(genome.manifest["stages"]):
        units = units_of(index, entry, genome.shard(index).scenes, shelf)
        flat = [(PASSAGE, *one) for unit in units for step in unit for one in step.ranges]
        assert flat == [segment for segment in segments_of(genome, index) if segment[0] == PASSAGE]
        order = [step.scene for unit in units for step in unit if step.scene]
        assert order == [(index, number) for number in range(len(genome.shard(index).scenes))]
        starts = {(shelf.index[b["id"]], p.start) for b in entry["books"] for p in shelf.open(b["id"]).passages}
        for unit in units:
            inside = [one[:2] for step in unit for one in step.ranges if one[:2] in starts]
            assert len(inside) == 1 and inside[0] == unit[0].ranges[0][:2]
    assert shuffled_life([1] * 9, [9], [9], 1) != shuffled_life([1] * 9, [9], [9], 2)


def test_an_arm_keeps_the_hash_of_what_it_is(small):
    loaded, _, genome, arms, _ = small
    hashes = {words: corpus.manifest["corpus_hash"] for words, (_, corpus) in arms.items()}
    assert len(set(hashes.values())) == len(ARMS)
    assert Corpus(arms["again"][1].folder).manifest["stages"][0]["phases"] == genome.manifest["stages"][0]["phases"]
    assert with_arm(loaded, arm_of("again")).genome.seed == loaded.genome.seed
