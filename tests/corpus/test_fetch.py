"""Downloads against a real server on this machine: laid out like a Gutenberg mirror, and as ill-behaved as any."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from binding import Entry

from ontogeny import __version__
from ontogeny.core.errors import LibraryError
from ontogeny.corpus import fetch
from ontogeny.corpus.fetch import FetchProblem, NotThere, Unreachable, WebPage, cache_folder, fetched
from ontogeny.corpus.remote import MIRROR, cache_place, gutenberg_names, told_place
from ontogeny.corpus.sources import fetch_books, read_source

BOOK = b"The quick brown fox jumps over the lazy dog, and reads on.\n" * 400
OTHER = b"Another edition of the same book, which is not as long.\n" * 300
PAGE = b"<!-- gate --><!DOCTYPE html><html><body><form>Log in to the hotel's network</form></body></html>"
SHA = hashlib.sha256(BOOK).hexdigest()


class Ask(BaseHTTPRequestHandler):
    """Answers a GET by the function that the mirror has for its path, else with 404."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.mirror.asked.append(self)
        answer = self.server.mirror.answers.get(self.path)
        if answer is None:
            return self.tell(b"<html>no such file</html>", 404, {"Content-Type": "text/html"})
        return answer(self)

    def tell(self, body: bytes, status: int = 200, headers: dict[str, str] | None = None, sent: int | None = None):
        """Sends a body; only its first `sent` bytes, if given, and then hangs up."""
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "Content-Type": "text/plain", **(headers or {})}.items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[:sent])
        if sent is not None or (headers or {}).get("Content-Length") == "":
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


