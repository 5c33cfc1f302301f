"""A bad table is answered in one line, or its bad rows are refused by name; what was ingested before stays."""

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import bad
import pandas as pd
import pytest
from bad import GOOD, ROWS, STAYS, write

from tasks.workspace import Workspace

ARRAY = "write one object a line, not an array (`jq -c '.[]'` does it)"
UTF8 = "save the table as UTF-8, e.g. `iconv -f WINDOWS-1252 -t UTF-8`"
OBJECTS = "".join(json.dumps({"text": f"text {number}", "label": "ab"[number % 2]}) + "\n" for number in range(60))
LISTED = "; see data/colours/refused.csv, mend them and run again"
SHARE = "samples are refused, more than ingest.refused_share 0.1 allows: "


def excel() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as book:
        book.writestr("[Content_Types].xml", "<Types/>")
    return stream.getvalue()


def parquet(**columns: Any) -> bytes:
    stream = io.BytesIO()
    whole = {"text": [f"text {number}" for number in range(60)], "label": ["a", "b"] * 30}
    pd.DataFrame(whole | columns).to_parquet(stream)
    return stream.getvalue()


def labelled(*labels: Any) -> str:
    rows = [{"text": f"text {number}", "label": labels[number % len(labels)]} for number in range(60)]
    return "".join(json.dumps(row) + "\n" for row in rows)


