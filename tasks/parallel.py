"""Threads that work a few items ahead, with the results in the order of the items."""

import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import TypeVar

from tasks.neural.devices import cores

Item = TypeVar("Item")
Result = TypeVar("Result")
AHEAD = 2
"""Items per thread that are begun or done before they are asked for: so many results may be in memory."""


def in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `work(item)` of each item, in order, computed by as many threads as there are cores.

    The libraries that decode (Pillow, libsndfile, torch, tokenizers) release the interpreter while they work.
    The first error ends it; what was begun ahead is finished, and nothing more is begun.
    """
    workers, waiting = cores(), deque[Future[Result]]()
    with ThreadPoolExecutor(workers, initializer=_one_thread_each) as pool:
        try:
            for item in items:
                waiting.append(pool.submit(work, item))
                if len(waiting) > workers * AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _one_thread_each() -> None:
    """Let torch, where it is in use, compute with one thread: the workers themselves fill the cores."""
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.set_num_threads(1)


def batched(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield lists of `size` items, the last one shorter."""
    rest = iter(items)
    while batch := list(islice(rest, size)):
        yield batch


def one_ahead(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """Yield `work(item)` of each item, in order; a thread of its own works on the next one meanwhile."""
    coming: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=1, initializer=_one_thread_each) as maker:
        for item in items:
            coming.append(maker.submit(work, item))
            if len(coming) > 1:
                yield coming.popleft().result()
        while coming:
            yield coming.popleft().result()
