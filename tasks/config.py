"""Reads params.yaml into its typed shape and tells all its faults at once."""

import reprlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from tasks import entries, searches, yaml_file
from tasks.errors import ConfigError, did_you_mean
from tasks.schema import (
    LOSSES,
    METRICS,
    OWN_KEYS,
    AnyDataset,
    AnyTraining,
    ColumnSplit,
    Config,
    DeepTraining,
    TableSource,
)

PARAMS = "params.yaml"
SHORT = reprlib.Repr()
SHORT.maxlevel, SHORT.maxstring, SHORT.maxother = 3, 80, 80
"""How what stands in the file is shown in a line, however long it is."""


def load(root: Path) -> Config:
    """Read `root`/params.yaml.

    Raises ConfigError with one line per fault: its path in the file, what is wrong and what stands there.
    """
    content = read_yaml(root / PARAMS)
    faults = list(entries.faults(content))
    named = _with_names(content)
    config = None
    try:
        config = Config.model_validate(named)
    except ValidationError as error:
        told = entries.strangers(content)
        faults += [_fault(finding, named) for finding in error.errors() if not _told_elsewhere(finding, told)]
    if config is not None and not faults:
        faults += list(_contradictions(config, root))
    if faults or config is None:
        raise ConfigError("\n".join(f"{PARAMS}: {fault}" for fault in dict.fromkeys(faults)))
    return config


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML file that holds a mapping; ConfigError, one line, if it is none."""
    content = yaml_file.read(path)
    if not isinstance(content, dict):
        raise ConfigError(f"{path.name}: holds no mapping; expected datasets, trainings and backbones")
    return content


def dataset(config: Config, name: str) -> AnyDataset:
    """Return data set `name`; ConfigError with the nearest name if there is none."""
    return _look_up("data set", name, config.datasets)


def training(config: Config, name: str) -> AnyTraining:
    """Return training `name`; ConfigError with the nearest name if there is none."""
    return _look_up("training", name, config.trainings)


Entry = TypeVar("Entry")


def _look_up(kind: str, name: str, entries: dict[str, Entry]) -> Entry:
    if name in entries:
        return entries[name]
    raise ConfigError(f'no {kind} "{name}" in {PARAMS}; there are: {", ".join(entries)}{did_you_mean(name, entries)}')


def _with_names(content: dict[str, Any]) -> dict[str, Any]:
    """Give each entry its own name, and each data set the backbone it names."""
    named = {kind: _named(section) if kind in entries.KINDS else section for kind, section in content.items()}
    backbones = entries.entries(named, "backbones")
    for entry in entries.entries(named, "datasets").values():
        if isinstance(entry, dict):
            wanted = entry.get("backbone")
            entry["backbone"] = backbones.get(wanted) if isinstance(wanted, str) else None
    return named


def _named(section: Any) -> Any:
    if not isinstance(section, dict):
        return section
    return {key: {**entry, "name": key} if isinstance(entry, dict) else entry for key, entry in section.items()}


def _contradictions(config: Config, root: Path) -> Iterator[str]:
    """Tell what two places of the file say differently."""
    for name, entry in config.trainings.items():
        if isinstance(entry, DeepTraining):
            yield from (f"trainings.{name}.{fault}" for fault in _misfits(entry))
    for name, owner in config.datasets.items():
        own = [key for key, value in config.trainings.items() if value.dataset == name]
        for wanted in owner.evaluate.trainings:
            if wanted not in own:
                yield f"datasets.{name}.evaluate.trainings: {wanted!r} is no training of {name}; there are {own}"
        yield from (f"datasets.{name}.{fault}" for fault in _impossible(owner, root))
        source = owner.ingest.source
        if isinstance(source, TableSource) and source.content == "path":
            yield (
                f"datasets.{name}.ingest.source: changed files would go unnoticed behind a table of paths; write "
                "kind: folder, path: THE FOLDER, table: THE TABLE"
            )
        if owner.evaluate.metric not in METRICS[owner.objective]:
            yield f"datasets.{name}.evaluate.metric: {owner.evaluate.metric!r} is not one of {METRICS[owner.objective]}"
    yield from _strange_candidates(config)
    for name in config.searches:
        yield from searches.faults(config, name, _misfits)


def _impossible(owner: AnyDataset, root: Path) -> Iterator[str]:
    """Tell what no data could satisfy."""
    for wanted, times in Counter(owner.evaluate.trainings).items():
        if times > 1:
            yield f"evaluate.trainings: {wanted!r} stands there {times} times; name it once"
    split, source = owner.ingest.split, owner.ingest.source
    if not isinstance(split, ColumnSplit):
        shares = f"validation {split.validation:g} and test {split.test:g}"
        if split.validation + split.test >= 1:
            yield f"ingest.split: {shares} leave nothing to learn from; together they must stay below 1"
        if not split.validation or not split.test:
            yield f"ingest.split: {shares} leave one of them without a sample; both must be above 0"
    home, place = root.resolve() / "data" / owner.name, (root / source.path).resolve()
    if home.is_relative_to(place):
        mend = f"holds data/{owner.name}, which is written; name a folder beside it"
        yield f"ingest.source.path: {str(source.path)!r} {mend}"


def _strange_candidates(config: Config) -> Iterator[str]:
    """Tell the candidates that are no backbones, or of no data set."""
    for name, candidates in config.candidates.items():
        if name not in config.datasets:
            known = list(config.datasets)
            yield f"candidates.{name}: no {name!r} under datasets; there are {known}{did_you_mean(name, known)}"
        for number, candidate in enumerate(candidates):
            known, wanted = list(config.backbones), candidate.backbone
            if wanted not in known:
                near = did_you_mean(wanted, known)
                yield f"candidates.{name}.{number}.backbone: no {wanted!r} under backbones; there are {known}{near}"


def _misfits(entry: DeepTraining[Any]) -> Iterator[str]:
    """Tell the keys of a training that do not fit its strategy or its objective."""
    monitors = ("loss", *METRICS[entry.objective])
    if entry.monitor not in monitors:
        yield f"monitor: {entry.monitor!r} is not one of {monitors}"
    if entry.loss.kind not in LOSSES[entry.objective]:
        yield f"loss.kind: {entry.loss.kind!r} is no loss for {entry.objective}; there are {LOSSES[entry.objective]}"
    if entry.strategy == "scratch" and entry.unfreeze_every is not None:
        yield "unfreeze_every: frozen blocks of strategy scratch would stay random; write null"
    for key in ("head", "blocks", "adapters"):
        wanted, given = key in OWN_KEYS[entry.strategy], getattr(entry, key) is not None
        if wanted != given:
            yield f"{key}: strategy {entry.strategy} {'needs it' if wanted else 'has none; write null'}"


def _told_elsewhere(finding: Any, strangers: dict[str, str]) -> bool:
    """Tell whether entries.py has told it already.

    A backbone's faults stand under backbones, once, and not at each data set that names it; what a training of another
    modality, or of none, lacks is beside the point; and a name that is no text is one fault.
    """
    kind, *path = finding["loc"]
    if kind == "datasets" and "backbone" in path:
        return True
    untold = path[:1] and (path[0] in strangers or (len(path) == 1 and finding["type"] == "union_tag_invalid"))
    stranger = kind == "trainings" and untold
    odd = kind in entries.KINDS and path and path[-1] in ("[key]", "name")
    return bool(stranger or odd)


def _fault(finding: Any, content: dict[str, Any]) -> str:
    """Put one of pydantic's findings into a line: path, what is wrong, what was found."""
    path = _path(finding["loc"], content)
    if finding["type"] == "missing":
        return f"{path}: is missing"
    if finding["type"] == "extra_forbidden":
        key, known = str(finding["loc"][-1]), _keys(Config)
        return f"{path}: {'does not belong here' if key in known else 'unknown key' + did_you_mean(key, known)}"
    if finding["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return f"{path}: {finding['msg']}"
    return f"{path}: {finding['msg']} (found {SHORT.repr(finding['input'])})"


def _path(location: tuple[Any, ...], content: Any) -> str:
    """Return the location as it stands in the file: pydantic's also names the chosen variants of its unions."""
    steps: list[str] = []
    node = content
    for position, step in enumerate(location):
        inside = (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int))
        if inside:
            node = node[step]
        if inside or (position == len(location) - 1 and step != "head only"):
            steps.append(str(step))
    return ".".join(steps)


def _keys(model: type[BaseModel]) -> set[str]:
    """Return every key that may stand anywhere below `model`."""
    definitions = model.model_json_schema().get("$defs", {}).values()
    return {key for definition in definitions for key in definition.get("properties", {})}
