"""Downloads: polite, cached, resumable, verified, atomic. All that leaves this machine goes through `fetched`.

A download has a folder of the cache to itself; the one visible file in it is the book, whoever brought it. Beside it,
hidden: `.part` (what came so far), `.part.json` (of which version), `.lock` (two processes never fetch one thing).
A host is asked by one process at a time, with a pause; `hosts/<host>` says when it may be asked again."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import time
from collections.abc import Generator
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ontogeny import __version__
from ontogeny.core.address import address_fault, is_inner
from ontogeny.core.hashes import file_sha256
from ontogeny.core.run import disk_faults, sync

if TYPE_CHECKING:
    import httpx

MAX_BYTES = 64 << 20
PAUSE_S = 1.0
MAX_WAIT_S = 120.0
ATTEMPTS = 5
RECONNECT_S = 2.0
REDIRECTS = 5
AGENT = f"ontogeny/{__version__} (a curriculum trainer for language models; one connection, paced)"
SUFFIX_OF = {
    "text/plain": ".txt",
    "text/markdown": ".md",
    "text/html": ".html",
    "application/xhtml+xml": ".xhtml",
    "application/epub+zip": ".epub",
    "application/pdf": ".pdf",
    "application/json": ".json",
    "application/jsonl": ".jsonl",
    "application/x-ndjson": ".jsonl",
    "application/zip": ".zip",
    "application/x-fictionbook+xml": ".fb2",
    "application/x-fictionbook": ".fb2",
}
PAGES = (".html", ".htm", ".xhtml")
KNOWN = {*SUFFIX_OF.values(), *PAGES, ".fb2.zip", ".sqlite", ".db", ".xml"}
BUSY = (408, 425, 429, 500, 502, 503, 504)
PAGE_START = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html[\s>])", re.I | re.S
)

sleep, clock = time.sleep, time.time


class FetchProblem(Exception):
    """Why a download gives no file; the room above says which book it was for."""

    def __init__(self, what: str, got: str, expected: str, fix: str):
        super().__init__(what)
        self.what, self.got, self.expected, self.fix = what, got, expected, fix


class NotThere(FetchProblem):
    """The server knows no such file."""


class WebPage(FetchProblem):
    """A page for people where a file was asked for."""


class Unreachable(FetchProblem):
    """No connection: offline, or a host that does not answer."""


class _Again(Exception):
    """Worth another request, after a while. `problem` is what to tell when it was the last."""

    def __init__(self, wait_s: float | None, problem: FetchProblem):
        super().__init__(problem.what)
        self.wait_s, self.problem = wait_s, problem


@dataclass(frozen=True)
class _Part:
    """What came of a download so far, and the mark of the version it is a part of."""

    path: Path

    @property
    def notes(self) -> Path:
        return self.path.with_name(".part.json")

    def mark(self, url: str) -> str:
        """The validator to resume with; empty where the part is of another file, or cannot be resumed."""
        try:
            notes = json.loads(self.notes.read_text("utf-8"))
            return str(notes["mark"]) if notes["url"] == url and self.path.stat().st_size else ""
        except (OSError, ValueError, KeyError, TypeError):
            return ""

    def begin(self, url: str, mark: str) -> None:
        self.notes.write_text(json.dumps({"url": url, "mark": mark}), "utf-8")

    def discard(self) -> None:
        self.path.unlink(missing_ok=True)
        self.notes.unlink(missing_ok=True)


def cache_folder() -> Path:
    """Where downloads are kept: $ONTOGENY_CACHE, else `ontogeny` in the user's cache folder."""
    if told := os.environ.get("ONTOGENY_CACHE"):
        return Path(told).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "ontogeny"


def cached(folder: Path) -> Path | None:
    """The file that a download's folder holds, or None."""
    try:
        return next((path for path in sorted(folder.iterdir()) if path.name[0] != "." and path.is_file()), None)
    except OSError:
        return None


def fetched(url: str, folder: Path, *, sha256: str | None = None, max_bytes: int = MAX_BYTES) -> Path:
    """The file of a URL, from the cache or from its server.

    Raises: FetchProblem; NotThere for a 404; Unreachable without a connection. Nothing half-written stays visible."""
    if found := cached(folder):
        return found
    check_url(url, sha256)
    with disk_faults(folder):
        folder.mkdir(parents=True, exist_ok=True)
        with held(folder / ".lock"):
            return cached(folder) or _brought(url, folder, sha256, max_bytes)


