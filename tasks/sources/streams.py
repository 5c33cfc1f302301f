"""Streams that archives are read through: decompressed, cut to a part, and known to be whole."""

import bz2
import gzip
import lzma
import tarfile
from collections.abc import Callable
from typing import IO, Any

from tasks.errors import SourceError

CHUNK = 2**20


class Whole:
    """A tar that is read to its end: the reader of the standard library takes one cut off for a shorter one."""

    def __init__(self, stream: IO[bytes], bearable: int) -> None:
        self._stream, self._last, self._bearable = stream, b"", bearable

    def read(self, size: int) -> bytes:
        """Return the next bytes, as any file does."""
        chunk = self._stream.read(size)
        self._last = (self._last + chunk)[-tarfile.BLOCKSIZE :]
        return chunk

    def end(self) -> None:
        """Read what is left, by which a compressed file is checked; SourceError if no block of noughts ends it.

        Of what lies behind the end no more is read than `bearable` bytes.
        """
        left = 0
        while chunk := self.read(CHUNK):
            left += len(chunk)
            if left > self._bearable:
                raise SourceError("goes on behind its end: a compression bomb")
        if self._last != bytes(tarfile.BLOCKSIZE):
            raise SourceError("is cut off; fetch it again")


class Part:
    """The next `size` bytes of a stream."""

    def __init__(self, stream: IO[bytes], size: int) -> None:
        self._stream, self._left = stream, size

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as any file does."""
        chunk = self._stream.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(chunk)
        return chunk


COMPRESSED: dict[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
    b"\x5d\x00\x00": lzma.open,
}
"""By the first bytes: what decompresses a tar."""


def decompressed(stream: Any) -> Any:
    """Return a stream of what `stream` holds, by its first bytes; as it is if it is not compressed."""
    start = stream.read(6)
    opened = next((reader for begin, reader in COMPRESSED.items() if start.startswith(begin)), None)
    joined = _Joined(start, stream)
    return opened(joined) if opened else joined


class _Joined:
    """Bytes that were read already, and then the rest of their stream."""

    def __init__(self, start: bytes, stream: Any) -> None:
        self._start, self._stream = start, stream

    def read(self, size: int = -1) -> bytes:
        """Return the next bytes, as any file does."""
        if not self._start:
            return bytes(self._stream.read(size))
        chunk, self._start = (self._start, b"") if size < 0 else (self._start[:size], self._start[size:])
        return chunk
