"""In which order things are measured: who goes first changes from repeat to repeat."""

from collections.abc import Iterator


def interleaved(names: list[str], repeats: int) -> Iterator[tuple[int, str]]:
    """Yield (repeat, name), every name once in each repeat, each repeat beginning one name further on.

    What changes slowly, the machine's temperature or its neighbours, then falls on all alike.
    """
    for repeat in range(repeats):
        first = repeat % len(names) if names else 0
        yield from ((repeat, name) for name in [*names[first:], *names[:first]])
