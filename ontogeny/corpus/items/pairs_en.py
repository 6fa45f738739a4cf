"""English for minimal pairs: words at three levels, and frames (what a frame is, minimal_pairs.py says)."""

from __future__ import annotations

VOWELS = "aeiou"


def _stem(word: str) -> str:
    return word[:-1] + "i" if word[-1] == "y" and word[-2] not in VOWELS else word


def _with_s(word: str) -> str:
    stem = _stem(word)
    return stem + ("es" if stem != word or word.endswith(("s", "x", "ch", "sh", "o")) else "s")


def _with_e(word: str, end: str) -> str:
    return word + end[1:] if word.endswith("e") else _stem(word) + end


def _nouns(text: str) -> list[dict[str, str]]:
    """Nouns and their plurals; an irregular one is written `man:men`."""
    pairs = (word.partition(":") for word in text.split())
    return [{"": one, "s": many or _with_s(one)} for one, _, many in pairs]


def _verbs(text: str) -> list[dict[str, str]]:
    """Regular verbs that double no letter."""
    return [
        {
            "": word,
            "s": _with_s(word),
            "ed": _with_e(word, "ed"),
            "ing": (word[:-1] if word.endswith("e") else word) + "ing",
        }
        for word in text.split()
    ]


def _adjectives(text: str) -> list[dict[str, str]]:
    return [{"": word, "er": _with_e(word, "er"), "est": _with_e(word, "est")} for word in text.split()]


def _tuples(text: str, *forms: str) -> list[dict[str, str]]:
    """Words whose forms are all written, `broke/broken`."""
    return [dict(zip(forms, word.split("/"), strict=True)) for word in text.split()]


def _level(**text: str) -> dict[str, list[dict[str, str]]]:
    """The words of a level by kind. `rest`: verbs without an object, `carry` and `help`: verbs that never lack one, a
    thing and a person; `break`: (past, participle); `look`: (past, preposition); `stuff`: what cannot be counted."""
    plain = {kind: _tuples(text[kind], "") for kind in ("place", "stuff", "he", "she", "day", "month")}
    return plain | {
        **{kind: _nouns(text[kind]) for kind in ("person", "man", "woman", "thing")},
        **{kind: _verbs(text[kind]) for kind in ("rest", "carry", "help")},
        "adjective": _adjectives(text["adjective"]),
        "break": _tuples(text["broken"], "ed", "en"),
        "look": _tuples(text["look"], "ed", "prep"),
    }


WORDS = {
    "simple": _level(
        person="farmer friend child:children baby teacher driver doctor",
        man="boy man:men king son brother",
        woman="girl woman:women queen mother sister",
        he="Tom Ben Sam Jack Bob",
        she="Ann Mary Jane Kate Lucy",
        thing="cup book box ball hat chair spoon",
        stuff="bread milk water sand rice butter",
        place="garden room street kitchen forest park",
        rest="laugh cry smile wait talk yawn",
        carry="carry lift touch fetch fix need",
        help="thank love miss greet",
        adjective="small old cold new clean warm",
        broken="broke/broken took/taken saw/seen hid/hidden threw/thrown drew/drawn",
        look="looked/at pointed/at jumped/over sat/on walked/around",
        day="Monday Sunday Saturday",
        month="May June July April",
    ),
    "middle": _level(
        person="sailor neighbour painter soldier visitor merchant servant",
        man="uncle prince nephew fisherman:fishermen monk",
        woman="aunt princess niece widow nun",
        he="Edward Martin Oliver Hugh Ralph",
        she="Helen Margaret Emma Clara Ruth",
        thing="lantern basket mirror hammer blanket bucket ladder",
        stuff="leather timber honey gravel furniture luggage",
        place="harbour valley castle workshop village meadow",
        rest="hesitate complain tremble arrive vanish faint",
        carry="examine repair borrow discover damage possess",
        help="admire invite rescue accuse",
        adjective="heavy narrow strong bright smooth rough",
        broken="stole/stolen chose/chosen tore/torn shook/shaken froze/frozen wore/worn",
        look="stared/at stumbled/over leaned/against searched/for crept/around",
        day="Tuesday Friday",
        month="March August September January",
    ),
    "rich": _level(
        person="ambassador apprentice philosopher magistrate pilgrim navigator courtier",
        man="nobleman:noblemen abbot patriarch bridegroom viscount",
        woman="noblewoman:noblewomen abbess matriarch heiress countess",
        he="Leopold Augustus Theodore Cornelius Lysander",
        she="Beatrice Cordelia Philippa Rosalind Henrietta",
        thing="manuscript chandelier telescope tapestry goblet sundial parchment",
        stuff="porcelain incense mahogany gunpowder machinery parsley",
        place="monastery vestibule citadel courtyard laboratory promenade",
        rest="linger meditate persevere languish reminisce falter",
        carry="conceal procure discard retrieve relinquish acquire",
        help="flatter console betray summon",
        adjective="lofty sturdy bulky sleek frail murky",
        broken="forsook/forsaken withdrew/withdrawn wove/woven bore/borne outgrew/outgrown foresaw/foreseen",
        look="gazed/at peered/into tripped/over recoiled/from yearned/for",
        day="Wednesday Thursday",
        month="November February October December",
    ),
}

