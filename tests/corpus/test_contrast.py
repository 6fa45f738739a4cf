"""Contrast rows from the tokens and codes of packs."""

from __future__ import annotations

import numpy as np
import pytest

from ontogeny.corpus.contrast import (
    ENDINGS,
    FOIL_CHOICES,
    MAX_CONTRAST_TOKENS,
    Contrast,
    Contrasts,
    Repairs,
    lay_out,
    scenes_in,
)
from ontogeny.corpus.layout import NO_TARGET
from ontogeny.corpus.tokens import line_end_tokens, token_bytes
from ontogeny.corpus.vocabulary import make_encoder
from ontogeny.scenes.shape import SPANS

BOS, LINE, VOCABULARY, LENGTH = 0, 1, 1000, 64
LINE_END_V = np.arange(VOCABULARY) == LINE
STUDENT = 8
QUESTION, ATTEMPT, OBJECTION, REPAIR, REFLECTION = (SPANS.index(name) + STUDENT for name in SPANS[1:])
TEXT = [(50, 0), (51, 0), (LINE, 0), (LINE, 0)]


def said(code: int, *ids: int) -> list[tuple[int, int]]:
    """A turn: its label (two tokens, without a code), its words, the end of its line."""
    return [(900, 0), (901, 0), *((id_, code) for id_ in ids), (LINE, code)]


def row(*parts: list[tuple[int, int]], length: int = LENGTH) -> tuple[np.ndarray, np.ndarray]:
    """(ids_T, codes_T) of a pack with these tokens, cut or padded at its end."""
    tokens = [(BOS, NO_TARGET), *(token for part in parts for token in part)][:length]
    tokens += [(BOS, NO_TARGET)] * (length - len(tokens))
    return np.array([id_ for id_, _ in tokens], np.int32), np.array([code for _, code in tokens], np.uint8)


SCENE = [
    *said(QUESTION, 10, 11),
    *said(ATTEMPT, 20, 21, 22),
    *said(OBJECTION, 30),
    *said(REPAIR, 40, 41),
    (LINE, REPAIR),
]


def of(*parts, margin: bool = True, repairs: Repairs | None = None) -> list[Contrast]:
    return Contrasts(LINE_END_V, margin, repairs).of_row(*row(*parts), 0)


def test_a_scene_in_its_parts():
    [scene] = of(TEXT, SCENE, TEXT)
    until_repair = [id_ for id_, _ in [*TEXT, *SCENE[:-4]]]
    assert scene.context.tolist() == [BOS, *until_repair], "the text before it too, up to the label of the repair"
    assert scene.label.tolist() == [BOS, 900, 901]
    assert scene.repair.tolist() == [40, 41], "without the ends of the line"
    assert scene.attempt.tolist() == [20, 21, 22]
    assert scene.foil is None


def test_a_turn_after_the_repair_is_no_part_of_it():
    [scene] = of(TEXT, SCENE[:-1], said(REFLECTION, 45), TEXT)
    assert (scene.repair.tolist(), scene.attempt.tolist()) == ([40, 41], [20, 21, 22])


def test_each_scene_of_a_row_once_and_in_order():
    other = [*said(ATTEMPT, 60), *said(REPAIR, 70)]
    assert [scene.repair.tolist() for scene in of(TEXT, SCENE, TEXT, other, TEXT)] == [[40, 41], [70]]


def test_text_between_parts_two_scenes():
    assert of(TEXT, said(ATTEMPT, 20), TEXT, said(REPAIR, 40), TEXT) == [], "the attempt is another scene's"


@pytest.mark.parametrize("left", range(1, len(SCENE) + len(TEXT) - 2))
def test_a_scene_that_the_packs_end_cuts_has_none(left):
    tokens = [*TEXT, *SCENE][:left]
    assert Contrasts(LINE_END_V, True, None).of_row(*row(tokens, length=left + 1), 0) == []


def test_a_repair_whose_beginning_is_in_the_pack_before_has_none():
    repairs = Repairs(*(np.stack([one]) for one in row(TEXT, said(REPAIR, 80))), LINE_END_V)
    assert of(SCENE[-4:], TEXT, repairs=repairs) == [], "it begins inside the repair"
    assert of(SCENE[-6:], TEXT, repairs=repairs) == [], "it begins with the label: the attempt was read before"
    assert of(SCENE[3:], TEXT, repairs=repairs) != [], "attempt and repair are both whole"


def test_without_an_attempt_there_is_coherence_alone():
    dialogue = [*said(QUESTION, 10), *said(REPAIR, 40)]
    repairs = Repairs(*(np.stack([one]) for one in row(TEXT, said(REPAIR, 80))), LINE_END_V)
    [scene] = of(TEXT, dialogue, TEXT, repairs=repairs)
    assert scene.attempt is None and scene.foil.tolist() == [80]
    assert of(TEXT, dialogue, TEXT) == [], "and nothing where only the margin is asked"
    assert of(TEXT, SCENE, margin=False) == []


def test_a_narrators_repair_has_no_label():
    narrated = [*said(ATTEMPT, 20), (40, REPAIR - STUDENT), (LINE, REPAIR - STUDENT)]
    [scene] = of(TEXT, narrated, TEXT)
    assert (scene.label.tolist(), scene.repair.tolist()) == ([BOS], [40])


