"""Work done behind the back of whoever orders it: one thread, one attempt at a time."""

import atexit
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait


class Courier:
    """Calls `errand` once for all the orders that wait, on a thread of its own.

    At its end the process waits for what is ordered, at most `patience_seconds`: a thread that is torn out of the
    middle of foreign code can take the whole process down with it.
    """

    def __init__(self, errand: Callable[[], None], patience_seconds: float) -> None:
        self._errand = errand
        self._orders: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        self._last: Future[None] | None = None
        threading.Thread(target=self._work, name="courier", daemon=True).start()
        atexit.register(self._rest, patience_seconds)

    def order(self) -> Future[None]:
        """Ask for the errand and return at once; the receipt holds the error if the errand failed."""
        self._last = Future()
        self._orders.put(self._last)
        return self._last

    def _rest(self, seconds: float) -> None:
        wait([self._last] if self._last else [], timeout=seconds)

    def _work(self) -> None:
        while True:
            receipts = [self._orders.get()]
            while not self._orders.empty():
                receipts.append(self._orders.get())
            try:
                self._errand()
            except Exception as error:  # whoever waits for the receipt decides what an error means
                for receipt in receipts:
                    receipt.set_exception(error)
            else:
                for receipt in receipts:
                    receipt.set_result(None)
