"""Dialogues that people bring: chat exports, notes with callouts, plays; the speakers become turns."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from binding import as_zip, read_bytes, shared_book

from ontogeny.corpus.clean import clean
from ontogeny.corpus.speakers import named_turns
from ontogeny.corpus.transcripts import conversations

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"


def node(parent: str | None, role: str, text: str, **more) -> dict:
    content = {"content_type": more.pop("content_type", "text"), "parts": [text]}
    return {"parent": parent, "message": {"author": {"role": role}, "content": content, "recipient": "all", **more}}


TREE = {
    "root": {"parent": None, "message": None},
    "system": node("root", "system", "Be kind."),
    "asked": node("system", "user", "What are tides?\n\nTell me."),
    "old": node("asked", "assistant", "An answer that was left."),
    "new": node("asked", "assistant", "# Tides\n\nThe sea\n\n---\n\nrises; see tide_table_x."),
    "call": node("new", "assistant", "search(tides)", recipient="browser"),
    "tool": node("call", "tool", "a page"),
    "thought": node("tool", "assistant", "hm", content_type="thoughts"),
    "last": node("thought", "assistant", "It falls again."),
}


def export(**more) -> dict:
    return {"title": "Of Tides", "mapping": TREE, "current_node": "last", **more}


def test_the_current_branch_of_a_conversation(tmp_path):
    raw = json.dumps([export(), export(title=None, current_node="old")]).encode()
    told = (
        "# Of Tides\n\nUser: What are tides?\nTell me.\n\nAssistant: Tides\nThe sea\nrises; see tide_table_x.\n\n"
        "Assistant: It falls again.\n\n# Conversation 2\n\nUser: What are tides?\nTell me.\n\n"
        "Assistant: An answer that was left.\n"
    )
    book = read_bytes(tmp_path, "conversations.json", raw)
    assert (book.text, book.markup) == (told, "play") and book.notes[0][0] == "left_out"
    cleaned = clean(book.text, book.markup)
    assert "tide_table_x" in cleaned.text and [title for title, *_ in cleaned.chapters] == [
        "Of Tides",
        "Conversation 2",
    ]
    second = read_bytes(tmp_path, "conversations.json", raw, "#skip=1&take=1").text
    assert second.startswith("# Conversation 2") and "Of Tides" not in second
    assert read_bytes(tmp_path, "c.json", raw, "#without=falls").text.startswith("# Conversation 2")
    zipped = as_zip({"conversations.json": raw, "user.json": "[1]", "chat.html": "<html>no</html>"})
    assert read_bytes(tmp_path, "export.zip", zipped).text == told


CLAUDE = [
    {
        "name": "Of Debts",
        "chat_messages": [
            {"sender": "human", "text": "Hi", "content": [{"type": "text", "text": "Hi"}]},
            {
                "sender": "assistant",
                "text": "flat",
                "content": [
                    {"type": "thinking", "thinking": "hm"},
                    {"type": "text", "text": "A."},
                    {"type": "text", "text": "B."},
                ],
            },
        ],
    }
]
LEAF = [
    {
        "current_leaf_message_uuid": "3",
        "chat_messages": [
            {"uuid": "1", "sender": "human", "text": "One"},
            {"uuid": "2", "sender": "assistant", "text": "left", "parent_message_uuid": "1"},
            {"uuid": "3", "sender": "assistant", "text": "Two", "parent_message_uuid": "1"},
        ],
    }
]
TELEGRAM = {
    "name": "Us",
    "messages": [
        {"type": "service", "actor": "A", "text": ""},
        {"type": "message", "from": "Anna", "text": ["see ", {"type": "bold", "text": "this"}, " now"]},
        {"type": "message", "from": "Bob", "text": "ok"},
    ],
}


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (CLAUDE, "# Of Debts\n\nUser: Hi\n\nAssistant: A.\nB.\n"),
        (LEAF, "User: One\n\nAssistant: Two\n"),
        (TELEGRAM, "# Us\n\nAnna: see this now\n\nBob: ok\n"),
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], "User: a\n\nAssistant: b\n"),
        ([{"speaker": "Anna", "text": "a"}, {"speaker": "B:o", "text": "b"}], "Anna: a\n\nB o: b\n"),
        ({"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "a"}]}, "User: a\n"),
        (
            [{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "w"}]}],
            "User: q\n\nAssistant: w\n",
        ),
        (
            [[{"author": {"name": "Anna"}, "content": "a"}, {"author": {"name": "Bo"}, "content": "b"}]],
            "Anna: a\n\nBo: b\n",
        ),
    ],
)
def test_shapes_of_chats(tmp_path, value, told):
    book = read_bytes(tmp_path, "chat.json", json.dumps(value).encode())
    assert (book.text, book.markup) == (told, "play")


def test_a_chat_a_line(tmp_path):
    lines = [
        {"messages": [{"role": "user", "content": f"q{n}"}, {"role": "assistant", "content": f"a{n}"}]} for n in (1, 2)
    ]
    raw = "\n".join(map(json.dumps, lines)).encode()
    told = "# Conversation 1\n\nUser: q1\n\nAssistant: a1\n\n# Conversation 2\n\nUser: q2\n\nAssistant: a2\n"
    assert read_bytes(tmp_path, "chat.jsonl", raw).text == told


def test_fenced_code_of_a_turn_stays_as_it_is(tmp_path):
    code = "```python\n# count the men\nx = 1\n---\n    # and the horses\n```"
    said = f"## Run\n\n---\n\n{code}\n\n# Done\n\n***"
    chat = [{"role": "user", "content": "How?"}, {"role": "assistant", "content": said}]
    book = read_bytes(tmp_path, "a.json", json.dumps(chat).encode())
    assert book.text == f"User: How?\n\nAssistant: Run\n{code}\nDone\n"
    assert clean(book.text, book.markup).text == f"{book.text}\n"


def test_what_only_looks_like_a_chat_is_none(tmp_path):
    articles = [{"title": "T", "author": "A", "text": "Long."}, {"title": "U", "author": "B", "text": "Longer."}]
    book = read_bytes(tmp_path, "a.json", json.dumps(articles).encode())
    assert (book.text, book.markup) == ("# T\n\nLong.\n\n# U\n\nLonger.\n", "markdown")
    hostile = [
        {"mapping": {"a": 1, "b": {"parent": ["x"], "message": {"author": 3, "content": "c"}}}, "current_node": {}}
    ]
    assert conversations(hostile) is not None and not conversations(hostile)[0].turns
    for value in ([], {}, [1], "x", [{"messages": 3}], [{"role": "user"}], [{"role": [], "content": {}}]):
        assert not conversations(value)


def test_callouts_of_any_kind(tmp_path):
    note = (
        "Before.\n\n>[!nexus_user] **Anna** - 18.07.2025 at 13:46\n> Hi [[a|there]]\n> \n> - one\n> - two\n"
        "<!-- UID: 1 -->\n\n## 1. Between\n**Bold**\nkept words\n\n"
        "> [!user]+ Boris - 2025-01-02\n> reply\nlazily\n\n> [!note] Mark\n> this\n\n"
        "> [!quote] **Carl** - 1.2.2025\n> # Loud\n\n>[!nexus_agent]\n> last\n"
    )
    for end in ("\n", "\r\n", "\r"):
        book = read_bytes(tmp_path, "note.txt", note.replace("\n", end).encode())
        assert book.markup == "play"
        assert book.text.strip().split("\n\n") == [
            "Before.",
            "Anna: Hi there\n- one\n- two",
            "## 1. Between\nBold\nkept words",
            "Boris: reply\nlazily",
            "Mark\nthis",
            "Carl: Loud",
            "Assistant: last",
        ]
    assert read_bytes(tmp_path, "b.md", b"> [!note] Mark\n> this\n\n> [!tip]\n> that\n").markup == "markdown"


def test_the_real_notes(tmp_path):
    notes = sorted(SEEDS.glob("*.txt"))
    if not notes:
        pytest.skip("shared/seeds is not here")
    for path in notes:
        book = read_bytes(tmp_path, path.name, path.read_bytes(), language="ru")
        cleaned = clean(book.text, book.markup, "ru")
        blocks = cleaned.text.split("\n\n")
        assert [block.partition(":")[0] for block in blocks if block.startswith(("User:", "Assistant:"))] == [
            "User",
            "Assistant",
        ]
        assert (
            len(cleaned.chapters) >= 3
            and "UID" not in cleaned.text
            and "[!" not in cleaned.text
            and "[[" not in cleaned.text
        )
        assert not any(rule == "play_speaker" for rule, *_ in cleaned.cuts)


HAMLET = """HAMLET. To be, or not to be,
that is it.