STOPPED: dict[str, tuple[str, str | bytes, str]] = {
    "an empty file": ("csv", "", f"table.csv: is empty; expected a header and rows{STAYS}"),
    "only blank lines": ("csv", "\n\n\n", f"table.csv: is empty; expected a header and rows{STAYS}"),
    "only a header": ("csv", "text,label\n", f"table.csv: is empty; expected a row per sample{STAYS}"),
    "a single row": (
        "csv", "text,label\na,b\n", f"all 1 samples have the label b; add samples of others{STAYS}",
    ),
    "Latin-1": (
        "csv", GOOD.encode() + "caf\xe9,a\n".encode("latin-1"),
        f"table.csv: line 62 is not UTF-8 (byte 0xe9 at position 3); {UTF8}{STAYS}",
    ),
    "JSONL in Latin-1": (
        "jsonl", '{"text": "caf\xe9"}'.encode("latin-1"),
        f"table.jsonl: line 1 is not UTF-8 (byte 0xe9 at position 13); {UTF8}{STAYS}",
    ),
    "UTF-16": (
        "csv", GOOD.encode("utf-16"), f"table.csv: is UTF-16; save it as UTF-8, e.g. `iconv -f UTF-16 -t UTF-8`{STAYS}",
    ),
    "a quotation mark that is never closed": (
        "csv", GOOD + '"open,a\nmore,b\n', "table.csv: a quotation mark opened in row 62 is never closed; close it, or "
        f'write "" for a mark inside a cell{STAYS}',
    ),
    "a row with too many cells": (
        "csv", GOOD + "red, blue,a\n",
        f"table.csv: line 62 has 3 cells, the header 2; put cells that hold a ',' in quotation marks{STAYS}",
    ),
    "rows longer than the header throughout": (
        "csv", "text,label\na,b,c\n",
        f"table.csv: line 2 has 3 cells, the header 2; put cells that hold a ',' in quotation marks{STAYS}",
    ),
    "a missing column": (
        "csv", GOOD.replace("label", "stars"), f"table.csv: no column label; there are: text, stars{STAYS}",
    ),
    "a column twice": (
        "csv", "text,label,text\na,b,c\n", f"table.csv: column text stands twice in the header; rename one{STAYS}",
    ),
    "columns with blanks around their names": (
        "csv", GOOD.replace("text,label", " text,label "),
        "table.csv: no column text, label; there are: ' text', 'label '. Did you mean ' text' and 'label '? Mend the "
        f"header, or ingest.source.columns{STAYS}",
    ),
    "columns in capitals": (
        "csv", GOOD.replace("text,label", "Text,LABEL"),
        "table.csv: no column text, label; there are: Text, LABEL. Did you mean 'Text' and 'LABEL'? Mend the header, "
        f"or ingest.source.columns{STAYS}",
    ),
    "cut by semicolons": (
        "csv", GOOD.replace(",", ";"), "table.csv: no column text, label; there are: text;label; is it separated by "
        f"';'? Save it with commas{STAYS}",
    ),
    "a TSV named CSV": (
        "csv", GOOD.replace(",", "\t"), "table.csv: no column text, label; there are: text\tlabel; is it separated by "
        f"tabs? Let its name end in .tsv{STAYS}",
    ),
    "a CSV named TSV": (
        "tsv", GOOD, "table.tsv: no column text, label; there are: text,label; is it separated by commas? Let its "
        f"name end in .csv{STAYS}",
    ),
    "an Excel file named CSV": (
        "csv", excel(), "table.csv: is an Excel file or a ZIP archive; save the sheet as CSV (UTF-8), or unpack the "
        f"archive{STAYS}",
    ),
    "an old Excel file named CSV": (
        "csv", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(500),
        f"table.csv: is an old Excel file; save the sheet as CSV (UTF-8){STAYS}",
    ),
    "a compressed CSV": (
        "csv", gzip.compress(GOOD.encode()), f"table.csv: is a gzip archive; unpack it{STAYS}",
    ),
    "a web page": (
        "csv", "\n<!DOCTYPE html>\n<html>Please sign in</html>",
        f"table.csv: is an HTML page; fetch the file itself: the page may tell of an error or ask for a login{STAYS}",
    ),
    "a Git LFS pointer": (
        "csv", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
        "table.csv: is a Git LFS pointer; run `git lfs pull` where it comes from" + STAYS,
    ),
    "a kind of table we do not read": (
        "xlsx", excel(), "table.xlsx: is no table by its name; expected one of .csv, .tsv, .jsonl, .parquet" + STAYS,
    ),
    "a JSON array in one line": (
        "jsonl", '[{"text": "a", "label": "b"}]', f"table.jsonl row 1: is no JSON object; {ARRAY}{STAYS}",
    ),
    "a JSON array in lines": (
        "jsonl", '[\n{"text": "a", "label": "b"}\n]',
        f"table.jsonl row 1: is no JSON (Expecting value: line 2 column 1 (char 2)); {ARRAY}{STAYS}",
    ),
    "a JSONL cut off in the middle": (
        "jsonl", OBJECTS + '{"text": "x", "la', "table.jsonl row 61: is no JSON (Unterminated string starting at: "
        f"line 1 column 15 (char 14)); write one JSON object a line{STAYS}",
    ),
    "JSON nested without end": (
        "jsonl", '{"text": ' + "[" * 100_000, "table.jsonl row 1: is no JSON (nested too deep); write one JSON object "
        f"a line{STAYS}",
    ),
    "a truncated Parquet file": (
        "parquet", parquet()[:300], "table.parquet: is no table of texts and numbers, or not all of it (Parquet magic "
        f"bytes not found in footer){STAYS}",
    ),
    "an empty Parquet file": (
        "parquet", b"", "table.parquet: is no table of texts and numbers, or not all of it (Parquet file size is 0 "
        f"bytes){STAYS}",
    ),
    "a CSV named Parquet": (
        "parquet", GOOD, "table.parquet: is no table of texts and numbers, or not all of it (Parquet magic bytes not "
        f"found in footer){STAYS}",
    ),
    "a nested Parquet column": (
        "parquet", parquet(label=[["a"], ["b"]] * 30),
        f"table.parquet: column label holds list<element: string>; expected texts or numbers{STAYS}",
    ),
    "a Parquet column of bytes": (
        "parquet", parquet(label=[b"\xff"] * 60),
        f"table.parquet: column label holds binary; expected texts or numbers{STAYS}",
    ),
    "no label anywhere": (
        "csv", GOOD.replace(",a", ",").replace(",b", ","),
        f"60 of 60 {SHARE}table.csv row 10 (has no label); table.csv row 11 (has no label); table.csv row 12 (has no "
        f"label){LISTED}",
    ),
    "labels of mixed types, some null": (
        "jsonl", labelled(1, "1", True, None, 1.0),
        f"12 of 60 {SHARE}table.jsonl row 14 (has no label); table.jsonl row 19 (has no label); table.jsonl row 24 "
        f"(has no label){LISTED}",
    ),
}  # fmt: skip
"""By what is wrong: the suffix, the content, and the line the user reads."""

