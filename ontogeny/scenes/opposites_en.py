"""The sure changes of English sentences: see `ontogeny.scenes.opposites`."""

from __future__ import annotations

import re

from ontogeny.scenes.opposites import Negation, Numbers, Opposites, make_swaps

_DETERMINER = r"(?:the|this|that|these|those|his|her|its|their|our|my)"
_BE = r"(?:is|are|was|were|be|been|being|becomes?|became)"
_NOT_SAID = r"(?<!\bno )(?<!\bnot )(?<!\bnever )(?<!\bnothing )(?<!\bany )(?<!\bhow )"
_TIMES = (
    r"(?:war|battle|death|birth|flood|fire|storm|rain|meal|dinner|supper|breakfast|sunset|sunrise|sunrising|fight|"
    r"conquest|revolution|reign|victory|defeat|experiment|operation|marriage|wedding|coronation|invention|discovery|"
    r"arrival|departure|return|beginning|end|change|accident|event|christmas|noon|midnight|dark|daybreak)"
)
_WORD_UNITS = (
    r"(?:years|days|hours|minutes|seconds|weeks|months|miles|feet|inches|yards|pounds|ounces|tons|degrees|grams|"
    r"grammes|met(?:er|re)s|(?:centi|kilo|milli)met(?:er|re)s|acres|gallons|shillings|dollars|cents|men|women|children|"
    r"boys|girls|soldiers|ships|horses|sons|daughters|brothers|sisters|persons|times|parts|volumes|atoms|legs|wings|"
    r"eggs|houses|per cent)"
)

_SWAPS = make_swaps(
    (
        (
            "larger/smaller higher/lower heavier/lighter faster/slower stronger/weaker hotter/colder warmer/cooler "
            "thicker/thinner deeper/shallower earlier/later better/worse easier/harder wider/narrower richer/poorer "
            "older/younger brighter/darker",
            rf"{_NOT_SAID}{{}}(?= than\b(?! to\b))",
        ),
        ("larger/smaller greater>smaller", rf"{_NOT_SAID}(?<!\bthe ){{}}(?! or\b| and\b)"),
        ("more/less", rf"{_NOT_SAID}(?<!\bor )(?<!\bthe ){{}}(?= than\b(?! (?:once|ever|one|an?|to|that|all)\b))"),
        (
            "more/less",
            rf"{_NOT_SAID}(?<!\bor )(?<!\bthe ){{}}(?= [a-z]+(?:ly|ful|ous|ive|able|ible|ant|ent|ult) than\b)",
        ),
        (
            "largest/smallest highest/lowest oldest/youngest strongest/weakest nearest/farthest hottest/coldest "
            "richest/poorest heaviest/lightest thickest/thinnest earliest/latest longest/shortest best/worst",
            r"(?<!\bat )(?<!\bof )\bthe {}(?! of it\b| possible\b)(?= [a-z])",
        ),
        ("above/below", rf"(?<!\bthe )(?<!\bas )(?<!\band )(?<!\bor ){{}}(?= {_DETERMINER} |\d)"),
        ("inside/outside", rf"(?<!\bthe ){{}}(?= {_DETERMINER} )"),
        (
            "before/after",
            rf"\b(?:long|immediately|shortly|soon|just|years|days|months|hours|even) {{}}(?= {_DETERMINER} )",
        ),
        ("before/after", rf"{{}}(?= (?:(?:the|this|his|her|their) )?(?:[a-z]+ )?{_TIMES}\b)"),
        ("before/after", r"{}(?= (?:he|she|it|they|we|I|you) (?:had|has|have|died|left|came|went|began)\b)"),
        ("Before/After", rf"^{{}}(?= {_DETERMINER} |[a-z]+ing\b)"),
        (
            "north/south east/west",
            r"(?<!-)\b(?:the|to|of|from|due|toward|towards) {}(?= of\b| wind| side| coast| pole|[,.;])",
        ),
        ("northern/southern eastern/western northward/southward eastward/westward", r"{}(?! and\b| or\b)"),
        (
            "first/last",
            r"(?<!\bin )(?<!\bfrom )(?<!\bto )\bthe {}"
            r"(?= (?:time|day|part|chapter|of these|of the|man|people|king|act|step)\b)",
        ),
        ("cause/effect causes/effects", r"(?<!\bha[sd] )(?<!\bhave )(?<!\bproduce )\b(?:the|an?|chief) {}(?= of\b)"),
        (
            "increases/decreases increased/decreased increasing/decreasing increase/decrease",
            r"{}(?! and\b| or\b)(?<!\bever increasing)",
        ),
        ("left/right", r"\bthe {}(?= (?:hand|side|arm|foot|leg|eye|ear|bank|wing|shoulder|wheel)\b)"),
        ("left/right", r"\b(?:to|on) the {}(?= (?:of|and)\b|[.,;])"),
        ("summer/winter spring>autumn", r"\bin (?:the )?{}"),
        ("morning/evening", r"\b(?:the|one|that|this|next|every) {}(?! star| prayer| paper| dress)"),
        (
            "large/small strong/weak",
            r"(?<!\band )(?<!\bor )(?:\ban? |\b(?:is|are|was|were|very|too) ){}(?= [a-z]|[.,;])",
        ),
        ("without>with", r"(?<!\bdo )(?<!\bgo )(?<!\bnot ){}(?= (?:the|his|her|their|its|a) (?!least|slightest))"),
        ("beginning>end", r"\bthe {}(?= of the\b)"),
        ("although/because Although/Because", r"(?:^|(?<=, )){}(?! of\b)"),
        (
            "quickly/slowly loudly/softly rapidly/slowly",
            r"(?<!\band )(?<!\bor )(?<!\bmore )(?<!\bas ){}(?! and\b| or\b)",
        ),
        ("therefore/nevertheless", r"\b(?:is|are|was|were|and|will|must|may|can) {}(?= [a-z])"),
    )
)

