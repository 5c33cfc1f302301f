"""Reads params.yaml into its typed shape and tells all its faults at once."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from tasks import searches
from tasks.errors import ConfigError, did_you_mean
from tasks.schema import LOSSES, METRICS, OWN_KEYS, AnyDataset, AnyTraining, Config, DeepTraining, TableSource

PARAMS = "params.yaml"


def load(root: Path) -> Config:
    """Read `root`/params.yaml.

    Raises ConfigError with one line per fault: its path in the file, what is wrong and what stands there.
    """
    content = read_yaml(root / PARAMS)
    faults = list(_dangling_names(content))
    named = _with_names(content)
    config = None
    try:
        config = Config.model_validate(named)
    except ValidationError as error:
        faults += [_fault(finding, named) for finding in error.errors() if not _told_elsewhere(finding["loc"])]
    if config is not None and not faults:
        faults += list(_contradictions(config))
    if faults or config is None:
        raise ConfigError("\n".join(f"{PARAMS}: {fault}" for fault in dict.fromkeys(faults)))
    return config


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a YAML 1.2 file, as DVC does: 1e-3 is a number, a key written twice is a fault."""
    try:
        content = YAML(typ="safe", pure=True).load(path)
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file; run from the project's folder") from None
    except YAMLError as error:
        raise ConfigError(f"{path.name}: {' '.join(str(error).split())}") from None
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
    kinds = ("backbones", "datasets", "trainings")
    named = {kind: _named(entries) if kind in kinds else entries for kind, entries in content.items()}
    backbones = named.get("backbones") or {}
    if isinstance(named.get("datasets"), dict):
        named["datasets"] = {
            name: {**entry, "backbone": backbones.get(entry.get("backbone"))} if isinstance(entry, dict) else entry
            for name, entry in named["datasets"].items()
        }
    return named


def _named(entries: Any) -> Any:
    if not isinstance(entries, dict):
        return entries
    return {key: {**entry, "name": key} if isinstance(entry, dict) else entry for key, entry in entries.items()}


def _dangling_names(content: dict[str, Any]) -> Iterator[str]:
    """Tell each data set's backbone and each training's data set that does not exist."""
    for kind, key, target in (("datasets", "backbone", "backbones"), ("trainings", "dataset", "datasets")):
        known = list(content.get(target) or {})
        for name, entry in (content.get(kind) or {}).items():
            value = entry.get(key) if isinstance(entry, dict) else None
            if value is not None and value not in known:
                near = did_you_mean(str(value), known)
                yield f"{kind}.{name}.{key}: no {value!r} under {target}; there are {known}{near}"


def _contradictions(config: Config) -> Iterator[str]:
    """Tell what two places of the file say differently."""
    for name, entry in config.trainings.items():
        owner = config.datasets[entry.dataset]
        for key in ("modality", "objective"):
            own, other = getattr(entry, key), getattr(owner, key)
            if own != other:
                yield f"trainings.{name}.{key}: {own}, but data set {owner.name} is {other}"
        if isinstance(entry, DeepTraining):
            yield from (f"trainings.{name}.{fault}" for fault in _misfits(entry))
    for name, owner in config.datasets.items():
        own = [key for key, value in config.trainings.items() if value.dataset == name]
        for wanted in owner.evaluate.trainings:
            if wanted not in own:
                yield f"datasets.{name}.evaluate.trainings: {wanted!r} is no training of {name}; there are {own}"
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


def _told_elsewhere(location: tuple[str | int, ...]) -> bool:
    """A backbone's faults are told under backbones, once, and not at each data set that names it."""
    return location[0] == "datasets" and "backbone" in location


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
    return f"{path}: {finding['msg']} (found {finding['input']!r})"


def _path(location: tuple[Any, ...], content: Any) -> str:
    """Return the location as it stands in the file: pydantic's also names the chosen variants of its unions."""
    steps: list[str] = []
    node = content
    for position, step in enumerate(location):
        inside = (isinstance(node, dict) and step in node) or (isinstance(node, list) and isinstance(step, int))
        if inside:
            node = node[step]
        if inside or position == len(location) - 1:
            steps.append(str(step))
    return ".".join(steps)


def _keys(model: type[BaseModel]) -> set[str]:
    """Return every key that may stand anywhere below `model`."""
    definitions = model.model_json_schema().get("$defs", {}).values()
    return {key for definition in definitions for key in definition.get("properties", {})}
