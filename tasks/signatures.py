"""Tells by its first bytes what a file is that is not what it should be: an HTML page, a HEIC picture, a video."""

from typing import NamedTuple


class Signature(NamedTuple):
    """What a file is, in words; what could be made of it (`picture`, `sound` or nothing); else what to do."""

    name: str
    kin: str
    mend: str


ITSELF = "put the file itself in its place"
AGAIN = "copy or download it again"
PNG, PDF = Signature("a PNG picture", "picture", ITSELF), Signature("a PDF document", "picture", ITSELF)
GZIP = Signature("a gzip archive", "", "unpack it")
LFS = Signature("a Git LFS pointer", "", "run `git lfs pull` where it comes from")
HTML = Signature("an HTML page", "", "fetch the file itself: the page may tell of an error or ask for a login")
STARTS = {
    b"\x89PNG\r\n\x1a\n": PNG,
    b"\xff\xd8\xff": Signature("a JPEG picture", "picture", ITSELF),
    b"GIF8": Signature("a GIF picture", "picture", ITSELF),
    b"II*\0": Signature("a TIFF picture", "picture", ITSELF),
    b"MM\0*": Signature("a TIFF picture", "picture", ITSELF),
    b"\0\0\1\0": Signature("an icon (ICO)", "picture", ITSELF),
    b"%PDF": PDF,
    b"%!PS": Signature("a PostScript document", "picture", ITSELF),
    b"PK\3\4": Signature("a ZIP archive", "", "unpack it"),
    b"\x1f\x8b": GZIP,
    b"\x1aE\xdf\xa3": Signature("a Matroska or WebM video", "sound", ITSELF),
    b"fLaC": Signature("a FLAC recording", "sound", ITSELF),
    b"OggS": Signature("an OGG recording", "sound", ITSELF),
    b"ID3": Signature("an MP3 recording", "sound", ITSELF),
    b"version https://git-lfs": LFS,
}
INSIDE = {
    b"WEBP": Signature("a WebP picture", "picture", ITSELF),
    b"WAVE": Signature("a WAV recording", "sound", ITSELF),
    b"AVI ": Signature("an AVI video", "sound", ITSELF),
}
"""What a RIFF file holds."""
HEIC = Signature("a HEIC picture", "picture", ITSELF)
BRANDS = {b"hei": HEIC, b"hev": HEIC, b"mif": HEIC}
BRANDS |= {
    b"avi": Signature("an AVIF picture", "picture", ITSELF),
    b"M4A": Signature("an M4A recording", "sound", ITSELF),
}
VIDEO = Signature("an MP4 video", "sound", ITSELF)
"""What a file of the ISO family (MP4) holds, by the first letters of its brand; most others are videos."""
LOOKED_AT = 2048


def signature(content: bytes) -> Signature | None:
    """Return what the bytes are, or None where nothing is known of them."""
    return binary(content) or _written(content[:LOOKED_AT])


def binary(content: bytes) -> Signature | None:
    """Return what the bytes are if they are no text."""
    for start, found in STARTS.items():
        if content.startswith(start):
            return found
    if content[:4] == b"RIFF" and content[8:12] in INSIDE:
        return INSIDE[content[8:12]]
    if content[4:8] == b"ftyp":
        return BRANDS.get(content[8:11], VIDEO)
    if content and not content.strip(b"\0"):
        return Signature("nothing but zero bytes", "", AGAIN)
    return None


def _written(start: bytes) -> Signature | None:
    """Return which kind of text it is; the last letter may be cut."""
    text = start.decode("utf-8-sig", "replace").rstrip("�").lstrip().lower()
    if text.startswith(("<!doctype html", "<html")):
        return HTML
    if "<svg" in text and text.startswith("<"):
        return Signature("an SVG drawing", "picture", ITSELF)
    if text and "�" not in text and "\0" not in text:
        return Signature("a text", "", ITSELF)
    return None