_POLAR = make_swaps(
    (
        ("easy/difficult", r"\b(?:is|was|very|be|an?) {}(?= to\b| task| matter| thing)"),
        ("possible/impossible", rf"\b{_BE} {{}}(?= to\b| for\b| that\b)"),
        ("true/false necessary/unnecessary equal/unequal visible/invisible", rf"\b{_BE} {{}}(?! or\b| and\b)"),
        ("able/unable", r"\b(?:is|are|was|were|am|be|been) {}(?= to\b)"),
        (
            "All>None_of",
            rf"^{{}}(?= {_DETERMINER} (?!same|while|time|more|better|way|day|night|year|world|whole|other))",
        ),
        ("All>None", r"^{}(?= of\b)"),
        ("All>No", r"^{}(?= (?:[a-z]+s|men|women|people|children) (?:is|are|were|have|had|must|can|may|will|shall)\b)"),
        ("Every>No", r"^{}(?= [a-z]+ (?!other\b|day\b|time\b)[a-z])"),
        ("Everything>Nothing Everybody>Nobody Everyone>Nobody", r"^{}(?= [a-z])"),
        ("everything>nothing everybody>nobody", r"\b(?:and|so) {}(?= (?:is|was|had|has|seemed|went|came|looked)\b)"),
        ("Some>None Many>None Most>None", r"^{}(?= of (?:the|these|them|those|his|her|us|our)\b)"),
        (
            "Some>No Many>No Most>No",
            r"^{}(?= (?:[a-z]+s|men|women|people|children) (?:are|were|have|had|can|may|will)\b)",
        ),
        (
            "always>never",
            r"{}(?= [a-z])"
            r"(?<!\bnearly always)(?<!\balmost always)(?<!\bas always)(?! (?:again|more|before|mind|fear)\b)",
        ),
        (
            "often>seldom frequently>seldom usually>seldom",
            r"\b(?:is|are|was|were|has|have|had|may|can|will|I|we|they|he|she|it) {}(?= [a-z])",
        ),
        ("rarely/often seldom/often", r"\b(?:is|are|was|were|has|have|had|but) {}(?= [a-z]+(?:ed|en|t)\b)"),
    )
)

