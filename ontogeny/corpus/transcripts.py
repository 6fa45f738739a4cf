"""Dialogues that people bring: chat exports in JSON, and notes with callouts. Their speakers become turns.

A turn is one paragraph, `Name: words`, its own paragraphs lines of it; a conversation's title is a `# Title`. What
stands between the turns of a note is told by nobody and keeps its paragraphs. Left out of a chat, and counted: what its
system and its tools said, and the branches it left."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ontogeny.corpus.hypertext import without_comments

SPEAKER_KEYS = ("role", "speaker", "from", "author", "sender", "user", "name")
WORDS_KEYS = ("content", "text", "value", "message", "parts")
TURNS_KEYS = ("chat_messages", "messages", "conversations", "conversation", "turns", "dialogue", "dialog")
TITLE_KEYS = ("title", "name", "heading", "topic")
ROLES = {
    **dict.fromkeys(("user", "human", "prompter", "you"), "User"),
    **dict.fromkeys(("assistant", "gpt", "bot", "ai", "model", "agent", "chatbot"), "Assistant"),
}
SILENT = ("system", "tool", "function", "developer", "context", "ipython", "environment")
MAX_NAME_CHARS = 60
USUAL_CALLOUTS = (
    *("note", "abstract", "summary", "tldr", "info", "todo", "tip", "hint", "important", "success", "check", "done"),
    *("question", "help", "faq", "warning", "caution", "attention", "failure", "fail", "missing", "danger", "error"),
    *("bug", "example", "quote", "cite"),
)

_CALLOUT = re.compile(r"^>[ \t]*\[!([\w-]{1,40})\][+-]?[ \t]*(?:\*\*(.{1,80}?)\*\*)?(.*)$")
_DATED = re.compile(r"^\s*[-–—|,(@]*\s*(?:at |on )?\d{1,4}[./:-]\d")
_DATE = re.compile(r"\s*[-–—|,(@]+\s*\d{1,4}[./:-]\d.*$")
_WIKI = re.compile(r"\[\[(?:[^\[\]|\n]{1,200}\|)?([^\[\]|\n]{1,200})\]\]")
_BOLD_LINE = re.compile(r"^\*\*([^*\n]+)\*\*[ \t]*$", re.MULTILINE)
_MARK = re.compile(r"^(?:#{1,6} +|[-*_]{3,}[ \t]*$)")
_FENCE = re.compile(r"^[ \t]*(?:```|~~~)[^`]*$")


@dataclass(frozen=True)
class Conversation:
    """A title and the turns as (speaker, words); `left_out` counts what nobody of them said."""

    title: str
    turns: list[tuple[str, str]]
    left_out: int = 0

    def paragraphs(self) -> list[str]:
        return [turn_text(name, words) for name, words in self.turns]


def turn_text(name: str, words: str) -> str:
    """A turn as one paragraph; heading marks and rules within it are no chapters of the book, fenced code stays."""
    name = " ".join(name.replace(":", " ").split())[:MAX_NAME_CHARS]
    lines = []
    fenced = False
    for line in words.replace("\r\n", "\n").split("\n"):
        fenced ^= bool(_FENCE.match(line))
        lines.append(line.rstrip() if fenced else _MARK.sub("", line).rstrip())
    return f"{name}: " + "\n".join(filter(None, lines)).strip()


# Chats in JSON


def conversations(value: Any) -> list[Conversation] | None:
    """The conversations of a chat export, or None if it is none of the shapes known."""
    if isinstance(value, dict):
        found = _conversation(value)
        if found is not None:
            return [found]
        inner = [item for item in value.values() if isinstance(item, (list, dict))]
        inner += [part for item in inner if isinstance(item, dict) for part in item.values() if isinstance(part, list)]
        return next((told for item in inner if isinstance(item, list) and (told := conversations(item))), None)
    if not isinstance(value, list) or not value:
        return None
    if (turns := _turns(value)) is not None:
        return [turns]
    told = [_conversation({"messages": item} if isinstance(item, list) else item) for item in value]
    known = [conversation for conversation in told if conversation is not None]
    return known if known and len(known) == len(told) else None


def _conversation(record: Any) -> Conversation | None:
    if not isinstance(record, dict):
        return None
    title = next((record[key] for key in TITLE_KEYS if isinstance(record.get(key), str)), "")
    if isinstance(record.get("mapping"), dict):
        return _current_branch(title, record["mapping"], record.get("current_node"))
    for key in TURNS_KEYS:
        if isinstance(record.get(key), list):
            turns = _turns(_branch_of(record[key], record.get("current_leaf_message_uuid")), trusted=True)
            if turns is not None:
                return Conversation(title, turns.turns, turns.left_out)
    return None


def _turns(messages: list[Any], trusted: bool = False) -> Conversation | None:
    """Messages as turns, or None if they are no messages. Records with a title of their own are no messages."""
    if trusted and not messages:
        return Conversation("", [])
    turns: list[tuple[str, str]] = []
    left_out = 0
    for message in messages:
        speaker = _speaker(message)
        if speaker is None or (not trusted and any(message.get(key) for key in ("title", "heading"))):
            return None
        words = next((_words(message[key]) for key in _words_keys(message)), "")
        if speaker.lower() in SILENT:
            left_out += 1
        elif words.strip():
            turns.append((ROLES.get(speaker.lower(), speaker), words))
    roles = {name for name, _ in turns}
    return Conversation("", turns, left_out) if trusted or len(roles) > 1 or roles & {"User", "Assistant"} else None


def _speaker(message: Any) -> str | None:
    if not isinstance(message, dict) or not (_words_keys(message) or message.get("type") == "service"):
        return None
    for key in SPEAKER_KEYS:
        told = message.get(key)
        if isinstance(told, dict):
            told = told.get("name") or told.get("role") or told.get("username")
        if isinstance(told, str) and told.strip() and len(told) <= MAX_NAME_CHARS:
            return told.strip()
    return "system" if message.get("type") == "service" else None


def _words_keys(message: dict[str, Any]) -> list[str]:
    """The keys that may hold what was said; of a list of parts and a flat text, the parts."""
    found = [key for key in WORDS_KEYS if isinstance(message.get(key), (str, list, dict))]
    return sorted(found, key=lambda key: not (isinstance(message[key], list) and message[key]))


def _words(value: Any) -> str:
    """What was said: a text, or the texts among the parts; pictures, thoughts and calls of tools are not said."""
    if isinstance(value, str):
        return value
    if isinstance(value, dict):
        return _words(value.get("parts", value.get("text", ""))) if value.get("type", "text") in _SAID else ""
    if isinstance(value, list):
        inline = any(isinstance(part, str) for part in value) and any(isinstance(part, dict) for part in value)
        return ("" if inline else "\n\n").join(filter(None, map(_words, value)))
    return ""


_SAID = (
    *("text", "output_text", "input_text", "multimodal_text", "audio_transcription", "plain"),
    *("bold", "italic", "underline", "strikethrough", "spoiler", "code", "pre", "blockquote"),
    *("link", "text_link", "mention", "hashtag", "email", "phone", "custom_emoji"),
)


def _current_branch(title: str, mapping: dict[str, Any], current: Any) -> Conversation:
    """The branch of a tree of messages that ends in its current node, from the root on."""
    parents = {node: str(told.get("parent")) for node, told in mapping.items() if isinstance(told, dict)}
    current = str(current)
    if current not in parents:
        inner = set(parents.values())
        current = next((node for node in reversed(parents) if node not in inner), None)
    branch: list[Any] = []
    seen: set[Any] = set()
    while current in parents and current not in seen:
        seen.add(current)
        branch.append(mapping[current].get("message"))
        current = parents[current]
    turns: list[tuple[str, str]] = []
    left_out = sum(1 for node in parents if node not in seen and mapping[node].get("message"))
    for message in reversed(branch):
        if not isinstance(message, dict):
            continue
        author, content = _mapping(message.get("author")), _mapping(message.get("content"))
        role = str(author.get("role") or "").lower()
        kind = content.get("content_type", "text")
        said = _words(content.get("parts") or content.get("text") or "") if kind in ("text", "multimodal_text") else ""
        hidden = _mapping(message.get("metadata")).get("is_visually_hidden_from_conversation")
        if role in SILENT or hidden or message.get("recipient") not in (None, "all") or not said.strip():
            left_out += bool(said.strip())
        else:
            turns.append((ROLES.get(role, str(author.get("name") or role.capitalize())), said))
    return Conversation(title, turns, left_out)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _branch_of(messages: list[Any], leaf: Any) -> list[Any]:
    """The messages from the root to the current leaf, where messages name their parents; else all."""
    by_id = {told["uuid"]: told for told in messages if isinstance(told, dict) and isinstance(told.get("uuid"), str)}
    branch: list[Any] = []
    while isinstance(leaf, str) and leaf in by_id and len(branch) <= len(messages):
        branch.append(by_id[leaf])
        leaf = by_id[leaf].get("parent_message_uuid")
    return branch[::-1] or messages


# Notes with callouts


def from_callouts(text: str) -> str | None:
    """A note whose speakers stand in callouts (`>[!nexus_user] **User** - 18.07.2025`) as a play, else None."""
    if "[!" not in text:
        return None
    lines = without_comments(text.replace("\r\n", "\n").replace("\r", "\n")).split("\n")
    if sum(_speaker_of(line) is not None for line in lines) < 2:
        return None
    blocks: list[str] = []
    for speaker, told in _callout_parts(lines):
        told = _WIKI.sub(r"\1", told)
        if speaker is None:
            told = _BOLD_LINE.sub(r"\1", told)
            blocks += [block.strip("\n") for block in re.split(r"\n\s*\n", told) if block.strip()]
        elif told.strip():
            blocks.append(turn_text(speaker, told))
    return "\n\n".join(blocks) + "\n"


def _callout_parts(lines: list[str]) -> Iterator[tuple[str | None, str]]:
    """(speaker, words) of each callout, (None, text) of what stands between."""
    speaker: str | None = None
    part: list[str] = []
    inside = False
    for line in lines:
        found = _CALLOUT.match(line)
        name = _speaker_of(line)
        lazy = line.strip() and part and part[-1].strip() and not line.startswith(("#", "```"))
        if found or (inside and not line.startswith(">") and not lazy):
            yield speaker, "\n".join(part)
            speaker, part, inside = name, [], bool(found)
        if found and name is None:
            part = [" ".join(filter(None, (found[2], found[3].strip())))]
        elif not found:
            part.append(re.sub(r"^>[ \t]?", "", line) if inside else line)
    yield speaker, "\n".join(part)


def _speaker_of(line: str) -> str | None:
    """Who speaks in the callout that a line begins; None if it begins none, or a usual kind without a name."""
    found = _CALLOUT.match(line)
    if not found:
        return None
    kind, bold, rest = found[1].lower(), found[2], found[3]
    if kind in USUAL_CALLOUTS and not (bold and (not rest.strip() or _DATED.match(rest))):
        return None
    name = bold or _DATE.sub("", rest).strip()
    if not name or len(name) > MAX_NAME_CHARS:
        name = re.split(r"[_-]", kind)[-1]
        name = ROLES.get(name, name.capitalize())
    return name.strip("*_ ")