OPHELIA.
Good my lord.

[Exit.]

HAMLET (aside). I thank you.

OPHELIA.--My lord."""
HAMLET_TOLD = """Hamlet: To be, or not to be,
that is it.

Ophelia: Good my lord.

[Exit.]

Hamlet: (aside) I thank you.

Ophelia: My lord.
"""
WAYS = {
    HAMLET: HAMLET_TOLD,
    "_Ham._ To be.\n\n_Oph._ My lord.\n\n_Ham._ No.\n\n_Oph._ Yes.": (
        "Ham: To be.\n\nOph: My lord.\n\nHam: No.\n\nOph: Yes.\n"
    ),
    "**User:** a\n\n**Bot**: b\n\n**User:** c\n\n**Bot:** d": "User: a\n\nBot: b\n\nUser: c\n\nBot: d\n",
    "Анна: да\nБорис: нет\nи нет\nАнна: что\nБорис: то": "Анна: да\n\nБорис: нет\nи нет\n\nАнна: что\n\nБорис: то\n",
    "\n\n".join(["Городничий. Я пригласил вас.", "Аммос Федорович. Как ревизор?"] * 4): "\n\n".join(
        ["Городничий: Я пригласил вас.", "Аммос Федорович: Как ревизор?"] * 4
    )
    + "\n",
    "\n\n".join(["HAMLET\nTo be.", "HENRY IV\nNo."] * 3): "\n\n".join(["Hamlet: To be.", "Henry IV: No."] * 3) + "\n",
}


@pytest.mark.parametrize("text", WAYS)
def test_ways_of_naming_a_speaker(text):
    assert named_turns(text) == WAYS[text]


@pytest.mark.parametrize(
    "stage",
    ["SCENE I. A kitchen.", "SCENE THE LAST. A kitchen.", "ENTER ALDRED.", "EXEUNT ALL.", "ДЕЙСТВИЕ ПЕРВОЕ. Кухня."],
)
def test_what_tells_of_the_stage_is_no_speaker(stage):
    turns = "ALDRED. Who knocks?\n\nMR SCENE. A friend.\n\n"
    told = "Aldred: Who knocks?\n\nMr Scene: A friend.\n\n"
    for join in (False, True):
        assert named_turns(f"{stage}\n\n{turns}{turns}" * 3, join) == (f"{stage}\n\n{told}{told}" * 3).rstrip() + "\n"


def test_a_form_of_speech_is_asked_for(tmp_path):
    text = "HAMLET. To be.\n\nOPHELIA. My lord.\n\nHAMLET. No.\n\nOPHELIA. Yes.\n\nShe weeps."
    assert read_bytes(tmp_path, "a.txt", text.encode()).text == text
    assert read_bytes(tmp_path, "a.txt", text.encode(), form="play").text.startswith(
        "Hamlet: To be.\n\nOphelia: My lord."
    )
    assert read_bytes(tmp_path, "a.txt", text.encode(), form="dialogue").text.endswith("Ophelia: Yes.\n\nShe weeps.\n")
    assert read_bytes(tmp_path, "a.txt", text.encode(), form="transcript").text.endswith("Ophelia: Yes.\nShe weeps.\n")
    page = f"<html><body>{''.join(f'<p><b>{name}.</b> Words.</p>' for name in ('Anna', 'Bo') * 3)}</body></html>"
    assert read_bytes(tmp_path, "a.html", page.encode(), form="play").text == "Anna: Words.\n\nBo: Words.\n\n" * 2 + (
        "Anna: Words.\n\nBo: Words.\n"
    )
    play = "# ACT I\n\n**FIRST CLOWN**\nA _word_ here.\n\n**HENRY IV**\nWell.\n"
    book = read_bytes(tmp_path, "a.md", play.encode(), form="play")
    assert (book.text, book.markup) == (play, "play")


def test_real_dialogues_and_books_without_speakers():
    meno = named_turns(shared_book("1643-meno"))
    assert meno.count("\nSocrates: ") > 250 and meno.count("\nMeno: ") > 180
    hylas = named_turns(shared_book("4724-three-dialogues"))
    assert hylas.count("\nPhil: ") > 380 and hylas.count("\nHyl: ") > 380 and "\nSubstance:" not in hylas
    for name in ("4583-dialogues", "11-alice", "1658-phaedo", "33504-opticks", "972-devils", "ruslit-istoriya"):
        assert named_turns(shared_book(name)) is None