_NEGATIVE = re.compile(
    r"(?i)\b(?:not|cannot|no|nor|never|none|nothing|nobody|neither|nowhere|any\w*|ever|either|hardly|scarcely|but|except|"
    r"save|only|yet|until|till|unless|without|else|than|however|so much|whether|if)\b|n['’]t\b|[\"“”«»:—]"
)
_HEAD = r"^(?:(?:But|And|So|Yet|For|Now|Then|Thus|Hence|Therefore),? )?"
_PRONOUN = r"(?:it|he|she|they|we|you|I|this|these)"
_NOUN = r"(?:the|an?|this|that|these|those|my|our|his|her|its|their|your)(?: [a-z][a-z’'-]*){1,6}?"
_BE_FORM = r"(?:is|are|was|were|am)"
_MODAL = r"(?:will|would|could|should|must|shall)"  # what may be, may as well not be: no contradiction
_AUX = rf"(?:{_BE_FORM}|{_MODAL})"
_NEXT = (
    r"(?! (?:not|no|never|none|nothing|nobody|nowhere|neither|nor|only|but|hardly|scarcely|barely|seldom|rarely|little|"
    r"few|all|always|still|already|also|too|both|perhaps|certainly|probably|possibly|surely|undoubtedly|doubtless|"
    r"evidently|obviously|apparently|indeed|truly|really|naturally|consequently|therefore|however|accordingly|hence|"
    r"thus|moreover|rather|somewhat|pretty|equally|some|several|quite|almost|nearly|just|even|simply|merely|either|ever|"
    r"once|better|best|fain|sooner|what|there|here|then|now|to be sure|long|soon|about|as|so|such|far|most|first|least|"
    r"usually|generally|often|sometimes|he|she|it|they|we|you|I|and|or|more|less|well|alone|nevertheless|clearly|plainly|"
    r"likewise|forthwith|immediately|presently|gradually|thereby|forced|obliged|much|many|very|time|a great|that|"
    r"because|if|like|in fact|of course|for example|at once|at last|at length|at first|on the other)\b)"
)
_NEXT_OF_MODAL = r"(?! (?:is|are|was|were|has|had|to|of|in|on|at|for|with|by|from|over|under|up)\b)"
_IN_SUBJECT = re.compile(
    r"(?i)(?<!^)\b(?:that(?= [a-z]+ [a-z]*(?:ed|s)\b)|which|who|whom|whose|if|when|whenever|because|although|as|while|"
    r"where|what|how|than|since|though|unless|until|till|whether|or|but|nor|not|no|never|all|every|each|both|many|most|some|few|"
    r"several|any|either|neither|only|is|are|was|were|will|would|can|could|should|must|may|might|shall|have|has|had|do|"
    r"does|did|there|more|little|less|said|says|thought)\b"
)
_AFTER_ADDED = re.compile(
    r"(?i)\b(?:not|no|nor|never|none|nothing|nobody|neither|nowhere|but|either|hardly|scarcely|only|too|also|still|"
    r"already|some\w*|both|even|however|yet|any\w*|ever|than|while|whereas|though|although)\b|n['’]t\b|[\"“”«»:—?!]"
    r"|\bso [a-z]+ (?:that|as)\b"
    r"|\b(?:rather|nevertheless|instead|unless|except|until|till|without|certainly|of course)\b"
)
_AFTER_TAKEN = re.compile(
    r"(?i)^ (?:only|merely|simply|yet|at|even|until|till|any\w*|so|too|very|quite|always|all|unlike|for|that|because|"
    r"long|a|an|one|in|help|bear|stand|mind|enough|least|far|much|nearly|do|by|on|to|from|with|of|if|as|less|more|his|"
    r"the|fail|wait|care|spare|doubt|ever|necessarily|otherwise|without|perhaps|seem|again)\b"
    r"|\b(?:any\w*|ever|either|or|nor|neither|but|yet|until|till|unless|what(?:so)?ever|at all|least|slightest|single|"
    r"instead|only|otherwise|not|no|because|much|than|further|longer|rather|so|merely|lest|except|without|even|cannot|"
    r"be able|if|nevertheless|even)\b|n['’]t\b|[\"“”«»:;—?!]"
)
_BEFORE_TAKEN = re.compile(
    r"(?i)\b(?:if|nor|not|no|never|why|whether|so|such|lest|but|because|that|which|who|what|when|where|as|than|unless|"
    r"hardly|scarcely|only|or|than|though|although|while|until|it)\b|n['’]t\b|[\"“”«»:;—?!]"
)

