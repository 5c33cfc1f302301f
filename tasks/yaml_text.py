"""A YAML file as the text it is: what stands where, so that a change touches nothing else."""

import io
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks.errors import ConfigError

MERGE = "<<"
INDENT = "  "
WIDTH = 100
"""Columns of a written line; what stands before an entry of a section comes on top."""


@dataclass(frozen=True)
class Node:
    """A value of the file. `start` and `end` count characters of the text; an alias is a leaf with its own place."""

    kind: Literal["scalar", "alias", "mapping", "sequence"]
    start: int
    end: int
    flow: bool
    value: str
    children: list["Node"] = field(default_factory=list)
    """Of a sequence its items; of a mapping its keys and values in turn."""

    @property
    def empty(self) -> bool:
        """Tell whether this is nothing at all: null or an empty pair of braces."""
        nothing = self.kind == "scalar" and self.value in ("", "null", "~")
        return nothing or (self.kind == "mapping" and not self.children)

    def aliases(self) -> Iterator["Node"]:
        """Yield each alias at or below this node."""
        if self.kind == "alias":
            yield self
        for child in self.children:
            yield from child.aliases()

    def pairs(self) -> Iterator[tuple["Node", "Node"]]:
        """Yield each key of a mapping with its value; nothing of any other node."""
        if self.kind == "mapping":
            yield from zip(self.children[::2], self.children[1::2], strict=True)


class Tree:
    """The nodes of a YAML text, and where its anchors are; ConfigError where the text is no YAML mapping."""

    def __init__(self, text: str) -> None:
        self._text, self._anchors = text, dict[str, Node]()
        events = YAML(typ="safe", pure=True).parse(text)
        try:
            self.root = next((self._node(event, events) for event in events if _begins(event)), None)
        except YAMLError as error:
            raise ConfigError(" ".join(str(error).split())) from None
        if self.root is None or self.root.kind != "mapping":
            raise ConfigError("holds no mapping")

    def entry(self, key: str) -> tuple[Node, Node] | None:
        """Return a top-level key and its value, as they stand in the text."""
        return next((pair for pair in self.root.pairs() if pair[0].value == key), None) if self.root else None

    def anchors(self) -> dict[str, Node]:
        """Return what each anchor of the text names."""
        return dict(self._anchors)

    def reached(self, path: list[str]) -> Node | None:
        """Return the value at a path of keys, through aliases and merge keys, at the place where it is written."""
        node = self.root
        for key in path:
            node = self._below(node, key) if node else None
        return self._meant(node) if node else None

    def _below(self, node: Node, key: str) -> Node | None:
        pairs = list(self._meant(node).pairs())
        own = next((value for name, value in pairs if name.value == key), None)
        if own is not None:
            return own
        merged = [self._meant(value) for name, value in pairs if name.value == MERGE]
        sources = [item for value in merged for item in (value.children if value.kind == "sequence" else [value])]
        return next((found for source in sources if (found := self._below(source, key)) is not None), None)

    def _meant(self, node: Node) -> Node:
        return self._anchors[node.value] if node.kind == "alias" else node

    def _node(self, event: Any, events: Iterator[Any]) -> Node:
        """Build the node that begins with `event` from the events that follow."""
        kind = type(event).__name__.removesuffix("Event")
        start, end = event.start_mark.index, event.end_mark.index
        if kind == "Alias":
            return Node("alias", start, end, False, str(event.anchor))
        if kind == "Scalar":
            # The end of a block scalar lies behind the empty lines that follow it.
            node = Node("scalar", start, max(start, len(self._text[:end].rstrip())), False, str(event.value))
        else:
            node = self._collection(kind, event, events)
        if event.anchor:
            self._anchors[str(event.anchor)] = node
        return node

    def _collection(self, kind: str, event: Any, events: Iterator[Any]) -> Node:
        children: list[Node] = []
        while not type(last := next(events)).__name__.endswith("EndEvent"):
            child = self._node(last, events)
            if child.start == child.end and kind == "MappingStart":  # nothing behind a key: the parser looks further on
                place = self._text.index(":", children[-1].end) + 1
                child = replace(child, start=place, end=place)
            children.append(child)
        flow, start = bool(event.flow_style), event.start_mark.index
        # A block ends where its last value does: what the parser calls its end lies behind comments and empty lines.
        end = last.end_mark.index if flow else max((child.end for child in children), default=start)
        return Node("mapping" if kind == "MappingStart" else "sequence", start, end, flow, "", children)


def _begins(event: Any) -> bool:
    return type(event).__name__ not in ("StreamStartEvent", "DocumentStartEvent", "CommentEvent")


def as_block(value: Mapping[str, Any]) -> str:
    """Return a mapping as lines of YAML in block style, in its own order."""
    writer, stream = YAML(typ="safe", pure=True), io.StringIO()
    writer.default_flow_style, writer.width = False, 1000
    writer.representer.sort_base_mapping_type_on_output = False
    writer.dump(dict(value), stream)
    return stream.getvalue()


def as_lines(value: Mapping[str, Any], width: int = WIDTH) -> str:
    """Return a mapping as lines of YAML: what fits into a line of `width` stands in one, in braces or brackets."""
    lines = []
    for key, inner in value.items():
        line = _in_a_line({key: inner})
        if isinstance(inner, Mapping) and len(line) > width:
            below = as_lines(inner, width - len(INDENT)).splitlines()
            lines += [f"{scalar(key)}:", *(f"{INDENT}{one}" for one in below)]
        else:
            lines.append(line)
    return "\n".join(lines) + "\n"


def _in_a_line(value: Mapping[str, Any]) -> str:
    writer, stream = YAML(typ="safe", pure=True), io.StringIO()
    writer.default_flow_style, writer.width = True, 100_000
    writer.representer.sort_base_mapping_type_on_output = False
    writer.dump(dict(value), stream)
    return stream.getvalue().strip()[1:-1]


def scalar(text: str) -> str:
    """Return a text as it must be written in YAML, in quotes where it needs them."""
    return as_block({text: 0}).rpartition(":")[0]


def lines_of(text: str) -> list[str]:
    """Return the lines of a text with their ends as they are."""
    return [line for line in re.split(r"(?<=\n)", text) if line]


def line_of(text: str, place: int) -> int:
    """Return the number, from 0, of the line in which the character at `place` stands."""
    return text.count("\n", 0, place)


def column_of(text: str, place: int) -> int:
    """Return how many characters stand before the one at `place` in its line."""
    return place - text.rfind("\n", 0, place) - 1


def ended(text: str, newline: str) -> str:
    """Return `text` with an end to its last line."""
    return text if not text or text.endswith("\n") else text + newline