FRAMES = {
    "subject_verb": (
        "The [{person}|{person.s}] <{rest.s}/{rest}> in the {place} every day.",
        "The [{person} near the {person2.s}|{person.s} near the {person2}] <{rest.s}/{rest}> every morning.",
        "The [{person} who thanked the {person2.s}|{person.s} who thanked the {person2}] <{rest.s}/{rest}> at night.",
        "The [{person} that the {person2.s} saw|{person.s} that the {person2} saw] <{rest.s}/{rest}> in the {place}.",
        "<Does/Do> the [{person} of the {man.s}|{person.s} of the {man}] {rest} in the {place}?",
        "There <is/are> [one {adjective} {thing}|two {adjective} {thing.s}] in the {place} today.",
        "The [{thing} under the {thing2.s}|{thing.s} under the {thing2}] <was/were> {adjective} again.",
    ),
    "determiner_noun": (
        "The {person} {carry.ed} [this|these] <{thing}/{thing.s}> in the {place}.",
        "[That|Those] {adjective} <{thing}/{thing.s}> fell down in the {place}.",
        "Yesterday we {carry.ed} [one|two] <{thing}/{thing.s}> in the {place}.",
        "The {person} {help.ed} [every|all] <{person2}/{person2.s}> in the {place}.",
        "We could not see [another|several] <{thing}/{thing.s}> in the {place}.",
        "[Each|Many] {adjective} <{person}/{person.s}> {rest.ed} in the {place}.",
    ),
    "anaphor": (
        "The [{man}|{woman}] {help.ed} <himself/herself> in the {place}.",
        "[{he}|{she}] {help.ed} <himself/herself> before the {person.s}.",
        "The [{man}|{man.s}] in the {place} {help.ed} <himself/themselves>.",
        "The [{woman} near the {man.s}|{woman.s} near the {man}] {help.ed} <herself/themselves>.",
        "[I|You] must {help} <myself/yourself> in the {place}.",
        "The {person.s} say that [{he}|{she}] {help.ed} <himself/herself>.",
        "After the {person} left, [we|they] {help.ed} <ourselves/themselves>.",
    ),
    "pronoun_case": (
        "Yesterday [<he/him> {help.ed} the {person}|the {person} {help.ed} <he/him>] again.",
        "In the {place} [<she/her> {help.ed} the {person}|the {person} {help.ed} <she/her>].",
        "We think that [<they/them> {carry.ed} the {thing}|the {thing} stood near <they/them>].",
        "The {person} says that [<I/me> {help.ed} the {person2}|the {person2} {help.ed} <I/me>].",
        "Today [<we/us> will {help} the {person}|the {person} will {help} <we/us>].",
        "The {person} {rest.ed} because [<she/her> was|of <she/her>] in the {place}.",
    ),
    "polarity": (
        "The {person} has[ not|] {carry.ed} the {thing} <yet/already>.",
        "The {person} [did not {help}|{help.ed}] <anybody/nobody> in the {place}.",
        "We [did not {carry}|{carry.ed}] <any/no> {thing.s} in the {place}.",
        "The {person.s} had[ not|] {carry.ed} <anything/nothing> in the {place}.",
        "There was[ not|] <anyone/no one> in the {place} with the {person}.",
        "Last night the {person} [did not go|went] <anywhere/nowhere> with the {thing}.",
    ),
    "negation": (
        "The {person} [did not {rest}|{rest.ed}], and <neither/so> did the {person2}.",
        "The {person} [did not {rest}|{rest.ed}], and the {person2} did[ not|] <either/too>.",
        "The {person} in the {place} [never|always] {rest.ed}, and <neither/so> did the {person2}.",
        "The {thing} is[ not|] {adjective}, and the {thing2} is[ not|] <either/too>.",
        "The {person} [cannot|can] {rest} here, and <neither/so> can the {person2}.",
        "The {person} has[ not|] {rest.ed}, and <neither/so> has the {person2}.",
    ),
    "quantifier": (
        "We do not have <many/much> [{thing.s}|{stuff}] in the {place}.",
        "How <many/much> [{thing.s}|{stuff}] did the {person} bring?",
        "The {person} has too <many/much> [{thing.s}|{stuff}] at home.",
        "The {person} in the {place} needs only a <few/little> [{thing.s}|{stuff}].",
        "<Every/All> [{person} was|{person.s} were] tired in the {place}.",
        "<Each/Both> of the {person.s} [was|were] in the {place}.",
    ),
    "irregular_past": (
        "[Yesterday the {person}|The {person} has already] <{break.ed}/{break.en}> the {thing}.",
        "The {person}[| had] <{break.ed}/{break.en}> the {thing} before the {person2} came.",
        "[The {person} <{break.ed}/{break.en}> the {thing}|The {thing} was <{break.ed}/{break.en}>] in the {place}.",
        "The [{person} who|{thing} that was] <{break.ed}/{break.en}> [the {thing}|by the {person}] is not here.",
        "The {person.s}[| have] never <{break.ed}/{break.en}> the {thing} in the {place}.",
        "We think the {person}[| could have] <{break.ed}/{break.en}> the {thing} there.",
    ),
    "auxiliary_form": (
        "The {person} [can|is] <{rest}/{rest.ing}> in the {place} now.",
        "The {person} [will|has] <{carry}/{carry.ed}> the {thing} again.",
        "[Does|Has] the {person} <{rest}/{rest.ed}> in the {place}?",
        "The {person.s} [must|keep] <{carry}/{carry.ing}> the {thing} in the {place}.",
        "The {person.s} [did|have] not <{rest}/{rest.ed}> in the {place} today.",
        "The {person} came [to|without] <{carry}/{carry.ing}> the {thing} in the {place}.",
    ),
    "wh_gap": (
        "I know [what|that] the {person} <{carry.ed}/{carry.ed} it> in the {place}.",
        "I know [whom|that] the {person} <{help.ed}/{help.ed} them> in the {place}.",
        "[What did|Did] the {person} <{carry}/{carry} it> in the {place}?",
        "Here is the {thing}[ that|, and] the {person} <{carry.ed}/{carry.ed} it> in the {place}.",
        "She asked [which {thing}|whether] the {person} <{carry.ed}/{carry.ed} it> in the {place}.",
        "We met the {person} [whom|after] the {person2} <{help.ed}/{help.ed} us> in the {place}.",
    ),
    "comparative": (
        "The {thing} is [as <{adjective}/{adjective.er}> as|<{adjective}/{adjective.er}> than] the {thing2}.",
        "This {thing} is [{adjective.er}|as {adjective}] <than/as> the {thing2} over there.",
        "The {thing} in the {place} is [very|much] <{adjective}/{adjective.er}> now.",
        "This is [a|the] <{adjective.er}/{adjective.est}> {thing} [than that one|of all].",
        "The {thing} was [so|even] <{adjective}/{adjective.er}> [that we left|than we thought].",
        "The {thing} is [too|far] <{adjective}/{adjective.er}> [for the {person}|than before].",
    ),
    "argument_structure": (
        "The {person} <{rest.ed}/{carry.ed}> [in|the {thing} in] the {place}.",
        "Yesterday the {person} <{look.ed}/{carry.ed}>[ {look.prep}|] the {thing}.",
        "The {person} <said/told> [that|the {person2} that] the {thing} was {adjective}.",
        "It was the {thing} that the {person} <{look.ed}/{carry.ed}>[ {look.prep}|] yesterday.",
        "The {person.s} in the {place} <{rest.ed}/{help.ed}> [together|each other].",
        "The {person} <{rest.ed}/{help.ed}> [with the|the] {person2} all day.",
    ),
    "tense": (
        "[Yesterday|Tomorrow] the {person} <{rest.ed}/will {rest}> in the {place}.",
        "The {person} <{carry.ed}/will {carry}> the {thing} [last|next] week.",
        "The {person} <did/will> not {rest} [the day before yesterday|the day after tomorrow].",
        "By [last|next] Christmas the {person} <had/will have> {carry.ed} the {thing}.",
        "[Last|Next] year the {person.s} <were/will be> in the {place}.",
        "A year [ago|from now] the {person} <{carry.ed}/will {carry}> the {thing}.",
    ),
    "time_preposition": (
        "The {person} {rest.ed} <on/in> [{day}|{month}] with the {person2}.",
        "<On/In> [{day}|{month}] the {person} {carry.ed} the {thing}.",
        "We {carry.ed} the {thing} <at/on> [noon|{day}].",
        "The {person.s} {help.ed} us <in/at> [{month}|midnight].",
        "The {person} {rest.ed} here <at/in> [six o'clock|the morning].",
        "The {person} has {rest.ed} here <since/for> [{day}|two days].",
    ),
}
