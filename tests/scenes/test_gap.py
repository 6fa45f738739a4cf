from __future__ import annotations

import random

import pytest

from ontogeny.scenes.gap import (
    ask,
    choose_attempt,
    connective_of,
    lacking_words,
    linking_sentences,
    make_gap_scene,
    split_sentences,
)
from ontogeny.scenes.language import ENGLISH, RUSSIAN
from ontogeny.scenes.shape import render

PARAGRAPH = (
    "The plant stands in the dark room. So its leaves turn slowly towards the small window. "
    "The gardener moves it every evening.\n\n"
)
POOL = [
    "So the water went down into the pipe again.",
    "But he did not go to the old house at all that day.",
    "Therefore it was closed.",
    "So the boats of the village came back before the great storm.",
]


def gap_of(paragraph=PARAGRAPH, pool=POOL, seed="a", language="en"):
    return make_gap_scene(
        paragraph, pool, language=language, scene_id="gap-1", field="f", level="l", rng=random.Random(seed)
    )


def test_the_repair_is_the_removed_text_to_the_character():
    gap = gap_of()
    question, attempt, objection, repair = gap.scene.turns
    assert PARAGRAPH[gap.start : gap.end] == f" {repair.text}" == " So its leaves turn slowly towards the small window."
    assert render(gap.scene)[-1].text == PARAGRAPH[gap.start : gap.end] + "\n\n"
    assert gap.scene.resolution_expected == repair.text and gap.scene.foil == attempt.text in POOL
    assert "plant stands in the dark room" in question.text
    assert "The gardener moves it every evening" in question.text
    assert repair.text not in question.text + objection.text


def test_the_objection_names_what_the_attempt_lacks():
    following = "The gardener moves it every evening."
    assert lacking_words("The gardener sleeps.", following, ENGLISH) == ["moves", "evening"]
    assert '"gardener" and "moves" and "evening"' in gap_of().scene.turns[2].text


def test_phrasings_vary_with_the_seed_and_repeat_with_it():
    questions = {gap_of(seed=str(i)).scene.turns[0].text for i in range(30)}
    assert len(questions) == len(ENGLISH.missing)
    assert gap_of(seed="x") == gap_of(seed="x")


def test_the_attempt_is_near_in_length_and_has_the_same_connective_where_it_can():
    true = "So its leaves turn slowly towards the window."
    assert choose_attempt(true, POOL, random.Random(1), language="en").startswith("So ")
    assert choose_attempt(true, [true], random.Random(1)) is None


def test_no_gap_without_a_linking_sentence_or_an_attempt():
    assert gap_of("One stands. Two stand. Three stand.\n\n") is None
    assert gap_of(pool=[]) is None
    assert linking_sentences("So it began long ago in the old town. It went on.\n\n", "en") == []


def test_verse_keeps_its_lines():
    verse = "Hamlet: He was a man.\nSo take him all in all as he is told,\nI shall not look. The ghost comes.\n\n"
    gap = gap_of(verse, ["So the boats came home before the great storm."])
    assert verse[gap.start : gap.end] == gap.scene.turns[3].text
    assert gap.scene.turns[3].text == "\nSo take him all in all as he is told,\nI shall not look."
    assert "".join(piece.text for piece in render(gap.scene)).endswith(f"Reformulator:{verse[gap.start : gap.end]}\n\n")


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("Therefore it is so.", "therefore"),
        ("“But no,” he said.", "but"),
        ("He fell, because it was dark.", "because"),
        ("And so it ended.", "and so"),
        ("Sofia came.", None),
        ("The hen sat.", None),
    ],
)
def test_connectives(sentence, word):
    assert connective_of(sentence, "en") == word


def test_russian():
    paragraph = (
        "Растение стоит в тёмной комнате. Поэтому листья медленно тянутся к окну. Садовник поворачивает горшок.\n\n"
    )
    gap = gap_of(paragraph, ["Поэтому вода снова ушла в трубу до вечера."], language="ru")
    assert paragraph[gap.start : gap.end] == " Поэтому листья медленно тянутся к окну."
    assert "«садовник» и «поворачивает»" in gap.scene.turns[2].text
    assert "".join(p.text for p in render(gap.scene)).startswith("Учитель: ")


def test_sentences_end_where_they_end():
    text = 'Mr. Smith (c. 1415) said "Go." He went! J. S. Bach, e.g. in Leipzig, stayed… Then "why?" she asked.'
    assert [s.text for s in split_sentences(text)] == [
        'Mr. Smith (c. 1415) said "Go."',
        "He went!",
        "J. S. Bach, e.g. in Leipzig, stayed…",
        'Then "why?" she asked.',
    ]
    assert all(text[s.start : s.end] == s.text for s in split_sentences(text))


def test_russian_sentences_end_where_they_end():
    text = (
        "Поход начался в 1773 г. и длился долго, т. е. до осени (см. Записки, т. II, стр. 14). «Пора, — сказал "
        "кн. Орлов. — Идём!» Так пишет г. Левшин.[4] Прочие молчат(5). — Отчего же? «Неведомо.» См. Приложения."
    )
    assert [s.text for s in split_sentences(text)] == [
        "Поход начался в 1773 г. и длился долго, т. е. до осени (см. Записки, т. II, стр. 14).",
        "«Пора, — сказал кн. Орлов.",
        "— Идём!»",
        "Так пишет г. Левшин.[4]",
        "Прочие молчат(5).",
        "— Отчего же?",
        "«Неведомо.»",
        "См. Приложения.",
    ]
    assert all(text[s.start : s.end] == s.text for s in split_sentences(text))


@pytest.mark.parametrize(
    ("sentence", "word"),
    [
        ("Между тем настала зима.", "между тем"),
        ("— «Однако пора».", "однако"),
        ("Он ушёл, чтобы никто не видел.", "чтобы"),
        ("Он ушёл,\nЧтоб никто не видел.", "чтоб"),
        ("Несмотря на снег, они шли.", "несмотря на"),
        ("Ибоя привезли поздно.", None),
        ("Раз он закинул невод.", None),
    ],
)
def test_russian_connectives(sentence, word):
    assert connective_of(sentence, "ru") == word


def test_forms_of_one_russian_word_are_one_word():
    following = "Рыбку в синем море просили казаки о казаках."
    assert lacking_words("Рыбка ушла в море.", following, RUSSIAN) == ["синем", "просили", "казаки"]
    assert lacking_words("The boat moved.", "The boats moved.", ENGLISH) == ["boats"]


@pytest.mark.parametrize(
    ("before", "quoted"),
    [
        ("Старик молвит: «Иди».", "«Старик молвит: „Иди“»"),
        ("«Иди себе домой».", "«Иди себе домой»"),
        ("Он сказал: «Иди себе", "«Он сказал: Иди себе»"),
        ("— Иди себе домой.", "«Иди себе домой»"),
    ],
)
def test_quotes_within_a_russian_question_are_of_another_kind_and_paired(before, quoted):
    question = ask(before, "Он пошёл.", RUSSIAN, RUSSIAN.missing[0])
    assert quoted in question and "«Он пошёл»" in question
    assert question.count("«") == question.count("»") == 2 and question.count("„") == question.count("“")
