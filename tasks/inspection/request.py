"""What is asked of `transfer new`, and what is found of how the data lies."""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from tasks.errors import ConfigError
from tasks.sources import Refused, Sample

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
MODALITIES = ("image", "text", "audio")
OBJECTIVES = ("classification", "regression")
STRATEGIES = ("head", "partial", "scratch")
"""The trainings of a new data set."""
THINGS = {"image": "pictures", "text": "texts", "audio": "recordings"}


@dataclass(frozen=True)
class Request:
    """A data set's name and the address of its data; what is null is to be found out. `root`: the project."""

    root: Path
    name: str
    address: str
    modality: str | None
    objective: str | None
    label: str | None
    content: str | None
    group: str | None
    query: str | None
    backbone: str | None

    @property
    def path(self) -> Path:
        """Where the data lies, as the file system knows it."""
        return Path(os.path.abspath(self.root / Path(self.address).expanduser()))  # noqa: PTH100 - links stay as given

    def written(self, path: Path) -> str:
        """Return a path as params.yaml holds it: relative to the project within it, else from the root of all."""
        root = Path(os.path.abspath(self.root))  # noqa: PTH100
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


class Layout(NamedTuple):
    """How data lies: its modality, the `source` of params.yaml that reads it, its rows, and what was seen.

    `said`: what a user should know of how it was read. `beside`: what lies there and is not used, by suffix.
    `split`: whether the source says each row's split. `repeated`: columns that might be groups, with their values.
    `whole`: whether the rows are all there are, and their contents can be looked at.
    """

    modality: str
    source: dict[str, Any]
    rows: list[Sample | Refused]
    said: list[str]
    beside: dict[str, int]
    split: bool
    repeated: dict[str, int]
    whole: bool


def check(request: Request, content: dict[str, Any]) -> None:
    """Raise ConfigError where the name is none, is taken, or an option is none that there is."""
    if not NAME.fullmatch(request.name):
        raise ConfigError(f"{request.name!r} is no name: write letters, digits, - and _ only, e.g. birds-2026")
    if request.name in (content.get("datasets") or {}):
        mend = f"choose another name, or take it out first: transfer remove {request.name}"
        raise ConfigError(f"params.yaml has a data set {request.name} already; {mend}")
    wanted = [f"{request.name}-{strategy}" for strategy in STRATEGIES]
    taken = [name for name in content.get("trainings") or {} if name in wanted]
    if taken:
        raise ConfigError(f"params.yaml has a training {taken[0]} already; choose another name")
    if (request.root / "data" / request.name).exists():
        raise ConfigError(f"data/{request.name} is there already; choose another name, or move that folder away")
    for option, given, known in (
        ("--modality", request.modality, MODALITIES),
        ("--objective", request.objective, OBJECTIVES),
        ("--backbone", request.backbone, tuple(content.get("backbones") or {})),
    ):
        if given is not None and given not in known:
            raise ConfigError(f"{option} {given}: there are {', '.join(known)}")
