"""Reads a YAML file that anybody may have written: no code is run, nothing unfolds without end, one line per fault."""

import re
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.reader import ReaderError

from tasks.errors import ConfigError

LARGEST = 1_000_000
"""Values in a file with all its aliases unfolded; the longest dvc.lock has a tenth. A bomb has many times more."""
MENDS = {
    r"found character '\\t'": "indent with blanks, not with tabs",
    r"constructor for the tag": "write a plain value; no code is run from here",
    r"found undefined alias": "an anchor of that name must stand above it",
    r"another document": "leave out the second ---",
}
"""What to do, by what the reader says."""


def read(path: Path) -> Any:
    """Return what a YAML 1.2 file holds, read as DVC reads it: 1e-3 is a number, a key written twice is a fault.

    Raises ConfigError, one line, where the file cannot be read, is no YAML or is not what a person writes.
    """
    try:
        content = deepcopy(_loaded(path.read_bytes()))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; run from the project's folder") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except RecursionError:
        raise ConfigError(f"{path.name}: is nested deeper than any person writes") from None
    except YAMLError as error:
        raise ConfigError(f"{path.name}: {_told(error, path)}") from None
    except OverflowError:
        raise ConfigError(f"{path.name}: its aliases unfold to more than {LARGEST:,} values: a YAML bomb") from None
    return content


@lru_cache(maxsize=8)
def _loaded(content: bytes) -> Any:
    """Return what the content of a file says; a run reads the same few files again and again, each time a second."""
    found = YAML(typ="safe", pure=True).load(content)
    _unfolded(found, {}, set())
    return found


def _unfolded(node: Any, known: dict[int, int], above: set[int]) -> int:
    """Return how many values stand below `node`, those behind aliases counted each time; OverflowError if too many.

    A node that contains itself is nested without end: RecursionError.
    """
    if not isinstance(node, dict | list):
        return 1
    if id(node) in above:
        raise RecursionError
    if id(node) not in known:
        inner = [*node, *node.values()] if isinstance(node, dict) else node
        known[id(node)] = 1 + sum(_unfolded(one, known, above | {id(node)}) for one in inner)
    if known[id(node)] > LARGEST:
        raise OverflowError
    return known[id(node)]


def _told(error: YAMLError, path: Path) -> str:
    """Say where the reader stopped and why, without its own advice."""
    if isinstance(error, ReaderError):
        return "is no UTF-8 text; save it as UTF-8"
    if isinstance(error, MarkedYAMLError) and error.problem:
        mark = error.problem_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        # Of a key that stands twice the whole values are told; the key is enough.
        said = re.sub(r" with value .*", "", " ".join(error.problem.split())) if _twice(error) else error.problem
        context = f"{error.context}: " if error.context and not _twice(error) else ""
        return f"{place}{context}{said}{_mend(said)}"
    return " ".join(str(error).replace(str(path), path.name).split())


def _twice(error: YAMLError) -> bool:
    return isinstance(error, DuplicateKeyError)


def _mend(said: str) -> str:
    return next((f"; {mend}" for pattern, mend in MENDS.items() if re.search(pattern, said)), "")
