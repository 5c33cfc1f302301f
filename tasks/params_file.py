"""Changes params.yaml as a careful person would: in its text, so that every comment, anchor and order stays."""

import json
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tasks import config
from tasks.config import PARAMS
from tasks.errors import ConfigError
from tasks.ranges import replaced
from tasks.yaml_text import Node, Tree, as_block, column_of, ended, line_of, lines_of, scalar

COMMENT = re.compile(r"[ \t]+#")
INDENT = "  "


def add_training(path: Path, name: str, base_name: str, changes: Mapping[str, Any], comment: str) -> bool:
    """Write training `name` into the file at `path`: `base_name` with the values at dotted keys replaced.

    It stands at the end of the trainings, complete, under `comment`; one of that name is replaced where it stands. It
    also joins the data set's evaluate.trainings, where that list stands in the text and no other data set shares it:
    returns whether it is listed there. ConfigError, and a file as before, where the outcome would be at fault.
    """
    old, content = read(path), config.read_yaml(path)
    section = replaced(_copy(content["trainings"][base_name]), changes)
    new = insert(old, "trainings", name, f"# {comment}\n{as_block(section)}")
    listed = _listed(new, section["dataset"], name)
    put(path, listed or new)
    try:
        config.load(path.parent)
    except ConfigError as error:
        put(path, old)
        raise ConfigError(f"{PARAMS} is left as it was, for it cannot take trainings.{name}: {error}") from None
    return listed is not None


def insert(text: str, section: str, name: str, block: str) -> str:
    """Return `text` with an entry more at the end of a top-level section; one of that name is replaced in its place.

    `block` is the entry's value as lines of YAML, not indented. A section that is empty or not there is begun.
    Raises ConfigError where the section stands in braces.
    """
    tree, newline = parsed(text), "\r\n" if "\r\n" in text else "\n"
    found = tree.entry(section)
    if found is None:
        return insert(ended(text, newline) + f"{newline}{section}:{newline}", section, name, block)
    key, value = found
    if value.empty:
        text = text[: value.start].rstrip(" ") + text[value.end :]
    entries = entries_in(section, value)
    indent = " " * column_of(text, entries[0][0].start) if entries else INDENT
    written = [f"{scalar(name)}:", *(f"{INDENT}{line}".rstrip() for line in block.rstrip("\n").split("\n"))]
    lines = lines_of(ended(text, newline))
    there = next((_span(text, *entry) for entry in entries if entry[0].value == name), None)
    first, beyond = there or (_section_end(lines, text, key, value),) * 2
    apart = not there and entries and not lines[line_of(text, entries[-1][0].start) - 1].strip()
    lines[first:beyond] = [newline] * bool(apart) + [f"{indent}{line}{newline}" for line in written]
    return "".join(lines)


def remove(text: str, section: str, name: str) -> str:
    """Return `text` without an entry of a top-level section and the comments within it.

    Raises ConfigError where there is no such entry, or where the section stands in braces.
    """
    found = parsed(text).entry(section)
    entries = entries_in(section, found[1]) if found else []
    gone = next((entry for entry in entries if entry[0].value == name), None)
    if found is None or gone is None:
        raise ConfigError(f"{PARAMS}: {section}.{name}: is not there")
    lines, (first, beyond) = lines_of(text), _span(text, *gone)
    if first and not lines[first - 1].strip() and not "".join(lines[beyond : beyond + 1]).strip():
        first -= 1  # of the empty lines around the entry one is enough
    del lines[first:beyond]
    if len(entries) == 1:
        place = text.index(":", found[0].end) + 1
        return text[:place] + " {}" + "".join(lines)[place:]
    return "".join(lines)


def append(text: str, path: list[str], value: str) -> str | None:
    """Return `text` with one more item in the list at a path of keys; None where no such list stands in the text."""
    found = parsed(text).reached(path)
    if found is None or found.kind != "sequence" or not found.children:
        return None
    last = found.children[-1]
    if found.flow:
        return f"{text[: last.end]}, {scalar(value)}{text[last.end :]}"
    newline = "\r\n" if "\r\n" in text else "\n"
    lines, number = lines_of(ended(text, newline)), line_of(text, last.end)
    dash = text[text.rfind("\n", 0, last.start) + 1 : last.start]
    lines.insert(number + 1, f"{dash}{scalar(value)}{newline}")
    return "".join(lines)


def _listed(text: str, dataset: str, name: str) -> str | None:
    """Return `text` with `name` in the data set's evaluate.trainings, and nothing else changed; None if it cannot."""
    expected = _unshared(text)
    names = expected["datasets"][dataset]["evaluate"]["trainings"]
    if name in names:
        return text
    names.append(name)
    longer = append(text, ["datasets", dataset, "evaluate", "trainings"], name)
    try:
        return longer if longer is not None and _unshared(longer) == expected else None
    except ConfigError:
        return None


def _unshared(text: str) -> Any:
    """Return the content of a YAML text; what its aliases share is there several times."""
    parsed(text)
    return _copy(YAML(typ="safe", pure=True).load(text))


def _copy(content: Any) -> Any:
    return json.loads(json.dumps(content, default=str))


def parsed(text: str) -> Tree:
    """Return the text's nodes; ConfigError, which names the file, where it is no YAML mapping."""
    try:
        return Tree(text)
    except ConfigError as error:
        raise ConfigError(f"{PARAMS}: {error}") from None


def entries_in(section: str, value: Node) -> list[tuple[Node, Node]]:
    """Return the entries of a top-level section; ConfigError where it stands in braces."""
    if value.empty:
        return []
    if value.flow or value.kind != "mapping":
        raise ConfigError(f"{PARAMS}: {section}: write each entry on lines of its own, without braces around them")
    return list(value.pairs())


def _span(text: str, key: Node, value: Node) -> tuple[int, int]:
    """Return the number of an entry's first line and of the first line behind it and the comments within it."""
    lines, beyond, column = lines_of(text), line_of(text, max(key.end, value.end)) + 1, column_of(text, key.start)
    while beyond < len(lines) and COMMENT.match(lines[beyond]) and lines[beyond].index("#") > column:
        beyond += 1
    return line_of(text, key.start), beyond


def _section_end(lines: list[str], text: str, key: Node, value: Node) -> int:
    """Return the number of the line behind a section's last entry and the comments that belong to the section."""
    last = end = line_of(text, max(key.end, 0 if value.empty else value.end)) + 1
    while end < len(lines) and (not lines[end].strip() or COMMENT.match(lines[end])):
        end += 1
        last = end if lines[end - 1].strip() else last
    return last


def read(path: Path) -> str:
    """Return a file's text with its line ends as they are."""
    return path.read_bytes().decode("utf-8")


def put(path: Path, text: str) -> None:
    """Write a file anew, in one step: whoever reads it meanwhile sees the old text or the new one."""
    target = path.resolve()
    beside = target.with_name(f".{target.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8", newline="") as stream:
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    shutil.copymode(target, beside)
    beside.replace(target)
