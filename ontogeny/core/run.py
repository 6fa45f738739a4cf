"""The run directory: its paths, its atomic writes, its lock. The interface between rooms."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

from ontogeny.core.errors import DiskError, Fault, RunError

DISK_ERRNOS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.EACCES, errno.EPERM}
STAGE_FOLDER = re.compile(r"(\d+)-([^.]+)(?:\.(\d+))?")
PLACE_ERRNOS = {errno.EEXIST, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EISDIR, errno.ELOOP}


@contextlib.contextmanager
def disk_faults(path: Path) -> Generator[None]:
    """Turns a refused write into a DiskError that names the place."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in DISK_ERRNOS:
            raise
        raise DiskError(
            Fault(
                "the disk refused a write.",
                str(path),
                problem.strerror or str(problem),
                "room and permission to write",
                "free some space and run again with --resume",
            )
        ) from problem


@contextlib.contextmanager
def place_faults(path: Path) -> Generator[None]:
    """Turns a place where no folder can be into a RunError."""
    try:
        yield
    except OSError as problem:
        if problem.errno not in PLACE_ERRNOS:
            raise
        raise RunError(
            Fault(
                "no run directory can be here.",
                str(path),
                problem.strerror or str(problem),
                "a folder, or a place for one",
                "choose another --out",
            )
        ) from problem


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
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        sync(path.parent)
    return path


def write_json(path: Path, value: Any) -> Path:
    """`write_atomic` of indented JSON."""
    return write_atomic(path, json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def sync(path: Path) -> None:
    """fsync of a file, or of a folder, so that a rename in it lasts."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def publish_folder(temporary: Path, final: Path) -> None:
    """Makes a folder written aside appear under its name at once; what stood there goes away after."""
    with disk_faults(final):
        for path in temporary.rglob("*"):
            if path.is_file() or path.is_dir():
                sync(path)
        sync(temporary)
        old = final.with_name(f".{final.name}.{os.getpid()}.old")
        if final.exists():
            final.rename(old)
        temporary.rename(final)
        sync(final.parent)
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
        found = []
        for path in (self.path / "stages").glob("[0-9]*"):
            if (named := STAGE_FOLDER.fullmatch(path.name)) and path.is_dir():
                found.append((int(named[1]), int(named[3] or 1), path))
        return [path for _, _, path in sorted(found)]

    def read_json(self, name: str | Path) -> Any:
        """A JSON file of the run, or None where it is not there."""
        try:
            return json.loads((self.path / name).read_bytes())
        except FileNotFoundError:
            return None
        except ValueError as problem:
            raise self._spoiled(name, str(problem)) from problem

    def read_jsonl(self, name: str | Path) -> list[Any]:
        """The lines of a JSON-lines file of the run; a half-written last line is left out."""
        try:
            raw = (self.path / name).read_bytes()
        except FileNotFoundError:
            return []
        whole = raw[: raw.rfind(b"\n") + 1].split(b"\n")  # a newline alone ends a line: text may hold U+2028
        found = []
        for number, line in enumerate(whole, 1):
            try:
                found += [json.loads(line)] if line.strip() else []
            except ValueError as problem:
                raise self._spoiled(f"{name}:{number}", str(problem)) from problem
        return found

    def _spoiled(self, place: str | Path, problem: str) -> RunError:
        return RunError(
            Fault(
                "a file of the run is spoiled.",
                str(self.path / place),
                problem,
                "JSON as it was written",
                "restore the file",
            )
        )

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

    def require_machine(self, ranks: int, zero_stage: int) -> None:
        """Refuses to go on from a checkpoint that other ranks or another ZeRO stage wrote.

        Raises: RunError that names what differs."""
        for checkpoint in self.checkpoints()[-1:]:
            made = self.read_json(checkpoint / "state.json")["machine"]
            asked = {"ranks": ranks, "zero_stage": zero_stage}
            other = [key for key in asked if asked[key] != made[key]]
            if other:
                raise RunError(
                    Fault(
                        "a checkpoint was made on another machine layout.",
                        str(checkpoint),
                        ", ".join(f"machine.{key} {asked[key]}" for key in other),
                        ", ".join(f"machine.{key} {made[key]}" for key in other),
                        "resume with the settings it was made with",
                    )
                )

    @contextlib.contextmanager
    def lock(self, name: str = ".lock", wait_s: float = 0.0) -> Generator[None]:
        """Holds the run for this process; the kernel lets go when the process ends, however it ends.

        Raises: RunError when another process holds it after `wait_s` seconds."""
        with place_faults(self.path), disk_faults(self.path):
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
                        raise RunError(
                            Fault(
                                "another process is on this run.",
                                str(self.path),
                                "a lock that is held",
                                "one process at a time",
                                "wait for it to end, or stop it",
                            )
                        ) from None
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
        raise RunError(
            Fault(
                "an append-only file is shorter than its checkpoint says.",
                str(path),
                f"{size} bytes",
                f"at least {length}",
                "restore the file, or delete the newest checkpoint",
            )
        )
    with disk_faults(path), open(path, "r+b") as file:
        file.truncate(length)
        file.flush()
        os.fsync(file.fileno())
