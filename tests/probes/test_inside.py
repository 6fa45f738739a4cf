"""Probes of what a model does with its context, of what it says by itself, and of its health."""

from __future__ import annotations

import itertools
import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from made_corpus import write_life

from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.models.causal import load_model
from ontogeny.probes.free_resolution import (
    content_stems,
    continued,
    line_of,
    measure_free_resolution,
    overlap,
    table_of,
)
from ontogeny.probes.health import MIN_ROWS, ROWS, held_out_rows, jackknife, measure_health
from ontogeny.probes.in_context import MAX_WINDOWS, make_in_context_sets, rows_a_run, windows_of
from ontogeny.probes.induction import SEQUENCES, make_induction_sets
from ontogeny.probes.scoring import make_batches, score_rows
from ontogeny.probes.sets import Asked, read_lines
from ontogeny.probes.unprompted import link_results, measure_structure, scene_results, section_terms
from ontogeny.scenes.language import ENGLISH, RUSSIAN

sys.path.insert(0, str(Path(__file__).parents[1] / "models"))
from tiny_models import FAMILIES, tiny


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("inside")
    write_life(made)
    return made


@pytest.fixture(scope="module")
def asked(folder):
    encoder = make_encoder(folder / "corpus" / "tokenizer")
    return Asked(folder / "corpus", ("primer", "lexicon"), "primer", ("test",), None, encoder, 64, 7)


@pytest.fixture(scope="module")
def model(folder):
    return load_model(folder / "model")


def held_out_ids(asked, stage, split="test"):
    lines = read_lines(asked.folder / stage / "heldout.jsonl")
    texts = [one["text"] for one in lines if one["split"] == split and not one["contaminated"]]
    return [int(token) for ids in asked.encoder.encode(texts) for token in ids]


def test_windows_are_those_of_the_literature_at_512():
    assert windows_of(512) == ((40, 60), (450, 500))
    assert windows_of(256) == ((20, 30), (225, 250))


def test_late_and_early_windows_ask_for_the_same_text(asked):
    (early, late), ids = windows_of(64), held_out_ids(asked, "primer")
    one = make_in_context_sets(asked)[0]
    scored, size = [], rows_a_run(one.windows)
    for k in range(0, len(one.rows), size):
        far, *near = one.rows[k : k + size]
        text = far.stem[1:] + far.ends[0]
        assert (len(far.stem), len(far.ends[0])) == (late[0], late[1] - late[0]) and far.stem[0] == 0
        assert tuple(token for row in near for token in row.ends[0]) == far.ends[0]
        at = late[0] - 1
        for row in near:
            assert row.stem == (0, *text[at - early[0] + 1 : at]) and len(row.stem) == early[0]
            assert 1 <= len(row.ends[0]) <= early[1] - early[0]
            at += len(row.ends[0])
        place = next(at for at in range(len(ids)) if tuple(ids[at : at + len(text)]) == text)
        scored += range(place + late[0] - 1, place + late[1] - 1)
    assert len(scored) == len(set(scored)), "no token is scored twice"
    assert len(one.rows) >= size * 12


def test_windows_of_a_long_text_are_bounded_and_spread(asked, monkeypatch):
    monkeypatch.setattr("ontogeny.probes.in_context.MAX_WINDOWS", 5)
    whole, few = held_out_ids(asked, "primer"), make_in_context_sets(asked)[0]
    size = rows_a_run(few.windows)
    assert len(few.rows) == 5 * size and MAX_WINDOWS == 24
    last = few.rows[-size].stem[1:] + few.rows[-size].ends[0]
    assert next(at for at in range(len(whole)) if tuple(whole[at : at + len(last)]) == last) > 0.5 * len(whole)


def test_in_context_forms_against_losses_by_position(asked, model):
    one = make_in_context_sets(asked)[0]
    rows = {row["form"]: row for row in one.results(dict(score_rows(model, one.rows, make_batches(one.rows))), 1)}
    late, early = [], []
    for k, row in enumerate(one.rows):
        ids_1T = torch.tensor([[*row.stem, *row.ends[0]]])
        with torch.inference_mode():
            logits_TV = model(input_ids=ids_1T).logits[0].double()
        nats_T = torch.nn.functional.cross_entropy(logits_TV[:-1], ids_1T[0, 1:], reduction="none")
        (early if k % rows_a_run(one.windows) else late).append(nats_T[len(row.stem) - 1 :].sum().item())
    tokens = sum(len(row.ends[0]) for row in one.rows) / 2
    assert rows["late"]["value"] == pytest.approx(sum(late) / tokens, rel=1e-5)
    assert rows["early"]["value"] == pytest.approx(sum(early) / tokens, rel=1e-5)
    assert rows["late_minus_early"]["value"] == pytest.approx((sum(late) - sum(early)) / tokens, abs=1e-5)
    assert rows["late"]["n"] == len(late) and rows["late"]["windows"] == [list(one) for one in windows_of(64)]


