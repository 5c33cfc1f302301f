"""A training of params.yaml with some of its values changed."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

from tasks.errors import ConfigError
from tasks.schema import AnyTraining, Training

IDENTITY = ("name", "dataset", "modality", "objective", "strategy")
"""What makes a training the training it is."""


def changed(training: Training, changes: Mapping[str, Any]) -> Any:
    """Return `training` with the values at dotted keys ("learning_rates.head") replaced.

    Raises ConfigError, which names the keys and says why, where a value is none that its key can hold.
    """
    try:
        return TypeAdapter(AnyTraining).validate_python(replaced(training.model_dump(), changes))
    except ValidationError as error:
        reasons = {f"{finding['msg']} (found {finding['input']!r})" for finding in error.errors()}
        raise ConfigError(f"{', '.join(changes)}: {'; '.join(sorted(reasons))}") from None


def replaced(section: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Put values in the place of those at dotted keys of nested mappings, and return the section."""
    for key, value in changes.items():
        *path, last = key.split(".")
        node = section
        for step in path:
            node = node[step]
        node[last] = value
    return section


def held(training: Training, key: str) -> Any:
    """Return what a training holds at a dotted key; KeyError where there is no such key."""
    value: Any = training.model_dump()
    for step in key.split("."):
        value = value[step]
    return value


def keys(section: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Yield every dotted key below a mapping, those of mappings included."""
    for key, inner in section.items():
        yield prefix + key
        if isinstance(inner, Mapping):
            yield from keys(inner, f"{prefix}{key}.")
