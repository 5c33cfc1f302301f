"""Where memory runs out, work goes on with half as many samples at once, and says so."""

from collections.abc import Callable

import numpy as np
import torch

from tasks import accidents
from tasks.errors import ResourceError
from tasks.objectives import Array
from tasks.progress import note


def ran_out(error: BaseException) -> bool:
    """Tell whether an error means that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(said in str(error).lower() for said in accidents.SHORT)


class Room:
    """How many samples are computed at once: `most` of them, until memory says otherwise."""

    def __init__(self, most: int) -> None:
        self.most = most

    def halve(self, least: int) -> None:
        """Go on with half as many; ResourceError where that would be fewer than `least`."""
        if self.most // 2 < least:
            raise ResourceError(
                f"memory runs out even with a batch of {self.most}, and fewer cannot be computed; close other "
                "programs, choose a smaller backbone, or lower batch_size"
            )
        note(f"memory runs out with {self.most} samples at once: going on with {self.most // 2} (lower batch_size)")
        self.most //= 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def through(self, count: int, work: Callable[[slice], Array]) -> Array:
        """Return `work` of all `count` samples of a batch, in parts where it does not fit as a whole."""
        done: list[Array] = []
        first = 0
        while first < count:
            part = slice(first, min(first + self.most, count))
            try:
                done.append(work(part))
                first = part.stop
                continue
            except (RuntimeError, MemoryError) as error:
                if not ran_out(error):
                    raise
            # Outside the except clause: until it is left, the error holds on to what did not fit.
            self.most = min(self.most, count)
            self.halve(least=1)
        return done[0] if len(done) == 1 else np.concatenate(done)
