"""Russian for minimal pairs: words at three levels, and frames (what a frame is, minimal_pairs.py says)."""

from __future__ import annotations

HISSING = "гкхжшщч"  # after these и stands, never ы


def _y(stem: str) -> str:
    return "и" if stem[-1] in HISSING else "ы"


def _masculine(text: str) -> list[dict[str, str]]:
    """Nouns of the second declension with a hard stem; the accusative is "" of a thing, `gen` of a person."""
    return [
        {
            "": word,
            "gen": word + "а",
            "dat": word + "у",
            "ins": word + "ом",
            "prep": word + "е",
            "pl": word + _y(word),
            "genpl": word + "ов",
        }
        for word in text.split()
    ]


def _feminine(text: str) -> list[dict[str, str]]:
    """Nouns of the first declension with a hard stem; `genpl` holds for stems that end in one consonant."""
    return [
        {
            "": word,
            "gen": word[:-1] + _y(word[:-1]),
            "dat": word[:-1] + "е",
            "acc": word[:-1] + "у",
            "ins": word[:-1] + "ой",
            "prep": word[:-1] + "е",
            "pl": word[:-1] + _y(word[:-1]),
            "genpl": word[:-1],
        }
        for word in text.split()
    ]


def _adjectives(text: str) -> list[dict[str, str]]:
    return [{"": stem + "ый", "f": stem + "ая", "gen": stem + "ого"} for stem in text.split()]


def _states(text: str) -> list[dict[str, str]]:
    """Verbs without an object, each `он/они/он вчера`."""
    found = (word.split("/") for word in text.split())
    return [{"sg": one, "pl": many, "m": past, "f": past + "а"} for one, many, past in found]


def _deeds(text: str) -> list[dict[str, str]]:
    """Verbs with an object, each (imperfective/perfective)."""
    return [dict(zip(("imp", "perf"), word.split("/"), strict=True)) for word in text.split()]


def _level(**text: str) -> dict[str, list[dict[str, str]]]:
    return {
        **{kind: _masculine(text[kind]) for kind in ("thing", "man")},
        **{kind: _feminine(text[kind]) for kind in ("book", "woman")},
        "adjective": _adjectives(text["adjective"]),
        "live": _states(text["live"]),
        "do": _deeds(text["do"]),
        "place": [{"": place.replace("_", " ")} for place in text["place"].split()],
    }


WORDS = {
    "simple": _level(
        thing="стол стакан шкаф диван мост зонт",
        book="книга лампа газета шуба ваза корзина",
        man="мальчик ученик внук моряк",
        woman="девочка мама бабушка подруга",
        adjective="нов стар красив бел",
        live="спит/спят/спал играет/играют/играл гуляет/гуляют/гулял поёт/поют/пел",
        do="рисовать/нарисовать мыть/вымыть чинить/починить красить/покрасить",
        place="в_саду у_реки на_улице в_парке на_кухне",
    ),
    "middle": _level(
        thing="чемодан журнал кувшин сундук забор камин",
        book="картина монета гитара перина карета витрина",
        man="художник охотник инженер садовник",
        woman="соседка хозяйка портниха пассажирка",
        adjective="тёмн прочн медн дорожн",
        live="молчит/молчат/молчал мечтает/мечтают/мечтал зевает/зевают/зевал скучает/скучают/скучал",
        do="описывать/описать прятать/спрятать рассматривать/рассмотреть фотографировать/сфотографировать",
        place="в_деревне у_моря в_долине на_вокзале в_мастерской",
    ),
    "rich": _level(
        thing="пергамент гобелен талисман манускрипт канделябр барометр",
        book="гравюра диадема диаграмма мозаика панорама партитура",
        man="философ скульптор дипломат ювелир",
        woman="аристократка гувернантка поэтесса баронесса",
        adjective="старинн драгоценн изысканн уникальн",
        live="размышляет/размышляют/размышлял странствует/странствуют/странствовал негодует/негодуют/негодовал "
        "бодрствует/бодрствуют/бодрствовал",
        do="реставрировать/отреставрировать изучать/изучить оценивать/оценить восстанавливать/восстановить",
        place="в_монастыре у_водопада в_обсерватории на_чужбине в_усадьбе",
    ),
}

