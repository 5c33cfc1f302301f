"""Work done behind the back of whoever orders it: one thread, one attempt at a time."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future


class Courier:
    """Calls `errand` once for all the orders that wait, on a thread that never keeps the process alive."""

    def __init__(self, errand: Callable[[], None]) -> None:
        self._errand = errand
        self._orders: queue.SimpleQueue[Future[None]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="courier", daemon=True).start()

    def order(self) -> Future[None]:
        """Ask for the errand and return at once; the receipt holds the error if the errand failed."""
        receipt: Future[None] = Future()
        self._orders.put(receipt)
        return receipt

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