@dataclass
class Mirror:
    """The server: what it answers, and what it was asked."""

    url: str
    answers: dict[str, Callable[[Ask], None]] = field(default_factory=dict)
    asked: list[Ask] = field(default_factory=list)

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.asked]

    def has(self, path: str, body: bytes = BOOK, **headers: str) -> str:
        self.answers[path] = lambda ask: ask.tell(body, headers=headers)
        return self.url + path


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds that were to be waited; nobody does. The clock stands still meanwhile, so that each wait is whole."""
    told: list[float] = []
    now = [1_000_000.0]

    def sleep(seconds: float) -> None:
        told.append(round(seconds, 3))
        now[0] += seconds

    monkeypatch.setattr(fetch, "sleep", sleep)
    monkeypatch.setattr(fetch, "clock", lambda: now[0])
    return told


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits: list[float]) -> Iterator[Mirror]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ONTOGENY_CACHE", str(tmp_path / "cache"))
    with ThreadingHTTPServer(("127.0.0.1", 0), Ask) as server:
        server.daemon_threads = True
        made = server.mirror = Mirror(f"http://127.0.0.1:{server.server_port}")
        monkeypatch.setenv("ONTOGENY_GUTENBERG_MIRROR", made.url)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield made
        server.shutdown()
        thread.join()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "one"


def nothing_is_there(folder: Path) -> bool:
    return fetch.cached(folder) is None


# Whole files


def test_a_file_is_fetched_once_and_kept_with_its_suffix(mirror, folder):
    url = mirror.has("/books/fox.txt")
    path = fetched(url, folder)
    assert path == folder / "fox.txt" and path.read_bytes() == BOOK
    assert fetched(url, folder) == path and len(mirror.asked) == 1
    assert mirror.asked[0].headers["User-Agent"].startswith(f"ontogeny/{__version__} ")
    assert sorted(file.name for file in folder.iterdir()) == [".lock", "fox.txt"], "no part is left"


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("/get", "application/epub+zip", "get.epub"),
        ("/get.php?file=7", "text/plain; charset=utf-8", "get.php.txt"),
        ("/a%20b%2Fc.md", "text/plain", "c.md"),
        ("/x.html", "text/html", "x.html"),
        ("/.hidden.pdf", "application/pdf", "hidden.pdf"),
        ("/", "application/json", "book.json"),
    ],
)
def test_the_name_says_the_kind(mirror, folder, path, kind, name):
    url = mirror.has(path, BOOK, **{"Content-Type": kind})
    assert fetched(url, folder).name == name


def test_a_body_in_chunks_has_a_length_of_its_own(mirror, folder):
    def chunks(ask: Ask) -> None:
        ask.send_response(200)
        ask.send_header("Transfer-Encoding", "chunked")
        ask.end_headers()
        for piece in (BOOK[:5000], BOOK[5000:]):
            ask.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        ask.wfile.write(b"0\r\n\r\n")

    mirror.answers["/fox.txt"] = chunks
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK


def test_two_threads_fetch_one_file_once(mirror, folder):
    url, found = mirror.has("/fox.txt"), []
    threads = [threading.Thread(target=lambda: found.append(fetched(url, folder))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [folder / "fox.txt"] * 4 and len(mirror.asked) == 1


# Half files


def resumable(body: bytes, etag: str, first_sent: int) -> Callable[[Ask], None]:
    """Hangs up in the middle of the first answer; then heeds Range."""
    asked = []

    def answer(ask: Ask) -> None:
        asked.append(ask)
        span = ask.headers["Range"]
        if len(asked) == 1:
            return ask.tell(body, headers={"ETag": etag}, sent=first_sent)
        if not span or ask.headers["If-Range"] != etag:
            return ask.tell(body, headers={"ETag": etag})
        start = int(span.removeprefix("bytes=").rstrip("-"))
        told = {"ETag": etag, "Content-Range": f"bytes {start}-{len(body) - 1}/{len(body)}"}
        return ask.tell(body[start:], 206, told)

    return answer


def test_half_a_file_is_taken_up_where_it_stopped(mirror, folder):
    mirror.answers["/fox.txt"] = resumable(BOOK, '"one"', 9000)
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK
    assert [request.headers["Range"] for request in mirror.asked] == [None, "bytes=9000-"]


def test_half_a_file_is_taken_up_in_another_run(mirror, folder, monkeypatch):
    mirror.answers["/fox.txt"] = resumable(BOOK, '"one"', 9000)
    monkeypatch.setattr(fetch, "ATTEMPTS", 1)
    with pytest.raises(FetchProblem, match="cannot be fetched whole") as caught:
        fetched(mirror.url + "/fox.txt", folder)
    assert "9000 bytes came" in caught.value.got and nothing_is_there(folder)
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK
    assert mirror.asked[-1].headers["Range"] == "bytes=9000-"


def test_without_a_mark_of_its_version_half_a_file_is_begun_anew(mirror, folder):
    mirror.answers["/fox.txt"] = resumable(BOOK, "", 9000)
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK
    assert [request.headers["Range"] for request in mirror.asked] == [None, None]


def test_a_date_marks_a_version_too(mirror, folder):
    date = formatdate(0, usegmt=True)

    def answer(ask: Ask) -> None:
        if len(mirror.asked) == 1:
            return ask.tell(BOOK, headers={"Last-Modified": date, "ETag": 'W/"weak"'}, sent=100)
        assert ask.headers["If-Range"] == date
        return ask.tell(BOOK[100:], 206, {"Content-Range": f"bytes 100-{len(BOOK) - 1}/{len(BOOK)}"})

    mirror.answers["/fox.txt"] = answer
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK


def test_a_server_that_ignores_range_begins_anew(mirror, folder):
    def answer(ask: Ask) -> None:
        ask.tell(BOOK, headers={"ETag": '"one"'}, sent=9000 if len(mirror.asked) == 1 else None)

    mirror.answers["/fox.txt"] = answer
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK
    assert mirror.asked[1].headers["Range"] == "bytes=9000-"


@pytest.mark.parametrize("heeds", [True, False])
def test_a_file_that_changed_between_its_parts_is_begun_anew(mirror, folder, heeds):
    """Of a server that heeds If-Range, and of one that does not and sends the rest of another file."""

    def answer(ask: Ask) -> None:
        if len(mirror.asked) == 1:
            return ask.tell(BOOK, headers={"ETag": '"one"'}, sent=9000)
        if heeds or ask.headers["Range"] is None:
            return ask.tell(OTHER, headers={"ETag": '"two"'})
        told = {"ETag": '"two"', "Content-Range": f"bytes 9000-{len(OTHER) - 1}/{len(OTHER)}"}
        return ask.tell(OTHER[9000:], 206, told)

    mirror.answers["/fox.txt"] = answer
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == OTHER


def test_a_piece_that_was_not_asked_for_is_not_glued_on(mirror, folder):
    def answer(ask: Ask) -> None:
        if ask.headers["Range"]:
            return ask.tell(BOOK[5:], 206, {"ETag": '"one"', "Content-Range": f"bytes 5-{len(BOOK) - 1}/{len(BOOK)}"})
        return ask.tell(BOOK, headers={"ETag": '"one"'}, sent=9000 if len(mirror.asked) == 1 else None)

    mirror.answers["/fox.txt"] = answer
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK


def test_a_piece_that_ends_early_is_not_the_whole(mirror, folder):
    def answer(ask: Ask) -> None:
        start = int((ask.headers["Range"] or "bytes=0-")[6:-1])
        piece = BOOK[start : start + 7000]
        told = {"ETag": '"one"', "Content-Range": f"bytes {start}-{start + len(piece) - 1}/{len(BOOK)}"}
        return ask.tell(piece, 206, told)

    mirror.answers["/fox.txt"] = answer
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK
    assert len(mirror.asked) == -(-len(BOOK) // 7000)


def test_a_range_that_is_refused_is_begun_anew(mirror, folder):
    def answer(ask: Ask) -> None:
        if ask.headers["Range"]:
            return ask.tell(b"", 416)
        return ask.tell(BOOK, headers={"ETag": '"one"'}, sent=9000 if len(mirror.asked) == 1 else None)

    mirror.answers["/fox.txt"] = answer
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK


def test_a_mirror_that_always_sends_half_a_file_is_told_so(mirror, folder):
    mirror.answers["/fox.txt"] = lambda ask: ask.tell(BOOK, sent=len(BOOK) // 2)
    with pytest.raises(FetchProblem, match="cannot be fetched whole"):
        fetched(mirror.url + "/fox.txt", folder)
    assert len(mirror.asked) == fetch.ATTEMPTS and nothing_is_there(folder)


def test_without_a_length_half_a_file_could_pass_for_whole(mirror, folder):
    mirror.answers["/fox.txt"] = lambda ask: ask.tell(BOOK, headers={"Content-Length": ""})
    with pytest.raises(FetchProblem, match="does not say how long it is"):
        fetched(mirror.url + "/fox.txt", folder)
    assert nothing_is_there(folder)
    assert fetched(mirror.url + "/fox.txt", folder, sha256=SHA).read_bytes() == BOOK, "a digest tells"


# What is no book


@pytest.mark.parametrize(
    ("path", "kind"), [("/fox.txt", "text/html"), ("/fox.txt", "text/plain"), ("/fox", "text/html"), ("/f.epub", "")]
)
def test_a_page_in_place_of_a_text_is_refused(mirror, folder, path, kind):
    url = mirror.has(path, PAGE, **{"Content-Type": kind})
    with pytest.raises(WebPage, match="is a web page where a book was asked for"):
        fetched(url, folder)
    assert nothing_is_there(folder) and len(mirror.asked) == 1
    assert not (folder / ".part").exists()


def test_a_page_that_is_meant_is_taken(mirror, folder):
    assert fetched(mirror.has("/wiki/fox.htm", PAGE), folder).name == "fox.htm"
    pinned = hashlib.sha256(PAGE).hexdigest()
    url = mirror.has("/wiki/Fox", PAGE, **{"Content-Type": "text/html"})
    assert fetched(url, folder / "pinned", sha256=pinned).name == "Fox.html"


def test_a_file_that_does_not_fit_its_fingerprint_is_not_kept(mirror, folder):
    with pytest.raises(FetchProblem, match="does not fit its fingerprint") as caught:
        fetched(mirror.has("/fox.txt", OTHER), folder, sha256=SHA)
    assert hashlib.sha256(OTHER).hexdigest() in caught.value.got and SHA in caught.value.expected
    assert nothing_is_there(folder) and not (folder / ".part").exists()


def test_an_empty_file_is_no_book(mirror, folder):
    with pytest.raises(FetchProblem, match="is empty"):
        fetched(mirror.has("/fox.txt", b""), folder)
    assert nothing_is_there(folder)


def test_a_file_is_bounded_by_what_is_told_and_by_what_comes(mirror, folder):
    url = mirror.has("/fox.txt")
    with pytest.raises(FetchProblem, match="too large") as caught:
        fetched(url, folder, max_bytes=10_000)
    assert caught.value.got == f"{len(BOOK)} bytes"
    mirror.answers["/fox.txt"] = lambda ask: ask.tell(BOOK, headers={"Content-Length": ""})
    with pytest.raises(FetchProblem, match="too large"):
        fetched(url, folder, max_bytes=10_000, sha256=SHA)
    assert nothing_is_there(folder)


@pytest.mark.parametrize("status", [401, 403, 500])
def test_a_server_that_refuses_is_quoted(mirror, folder, status):
    mirror.answers["/fox.txt"] = lambda ask: ask.tell(b"no", status)
    with pytest.raises(FetchProblem, match="its server refuses") as caught:
        fetched(mirror.url + "/fox.txt", folder)
    assert f"HTTP {status}" in caught.value.got
    assert len(mirror.asked) == (fetch.ATTEMPTS if status == 500 else 1), "what is lasting is not asked twice"


def test_a_missing_file_is_not_asked_for_twice(mirror, folder):
    with pytest.raises(NotThere):
        fetched(mirror.url + "/none.txt", folder)
    assert len(mirror.asked) == 1


# Manners


def test_a_host_gets_its_pause(mirror, folder, waits):
    for number in range(3):
        fetched(mirror.has(f"/{number}.txt"), folder / str(number))
    assert waits == [fetch.PAUSE_S] * 2


def test_retry_after_is_honoured_in_seconds_and_as_a_date(mirror, folder, waits, monkeypatch):
    told = iter(["7", formatdate(fetch.clock() + 7 + 30, usegmt=True)])

    def answer(ask: Ask) -> None:
        later = next(told, None)
        ask.tell(BOOK, *((429, {"Retry-After": later}) if later else ()))

    mirror.answers["/fox.txt"] = answer
    assert fetched(mirror.url + "/fox.txt", folder).read_bytes() == BOOK
    assert waits == [7, 30]


def test_a_server_that_asks_for_hours_is_not_waited_for(mirror, folder, waits):
    mirror.answers["/fox.txt"] = lambda ask: ask.tell(b"", 429, {"Retry-After": "7200"})
    with pytest.raises(FetchProblem) as caught:
        fetched(mirror.url + "/fox.txt", folder)
    assert "429" in caught.value.got and "7200 s" in caught.value.got
    assert len(mirror.asked) == 1 and waits == []


def test_waits_grow_without_a_word_from_the_server(mirror, folder, waits):
    mirror.answers["/fox.txt"] = lambda ask: ask.tell(
        BOOK if len(mirror.asked) > 4 else b"", 200 if len(mirror.asked) > 4 else 503
    )
    fetched(mirror.url + "/fox.txt", folder)
    assert waits == [1, 2, 4, 8]


# Addresses


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://example.org/fox.txt", "anybody on the way could change"),
        ("http://127.0.0.1.example.org/fox.txt", "anybody on the way could change"),
        ("ftp://example.org/fox.txt", "anybody on the way could change"),
        ("https://me:secret@example.org/fox.txt", "credentials"),
        ("https:///fox.txt", "no host"),
        ("https://[::1/fox.txt", "is none"),
    ],
)
def test_addresses_that_are_not_fetched(mirror, folder, url, what):
    with pytest.raises(FetchProblem, match=what) as caught:
        fetched(url, folder)
    assert "secret" not in caught.value.got and not folder.exists()


def test_a_redirect_may_not_lead_where_a_source_may_not(mirror, folder):
    mirror.answers["/fox.txt"] = lambda ask: ask.tell(b"", 302, {"Location": "http://example.org/fox.txt"})
    with pytest.raises(FetchProblem, match="anybody on the way could change"):
        fetched(mirror.url + "/fox.txt", folder)
    mirror.answers["/a.txt"] = lambda ask: ask.tell(b"", 302, {"Location": "/a.txt"})
    with pytest.raises(FetchProblem, match="from place to place"):
        fetched(mirror.url + "/a.txt", folder)
    mirror.answers["/b.txt"] = lambda ask: ask.tell(b"", 302, {"Location": "/c.txt"})
    mirror.has("/c.txt")
    assert fetched(mirror.url + "/b.txt", folder).read_bytes() == BOOK


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "LOCALHOST:{port}", "127.1", "[::1]", "10.0.0.1", "a.local"])
def test_a_redirect_from_outside_may_not_lead_into_this_network(mirror, folder, monkeypatch, host):
    monkeypatch.setenv("http_proxy", mirror.url)  # the server plays example.org
    inside = f"http://{host.format(port=mirror.url.rpartition(':')[2])}/secret.txt"
    mirror.has("/secret.txt")
    mirror.answers["http://example.org/fox.txt"] = lambda ask: ask.tell(b"", 302, {"Location": inside})
    with pytest.raises(FetchProblem, match="a machine of this network"):
        fetched("http://example.org/fox.txt", folder, sha256=SHA)
    assert mirror.paths == ["http://example.org/fox.txt"] and nothing_is_there(folder)
    mirror.answers["http://example.org/fox.txt"] = lambda ask: ask.tell(b"", 302, {"Location": "http://8.8.8.8/f.txt"})
    mirror.has("http://8.8.8.8/f.txt")
    assert fetched("http://example.org/fox.txt", folder, sha256=SHA).read_bytes() == BOOK


# Gutenberg


@pytest.mark.parametrize(
    ("number", "names"),
    [
        (
            "1234",
            ["1/2/3/1234/1234-0.txt", "1/2/3/1234/1234-8.txt", "1/2/3/1234/1234.txt", "cache/epub/1234/pg1234.txt"],
        ),
        ("7", ["0/7/7-0.txt", "0/7/7-8.txt", "0/7/7.txt", "cache/epub/7/pg7.txt"]),
    ],
)
def test_the_tree_of_a_mirror_is_tried_in_order(mirror, tmp_path, number, names):
    assert gutenberg_names(number) == names
    for place, name in enumerate(names):
        mirror.answers.clear()
        mirror.asked.clear()
        mirror.has(f"/{name}")
        (tmp_path / "cache").mkdir(exist_ok=True)
        source = read_source(Entry(f"gutenberg:{number}"), tmp_path)
        assert source.raw_sha256 == SHA and source.text == BOOK.decode() and source.raw_bytes == len(BOOK)
        assert mirror.paths == [f"/{one}" for one in names[: place + 1]]
        read_source(Entry(f"gutenberg:{number}"), tmp_path)
        assert len(mirror.asked) == place + 1, "from the cache"
        next(cache_place(f"gutenberg:{number}").glob("*.txt")).unlink()


def fault_of(source: str, root: Path, **fields: str):
    with pytest.raises(LibraryError) as caught:
        read_source(Entry(source, **fields), root)
    (fault,) = caught.value.faults
    assert "'book'" in fault.what and source in fault.where and fault.got and fault.expected and fault.fix
    return fault


def test_a_number_the_mirror_does_not_have(mirror, tmp_path):
    assert "is not on the mirror" in fault_of("gutenberg:99", tmp_path).what
    assert len(mirror.asked) == 4


def test_a_captive_portal_is_named(mirror, tmp_path):
    for name in gutenberg_names("99"):
        mirror.has(f"/{name}", PAGE, **{"Content-Type": "text/html"})
    assert "is a web page where a book was asked for" in fault_of("gutenberg:99", tmp_path).what


def test_a_mirror_may_be_a_folder(mirror, tmp_path, monkeypatch):
    for number, name in (("12", "1/12/12-8.txt"), ("34", "epub/34/pg34.txt"), ("56", "56.txt")):
        (tmp_path / "disk" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "disk" / name).write_bytes(BOOK)
        for told in (str(tmp_path / "disk"), (tmp_path / "disk").as_uri()):
            monkeypatch.setenv("ONTOGENY_GUTENBERG_MIRROR", told)
            assert read_source(Entry(f"gutenberg:{number}", sha256=SHA), tmp_path).text == BOOK.decode()
    assert "is not on the mirror" in fault_of("gutenberg:78", tmp_path).what
    assert mirror.asked == [] and not (tmp_path / "cache").exists()


def test_a_book_that_no_longer_fits_its_pin_shows_both_digests(mirror, tmp_path):
    mirror.has("/1/12/12-0.txt", OTHER)
    fault = fault_of("gutenberg:12", tmp_path, sha256=SHA)
    assert hashlib.sha256(OTHER).hexdigest() in fault.got and SHA in fault.expected
    read_source(Entry("gutenberg:12"), tmp_path)
    fault = fault_of("gutenberg:12", tmp_path, sha256=SHA)
    assert hashlib.sha256(OTHER).hexdigest() in fault.got and "ontogeny library lock" in fault.fix
    assert str(cache_place("gutenberg:12")) in fault.fix


# Offline


def closed_port() -> str:
    with ThreadingHTTPServer(("127.0.0.1", 0), Ask) as server:
        return f"http://127.0.0.1:{server.server_port}"


def test_offline_the_error_says_where_to_bring_the_file(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("ONTOGENY_GUTENBERG_MIRROR", closed_port())
    place = tmp_path / "cache" / "gutenberg" / "12" / "12.txt"
    assert told_place("gutenberg:12") == str(place)
    fault = fault_of("gutenberg:12", tmp_path)
    assert "there is no connection" in fault.what and str(place) in fault.expected and "`file:`" in fault.fix
    place.write_bytes(BOOK)
    assert read_source(Entry("gutenberg:12"), tmp_path).raw_sha256 == SHA


def test_offline_many_missing_books_are_one_error(mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("ONTOGENY_GUTENBERG_MIRROR", closed_port())
    told: list[tuple[str, int, int]] = []
    books = [Entry(f"gutenberg:{number}") for number in range(1, 9)]
    with pytest.raises(LibraryError) as caught:
        fetch_books(books, lambda entry, done, of: told.append((entry.source, done, of)))
    (fault,) = caught.value.faults
    assert "7 more book(s) are not here either" in fault.what and told == [("gutenberg:1", 0, 8)]


def test_an_address_offline_is_tried_twice(mirror, folder, waits):
    with pytest.raises(Unreachable):
        fetched(closed_port() + "/fox.txt", folder)
    assert nothing_is_there(folder) and waits == [fetch.RECONNECT_S]


def test_the_cache_is_where_it_was_told_to_be(monkeypatch, tmp_path):
    monkeypatch.setenv("ONTOGENY_CACHE", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.delenv("ONTOGENY_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "ontogeny"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_folder() == tmp_path / "home" / ".cache" / "ontogeny"
    assert MIRROR.startswith("https://")


# Addresses as sources


def test_a_book_at_an_address(mirror, tmp_path):
    source = mirror.has("/books/fox.md", b"# A heading\n\nAnd a paragraph of it.\n") + "#"
    assert read_source(Entry(source), tmp_path).markup == "markdown"
    records = mirror.has("/rows", b'[{"title": "One", "body": "Some text."}]', **{"Content-Type": "application/json"})
    assert read_source(Entry(f"{records}#heading=title&body=body"), tmp_path).text == "# One\n\nSome text.\n"
