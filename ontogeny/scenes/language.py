"""What scenes need to know of a language: its linking words, its small words, how a turn is announced.

A language that is not here has no gap scenes; asking for one is an error, never a silent fallback."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageTable:
    """The words of one language that the making of scenes turns on.

    `connectives` link a sentence to the one before it; longer ones stand first. `small_words` carry no
    content. `labels` name speakers where capitalising the role's name would not do. `missing` are the
    teacher's questions, `objections` the critic's answers, `quoted` a quoted word, as format strings. `claims` and
    `denials` are questions and objections about an altered statement, `sequels` and `breaks` about a foreign sentence.
    `inflected`: whether a word's end changes so much that its forms are compared by their beginnings.
    `inner_quotes` are what quotation marks of the text become where `missing` puts others around them."""

    connectives: tuple[str, ...]
    small_words: frozenset[str]
    labels: dict[str, str]
    missing: tuple[str, ...]
    objections: tuple[str, ...]
    claims: tuple[str, ...]
    denials: tuple[str, ...]
    sequels: tuple[str, ...]
    breaks: tuple[str, ...]
    and_word: str
    quoted: str
    inflected: bool = False
    inner_quotes: tuple[tuple[str, str], ...] = ()

    def stem(self, word: str) -> str:
        """What the forms of a word have in common, roughly: two thirds of an inflected one, four letters at least."""
        if not self.inflected or len(word) < 4:
            return word
        return word[: max(len(word) * 2 // 3, 3 if len(word) == 4 else 4)]

    def within(self, words: Sequence[str]) -> str:
        """Words of a text as they stand between the quotation marks of `missing`."""
        quoted = " ".join(words).rstrip(".,;:")
        if not self.inner_quotes:
            return quoted
        quoted = quoted.strip("—– ")
        (left, _), (right, _) = self.inner_quotes
        if quoted.count(left) == quoted.count(right) == 1 and quoted.startswith(left) and quoted.endswith(right):
            return quoted.strip(left + right).rstrip(".,;:")
        paired = quoted.count(left) == quoted.count(right)
        for outer, inner in self.inner_quotes:
            quoted = quoted.replace(outer, inner if paired else "")
        return quoted


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ENGLISH = LanguageTable(
    connectives=(
        "and so",
        "for this reason",
        "because of this",
        "because of",
        "as a result",
        "for example",
        "in this way",
        "on the other hand",
        "after this",
        "after that",
        "at the same time",
        "so that",
        "even so",
        "therefore",
        "because",
        "however",
        "consequently",
        "nevertheless",
        "moreover",
        "otherwise",
        "accordingly",
        "thus",
        "hence",
        "since",
        "although",
        "though",
        "then",
        "so",
        "but",
        "yet",
        "for",
        "and",
        "while",
        "when",
        "if",
    ),
    small_words=_words(
        "about above after again against also although among another because been before being below between both "
        "came come could does doing done down each even every from give given goes going have having here hers "
        "himself however into itself just like made make many more most much must never none only other ours over "
        "said same says shall should since some such take than that their them themselves then there therefore these "
        "they thing things this those though through thus together under unto until upon very went were what when "
        "where whether which while whom whose will with within without would your yours"
    ),
    labels={},
    missing=(
        'Something is missing between "{before}" and "{after}". What leads from the one to the other?',
        'We read "{before}", and next "{after}". Which sentence is missing between them?',
        'How does one come from "{before}" to "{after}"? A sentence was taken out.',
        'Between "{before}" and "{after}" there is a gap. What closes it?',
    ),
    objections=(
        "That does not lead on: what follows speaks of {words}, and your sentence says nothing of it.",
        "The next sentence needs {words}. Nothing in your answer prepares for that.",
        "Look at what comes after: {words}. Your sentence does not bring us there.",
        "No. After your sentence, {words} would come from nowhere.",
    ),
    claims=(
        'Something is stated between "{before}" and "{after}". Say it; does it hold?',
        'What does the book state after "{before}", and before it says "{after}"? See that what you say holds.',
        'We read "{before}", and later "{after}". What was said between them, and is it so?',
        'State what stands between "{before}" and "{after}". Is that what the book holds?',
    ),
    denials=(
        "That does not hold. Look at {words}: the book says otherwise.",
        "No: {words} is not what the book says.",
        "Something is changed here: {words}. The book does not say so.",
        "It cannot stand so. The fault is in {words}.",
    ),
    sequels=(
        'The book says "{before}", and goes on. What comes next?',
        'After "{before}" you expect something. Read on: does it come?',
        'Read on from "{before}", and stop where it no longer fits.',
        'What follows "{before}"? Take nothing that belongs elsewhere.',
    ),
    breaks=(
        "You took that as if it belonged here. The book goes on with {words}, and nothing of yours leads there.",
        "That was not to be expected here: next come {words}, and your sentence does not prepare for them.",
        "It comes from somewhere else. Here the talk will be of {words}.",
        "You read on without a halt, but what follows needs {words}. That sentence gives none of it.",
    ),
    and_word="and",
    quoted='"{}"',
)

RUSSIAN = LanguageTable(
    connectives=(
        *("потому что", "так как", "так что", "таким образом", "в результате", "по этой причине", "вследствие этого"),
        *("вследствие чего", "вслед за тем", "после этого", "после того", "из-за этого", "для этого", "для того"),
        *("тем не менее", "тем более", "тем временем", "между тем", "в то же время", "в то время", "в таком случае"),
        *("в самом деле", "на самом деле", "с тех пор", "до тех пор", "с другой стороны", "с одной стороны"),
        *("кроме того", "сверх того", "несмотря на", "несмотря", "при этом", "при том", "к тому же", "то есть"),
        *("как только", "вот почему", "например", "поэтому", "потому", "посему", "оттого", "отчего", "почему"),
        *("однако", "напротив", "наоборот", "следовательно", "значит", "итак", "наконец", "вскоре", "поскольку"),
        *("причём", "причем", "притом", "хотя", "хоть", "иначе", "впрочем", "тогда", "потом", "затем"),
        *("дабы", "чтобы", "чтоб", "ибо", "зато", "либо", "едва", "пока", "если", "когда", "но", "да"),
        *("или", "ведь", "а", "и"),
    ),
    small_words=_words(
        "более больше будем будет будете будешь будто будут была были было быть вами ваша ваше вашего вашей ваши "
        "вашу вдруг ведь весь весьма вместе вместо внутри вовсе вокруг впрочем всегда всего всей всем всеми всему "
        "всех вслед всякая всякий всякого всякой говорил говорила говорит даже для довольно другая другие другим "
        "других другого другое другой другом другую едва ежели если есть еще ещё зачем здесь из-за из-под или "
        "именно иногда какая какие каким каких какого какое какой каком какую когда коего коей коим коими коих коль "
        "кому которая которого которое которой котором которому которую которые который которым которыми которых "
        "кроме куда либо лишь между меня мимо много мною могла могли могло моего моей моему может можно моим моих "
        "мой молвил мою надо надобно наконец нами наша наше нашего нашей нашем нашим наших нашу него нее нежели "
        "некоторая некоторого некоторое некоторой некоторую некоторые некоторый некоторых нельзя нему несколько "
        "нету неё нибудь никак никогда никого ним ними них ничего нужно нынче обе одна однако одни одним одних одно "
        "одного одной одном одну около оная оного оное оной оном оную оные оный оных опять отвечает отвечал откуда "
        "отсюда оттого оттуда очень перед подле пока после потом потому почему почти поэтому пред притом просто "
        "против пусть ради разве самая сами самим самого самое самой самом самому саму самые самый самых сверх свое "
        "своего своей своему своею свои своим своими своих свой свою своё себе себя сего сейчас сием сими сказал "
        "сказала сказали сквозь сколько снова собой собою совсем спросил спросила сразу среди стала стали стало "
        "стать столь столько сюда такая также такие таким таких такого такое такой таком такому такую там твоего "
        "твоей твоему твои твоим твоих твой твою твоя тебе тебя теми тобой тобою тогда того тоже той только тому "
        "тотчас туда тут уже ужели хорошо хотел хотела хотели хоть хотя хочет чего чему через чрез чтоб чтобы чуть "
        "эта этак эти этим этими этих это этого этой этом этому эту"
    ),
    labels={"student": "Ученик", "teacher": "Учитель", "critic": "Критик", "reformulator": "Редактор"},
    missing=(
        "Между «{before}» и «{after}» чего-то не хватает. Что ведёт от одного к другому?",
        "Мы читаем «{before}», а дальше «{after}». Какое предложение пропущено?",
        "Как перейти от «{before}» к «{after}»? Одно предложение вынуто.",
        "Между «{before}» и «{after}» остался разрыв. Чем его закрыть?",
    ),
    objections=(
        "Это не ведёт дальше: затем говорится о другом ({words}), а в твоём предложении этого нет.",
        "Следующему предложению нужно: {words}. Твой ответ к этому не готовит.",
        "Посмотри, что идёт потом: {words}. Твоё предложение нас туда не приводит.",
        "Нет. После твоего предложения не видно, откуда взять {words}.",
    ),
    claims=(
        "Между «{before}» и «{after}» что-то утверждается. Скажи что; верно ли это?",
        "Что говорит книга после «{before}» и перед «{after}»? Проверь, верно ли сказанное.",
        "Мы читаем «{before}», а потом «{after}». Что сказано между ними, и так ли это?",
        "Скажи, что стоит между «{before}» и «{after}». Так ли в книге?",
    ),
    denials=(
        "Это неверно. Посмотри на слова {words}: в книге сказано иначе.",
        "Нет: слов {words} в книге нет.",
        "Здесь что-то изменено: {words}. В книге не так.",
        "Так оставить нельзя. Ошибка здесь: {words}.",
    ),
    sequels=(
        "В книге сказано «{before}», и рассказ продолжается. Что дальше?",
        "После «{before}» ты чего-то ждёшь. Читай дальше: то ли это?",
        "Читай дальше после «{before}» и остановись, где перестанет подходить.",
        "Что следует за «{before}»? Не бери чужого.",
    ),
    breaks=(
        "Ты принял это за продолжение. Но дальше в книге: {words}, а твоё предложение туда не ведёт.",
        "Этого здесь нельзя было ждать: дальше идёт {words}, а твоё предложение к этому не готовит.",
        "Это из другого места. Здесь речь пойдёт о другом: {words}.",
        "Ты прочёл и не остановился, а дальше нужно: {words}. В этом предложении ничего такого нет.",
    ),
    and_word="и",
    quoted="«{}»",
    inflected=True,
    inner_quotes=(("«", "„"), ("»", "“")),
)

TABLES = {"en": ENGLISH, "ru": RUSSIAN}


def speaker_label(speaker: str, language: str) -> str:
    """How a speaker is called in a language; a role without a name of its own there is capitalised."""
    table = TABLES.get(language)
    return (table.labels.get(speaker) if table else None) or speaker.replace("_", " ").capitalize()