def _brought(url: str, folder: Path, sha256: str | None, max_bytes: int) -> Path:
    part = _Part(folder / ".part")
    for left in reversed(range(ATTEMPTS)):
        try:
            name = _requested(url, part, sha256, max_bytes)
            break
        except Unreachable:
            if left < ATTEMPTS - 1:
                raise
            _rest(_host(url), RECONNECT_S)
        except _Again as again:
            if not left or (again.wait_s or 0) > MAX_WAIT_S:
                raise again.problem from again.__cause__
            _rest(_host(url), again.wait_s if again.wait_s is not None else 2.0 ** (ATTEMPTS - 1 - left))
    _check_content(part, url, name, sha256)
    sync(part.path)
    part.path.replace(folder / name)
    part.discard()
    sync(folder)
    return folder / name


def _requested(url: str, part: _Part, sha256: str | None, max_bytes: int) -> str:
    """One request, which goes on where the part ends if the server lets it. Returns the file's name."""
    import httpx

    mark = part.mark(url)
    have = part.path.stat().st_size if mark else 0
    headers = {"User-Agent": AGENT, "Accept-Encoding": "identity", "Accept": "text/plain, */*;q=0.5"}
    if have:
        headers |= {"Range": f"bytes={have}-", "If-Range": mark}

    def watch(request: httpx.Request) -> None:  # a redirect may not lead where a source may not
        check_url(str(request.url), sha256)
        if is_inner(request.url.host) and not is_inner(urlsplit(url).hostname or ""):
            raise FetchProblem(
                "cannot be fetched: its server sends to a machine of this network.",
                f"{url} leads to {request.url.scheme}://{request.url.host}",
                "an address outside, as its source is",
                "correct the address, or name the machine itself",
            )

    options = {"follow_redirects": True, "max_redirects": REDIRECTS, "event_hooks": {"request": [watch]}}
    with _turn(_host(url)), httpx.Client(timeout=httpx.Timeout(60, connect=15), **options) as client:
        try:
            with client.stream("GET", url, headers=headers) as response:
                return _received(response, url, part, have, max_bytes, sha256)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError) as error:
            problem = Unreachable(
                "cannot be fetched: there is no connection.",
                f"{type(error).__name__}: {error} ({url})",
                f"an answer of {_host(url)}",
                "go online",
            )
            raise problem from error
        except httpx.TooManyRedirects as error:
            raise FetchProblem(
                "cannot be fetched: its server sends from place to place.",
                url,
                "an address that is the file's own",
                "correct the address",
            ) from error
        except httpx.HTTPError as error:
            raise _Again(None, _short(part, f"{type(error).__name__}: {error}", url)) from error


def _received(response: httpx.Response, url: str, part: _Part, have: int, max_bytes: int, sha256: str | None) -> str:
    """Writes an answer's body into the part. Returns the file's name."""
    _check_status(response, url, part)
    resumed = response.status_code == 206
    other = {part.mark(url), response.headers.get("ETag", "")} - {""}  # a server that does not heed If-Range
    if resumed and (
        not response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        or (len(other) > 1 and part.mark(url).startswith('"'))
    ):
        part.discard()
        raise _Again(0.0, _short(part, "a piece that was not asked for", url))
    have = have if resumed else 0
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    name = _file_name(url, kind)
    if kind in ("text/html", "application/xhtml+xml") and not _may_be_page(url, sha256):
        raise _page(url, f"Content-Type {kind}")
    told, coded = response.headers.get("Content-Length", ""), "Content-Encoding" in response.headers
    expected = have + int(told) if told.isdigit() else None
    if total := re.search(
        r"/(\d+)$", response.headers.get("Content-Range", "")
    ):  # a piece may end before the file does
        expected = int(total[1])
    if expected is None and "chunked" not in response.headers.get("Transfer-Encoding", "") and sha256 is None:
        raise FetchProblem(
            "cannot be fetched: its server does not say how long it is.",
            f"neither Content-Length nor chunks ({url})",
            "a length, so that half a file is not taken for whole",
            "pin its sha256 in the catalogue, or bring the file",
        )
    if expected is not None and expected > max_bytes:
        raise _too_large(f"{expected} bytes", max_bytes)
    etag = response.headers.get("ETag", "")
    mark = etag if etag and not etag.startswith("W/") else response.headers.get("Last-Modified", "")
    if not have:
        part.begin(url, "" if coded else mark)
    with open(part.path, "ab" if have else "wb") as file:
        for piece in response.iter_bytes():
            if file.tell() + len(piece) > max_bytes:
                raise _too_large(f"more than {file.tell()} bytes", max_bytes)
            file.write(piece)
    whole = have + response.num_bytes_downloaded
    if expected is not None and whole != expected:
        raise _Again(None, _short(part, f"{whole} bytes of {expected}", url))
    return name