def test_foils_against_a_plain_loop():
    chance = np.random.default_rng(5)
    packs = []
    for _ in range(30):
        turns = [said(REPAIR, *chance.integers(40, 45, chance.integers(1, 6))) for _ in range(chance.integers(0, 3))]
        packs.append(row(*(part for turn in turns for part in (TEXT, turn)), TEXT))
    ids_RT, codes_RT = (np.stack(part) for part in zip(*packs, strict=True))
    listed = []  # (pack, start, ids) of each repair
    for pack, (ids_T, codes_T) in enumerate(packs):
        for start in range(1, LENGTH):
            if codes_T[start] == REPAIR and codes_T[start - 1] != REPAIR:
                words = [int(i) for i, c in zip(ids_T[start:], codes_T[start:], strict=True) if c == REPAIR]
                listed.append((pack, start, words[: words.index(LINE)]))
    contrasts = Contrasts(LINE_END_V, False, Repairs(ids_RT, codes_RT, LINE_END_V))
    checked = 0
    for pack, packed in enumerate(packs):
        found = contrasts.of_row(*packed, pack)
        mine = [number for number, place in enumerate(listed) if place[0] == pack]
        assert [scene.repair.tolist() for scene in found] == [listed[number][2] for number in mine]
        for number, scene in zip(mine, found, strict=True):
            best = None
            for step in range(1, FOIL_CHOICES + 1):
                other = listed[(number + step) % len(listed)][2]
                gap = abs(len(other) - len(scene.repair))
                if other != scene.repair.tolist() and (best is None or gap < best[0]):
                    best = gap, other
            assert scene.foil.tolist() == best[1]
            checked += 1
    assert checked > 20


def test_a_stage_of_one_repair_has_no_foils():
    repairs = Repairs(*(np.stack([one, one]) for one in row(TEXT, said(REPAIR, 40, 41))), LINE_END_V)
    [scene] = of(TEXT, SCENE, repairs=repairs)
    assert scene.foil is None, "the same text twice is no foil"


@pytest.mark.parametrize("text, scene", [(300, 20), (100, 20), (10, 150), (10, 300)])
def test_the_text_before_a_scene_as_far_as_it_fits(text, scene):
    before = [*[(50, 0)] * text, (LINE, 0)]
    turns = [*said(QUESTION, *[10] * scene), *said(ATTEMPT, 20), *said(REPAIR, 40)]
    [found] = Contrasts(LINE_END_V, True, None).of_row(*row(before, turns, TEXT, length=512), 0)
    whole = scene + 3 + 4 + 2  # the scene up to its repair, labels and lines' ends counted
    room = MAX_CONTRAST_TOKENS - 1 - 1
    assert len(found.context) - 1 == max(whole, min(room, whole + text + 1))


def test_no_row_is_longer_than_a_pack():
    repairs = Repairs(*(np.stack([one]) for one in row(TEXT, said(REPAIR, *[80] * 30))), LINE_END_V)
    short = [*said(QUESTION, *[10] * 30), *said(ATTEMPT, 20), *said(REPAIR, 40)]
    [scene] = of(TEXT, short, repairs=repairs)
    assert len(scene.context) + len(scene.foil) == LENGTH


def test_rows_are_laid_out_once_each():
    ids = np.array([BOS, 5, 6], np.int32)
    repair, attempt, foil = (np.array(one, np.int32) for one in ([7], [8, 9], [10, 11, 12]))
    scenes = [
        Contrast(0, ids, ids[:2], repair, attempt, foil),
        Contrast(1, ids, ids[:2], repair, attempt, None),
        Contrast(2, ids, ids[:2], repair, None, foil),
    ]
    made = lay_out(scenes)
    assert made.row_SK.tolist() == [[0, 1, 2, 3, 4], [5, 6, -1, -1, -1], [7, -1, 8, 9, 10]]
    expected = [
        ([0, 5, 6, 7], [7]),
        ([0, 5, 6, 8, 9], [8, 9]),
        ([0, 5, 6, 10, 11, 12], [10, 11, 12]),
        ([0, 5, 7], [7]),
        ([0, 5, 10, 11, 12], [10, 11, 12]),
    ]
    for at, (tokens, ending) in enumerate(expected):
        assert made.ids_BL[at].tolist() == tokens + [BOS] * (made.ids_BL.shape[1] - len(tokens))
        assert made.ids_BL[at][made.ending_BL[at]].tolist() == ending
    assert len(ENDINGS) == made.row_SK.shape[1]


def test_scenes_of_a_prepared_corpus_are_those_it_tells_of(prepared):
    corpus = prepared[2]
    line_end_V = line_end_tokens(corpus.folder / "tokenizer")
    encoder = make_encoder(corpus.folder / "tokenizer")
    checked = 0
    for index in (0, 1):
        shard = corpus.shard(index)
        told = {
            tuple(text.strip() for _, span, text in record["turns"] if span in ("attempt", "repair"))
            for record in shard.scenes
        }
        for pack in range(shard.entry["packs"]):
            ids_T, codes_T = np.array(shard.ids_RT[pack], np.int32), shard.codes_RT[pack]
            for scene in scenes_in(ids_T, codes_T, line_end_V):
                if scene.attempt is None:
                    continue
                texts = (
                    encoder.tokenizer.decode(ids_T[slice(*part)].tolist()) for part in (scene.attempt, scene.repair)
                )
                assert tuple(text.strip() for text in texts) in told
                checked += 1
    assert checked > 5


def test_tables_of_tokens(prepared):
    folder = prepared[2].folder / "tokenizer"
    tokenizer = make_encoder(folder).tokenizer
    ends_V = line_end_tokens(folder)
    lengths_V = token_bytes(folder)
    for id_ in range(256, len(ends_V)):
        text = tokenizer.decode([id_])
        assert ends_V[id_] == ("\n" in text)
        if "\ufffd" not in text:
            assert lengths_V[id_] == len(text.encode())
