"""Choices: forms, ties, several foils, templates, rows; every number against a few plain lines."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_corpus import write_corpus

from ontogeny.core.errors import ModelError
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.probes.choices import ChoiceSet, choices, make_choice_set, preferred
from ontogeny.probes.intervals import interval_of_mean, interval_of_share
from ontogeny.probes.scoring import Row
from ontogeny.probes.sets import Asked, items_of, row_of, shared_row


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("made") / "corpus")


@pytest.fixture(scope="module")
def asked(corpus):
    return Asked(corpus, ("primer", "lexicon"), "primer", ("test",), None, make_encoder(corpus / "tokenizer"), 64, 7)


def choice_set(bytes_of, templates=None, kinds=None):
    rows = tuple(Row((0,), tuple((1 + k,) for k in range(len(sizes)))) for sizes in bytes_of)
    names = tuple(map(str, range(len(rows))))
    return ChoiceSet(
        "trail_recall", "2", "test", rows, tuple(bytes_of), templates or names, kinds or ("a",) * len(rows)
    )


def item(place, **changes):
    line = {"id": f"i{place}", "probe": "definition", "kind": "word", "on": "primer", "split": "test"}
    return line | {"context": "a b", "answer": " c d", "foils": [" e"], "template": f"i{place}"} | changes


def test_a_tie_of_two_counts_one_half():
    ties = {0: [2.0, 2.0], 1: [1.0, 3.0], 2: [3.0, 1.0]}
    rows = choice_set([(4, 4), (4, 4), (4, 4)]).results(ties, 1)
    assert [row["value"] for row in rows] == [0.5, 0.5, 0.0]
    only = choice_set([(4, 4)]).results({0: [2.0, 2.0]}, 1)
    assert [row["value"] for row in only] == [0.5, 0.5, 0.0] and only[0]["n"] == 1


@pytest.mark.parametrize(
    ("costs", "expected"),
    [((1, 2, 3), 1.0), ((2, 1, 3), 0.0), ((1, 1, 2, 1), 1 / 3), ((2, 1, 1), 0.0), ((1, 1), 0.5), ((5, 5, 5, 5), 0.25)],
)
def test_a_tie_of_several_is_shared(costs, expected):
    assert preferred(costs) == expected


def test_sum_and_byte_forms_differ_where_lengths_do():
    summed, by_byte, margin = choice_set([(10, 4)]).results({0: [5.0, 4.0]}, 1)
    assert (summed["value"], by_byte["value"]) == (0.0, 1.0)
    assert margin["value"] == pytest.approx(4 / 4 - 5 / 10)


def test_the_margin_is_that_to_the_best_foil():
    row = choice_set([(2, 2, 4)]).results({0: [3.0, 4.0, 4.0]}, 1)[2]
    assert row["value"] == pytest.approx(4 / 4 - 3 / 2)


def test_chance_is_one_in_k_and_the_mean_where_k_differs():
    assert choice_set([(1, 1, 1, 1)]).results({0: [1.0, 2, 3, 4]}, 1)[0]["chance"] == 0.25
    mixed = choice_set([(1, 1), (1, 1, 1, 1)]).results({0: [1.0, 2], 1: [1.0, 2, 3, 4]}, 1)
    assert [row["chance"] for row in mixed] == [0.375, 0.375, 0.0]


def test_the_interval_is_over_templates():
    nats = {i: [1.0, 2.0 if i % 2 else 0.5] for i in range(12)}
    templates = tuple(str(i % 2) + str(i % 4) for i in range(12))
    grouped = choice_set([(1, 1)] * 12, templates).results(nats, 3)
    alone = choice_set([(1, 1)] * 12).results(nats, 3)
    assert [row["value"] for row in grouped] == [row["value"] for row in alone]
    rights = [float(i % 2) for i in range(12)]
    assert grouped[0]["ci95"] == interval_of_share(rights, 3, templates)
    assert alone[0]["ci95"] == interval_of_share(rights, 3)
    width = [row["ci95"][1] - row["ci95"][0] for row in (grouped[0], alone[0])]
    assert width[0] > 1.5 * width[1]
    assert grouped[2]["ci95"] == interval_of_mean([1.0 if i % 2 else -0.5 for i in range(12)], 3, templates)


def test_kinds_are_told_apart():
    rows = choice_set([(1, 1)] * 3, kinds=("b", "a", "b")).results({0: [1.0, 2], 1: [2.0, 1], 2: [1.0, 1]}, 1)
    assert rows[0]["kinds"] == {"a": [0.0, 1], "b": [0.75, 2]}
    assert "kinds" not in choice_set([(1, 1)]).results({0: [1.0, 2]}, 1)[0]


def test_a_long_context_loses_its_beginning_for_all_ends(asked):
    maker = choices("conflict_resolution")
    wide, short = (maker(replace(asked, context_tokens=tokens))[0] for tokens in (400, 40))
    assert any(len(a.stem) > len(b.stem) for a, b in zip(wide.rows, short.rows, strict=True))
    for a, b in zip(wide.rows, short.rows, strict=True):
        assert a.ends == b.ends and b.stem[0] == 0 and a.stem[-len(b.stem) + 1 :] == b.stem[1:]
        assert all(len(b.stem) + len(end) <= 40 for end in b.ends)


def test_an_item_that_fills_a_row_is_left_out_and_counted(asked):
    maker = choices("conflict_resolution")
    whole = maker(asked)[0]
    lengths = sorted(row.common + max(map(len, row.ends)) for row in whole.rows)
    fewer = maker(replace(asked, context_tokens=lengths[4] + 2))[0]
    assert len(fewer.rows) == sum(length <= lengths[4] for length in lengths) < len(whole.rows)
    assert maker(replace(asked, stages=("primer",), context_tokens=lengths[0] + 1)) == []


@settings(derandomize=True, deadline=None)
@given(st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=6), min_size=2, max_size=4))
def test_what_ends_begin_with_is_fed_once(ends):
    row = shared_row((0, 9), [tuple(end) for end in ends])
    head = row.stem[len(row.stem) - row.common :]
    assert [list(head + end) for end in row.ends] == ends and all(row.ends)
    assert row.stem[: len(row.stem) - row.common] == (0, 9)
    assert not all(len(end) > 1 for end in row.ends) or len({end[0] for end in row.ends}) > 1


def test_an_empty_context_asks_for_whole_sentences(asked):
    row = row_of(asked, (), [(5, 6, 7), (5, 8)])
    assert row == Row((0, 5), ((6, 7), (8,)), 1)
    assert row_of(asked, (), [(5,) * 63, (6,)]) is not None and row_of(asked, (), [(5,) * 64, (6,)]) is None
    assert row_of(asked, (1,), [(5,) * 63, (6,)]) is None and row_of(asked, (1,), [(5,), ()]) is None


def test_several_foils_and_differing_numbers_of_them(asked):
    lines = [item(0), item(1, foils=[" e", " f g"]), item(2, foils=[" b", " c", " d"])]
    made = make_choice_set(asked, "definition", "primer", "test", lines)
    assert [len(row.ends) for row in made.rows] == [2, 3, 4]
    assert made.bytes_of[1] == (4, 2, 4) and made.templates == ("i0", "i1", "i2")


@pytest.fixture
def own(corpus, tmp_path, asked):
    """A folder with items of its own: stage items in primer, general ones beside it."""
    (tmp_path / "primer").mkdir()
    stage = [item(0), item(1, contaminated=True), item(2, split="gate"), item(3, probe="cloze_fact")]
    general = [item(4, on="simple"), item(5, on="rich"), item(6, on="rich", split="gate"), item(7, on="simple")]
    for folder, lines in ((tmp_path / "primer", stage), (tmp_path, general)):
        (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return replace(asked, folder=tmp_path, stages=("primer",))


def names_of(asked, probe="definition"):
    return [(on, split, [line["id"] for line in lines]) for on, split, lines in items_of(asked, probe)]


def test_items_of_stages_and_general_sets(own):
    assert names_of(own) == [("primer", "test", ["i0"]), ("simple", "test", ["i4", "i7"]), ("rich", "test", ["i5"])]
    assert names_of(own, "cloze_fact") == [("primer", "test", ["i3"])]
    both = replace(own, splits=("test", "gate"))
    assert ("primer", "gate", ["i2"]) in names_of(both) and ("rich", "gate", ["i6"]) in names_of(both)
    gated = replace(both, gate=("definition", "primer"))
    assert [one[:2] for one in names_of(gated) if one[1] == "gate"] == [("primer", "gate")]
    assert names_of(replace(both, gate=("cloze_fact", "primer"))) == names_of(own)


def test_a_folder_without_general_items_has_none_and_a_spoiled_one_is_told(own):
    (own.folder / "items.jsonl").write_text('{"probe": "definition"\n')
    with pytest.raises(ModelError, match=r"items.jsonl:1"):
        names_of(own)
    (own.folder / "items.jsonl").unlink()
    assert names_of(own) == [("primer", "test", ["i0"])]