ENGLISH = Opposites(
    swaps=_SWAPS,
    polar=_POLAR,
    negative=_NEGATIVE,
    negations=(
        Negation(
            re.compile(rf"{_HEAD}(?i:{_PRONOUN}|{_NOUN}) (?P<word>{_BE_FORM}){_NEXT}(?= [a-z])"),
            r"\g<word> not",
            _IN_SUBJECT,
            _AFTER_ADDED,
        ),
        Negation(
            re.compile(rf"{_HEAD}(?i:{_PRONOUN}|{_NOUN}) (?P<word>{_MODAL}){_NEXT}{_NEXT_OF_MODAL}(?= [a-z])"),
            r"\g<word> not",
            _IN_SUBJECT,
            _AFTER_ADDED,
        ),
        Negation(
            re.compile(rf"{_HEAD}(?i:{_PRONOUN}|{_NOUN}) (?P<word>can){_NEXT}{_NEXT_OF_MODAL}(?= [a-z])"),
            r"\g<word>not",
            _IN_SUBJECT,
            _AFTER_ADDED,
        ),
        Negation(
            re.compile(rf"{_HEAD}(?i:{_PRONOUN}|{_NOUN}) (?P<word>has|have|had)(?= been{_NEXT} [a-z])"),
            r"\g<word> not",
            _IN_SUBJECT,
            _AFTER_ADDED,
        ),
        Negation(
            re.compile(r"^[A-Z][a-z]+ (?P<word>is|was)(?= an? (?!few|little|great deal|long|very)[a-z])"),
            r"\g<word> not",
            re.compile(r"^(?:There|Here|Such|What|This|That|Hence|Thus|Then|Now|Where|How|So|Not|Nor|As|It|He|She|I) "),
            _AFTER_ADDED,
        ),
        Negation(
            re.compile(rf"^[A-Z][a-z]+(?<!less)s (?P<word>are|were){_NEXT}(?= [a-z])"),
            r"\g<word> not",
            re.compile(r"^(?:Its|His|Ours|Theirs|Others|Perhaps|Thus|Besides|Always|Sometimes|This|Towards) "),
            _AFTER_ADDED,
        ),
        Negation(
            re.compile(r"\b(?P<word>(?P<verb>is|are|was|were|am|would|could|should|must|has|have|had) not)(?= [a-z])"),
            r"\g<verb>",
            _BEFORE_TAKEN,
            _AFTER_TAKEN,
        ),
        Negation(re.compile(r"\b(?P<word>(?P<verb>can) ?not)(?= [a-z])"), r"\g<verb>", _BEFORE_TAKEN, _AFTER_TAKEN),
    ),
    numbers=(
        Numbers(
            re.compile(
                r"(?<![\w-])(?<!\bor )(?<!\band )(?<!\bto )(?<!\bof )(?<!\bthe )(?<!\bby )(?<!hundred )(?<!thousand )"
                r"(?P<word>two|three|four|five|six|seven|eight|nine|ten|twelve|fifteen|twenty|thirty|forty|fifty|sixty)"
                rf"(?= (?:[a-z]+ )?{_WORD_UNITS}\b)"
            ),
            (
                "two",
                "three",
                "four",
                "five",
                "six",
                "seven",
                "eight",
                "nine",
                "ten",
                "twelve",
                "fifteen",
                "twenty",
                "thirty",
                "forty",
            ),
        ),
        Numbers(
            re.compile(
                r"(?<![\w.,:/$£§=+×°-])(?<![\w.,:/$£§=+×°-] )(?<!\bto )(?<!\bor )(?<!\band )"
                rf"(?P<word>[1-9]\d{{0,2}}(?:,\d{{3}})*|[1-9]\d+)(?= {_WORD_UNITS}\b)"
            )
        ),
    ),
    articles=True,
)
