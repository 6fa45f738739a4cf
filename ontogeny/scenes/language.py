"""What scenes need to know of a language: its linking words, its small words, how a turn is announced.

A language that is not here has no gap scenes; asking for one is an error, never a silent fallback."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class LanguageTable:
    """The words of one language that the making of scenes turns on.

    `connectives` link a sentence to the one before it; longer ones stand first. `small_words` carry no
    content. `labels` name speakers where capitalising the role's name would not do. `missing` are the
    teacher's questions, `objections` the critic's answers, `quoted` a quoted word, as format strings."""

    connectives: tuple[str, ...]
    small_words: frozenset[str]
    labels: dict[str, str]
    missing: tuple[str, ...]
    objections: tuple[str, ...]
    and_word: str
    quoted: str


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
    and_word="and",
    quoted='"{}"',
)

RUSSIAN = LanguageTable(
    connectives=(
        "потому что",
        "так как",
        "таким образом",
        "в результате",
        "по этой причине",
        "вследствие этого",
        "после этого",
        "из-за этого",
        "тем не менее",
        "с другой стороны",
        "например",
        "поэтому",
        "однако",
        "следовательно",
        "значит",
        "итак",
        "хотя",
        "иначе",
        "впрочем",
        "между тем",
        "тогда",
        "затем",
        "ибо",
        "зато",
        "но",
        "а",
        "и",
        "если",
        "когда",
    ),
    small_words=_words(
        "было были быть весь всего всем всех всё ведь вдруг даже для другой если есть ещё еще зачем здесь из-под или "
        "какая какой когда кого которая которое которые который которого которой котором которую кто лишь между меня "
        "мною могли может можно мой надо него неё нибудь никогда ничего однако одна один опять очень перед после "
        "потом потому почти при про раз разве своего своей своих свою себе себя сейчас сказал сказала так такая такой "
        "также там тебе тебя тогда того тоже только тот тут уже хорошо хоть хотя чего чем через что чтоб чтобы этого "
        "этой этом этот эту эти"
    ),
    labels={"student": "Ученик", "teacher": "Учитель", "critic": "Критик", "reformulator": "Редактор"},
    missing=(
        "Между «{before}» и «{after}» чего-то не хватает. Что ведёт от одного к другому?",
        "Мы читаем «{before}», а дальше «{after}». Какое предложение пропущено?",
        "Как перейти от «{before}» к «{after}»? Одно предложение вынуто.",
    ),
    objections=(
        "Это не ведёт дальше: затем говорится о другом ({words}), а в твоём предложении этого нет.",
        "Следующему предложению нужно: {words}. Твой ответ к этому не готовит.",
        "Посмотри, что идёт потом: {words}. Твоё предложение нас туда не приводит.",
    ),
    and_word="и",
    quoted="«{}»",
)

TABLES = {"en": ENGLISH, "ru": RUSSIAN}


def speaker_label(speaker: str, language: str) -> str:
    """How a speaker is called in a language; a role without a name of its own there is capitalised."""
    table = TABLES.get(language)
    return (table.labels.get(speaker) if table else None) or speaker.replace("_", " ").capitalize()
