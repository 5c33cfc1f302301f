"""What was found, in lines for a user: a label and a sentence each."""

from collections import Counter
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.inspection.census import Census
from tasks.inspection.contents import Contents
from tasks.inspection.request import THINGS, Layout

LABELS_LOOKED, LABEL_LETTERS, WRITTEN = 2000, 3, 0.8
"""So many rows are looked at for labels of so many letters; from this share on it is told that they are there."""
Line = tuple[str, str]
SHOWN = 8
"""So many classes are told one by one."""
FEW = 30
"""A class with fewer samples makes for wide intervals."""
IMBALANCE = 5.0
"""From this ratio of the largest to the smallest class on, accuracy alone flatters."""


def lines(layout: Layout, census: Census, contents: Contents, objective: str) -> list[Line]:
    """Return all that is told of the data before anything is proposed."""
    return [
        ("found", _found(layout, census)),
        *(("", sentence) for sentence in layout.said),
        *_looked(census, contents, layout.modality),
        *_beside(layout),
        *_labels(census.table, objective),
        *_written_in(layout, census.table, objective),
        *_unsure(census.table),
        *contents.said,
        *_refused(census, contents),
        *_same(census, contents, layout.modality),
        *_groups(layout, census.table),
    ]


def _found(layout: Layout, census: Census) -> str:
    found = f"{census.found:,} {THINGS[layout.modality]}"
    classes = census.table["label"].nunique()
    source = layout.source.get("inside", layout.source)
    if source["kind"] == "folder" and source["table"] is None:
        found += f" in {classes} folders, whose names are the labels"
    if census.looked < census.found:
        found += f"; they are large, so {census.looked:,} of them were read"
    return found


def _looked(census: Census, contents: Contents, modality: str) -> list[Line]:
    total = len(census.table)
    if not 0 < contents.looked < total:
        return []
    done = "compared for being nearly the same" if modality == "text" else "opened"
    return [("", f"all were counted and {contents.looked:,} of {total:,}, drawn at random, {done}")]


def _beside(layout: Layout) -> list[Line]:
    if not layout.beside:
        return []
    shown = ", ".join(f"{count:,} {suffix}" for suffix, count in Counter(layout.beside).most_common(4))
    return [("beside", f"{shown}: no {THINGS[layout.modality]} by their names, and refused where they lie among them")]


def _labels(table: pd.DataFrame, objective: str) -> list[Line]:
    if objective == "regression":
        low, middle, high = table["label"].min(), table["label"].median(), table["label"].max()
        return [("numbers", f"{low:g} to {high:g}, half of them below {middle:g}")]
    counts = table["label"].value_counts()
    told = [("classes", f"{_counted(counts)}{_width(counts)}")]
    typos = alike(list(map(str, counts.index)))
    if typos:
        shown = "; ".join(" and ".join(map(repr, names)) for names in typos[:3])
        told.append(("labels", f"differ by case, space or sign only: {shown}; if they mean the same, make them one"))
    return told


def _counted(counts: "pd.Series[Any]") -> str:
    shown = [f"{label} {count:,}" for label, count in counts.items()]
    if len(shown) > SHOWN:
        shown = [*shown[: SHOWN - 2], "...", shown[-1]]
    return " · ".join(shown)


def _width(counts: "pd.Series[Any]") -> str:
    least, most = int(counts.iloc[-1]), int(counts.iloc[0])
    told = f"; the smallest has {least:,}: its numbers will be wide" if least < FEW else ""
    return told + (f"; the largest is {most / least:.0f} times the smallest" if most >= IMBALANCE * least else "")


def alike(labels: list[str]) -> list[list[str]]:
    """Return the labels that differ by case, spaces, hyphens or underscores alone, together."""
    families: dict[str, list[str]] = {}
    for label in sorted(labels):
        families.setdefault("".join(label.casefold().replace("_", " ").replace("-", " ").split()), []).append(label)
    return [family for family in families.values() if len(family) > 1]


def _written_in(layout: Layout, table: pd.DataFrame, objective: str) -> list[Line]:
    """Tell where labels can be read besides: in names of files, which no network sees, or in texts, which it does."""
    if objective != "classification" or not layout.whole or layout.source.get("kind") == "names":
        return []
    part = table.head(LABELS_LOOKED)
    contents = part["content"].map(lambda content: content.stem if isinstance(content, Path) else content)
    told = part["label"].str.len() >= LABEL_LETTERS
    pairs = zip(part["label"][told].str.casefold(), contents[told].str.casefold(), strict=True)
    share = sum(label in content for label, content in pairs) / len(part)
    if share < WRITTEN:
        return []
    if isinstance(part["content"].iloc[0], Path):
        return [
            ("names", "the files' names tell the label, too: harmless, for only what is in the files is learnt from")
        ]
    return [("leak", f"{share:.0%} of the texts hold their own label, word for word: take it out, or that is learnt")]


def _unsure(table: pd.DataFrame) -> list[Line]:
    unsure = int((table["confidence"] < 1).sum())
    return [("unsure", f"{unsure:,} labels have a confidence below 1")] if unsure else []


def _refused(census: Census, contents: Contents) -> list[Line]:
    told = []
    if census.refused:
        name, reason = census.refused[0][:2]
        told.append(("unusable", f"{len(census.refused):,} of {census.looked:,} rows, the first {name} ({reason})"))
    if contents.bad:
        name, reason = contents.bad[0]
        told.append(("unreadable", f"{len(contents.bad):,} of {contents.looked:,} opened, the first {name} ({reason})"))
    return told


def _same(census: Census, contents: Contents, modality: str) -> list[Line]:
    if not contents.looked:
        return []
    told = [f"{census.duplicates:,} hold the same bytes as another: kept once" if census.duplicates else "none"]
    if contents.alike is None:
        told.append(f"{THINGS[modality]} that are nearly the same were not looked for")
    elif contents.alike:
        example = " and ".join(contents.alike[0])
        told.append(f"{len(contents.alike):,} pairs of {contents.looked:,} are nearly the same, such as {example}")
    else:
        told.append(f"of {contents.looked:,} none is nearly the same as another")
    return [("duplicates", "; ".join(told))]


def _groups(layout: Layout, table: pd.DataFrame) -> list[Line]:
    count = table["group"].replace("", pd.NA).nunique()
    if count:
        return [("groups", f"{count:,} in {len(table):,} {THINGS[layout.modality]}")]
    if layout.repeated:
        shown = ", ".join(f"{column} ({values:,} values)" for column, values in list(layout.repeated.items())[:4])
        return [("groups", f"none taken; rows that belong together may share {shown}: then add --group COLUMN")]
    thing = THINGS[layout.modality]
    return [("groups", f"none found; if several {thing} show one thing, person or day, add a column that says which")]
