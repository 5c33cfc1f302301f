"""What a table, an archive or a file of weights really is, by its first bytes, where its name says something else."""

from pathlib import Path

from tasks.signatures import GZIP, HTML, LFS, PDF, PNG, Signature

FIRST = 512
"""Bytes that are looked at."""
ZIP = Signature("an Excel file or a ZIP archive", "", "save the sheet as CSV (UTF-8), or unpack the archive")
UTF_16 = Signature("UTF-16", "", "save it as UTF-8, e.g. `iconv -f UTF-16 -t UTF-8`")
KINDS = {
    b"version https://git-lfs": LFS,
    b"<!doctype html": HTML,
    b"<html": HTML,
    b"pk\x03\x04": ZIP,
    b"\xd0\xcf\x11\xe0": Signature("an old Excel file", "", "save the sheet as CSV (UTF-8)"),
    b"\x1f\x8b": GZIP,
    b"par1": Signature("a Parquet file", "", "let its name end in .parquet"),
    b"\xff\xfe": UTF_16,
    b"\xfe\xff": UTF_16,
    b"\x89png": PNG,
    b"%pdf": PDF,
}
"""First bytes, in small letters. Others that samples are known by may begin an archive, by the name of its first file,
or a file of weights, by the length of its header."""


def misnamed(path: Path, *fitting: Signature) -> str | None:
    """Say what the file at `path` is and what to do, if its first bytes are of KINDS and not among those `fitting`."""
    with path.open("rb") as stream:
        first = stream.read(FIRST).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    found = next((kind for begin, kind in KINDS.items() if first.startswith(begin)), None)
    return None if found is None or found in fitting else f"is {found.name}; {found.mend}"
