"""Writes a whole data set into params.yaml, or takes one out, and changes not a character besides."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tasks import config
from tasks.config import PARAMS
from tasks.errors import ConfigError
from tasks.params_file import entries_in, insert, parsed, put, read, remove
from tasks.yaml_text import Node, Tree, as_lines


def add_dataset(path: Path, name: str, dataset: Mapping[str, Any], trainings: Mapping[str, Any], comment: str) -> None:
    """Write a data set, under `comment`, and its trainings, each complete, at the end of their sections.

    ConfigError, and a file as before, where the outcome would be at fault.
    """
    old = read(path)
    new = insert(old, "datasets", name, f"# {comment}\n{as_lines(dataset)}")
    for training, section in trainings.items():
        new = insert(new, "trainings", training, as_lines(section))
    put(path, new)
    try:
        config.load(path.parent)
    except ConfigError as error:
        put(path, old)
        raise ConfigError(f"{PARAMS} is left as it was, for it cannot take datasets.{name}: {error}") from None


def remove_dataset(path: Path, name: str) -> None:
    """Take a data set, its trainings and whatever else is about it alone out of the file; nothing else changes.

    ConfigError, and a file as before, where another entry takes values from one of these, by an alias.
    """
    old = read(path)
    new = without(old, entries_of(config.read_yaml(path), name))
    put(path, new)
    try:
        config.load(path.parent)
    except ConfigError as error:
        put(path, old)
        raise ConfigError(f"{PARAMS} is left as it was, for without {name} it would be at fault: {error}") from None


def entries_of(content: Mapping[str, Any], name: str) -> list[tuple[str, str]]:
    """Return what of the file is about a data set alone: section and name of each entry, the data set's first."""
    trainings = [key for key, value in (content.get("trainings") or {}).items() if value.get("dataset") == name]
    others = [section for section in ("candidates", "searches") if name in (content.get(section) or {})]
    return [("datasets", name), *(("trainings", key) for key in trainings), *((section, name) for section in others)]


def without(text: str, entries: Sequence[tuple[str, str]]) -> str:
    """Return `text` without these entries; ConfigError where a value that is written there is used elsewhere."""
    tree = parsed(text)
    spans = [_place(tree, *entry) for entry in entries]
    written = {name for name, node in tree.anchors().items() if any(_within(node, span) for span in spans)}
    for section, value in tree.root.pairs() if tree.root else ():
        for key, entry in value.pairs():
            used = [alias for alias in entry.aliases() if alias.value in written]
            if used and (section.value, key.value) not in entries:
                raise ConfigError(
                    f"{PARAMS}: {section.value}.{key.value} takes values from there (*{used[0].value}); "
                    "write them out in its place, or remove it first"
                )
    for section_name, name in entries:
        text = remove(text, section_name, name)
    return text


def _place(tree: Tree, section: str, name: str) -> tuple[int, int]:
    """Return where an entry begins and ends in the text."""
    found = tree.entry(section)
    for key, value in entries_in(section, found[1]) if found else ():
        if key.value == name:
            return key.start, max(key.end, value.end)
    raise ConfigError(f"{PARAMS}: {section}.{name}: is not there")


def _within(node: Node, span: tuple[int, int]) -> bool:
    return span[0] <= node.start and node.end <= span[1]