def test_a_text_shorter_than_a_row_gives_no_set(asked, tmp_path):
    (tmp_path / "primer").mkdir()
    line = {"book": "b", "start": 0, "end": 9, "split": "test", "contaminated": False, "text": "A short one."}
    (tmp_path / "primer" / "heldout.jsonl").write_text(json.dumps(line) + "\n")
    few = Asked(tmp_path, ("primer",), "primer", ("test",), None, asked.encoder, 64, 7)
    assert make_in_context_sets(few) == [] and held_out_rows(few) is None and measure_health(None, few) == []


def copying_nats(row) -> float:
    """What a model that only copies would pay: little for what once followed the token before it, else much."""
    ids = [*row.stem, *row.ends[0]]
    cost = 0.0
    for at in range(len(row.stem), len(ids)):
        seen = {after for before, after in itertools.pairwise(ids[:at]) if before == ids[at - 1]}
        cost += 0.1 if ids[at] in seen else 5.0
    return cost


def test_induction_sees_a_copier_and_nobody_else(asked):
    (one,) = make_induction_sets(asked)
    score, share = one.results({i: [copying_nats(row)] for i, row in enumerate(one.rows)}, 1)
    assert score["value"] > 4.0 and share["value"] == 1.0 and score["n"] == SEQUENCES >= 40
    blind = {i: [7.0 * (1 + i // 2)] for i in range(len(one.rows))}
    score, share = one.results(blind, 1)
    assert (score["value"], share["value"]) == (0.0, 0.5) == (score["chance"], share["chance"])


def test_induction_rows_differ_in_what_stands_before_the_copy_alone(asked):
    (one,) = make_induction_sets(asked)
    known = set(held_out_ids(asked, "primer")) | set(held_out_ids(asked, "lexicon"))
    known |= set(held_out_ids(asked, "primer", "gate")) | set(held_out_ids(asked, "lexicon", "gate"))
    for k in range(0, len(one.rows), 2):
        repeated, control = one.rows[k], one.rows[k + 1]
        length = len(repeated.stem) - 2
        assert repeated.stem[1 : 1 + length] == (repeated.stem[-1], *repeated.ends[0])
        assert control.ends == repeated.ends and control.stem[-1] == repeated.stem[-1]
        assert control.stem[1:-1] != repeated.stem[1:-1] and len(control.stem) == len(repeated.stem)
        assert len(repeated) <= 64 and 0 not in repeated.stem[1:]
    drawn = {token for row in one.rows for token in row.stem[1:]}
    assert 0 not in drawn and (drawn <= known or len(known) < 64)
    assert make_induction_sets(asked)[0].rows == one.rows


def test_an_untrained_model_shows_no_induction(asked, model):
    (one,) = make_induction_sets(asked)
    score, _ = one.results(dict(score_rows(model, one.rows, make_batches(one.rows))), 1)
    assert abs(score["value"]) < 0.05


def test_scene_forms_by_hand():
    texts = [
        "Teacher: why?\nStudent: so.",
        "Student: a\nStudent: b",
        "the Student: said",
        "\nKing: no\nTeacher: yes",
        "",
    ]
    speaker, alternation = scene_results(texts, {"Teacher", "Student"}, 1)
    assert speaker["value"] == pytest.approx(3 / 5) and alternation["value"] == pytest.approx(1 / 5)


TERMS = {
    ("primer", "a"): {"alpha", "apple"},
    ("primer", "b"): {"bravo", "berry"},
    ("lexicon", "c"): {"charlie", "cherry"},
}


def test_links_by_hand_and_against_every_deal():
    both, left, right, inside = (
        "alpha apple charlie cherry",
        "alpha apple cherry",
        "charlie cherry",
        "alpha apple bravo berry",
    )
    texts = [both, left, right, both, inside, ""]
    links, apart = link_results(texts, TERMS, 1)
    assert links["value"] == pytest.approx(2 / 6), "sections of one stage are no link, one term is no section"
    has_a, has_b, has_c = [1, 1, 0, 1, 1, 0], [0, 0, 0, 0, 1, 0], [1, 0, 1, 1, 0, 0]
    deals = [
        sum(x * has_c[at] for has in (has_a, has_b) for x, at in zip(has, deal, strict=True)) / 6
        for deal in itertools.permutations(range(6))
    ]
    assert links["chance"] == pytest.approx(sum(deals) / len(deals))
    assert apart["value"] == pytest.approx(links["value"] - links["chance"])
    assert apart["ci95"][0] <= apart["value"] <= apart["ci95"][1]


def test_a_life_of_one_stage_has_no_links():
    assert link_results(["alpha apple"] * 3, {key: TERMS[key] for key in list(TERMS)[:2]}, 1) == []


def test_terms_of_a_section_are_its_own(tmp_path):
    (tmp_path / "books").mkdir()
    texts = {"one": "granite granite window window held", "two": "window window copper copper unread unread"}
    for name, text in texts.items():
        (tmp_path / "books" / f"{name}.txt").write_text(text)
    whole = [[0, len(texts["one"])]]
    manifest = {
        "stages": [
            {"name": "primer", "sections": [["a", 1]], "books": [{"id": "one", "training": whole}]},
            {"name": "lexicon", "sections": [["c", 1]], "books": [{"id": "two", "training": [[0, 28]]}]},
        ]
    }
    assert section_terms(tmp_path, manifest) == {("primer", "a"): {"granite"}, ("lexicon", "c"): {"copper"}}


def test_structure_of_a_run(asked, model, tmp_path):
    import shutil

    shutil.copytree(asked.folder, tmp_path / "corpus")
    (tmp_path / "corpus" / "books").mkdir()
    (tmp_path / "corpus" / "books" / "book.txt").write_text("granite granite")
    stages = [
        {"name": name, "sections": [["a", 1]], "books": [{"id": "book", "training": [[0, 15]]}]}
        for name in ("primer", "lexicon")
    ]
    text = json.dumps({"version": 2, "language": "en", "roles": ["student"], "stages": stages})
    from ontogeny.corpus.layout import VERSION

    (tmp_path / "corpus" / "manifest.json").write_text(text.replace('"version": 2', f'"version": {VERSION}'))
    run = Asked(tmp_path / "corpus", asked.stages, "primer", ("test",), None, asked.encoder, 64, 7)
    rows = measure_structure(model, run)
    assert [row["form"] for row in rows] == ["speaker", "alternation", "links", "links_difference"]
    assert rows == measure_structure(model, run) and rows[0]["forward_tokens"] == 64 * 63
    assert measure_structure(model, asked) == [], "without a manifest nobody knows the speakers"


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_says_what_each_row_says_alone(family):
    model = tiny(family).eval()
    for parameter in model.parameters():
        parameter.data *= 3  # so that ties do not decide
    rng = np.random.default_rng(2)
    stems = [[0, *rng.integers(1, 101, size).tolist()] for size in (1, 3, 9, 20, 4, 33)]
    rooms = [5, 8, 3, 1, 7, 6]
    together = continued(model, stems, rooms)
    assert together == [continued(model, [stem], [room])[0] for stem, room in zip(stems, rooms, strict=True)]
    for stem, ids in zip(stems, together, strict=True):  # and what it says without a cache, one forward a token
        for k, token in enumerate(ids):
            with torch.inference_mode():
                assert int(model(input_ids=torch.tensor([[*stem, *ids[:k]]])).logits[0, -1].argmax()) == token
    assert [len(ids) for ids in together] == rooms


def test_overlap_by_hand():
    assert content_stems("The Rivers of the north, and rivers!", ENGLISH) == {"rivers", "north"}
    assert overlap("rivers freeze", "The rivers of the north freeze early", ENGLISH) == pytest.approx(2 * 2 / (2 + 4))
    assert overlap("", "rivers", ENGLISH) == 0.0 == overlap("of the", "rivers", ENGLISH)
    assert overlap("книгами", "книгах", RUSSIAN) == 1.0
    assert table_of(["Он сказал, чтобы все пришли."]) is RUSSIAN and table_of(["He said that they would."]) is ENGLISH


@pytest.mark.parametrize(
    ("text", "line"),
    [(" it melts.\nTeacher: no", "it melts."), ("\nin verse\nmore", "in verse"), ("", ""), (" \n", "")],
)
def test_an_answer_ends_with_its_line(text, line):
    assert line_of(text) == line


class Oracle:
    """Says the answer of each item, whatever the model would say."""

    def __init__(self, asked, index):
        lines = {}
        for stage in asked.stages:
            for one in read_lines(asked.folder / stage / "items.jsonl"):
                context = tuple(map(int, asked.encoder.encode([one["context"]])[0]))
                lines[context] = asked.encoder.encode([[one["answer"], *one["foils"]][index]])[0].tolist()
        self.lines = lines

    def __call__(self, model, stems, rooms):
        found = []
        for stem, room in zip(stems, rooms, strict=True):
            said = next(end for context, end in self.lines.items() if context[-len(stem) + 1 :] == tuple(stem[1:]))
            found.append([*said, 0, 0][:room])
        return found


@pytest.mark.parametrize(("index", "sign"), [(0, 1), (1, -1)])
def test_free_resolution_of_one_who_knows_and_one_who_is_fooled(asked, monkeypatch, index, sign):
    monkeypatch.setattr("ontogeny.probes.free_resolution.continued", Oracle(asked, index))
    rows = measure_free_resolution(None, asked)
    assert {(row["on"], row["form"]) for row in rows} == {
        (on, form) for on in ("primer", "lexicon") for form in ("difference", "preferred")
    }
    for row in rows:
        assert row["n"] == 9 and (row["value"] - row["chance"]) * sign > 0.35


def test_free_resolution_of_a_real_model_repeats(asked, model):
    rows = measure_free_resolution(model, asked)
    json.dumps(rows, allow_nan=False)
    assert rows == measure_free_resolution(model, asked)
    assert all(len(row["samples"]) == 4 and row["forward_tokens"] > 9 * 10 for row in rows)


def test_health_rows(asked, model):
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(5)
    rows = measure_health(model, asked)
    drawn = torch.rand(2)
    torch.manual_seed(5)
    assert torch.equal(drawn, torch.rand(2)), "no draw of ours moves the global generator"
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters()) and not model.training
    json.dumps(rows, allow_nan=False)
    told = {row["form"]: row for row in rows}
    expected = {"effective_rank", "attention_entropy", "gradient_norm", "gradient_noise_frac"}
    assert expected | {f"attention_entropy_layer_{layer}" for layer in range(3)} == set(told) - {"gradient_noise_scale"}
    assert 0 <= told["gradient_noise_frac"]["value"] <= 1
    assert 1 < told["effective_rank"]["value"] <= 32 and told["gradient_norm"]["value"] > 0
    for row in rows:
        assert row["ci95"][0] <= row["value"] <= row["ci95"][1] and MIN_ROWS <= row["n"] <= ROWS
    assert told["attention_entropy"]["value"] <= told["attention_entropy"]["chance"] + 1e-6
    layers = [told[f"attention_entropy_layer_{layer}"]["value"] for layer in range(3)]
    assert told["attention_entropy"]["value"] == pytest.approx(sum(layers) / 3)


def test_an_adapter_is_looked_into_as_a_model_is(asked, folder, model):
    from ontogeny.models.adapters import load_adapter

    subject = load_adapter(load_model(folder / "model"), folder / "student", "student")
    told = {row["form"]: row["value"] for row in measure_health(subject, asked)}
    bare = {row["form"]: row["value"] for row in measure_health(model, asked)}
    assert told.keys() ^ bare.keys() <= {"gradient_noise_scale"} and told["effective_rank"] != bare["effective_rank"]
    stems, rooms = [[0, 5, 6], [0, *range(7, 30)]], [4, 4]
    alone = [continued(subject, [stem], [4])[0] for stem in stems]
    assert continued(subject, stems, rooms) == alone


def test_health_sees_a_collapse(asked, folder):
    broken = load_model(folder / "model")
    with torch.no_grad():
        broken.model.layers[-1].mlp.down_proj.weight.zero_()
        broken.model.embed_tokens.weight[:] = broken.model.embed_tokens.weight[0] * 1.0
        for layer in broken.model.layers:
            layer.self_attn.o_proj.weight.zero_()
    ranks = [
        next(row["value"] for row in measure_health(one, asked) if row["form"] == "effective_rank")
        for one in (load_model(folder / "model"), broken)
    ]
    assert ranks[1] <= 1.0 < 5.0 < ranks[0]


def test_jackknife_of_a_mean_is_students_interval():
    from scipy import stats

    values = np.random.default_rng(3).normal(5, 1, 12)
    low, high = jackknife(float(values.mean()), [float(np.delete(values, k).mean()) for k in range(12)])
    reach = stats.t.ppf(0.975, 11) * values.std(ddof=1) / math.sqrt(12)
    assert (low, high) == pytest.approx((values.mean() - reach, values.mean() + reach))
