"""self_repair, bridge, mismatch_recovery: every form against a few plain lines, chance by tossing, rows by reading."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from made_corpus import write_corpus

from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.probes.battery import ROLE_PROBES, SETS
from ontogeny.probes.bridge import BridgeSet, make_bridge_sets
from ontogeny.probes.conditions import whole_rows
from ontogeny.probes.intervals import interval_of_mean, interval_of_sums
from ontogeny.probes.mismatch_recovery import MismatchSet, make_mismatch_sets
from ontogeny.probes.scoring import Row
from ontogeny.probes.self_repair import RepairSet, make_repair_sets
from ontogeny.probes.sets import Asked

ROW = Row((0,), ((1,), (2,)))
FIELDS = ["probe", "on", "split", "form", "value", "unit", "chance", "n", "ci95", "higher_is_better"]


def names(count):
    return tuple(map(str, range(count)))


def repair_set(bytes_of):
    return RepairSet("primer", "test", (ROW,) * 2 * len(bytes_of), tuple(bytes_of), names(len(bytes_of)))


def bridge_set(bytes_of):
    return BridgeSet("primer", "test", (ROW,) * 3 * len(bytes_of), tuple(bytes_of), names(len(bytes_of)))


def mismatch_set(bytes_of, templates=None):
    rows = (ROW,) * 3 * len(bytes_of)
    return MismatchSet("primer", "test", rows, tuple(bytes_of), templates or names(len(bytes_of)))


def values(rows):
    return {row["form"]: row["value"] for row in rows}


def test_flips_of_self_repair_by_hand():
    right, wrong, tie = [1.0, 2.0], [2.0, 1.0], [1.0, 1.0]
    pairs = [(right, right), (right, wrong), (wrong, right), (wrong, right), (wrong, wrong), (tie, right)]
    nats = dict(enumerate(ends for pair in pairs for ends in pair))
    rows = repair_set([(4, 4)] * 6).results(nats, 1)
    found = values(rows)
    assert found["first"] == found["first_sum"] == 2.5 / 6 and found["second"] == found["second_sum"] == 4 / 6
    assert found["gain"] == pytest.approx(1.5 / 6)
    assert found["won"] == pytest.approx(2.5 / 6) and found["lost"] == pytest.approx(1 / 6)
    assert found["margin_first"] == pytest.approx((2 - 3) / 4 / 6)
    assert found["margin_second"] == pytest.approx((4 - 2) / 4 / 6)
    assert found["margin_gain"] == pytest.approx(found["margin_second"] - found["margin_first"])
    assert all(list(row) == FIELDS and row["n"] == 6 for row in rows)
    assert [row["form"] for row in rows if not row["higher_is_better"]] == ["lost"]


def test_a_wrong_end_that_nobody_said_is_a_question_of_its_own():
    nats = {
        0: [1.0, 2.0, 3.0],
        1: [1.0, 0.5, 4.0],
        2: [1.0, 2.0],
        3: [1.0, 2.0],
        4: [4.0, 1.0, 2.0],
        5: [4.0, 1.0, 8.0],
    }
    rows = {row["form"]: row for row in repair_set([(2, 2, 4), (2, 2), (2, 2, 4)]).results(nats, 1)}
    assert rows["fresh_first"]["n"] == rows["fresh_margin_gain"]["n"] == 2 and rows["first"]["n"] == 3
    assert (rows["fresh_first"]["value"], rows["fresh_second"]["value"]) == (0.5, 0.75)
    assert rows["fresh_margin_gain"]["value"] == pytest.approx(((1 - 0.75) + (2 - 0.5)) / 2)
    assert "fresh_first" not in values(repair_set([(2, 2)]).results({0: [1.0, 2.0], 1: [1.0, 2.0]}, 1))


def test_self_repair_is_right_by_the_byte_and_by_the_sum():
    found = values(repair_set([(10, 4)]).results({0: [5.0, 4.0], 1: [5.0, 4.0]}, 1))
    assert (found["first"], found["first_sum"], found["second"], found["second_sum"]) == (1.0, 0.0, 1.0, 0.0)
    assert found["margin_first"] == pytest.approx(4 / 4 - 5 / 10)


def test_the_chances_of_self_repair_are_those_of_a_coin():
    rng = random.Random(5)
    sizes = [(rng.randint(20, 60), rng.randint(20, 60)) for _ in range(1200)]
    nats = {i: [rng.random() * sizes[i // 2][0], rng.random() * sizes[i // 2][1]] for i in range(2400)}
    rows = repair_set(sizes).results(nats, 1)
    for row in rows:
        if not row["form"].endswith("_sum"):
            assert row["value"] == pytest.approx(row["chance"], abs=0.05)
    gain = values(rows)
    assert gain["gain"] == pytest.approx(gain["won"] - gain["lost"])


def test_needs_and_synergy_of_a_bridge_by_hand():
    both, without_a, without_b = ([10.0, 12.0], [6.0, 5.0]), ([14.0], [5.0]), ([11.0], [8.0])
    nats = {3 * i + k: [both, without_a, without_b][k][i] for i in range(2) for k in range(3)}
    rows = bridge_set([(4, 4), (2, 4)]).results(nats, 1)
    found = values(rows)
    assert (found["sum"], found["per_byte"]) == (0.5, 0.5)
    assert found["margin"] == pytest.approx(((12 / 4 - 10 / 4) + (5 / 4 - 6 / 2)) / 2)
    needs_a, needs_b = [4 / 4, -1 / 2], [1 / 4, 2 / 2]
    assert found["need_a"] == pytest.approx(sum(needs_a) / 2) and found["need_b"] == pytest.approx(sum(needs_b) / 2)
    assert found["synergy"] == pytest.approx((0.25 - 0.5) / 2)
    assert all(list(row) == FIELDS and row["n"] == 2 and row["higher_is_better"] for row in rows)
    need = next(row for row in rows if row["form"] == "need_a")
    assert need["ci95"] == interval_of_mean(needs_a, 1) and need["chance"] == 0.0


def made_mismatch(rng, cost, late, count=30):
    """Nats in which s3 costs `cost` nats a byte more after the break and s4 `late`, give or take a tenth of `cost`."""
    sizes, nats = [], {}
    for i in range(count):
        true, odd, following, last = (rng.randint(20, 90) for _ in range(4))
        last = last if i % 3 else 0
        sizes.append((true, odd, following, last))
        nats[3 * i] = [2.0 * true, 2.5 * odd]
        clean, after = 2.0 * following, 1.5 * last
        extra = [(size * (one + 0.1 * cost * rng.uniform(-1, 1))) for size, one in ((following, cost), (last, late))]
        nats[3 * i + 1] = [clean, clean + after] if last else [clean]
        broken = clean + extra[0]
        nats[3 * i + 2] = [broken, broken + after + extra[1]] if last else [broken]
    return tuple(sizes), nats


def test_recovery_is_the_share_of_the_cost_that_is_gone():
    sizes, nats = made_mismatch(random.Random(2), cost=0.4, late=0.1)
    rows = {row["form"]: row for row in mismatch_set(sizes).results(nats, 1)}
    assert list(rows) == ["shock", "cost", "late_cost", "recovery"]
    assert rows["shock"]["value"] == pytest.approx(0.5) and rows["shock"]["higher_is_better"]
    extra = [(nats[3 * i + 2][0] - nats[3 * i + 1][0], sizes[i][2]) for i in range(30)]
    assert rows["cost"]["value"] == pytest.approx(sum(d for d, _ in extra) / sum(b for _, b in extra))
    assert rows["cost"]["n"] == 30 and not rows["cost"]["higher_is_better"]
    late = [i for i in range(30) if sizes[i][3]]
    here = [nats[3 * i + 2][1] - nats[3 * i + 2][0] - nats[3 * i + 1][1] + nats[3 * i + 1][0] for i in late]
    late_cost = sum(here) / sum(sizes[i][3] for i in late)
    assert rows["late_cost"]["value"] == pytest.approx(late_cost) == pytest.approx(0.1, abs=0.02)
    cost = sum(extra[i][0] for i in late) / sum(sizes[i][2] for i in late)
    assert rows["recovery"]["value"] == pytest.approx(1 - late_cost / cost) == pytest.approx(0.75, abs=0.05)
    assert rows["recovery"]["n"] == len(late) == 20 and rows["recovery"]["chance"] == 0.0
    low, high = rows["recovery"]["ci95"]
    assert low < rows["recovery"]["value"] < high < 1


def test_where_nothing_was_lost_nothing_is_recovered():
    sizes, nats = made_mismatch(random.Random(2), cost=0.0, late=0.0)
    assert [row["form"] for row in mismatch_set(sizes).results(nats, 1)] == ["shock", "cost", "late_cost"]
    alone = tuple((a, b, c, 0) for a, b, c, _ in sizes)
    short = {i: ends[:1] if i % 3 else ends for i, ends in nats.items()}
    assert [row["form"] for row in mismatch_set(alone).results(short, 1)] == ["shock", "cost"]


def test_the_interval_of_sums_resamples_groups():
    columns = [[1.0, 1.0, 5.0, 5.0, 2.0, 2.0], [2.0] * 6]
    groups = ("a", "a", "b", "b", "c", "c")
    grouped = interval_of_sums(columns, lambda top, bottom: top / bottom, 3, groups)
    apart = interval_of_sums([[2.0, 10.0, 4.0], [4.0] * 3], lambda top, bottom: top / bottom, 3)
    assert grouped == apart and grouped[0] < 8 / 6 < grouped[1]


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """Items of the three probes over words of a made corpus."""
    folder = write_corpus(tmp_path_factory.mktemp("made") / "corpus", stages=("primer",))
    rng = random.Random(6)
    with open(folder / "primer" / "heldout.jsonl", encoding="utf-8") as file:
        words = [word for line in file for word in json.loads(line)["text"].split()]

    def say(count):
        return " ".join(rng.choices(words, k=count))

    with open(folder / "primer" / "items.jsonl", "a", encoding="utf-8") as file:
        for k in range(8):
            line = {"id": f"x{k}", "kind": "x", "split": "test", "template": f"t{k // 2}", "contaminated": k == 7}
            line |= {"context": say(4), "answer": f" {say(3)}", "foils": [f" {say(3)}"]}
            later = f" {say(2)}" if k % 2 else None
            more = {
                "second": f"{line['context']} {say(4 * k)}",
                "fresh": f" {say(3)}" if k % 3 else None,
                "without_a": say(5),
                "without_b": say(4 * k),
            }
            more |= {"next": f" {say(3)}", "later": later}
            for probe in ("self_repair", "bridge", "mismatch_recovery"):
                file.write(json.dumps(line | {"probe": probe, "more": more}) + "\n")
    return Asked(folder, ("primer",), "primer", ("test",), None, make_encoder(folder / "tokenizer"), 400, 7)


def lines_of(asked, probe):
    with open(asked.folder / "primer" / "items.jsonl", encoding="utf-8") as file:
        lines = [json.loads(line) for line in file]
    return [line for line in lines if line["probe"] == probe and not line["contaminated"]]


def texts_of(asked, row):
    """(what stands before the ends, each end) of a row, as text."""
    decode = asked.encoder.tokenizer.decode
    stem, common = row.stem[1 : len(row.stem) - row.common], row.stem[len(row.stem) - row.common :]
    return decode(list(stem)), [decode([*common, *end]) for end in row.ends]


def test_rows_say_what_the_items_say(asked):
    (repairs,), (bridges,), (mismatches,) = make_repair_sets(asked), make_bridge_sets(asked), make_mismatch_sets(asked)
    for i, line in enumerate(lines_of(asked, "bridge")):
        answer, foil, more = line["answer"], line["foils"][0], line["more"]
        ends = [answer, foil, more["fresh"]] if more["fresh"] else [answer, foil]
        assert repairs.bytes_of[i] == tuple(len(end.encode()) for end in ends)
        assert [texts_of(asked, row) for row in repairs.rows[2 * i : 2 * i + 2]] == [
            (line["context"], ends),
            (more["second"], ends),
        ]
        assert [texts_of(asked, row) for row in bridges.rows[3 * i : 3 * i + 3]] == [
            (line["context"], [answer, foil]),
            (more["without_a"], [answer]),
            (more["without_b"], [answer]),
        ]
        ends = [more["next"], more["next"] + more["later"]] if more["later"] else [more["next"]]
        assert [texts_of(asked, row) for row in mismatches.rows[3 * i : 3 * i + 3]] == [
            (line["context"], [answer, foil]),
            (line["context"] + answer, ends),
            (line["context"] + foil, ends),
        ]
        later = len((more["later"] or "").encode())
        assert mismatches.bytes_of[i] == (len(answer.encode()), len(foil.encode()), len(more["next"].encode()), later)
    assert len(repairs.bytes_of) == len(bridges.bytes_of) == len(mismatches.bytes_of) == 7
    assert repairs.templates == bridges.templates == mismatches.templates == ("t0", "t0", "t1", "t1", "t2", "t2", "t3")


@pytest.mark.parametrize("make_sets", [make_repair_sets, make_bridge_sets])
def test_an_item_fits_under_all_conditions_or_is_left_out(asked, make_sets):
    (whole,) = make_sets(asked)
    each = len(whole.rows) // len(whole.bytes_of)
    needs = [
        max(len(row.stem) + max(map(len, row.ends)) for row in whole.rows[i : i + each])
        for i in range(0, len(whole.rows), each)
    ]
    limit = sorted(needs)[3]
    (fewer,) = make_sets(replace(asked, context_tokens=limit))
    kept = [i for i, need in enumerate(needs) if need <= limit]
    assert fewer.bytes_of == tuple(whole.bytes_of[i] for i in kept) and 0 < len(kept) < 7
    assert fewer.rows == tuple(whole.rows[each * i + k] for i in kept for k in range(each))
    assert make_sets(replace(asked, context_tokens=4)) == []


def test_a_later_sentence_that_does_not_fit_is_left_out_alone(asked):
    (whole,) = make_mismatch_sets(asked)
    at = next(i for i, sizes in enumerate(whole.bytes_of) if sizes[3])
    needs = max(len(row.stem) + max(map(len, row.ends)) for row in whole.rows[3 * at : 3 * at + 3])
    shorter = [one for one in make_mismatch_sets(replace(asked, context_tokens=needs - 1)) if one.bytes_of]
    assert shorter and all(sizes[3] == 0 for sizes in shorter[0].bytes_of if sizes[:3] == whole.bytes_of[at][:3])
    assert any(sizes[:3] == whole.bytes_of[at][:3] for sizes in shorter[0].bytes_of)


def test_conditions_are_whole_or_nothing(asked):
    short, long = [1] * 5, [1] * 20
    assert whole_rows(replace(asked, context_tokens=9), [(short, [[2, 3], [4]])]) is not None
    assert whole_rows(replace(asked, context_tokens=8), [(short, [[2, 3], [4, 5, 6]])]) is None
    assert whole_rows(replace(asked, context_tokens=12), [(short, [[2]]), (long, [[2]])]) is None
    assert whole_rows(asked, [(short, [[]])]) is None


def test_the_battery_asks_them():
    assert {"self_repair", "bridge", "mismatch_recovery", "coherence", "dialogue"} <= set(SETS)
    assert "self_repair" in ROLE_PROBES
