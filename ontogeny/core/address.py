"""What the source of a book may look like, and which addresses may be fetched."""

from __future__ import annotations

import ipaddress
import re
import socket
from urllib.parse import urlsplit

from ontogeny.core.errors import Fault

GUTENBERG = re.compile(r"gutenberg:[1-9][0-9]{0,7}")
HF = re.compile(
    r"hf:(?P<dataset>\.(?:/[\w-][\w.-]*)+/?|[\w-][\w.-]*(?:/[\w-][\w.-]*)?)(?::(?P<config>[\w.-]+))?"
    r"#(?P<split>[\w.-]+)(?:&(?P<query>.*))?",
    re.S,
)


def is_remote(source: str) -> bool:
    """Whether the bytes of a source come over a network."""
    return source.partition(":")[0] in ("http", "https", "gutenberg") or (
        source.startswith("hf:") and not source.startswith("hf:.")
    )


def source_fault(source: str, pinned: bool) -> Fault | None:
    """What is wrong with a source as it is written; its place is for the caller to tell."""
    scheme = source.partition(":")[0]
    if scheme in ("http", "https"):
        return address_fault(source, pinned)
    if scheme == "gutenberg" and not GUTENBERG.fullmatch(source):
        return Fault(
            "a Gutenberg source names no book.",
            got=repr(source)[:120],
            expected="gutenberg:ID, the number of the ebook",
            fix="write the number alone, such as gutenberg:11",
        )
    if scheme == "hf" and not HF.fullmatch(source):
        return Fault(
            "a data set's source is not complete.",
            got=repr(source)[:120],
            expected="hf:DATASET[:CONFIG]#SPLIT[&body=FIELD...], or hf:./FOLDER#SPLIT inside the library's folder",
            fix="write the split, such as hf:org/name#train&body=text",
        )
    return None


def address_fault(url: str, pinned: bool) -> Fault | None:
    """Why an address may not be fetched. A password in it is not repeated."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return Fault(
            "an address is none.", got=f"{url[:80]!r}: {error}", expected="https://HOST/PATH", fix="correct it"
        )
    if parts.username is not None or parts.password is not None:
        return Fault(
            "an address holds credentials.",
            got=f"{parts.scheme}://...@{host}",
            expected="an address without a name and password",
            fix="remove them; a file behind a login is brought by hand and named with `file:`",
        )
    if not host:
        return Fault("an address names no host.", got=url[:120], expected="https://HOST/PATH", fix="correct it")
    if parts.scheme != "https" and not (parts.scheme == "http" and (pinned or _is_loopback(host))):
        return Fault(
            "an address is one whose answer anybody on the way could change.",
            got=f"{parts.scheme}://{host}",
            expected="https://, or http:// with a pinned sha256",
            fix="write https://, or pin the book's sha256 in the catalogue",
        )
    return None


def is_inner(host: str) -> bool:
    """Whether a host is, by its name, this machine or one of its own network (no name is looked up)."""
    host = host.lower().strip("[]").rstrip(".")
    if host.rpartition(".")[2] in ("localhost", "local", "internal"):
        return True
    try:
        return not ipaddress.ip_address(host if ":" in host else socket.inet_aton(host)).is_global  # 127.1 is one too
    except (ValueError, OSError):
        return False


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
