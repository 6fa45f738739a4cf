"""Work shared among processes, one a core. Where there is little of it, it is done here."""

from __future__ import annotations

import errno
import importlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from typing import Any

FEW_BYTES = 8 << 20  # less work than this is not worth starting processes for, half a second of a core each
IN_FLIGHT = 4  # tasks handed out a process, so that a long list does not wait in memory


class Workers:
    """Runs module-level functions on tasks that pickle; processes start with the first work that is worth it."""

    def __init__(self, count: int | None = None):
        self.count = count or len(os.sched_getaffinity(0))
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        return self

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)

    def start(self, total_bytes: int, module: str) -> None:
        """Starts the processes, where there will be work worth it; they load a module of it meanwhile."""
        if self.count > 1 and self._pool is None and total_bytes >= FEW_BYTES:
            pool = self._started()
            for _ in range(self.count):
                pool.submit(_load, module)

    def each(self, work: Callable[[Any], Any], tasks: Sequence[Any], total_bytes: int) -> Iterator[tuple[int, Any]]:
        """(index of the task, its result), as they are done. An exception of a task is raised here."""
        if self.count == 1 or len(tasks) < 2 or (self._pool is None and total_bytes < FEW_BYTES):
            yield from ((index, work(task)) for index, task in enumerate(tasks))
            return
        pool = self._started()
        waiting: dict[Future, int] = {}
        for index, task in enumerate(tasks):
            waiting[_submitted(pool, work, task)] = index
            if len(waiting) >= IN_FLIGHT * self.count:
                yield from _some(waiting)
        while waiting:
            yield from _some(waiting)

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            spawn = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(self.count, mp_context=spawn, initializer=_begin)
        return self._pool


def _submitted(pool: ProcessPoolExecutor, work: Callable[[Any], Any], task: Any) -> Future:
    try:
        return pool.submit(work, task)
    except BrokenProcessPool:
        raise _ended() from None


def _some(waiting: dict[Future, int]) -> Iterator[tuple[int, Any]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    for future in done:
        try:
            yield waiting.pop(future), future.result()
        except BrokenProcessPool:
            raise _ended() from None


def _ended() -> OSError:
    return OSError(errno.ENOMEM, "a worker process was ended from outside, as a system does that is short of memory")


def _load(module: str) -> None:
    importlib.import_module(module)


def _begin() -> None:
    """In a worker: one thread, no say in Ctrl-C, and an end when the parent ends."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    os.environ["OMP_NUM_THREADS"] = "1"
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=lambda: (parent.join(), os._exit(1)), daemon=True).start()
