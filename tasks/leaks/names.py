"""What stands in the names of samples: a stem, a running number, a stem that several share."""

import re
from pathlib import PurePosixPath

ROW = re.compile(r" row (\d+)$")
"""How rows of a table of texts are named: reviews.csv row 12."""
NUMBER = re.compile(r"\d+")
ENDING = r"(?:[ _.\-]*\(?\d+\)?|[ _.\-]+[A-Za-z])"
TAIL = re.compile(ENDING + "$")
"""What numbers the files of one thing: patient12_a, patient12_b, 7_jackson_32, day3 (2)."""
STEM_PATTERN = rf"([^/]*?){ENDING}\.[^./]*$"
FOLDER_PATTERN = "^[^/]+/(.+)/"


def stem(name: str) -> str:
    """Return the file's name without folders and suffix; nothing for the row of a table."""
    return "" if ROW.search(name) else PurePosixPath(name).stem


def letters(name: str) -> str:
    """Return the stem with each number as one #: what is said of a sample apart from its count."""
    return NUMBER.sub("#", stem(name))


def number(name: str) -> float:
    """Return the running number: the row of a table, or the last number in the stem; NaN without one."""
    found = ROW.findall(name) or NUMBER.findall(stem(name))
    return float(found[-1][-15:]) if found else float("nan")


def family(name: str) -> str:
    """Return what a file may share with others of the same thing: its stem without the number or letter at the end."""
    whole = stem(name)
    base = TAIL.sub("", whole)
    return base if base != whole else ""


def inner_folder(name: str) -> str:
    """Return the folder below the class folder that a file lies in; nothing where there is none."""
    parts = PurePosixPath(name).parts
    return "/".join(parts[1:-1]) if len(parts) > 2 else ""
