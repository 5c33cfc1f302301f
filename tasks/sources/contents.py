"""What a file really is, by its first bytes, where its name says something else."""

from pathlib import Path

FIRST = 512
"""Bytes that are looked at."""
ZIP, GZIP = b"pk\x03\x04", b"\x1f\x8b"
KINDS = {
    b"version https://git-lfs": "is a Git LFS pointer, not the file itself; run `git lfs pull` where it comes from",
    b"<!doctype html": "is a web page (a sign-in page?), not the file itself; fetch it again",
    b"<html": "is a web page (a sign-in page?), not the file itself; fetch it again",
    ZIP: "is an Excel file or a zip archive; save the sheet as CSV (UTF-8), or unpack the archive",
    b"\xd0\xcf\x11\xe0": "is an old Excel file; save the sheet as CSV (UTF-8)",
    GZIP: "is compressed by gzip; unpack it with gunzip",
    b"par1": "is a Parquet file; let its name end in .parquet",
    b"\xff\xfe": "is UTF-16; save it as UTF-8, e.g. `iconv -f UTF-16 -t UTF-8`",
    b"\xfe\xff": "is UTF-16; save it as UTF-8, e.g. `iconv -f UTF-16 -t UTF-8`",
    b"\x89png": "is a picture",
    b"%pdf": "is a PDF file",
}
"""First bytes, in small letters, that a table of text does not begin with."""


def misnamed(path: Path, *fitting: bytes) -> str | None:
    """Say what the file at `path` is and what to do, if its first bytes are of KINDS and not among those `fitting`."""
    with path.open("rb") as stream:
        first = stream.read(FIRST).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return next((told for begin, told in KINDS.items() if begin not in fitting and first.startswith(begin)), None)
