"""What can be told of params.yaml before its types are looked at: names, and what they lead to."""

import re
from collections.abc import Iterator
from typing import Any

from tasks.errors import did_you_mean
from tasks.schema import METRICS

NAME = re.compile(r"\w[\w-]*")
"""A data set, a training and a backbone name folders, stages and registered models: none takes more than this."""
KINDS = ("datasets", "trainings", "backbones")
MODALITIES = ("image", "text", "audio")
SHARED = {"objective": tuple(METRICS), "modality": MODALITIES}
"""What a training and its data set must say alike, and what they can say."""
Content = dict[str, Any]


def entries(content: Content, kind: str) -> dict[Any, Any]:
    """Return the mapping under `kind`; empty if there is none."""
    found = content.get(kind)
    return found if isinstance(found, dict) else {}


def faults(content: Content) -> Iterator[str]:
    """Tell the names that cannot be used, and those that lead nowhere or to another modality."""
    yield from _odd_names(content)
    yield from _dangling(content)
    yield from strangers(content).values()
    for name, entry in entries(content, "trainings").items():
        if isinstance(entry, dict) and entry.get("strategy") != "head" and entry.get("modality") not in MODALITIES:
            yield f"trainings.{name}.modality: {entry.get('modality')!r} is none of {', '.join(MODALITIES)}"


def _odd_names(content: Content) -> Iterator[str]:
    for kind in KINDS:
        for name in entries(content, kind):
            if not isinstance(name, str):
                yield f"{kind}.{name}: a name must be a text; write it in quotes, or begin it with a letter"
            elif not NAME.fullmatch(name):
                yield f"{kind}.{name}: a name has letters, digits, - and _ only; rename it"


def _dangling(content: Content) -> Iterator[str]:
    """Tell each data set's backbone and each training's data set that does not exist."""
    for kind, key, target in (("datasets", "backbone", "backbones"), ("trainings", "dataset", "datasets")):
        known = list(entries(content, target))
        for name, entry in entries(content, kind).items():
            if not isinstance(entry, dict):
                continue
            value = entry.get(key)
            if value is None and key == "backbone":
                yield f"{kind}.{name}.{key}: is missing; name one of {known}"
            elif value is not None and value not in known:
                near = did_you_mean(str(value), map(str, known))
                yield f"{kind}.{name}.{key}: no {value!r} under {target}; there are {known}{near}"


def strangers(content: Content) -> dict[str, str]:
    """Return the trainings whose modality or objective is not their data set's, each with what is wrong."""
    found: dict[str, str] = {}
    for name, entry in entries(content, "trainings").items():
        of = entry.get("dataset") if isinstance(entry, dict) else None
        owner = entries(content, "datasets").get(of) if isinstance(of, str) else None
        if isinstance(owner, dict):
            for key, known in SHARED.items():
                own, other = entry.get(key), owner.get(key)
                if own != other and own in known and other in known:
                    found[name] = f"trainings.{name}.{key}: {own}, but data set {of} is {other}"
    return found
