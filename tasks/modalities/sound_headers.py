"""What a sound file's header announces and the file does not hold: libsndfile reads what there is and says nothing."""

import struct

STREAMED = 0x7FFF0000
"""A program that writes into a pipe cannot know the length: it announces this or more, and means "to the end"."""
LAST_PAGE = 4
"""The bit of an OGG page's header type that says that no page follows (RFC 3533, section 6)."""
MP3_FRAME = 1152
TAGS = (b"Xing", b"Info")
"""What begins the header of an MP3 that knows how many frames it has; without it the length is a guess."""


def missing(content: bytes, kind: str, announced: int, read: int) -> str:
    """Say what is missing of a file of libsndfile's format `kind`, which gave `read` frames of those `announced`."""
    if kind == "OGG" and not _ends(content):
        return "its last page is missing or not whole"
    if kind == "MP3" and not any(tag in content[: 2**16] for tag in TAGS):
        return ""
    if announced - read > (2 * MP3_FRAME if kind == "MP3" else 0):
        return f"its header announces {announced:,} samples, the file holds {read:,}"
    chunk = _sound_chunk(content)
    if chunk is None or chunk[0] >= STREAMED or chunk[0] <= chunk[1]:
        return ""
    return f"its header announces {chunk[0]:,} bytes of sound, the file holds {chunk[1]:,}"


def _ends(content: bytes) -> bool:
    """Tell whether the last page of an OGG file is marked as such, and whole."""
    place = content.rfind(b"OggS")
    page = content[place : place + 27 + 255]
    if len(page) < 27 or not page[5] & LAST_PAGE:
        return False
    lengths = page[27 : 27 + page[26]]
    return place + 27 + len(lengths) + sum(lengths) <= len(content)


def _sound_chunk(content: bytes) -> tuple[int, int] | None:
    """Return the size of the sound that a WAV's or AIFF's header announces and what there is, in bytes."""
    order, wanted = {b"RIFF": ("<", b"data"), b"FORM": (">", b"SSND"), b"RIFX": (">", b"data")}.get(
        content[:4], ("", b"")
    )
    place = 12
    while order and place + 8 <= len(content):
        (size,) = struct.unpack(f"{order}I", content[place + 4 : place + 8])
        if content[place : place + 4] == wanted:
            return size, len(content) - place - 8
        place += 8 + size + size % 2
    return None