FRAMES = {
    "preposition_case": (
        "{man} стоял {place} [без|с] <{book.gen}/{book.ins}>.",
        "{woman} [подошла к|отошла от] <{thing.dat}/{thing.gen}> {place}.",
        "{man} [думал о|смотрел на] <{book.prep}/{book.acc}> {place}.",
        "Ключ лежал [под|на] <{thing.ins}/{thing.prep}> {place}.",
        "{man} говорил {place} [про|о] <{thing}/{thing.prep}>.",
        "{woman} ждала {place} [около|перед] <{man.gen}/{man.ins}>.",
    ),
    "adjective_gender": (
        "{place} давно стоит <{adjective}/{adjective.f}> [{thing}|{book}].",
        "<Этот/Эта> [{thing}|{book}] {place} уже давно.",
        "{place} лежит <мой/моя> [{thing}|{book}] с утра.",
        "[{thing}|{book}] {place} теперь <{adjective}/{adjective.f}>.",
        "{place} есть ещё <один/одна> [{thing}|{book}].",
        "У {man.gen} есть <{adjective}/{adjective.f}> [{thing}|{book}] {place}.",
    ),
    "subject_verb_number": (
        "[{man}|{man.pl}] каждый день <{live.sg}/{live.pl}> {place}.",
        "[{woman} из этих домов|{woman.pl} из этого дома] <{live.sg}/{live.pl}> {place}.",
        "[{man}, которого видели дети,|{man.pl}, которых видел отец,] сейчас <{live.sg}/{live.pl}> {place}.",
        "{place} [{thing}|{thing.pl}] <стоял/стояли> ещё вчера.",
        "{place} с утра <лежит/лежат> [{book}|{book.pl}].",
        "Днём и ночью [{woman}|{woman.pl}] <{live.sg}/{live.pl}> {place}.",
    ),
    "past_gender": (
        "Вчера [{man}|{woman}] <{live.m}/{live.f}> {place}.",
        "[{man} моей сестры|{woman} моего брата] <{live.m}/{live.f}> {place}.",
        "[{thing}|{book}] {place} <исчез/исчезла> ещё утром.",
        "[{man}, который говорил с сестрой,|{woman}, которая говорила с братом,] <{live.m}/{live.f}> {place}.",
        "{place} долго <{live.m}/{live.f}> [{man}|{woman}] без друзей.",
        "Мы знаем, что [{man}|{woman}] вчера <{live.m}/{live.f}> {place}.",
    ),
    "negation_genitive": (
        "{place} [есть|нет] <{adjective} {thing}/{adjective.gen} {thing.gen}>.",
        "У {man.gen} {place} [был|не было] <{thing}/{thing.gen}>.",
        "Завтра {place} [будет|не будет] <{thing}/{thing.gen}>.",
        "Отсюда [виден|не видно] <{adjective} {thing}/{adjective.gen} {thing.gen}> {place}.",
        "Здесь {place} [остался|не осталось] <{thing}/{thing.gen}>.",
        "У {woman.gen} теперь [есть|нет] <{adjective} {thing}/{adjective.gen} {thing.gen}>.",
    ),
    "aspect": (
        "{man} [начал|успел] <{do.imp}/{do.perf}> {thing} {place}.",
        "{woman} [продолжает|успела] <{do.imp}/{do.perf}> {thing} {place}.",
        "Завтра {man} [станет|успеет] <{do.imp}/{do.perf}> {book.acc} {place}.",
        "{woman} [перестала|успела] <{do.imp}/{do.perf}> {book.acc} {place}.",
        "{man.dat} [надоело|удалось] <{do.imp}/{do.perf}> {book.acc} {place}.",
        "Мы [привыкли|успели] <{do.imp}/{do.perf}> {thing} {place}.",
    ),
    "reflexive": (
        "{man} потерял <свой/свою> [{thing}|{book.acc}] {place}.",
        "{woman} нашла {place} <свой/свою> [{thing}|{book.acc}].",
        "{man} рассказал о <своём/своей> [{thing.prep}|{book.prep}] {place}.",
        "{woman} пришла сюда без <своего/своей> [{thing.gen}|{book.gen}].",
        "{man} {place} говорил [о|про] <себе/себя>.",
        "{woman} {place} [довольна|любит] <собой/себя>.",
    ),
    "numeral_case": (
        "{place} стоят [два|пять] <{thing.gen}/{thing.genpl}>.",
        "{man} купил [три|шесть] <{thing.gen}/{thing.genpl}> {place}.",
        "{woman} видела {place} [четыре|много] <{thing.gen}/{thing.genpl}>.",
        "У {man.gen} было [две|семь] <{book.gen}/{book.genpl}> {place}.",
        "Мы нашли {place} [оба|несколько] <{thing.gen}/{thing.genpl}>.",
        "{place} осталось [три|восемь] <{book.gen}/{book.genpl}>.",
    ),
    "relative": (
        "Вот [{man}|{woman}], <который/которая> сейчас {live.sg} {place}.",
        "Мы знаем [{man.gen}|{woman.acc}], <который/которая> {live.sg} {place}.",
        "Вот [{thing}|{book}], без <которого/которой> {man} {live.sg}.",
        "Это [{thing}|{book}], о <котором/которой> говорил {man}.",
        "Вот [{thing}|{book}], <который/которую> {woman} видела {place}.",
        "Там [{man}|{woman}], с <которым/которой> мы говорили {place}.",
    ),
}