NUL = "holds a NUL byte, which no text has"
TORN = "table.csv row 2 and table.csv row 62 hold the same but are labelled a and b"
USED: dict[str, tuple[str, str | bytes, dict[str, int], dict[str, str]]] = {
    "a byte order mark": ("csv", b"\xef\xbb\xbf" + GOOD.encode(), {"used": 60}, {}),
    "Windows line ends": ("csv", GOOD.replace("\n", "\r\n"), {"used": 60}, {}),
    "old Mac line ends": ("csv", GOOD.replace("\n", "\r"), {"used": 60}, {}),
    "an extra column": ("csv", GOOD.replace("\n", ",z\n"), {"used": 60}, {}),
    "extra columns without a name": ("csv", GOOD.replace("\n", ",,\n"), {"used": 60}, {}),
    "a nested column nobody asks for": ("parquet", parquet(more=[["a"], ["b"]] * 30), {"used": 60}, {}),
    "quotation marks inside a cell": ("csv", GOOD + 'say "hi" there,a\n', {"used": 61}, {}),
    "labels of mixed types": ("jsonl", labelled(1, "1", True), {"used": 60}, {}),
    "the same row twice": ("csv", GOOD + ROWS[0] + "\n", {"used": 60, "duplicates": 1}, {}),
    "the same text under two labels": (
        "csv", GOOD + "text 0,b\n", {"used": 59, "refused": 2}, {"table.csv row 2": TORN, "table.csv row 62": TORN},
    ),
    "rows with too few cells": (
        "csv", GOOD + "only a text\n", {"used": 60, "refused": 1}, {"table.csv row 62": "has no label"},
    ),
    "a NUL byte in a text": ("csv", GOOD + "a\0b,a\n", {"used": 60, "refused": 1}, {"table.csv row 62": NUL}),
    "a NUL byte in a label": ("csv", GOOD + "text,a\0\n", {"used": 60, "refused": 1}, {"table.csv row 62": NUL}),
    "half a character": (
        "jsonl", OBJECTS + '{"text": "\\ud800", "label": "a"}', {"used": 60, "refused": 1},
        {"table.jsonl row 61": "holds half a surrogate pair: it was cut or decoded wrongly"},
    ),
    "a cell of 100 MB": (
        "csv", GOOD + "x" * 100_000_000 + ",a\n", {"used": 60, "refused": 1},
        {"table.csv row 62": "has 100,000,000 characters"},
    ),
}  # fmt: skip
"""By what is odd: the suffix, the content, what is counted, and which rows are refused for what."""


@pytest.fixture(autouse=True)
def project(root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    bad.ingested(root, monkeypatch, capsys)


def declare(root: Path, suffix: str, content: str | bytes) -> None:
    """Put another table in the place of the good one."""
    write(root / "texts" / f"table.{suffix}", content)
    write(root / "params.yaml", bad.PARAMS.replace("colours.csv", f"table.{suffix}"))


@pytest.mark.parametrize("case", STOPPED)
def test_it_stops_with_one_line_and_the_earlier_data_stays(
    root: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    suffix, content, told = STOPPED[case]
    declare(root, suffix, content)
    before = bad.standing(root)
    assert bad.stage("ingest", "colours", capsys) == (1, "", f"colours: {told}\n")
    assert bad.standing(root) == before


@pytest.mark.parametrize("case", USED)
def test_every_row_is_used_refused_by_name_or_a_duplicate(
    root: Path, capsys: pytest.CaptureFixture[str], case: str
) -> None:
    suffix, content, counts, refused = USED[case]
    declare(root, suffix, content)
    assert bad.stage("ingest", "colours", capsys).code == 0
    workspace = Workspace(root, "colours")
    counted = {name: workspace.counters("ingest")[name] for name in ("read", "used", "refused", "duplicates")}
    assert counted == {"refused": 0, "duplicates": 0, "read": sum(counts.values())} | counts
    listed = pd.read_csv(workspace.raw / "refused.csv")
    assert dict(zip(listed["name"], listed["reason"], strict=True)) == refused
    assert len(pd.read_parquet(workspace.raw / "manifest.parquet")) == counts["used"]


PATHS = {
    "pictures/gone.png": "there is no such file",
    "pictures": "is a folder",
    "../secret.png": "leads out of the source's folder",
    "/etc/hostname": "leads out of the source's folder",
    "link.png": "is a link that leads out of the source's folder",
    "x" * 300 + ".png": "cannot be looked at (File name too long)",
}
"""What a column of paths may name, and why it is refused."""


def test_paths_that_lead_nowhere_or_out_are_refused_and_the_rest_used(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = root / "set/pictures/absolute.png"
    for number in range(60):
        write(root / f"set/pictures/{number}.png", f"picture {number}")
    write(whole, "absolute")
    (root / "set/link.png").symlink_to(write(root / "secret.png", "secret"))
    rows = [f"pictures/{number}.png,{'ab'[number % 2]}" for number in range(60)]
    rows += [f"{path},a" for path in PATHS] + [f"{whole},a", ",a"]
    write(root / "set/labels.csv", "\n".join(["text,label", *rows]))
    old = bad.PARAMS[bad.PARAMS.index("        kind: table") : bad.PARAMS.index("        columns: {content: text")]
    new = "        kind: folder\n        path: set\n        table: labels.csv\n"
    write(root / "params.yaml", bad.PARAMS.replace(old, new).replace("refused_share: 0.1", "refused_share: 0.2"))
    assert bad.stage("ingest", "colours", capsys).code == 0
    raw = Workspace(root, "colours").raw
    listed = pd.read_csv(raw / "refused.csv")
    assert dict(zip(listed["name"], listed["reason"], strict=True)) == PATHS | {"labels.csv row 69": "names no file"}
    manifest = pd.read_parquet(raw / "manifest.parquet").set_index("name")
    assert len(manifest) == 61
    assert (raw / manifest.loc["pictures/absolute.png", "path"]).read_text() == whole.read_text() == "absolute"