def _check_status(response: httpx.Response, url: str, part: _Part) -> None:
    status = f"HTTP {response.status_code} {response.reason_phrase} ({url})"
    if response.status_code in (200, 206):
        return
    if response.status_code == 416:
        part.discard()
        raise _Again(0.0, _short(part, status, url))
    if response.status_code in (404, 410):
        raise NotThere("is not where its source says.", status, "a file at that address", "correct the address")
    busy = response.status_code in BUSY
    later_s = _retry_after(response.headers.get("Retry-After", "")) if busy else None
    asks = f", and asks to come back in {later_s:.0f} s" if later_s is not None else ""
    problem = FetchProblem(
        "cannot be fetched: its server refuses.", status + asks, "HTTP 200", "try later, or bring the file another way"
    )
    raise _Again(later_s, problem) if busy else problem


def _retry_after(told: str) -> float | None:
    """Seconds, of a header that gives seconds or a date; None where it gives neither."""
    if told.strip().isdigit():
        return float(told)
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - clock())
    except (TypeError, ValueError, IndexError):
        return None


def _check_content(part: _Part, url: str, name: str, sha256: str | None) -> None:
    """What came is what was asked for: no web page in place of a text, and the pinned digest."""
    with open(part.path, "rb") as file:
        head = file.read(4096)
    page = PAGE_START.match(head) and not name.endswith(PAGES) and not _may_be_page(url, sha256)
    digest = file_sha256(part.path)
    if page or not head or (sha256 is not None and digest != sha256):
        part.discard()
    if page:
        raise _page(url, repr(head[:60].decode("utf-8", "replace")))
    if not head:
        raise FetchProblem("is empty at its source.", f"0 bytes ({url})", "a file with text", "correct the address")
    if sha256 is not None and digest != sha256:
        raise FetchProblem(
            "does not fit its fingerprint.",
            f"sha256 {digest} ({url})",
            f"sha256 {sha256}",
            "the file changed at its source: run `ontogeny library lock` to take it as it is now, or bring the old one",
        )


def check_url(url: str, sha256: str | None) -> None:
    """Raises: FetchProblem for an address that may not be fetched."""
    if fault := address_fault(url, pinned=sha256 is not None):
        raise FetchProblem(f"cannot be fetched: {fault.what}", fault.got, fault.expected, fault.fix)


def _file_name(url: str, kind: str) -> str:
    """The last part of the address, with a suffix that says the kind of file."""
    last = (
        re.sub(r"[^A-Za-z0-9._-]+", "-", PurePosixPath(unquote(urlsplit(url).path)).name).lstrip(".-")[-100:] or "book"
    )
    return last if PurePosixPath(last).suffix.lower() in KNOWN else last + SUFFIX_OF.get(kind, "")


def _may_be_page(url: str, sha256: str | None) -> bool:
    """Whether a web page is what was asked for: the address says so, or a digest will tell."""
    suffix = PurePosixPath(urlsplit(url).path).suffix.lower()
    return suffix in PAGES or (sha256 is not None and suffix not in KNOWN)


def _page(url: str, got: str) -> WebPage:
    return WebPage(
        "is a web page where a book was asked for.",
        f"{got} ({url})",
        "the file itself, not a login, an error or a landing page",
        "correct the address (a page that is meant ends in .html, or has its sha256 pinned), or bring the file",
    )


def _short(part: _Part, got: str, url: str) -> FetchProblem:
    have = part.path.stat().st_size if part.path.exists() else 0
    return FetchProblem(
        "cannot be fetched whole.",
        f"{got}; {have} bytes came ({url})",
        "a file as long as its server says",
        "run again: it goes on where it stopped; or choose another mirror",
    )


def _too_large(got: str, max_bytes: int) -> FetchProblem:
    return FetchProblem("is too large for one book.", got, f"at most {max_bytes} bytes", "divide the book")


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2].lower()


@contextlib.contextmanager
def held(path: Path) -> Generator[None]:
    """Holds a lock file against other processes and threads; waits for it."""
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def _turn(host: str) -> Generator[None]:
    """A request of ours to a host: nobody else asks it meanwhile, and it had its pause."""
    path = _host_file(host)
    path.parent.mkdir(parents=True, exist_ok=True)
    with held(path.with_suffix(".lock")):
        wait_s = min(_resting_until(path) - clock(), MAX_WAIT_S)
        if wait_s > 0:
            sleep(wait_s)
        try:
            yield
        finally:
            _rest(host, PAUSE_S)


def _rest(host: str, wait_s: float) -> None:
    """Nobody asks a host again before that many seconds are over."""
    path = _host_file(host)
    path.write_text(str(max(clock() + wait_s, _resting_until(path))), "utf-8")


def _resting_until(path: Path) -> float:
    try:
        until = float(path.read_text("utf-8"))
    except (OSError, ValueError):
        return 0.0
    return until if until - clock() <= 2 * MAX_WAIT_S else 0.0  # the clock was set back


def _host_file(host: str) -> Path:
    return cache_folder() / "hosts" / f"{re.sub(r'[^a-z0-9.-]', '_', host)}.next"
