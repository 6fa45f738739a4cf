"""The run directory: its paths, its atomic writes, its lock. The interface between rooms."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ontogeny.core.errors import DiskError, Fault, RunError

DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG}


@contextlib.contextmanager
def disk_faults(path: Path) -> Iterator[None]:
    """Turns a refused write into a DiskError that names the place."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in DISK_ERRNOS:
            raise
        raise DiskError(Fault("the disk refused a write.", str(path), problem.strerror or str(problem),
                              "room and permission to write", "free some space and run again with --resume")) from problem


def write_atomic(path: Path, content: bytes | str) -> Path:
    """Writes a file so that it is there whole or not at all: temporary file, fsync, rename, fsync of the folder.

    Raises: DiskError when the disk refuses; the temporary file is gone then."""
    path = Path(path)
    raw = content.encode("utf-8") if isinstance(content, str) else content
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with disk_faults(path):
        try:
            with open(temporary, "wb") as file:
                file.write(raw)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync_folder(path.parent)
    return path


def write_json(path: Path, value: Any) -> Path:
    """`write_atomic` of indented JSON."""
    return write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def sync_folder(folder: Path) -> None:
    """fsync of a folder, so that a rename in it lasts."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish_folder(temporary: Path, final: Path) -> None:
    """Makes a folder written aside appear under its name at once; what stood there goes away after."""
    with disk_faults(final):
        for path in temporary.rglob("*"):
            if path.is_file():
                with open(path, "rb") as file:
                    os.fsync(file.fileno())
        old = final.with_name(f".{final.name}.{os.getpid()}.old")
        if final.exists():
            os.rename(final, old)
        os.rename(temporary, final)
        sync_folder(final.parent)
    if old.exists():
        remove_tree(old)


def remove_tree(folder: Path) -> None:
    """Removes a folder that this program made."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)


class RunDirectory:
    """The paths of one life and the few ways they are read and written."""

    def __init__(self, path: Path | str):
        self.path = Path(path).absolute()

    def __truediv__(self, name: str) -> Path:
        return self.path / name

    def stage_folder(self, number: int, name: str, pass_: int = 1) -> Path:
        """stages/01-primer, a second pass stages/01-primer.2; conception is number 0."""
        return self.path / "stages" / (f"{number:02d}-{name}" + (f".{pass_}" if pass_ > 1 else ""))

    def stage_folders(self) -> list[Path]:
        """The stage folders there are, conception first, passes in order."""
        folders = [path for path in (self.path / "stages").glob("[0-9]*") if path.is_dir()]

        def key(path: Path) -> tuple[int, int]:
            number, _, rest = path.name.partition("-")
            last = rest.rpartition(".")[2]
            return int(number), int(last) if "." in rest and last.isdigit() else 1

        return sorted(folders, key=key)

    def read_json(self, name: str | Path) -> Any:
        """A JSON file of the run, or None where it is not there."""
        try:
            return json.loads((self.path / name).read_text("utf-8"))
        except FileNotFoundError:
            return None

    def read_jsonl(self, name: str | Path) -> list[Any]:
        """The lines of a JSON-lines file of the run; a half-written last line is left out."""
        try:
            text = (self.path / name).read_text("utf-8")
        except FileNotFoundError:
            return []
        whole = text[: text.rfind("\n") + 1]
        return [json.loads(line) for line in whole.splitlines() if line.strip()]

    def event(self, event: str, **facts: Any) -> None:
        """Appends one line to events.jsonl."""
        line = json.dumps({"time": round(time.time(), 3), "event": event, **facts}, ensure_ascii=False)
        with disk_faults(self.path / "events.jsonl"), open(self.path / "events.jsonl", "ab") as file:
            if file.tell() and not self._ends_a_line():
                file.write(b"\n")
            file.write(line.encode("utf-8") + b"\n")

    def _ends_a_line(self) -> bool:
        with open(self.path / "events.jsonl", "rb") as file:
            file.seek(-1, os.SEEK_END)
            return file.read(1) == b"\n"

    def checkpoints(self) -> list[Path]:
        """The whole checkpoints, oldest first."""
        folder = self.path / "checkpoints"
        return sorted(path for path in folder.glob("[0-9]*") if (path / "state.json").is_file())

    @contextlib.contextmanager
    def lock(self, name: str = ".lock", wait_s: float = 0.0) -> Iterator[None]:
        """Holds the run for this process; the kernel lets go when the process ends, however it ends.

        Raises: RunError when another process holds it after `wait_s` seconds."""
        with disk_faults(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            file = open(self.path / name, "a+")  # noqa: SIM115 - held open for the whole block
        deadline = time.monotonic() + wait_s
        try:
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= deadline:
                        raise RunError(Fault("another process is on this run.", str(self.path), "a lock that is held",
                                             "one process at a time", "wait for it to end, or stop it")) from None
                    time.sleep(0.1)
            yield
        finally:
            file.close()


def truncate(path: Path, length: int) -> None:
    """Cuts an append-only file back to the length a checkpoint recorded; a shorter or absent file is an error."""
    if length == 0:
        path.unlink(missing_ok=True)
        return
    size = path.stat().st_size if path.exists() else 0
    if size < length:
        raise RunError(Fault("an append-only file is shorter than its checkpoint says.", str(path), f"{size} bytes",
                             f"at least {length}", "restore the file, or delete the newest checkpoint"))
    with open(path, "r+b") as file:
        file.truncate(length)
        file.flush()
        os.fsync(file.fileno())
