"""Where the model comes from, what it cost, and how it is used."""

import io
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from ruamel.yaml import YAML

from tasks.config import PARAMS, read_yaml
from tasks.reporting import words
from tasks.reporting.gather import Gathered

PACKAGES = ("torch", "transformers", "timm", "scikit-learn", "numpy", "captum")
"""The libraries whose version can change a result."""


def date(found: Gathered) -> str:
    """Return the day the best training began, by its run (UTC); empty where that is not known."""
    started = found.origin.get("started")
    return datetime.fromtimestamp(started / 1000, UTC).strftime("%d %B %Y").lstrip("0") if started else ""


def lineage(found: Gathered) -> dict[str, Any]:
    """Return facts by name, each a list of texts with a digest or "", and the sections of params.yaml."""
    tags, backbone = found.origin, found.params.backbone
    registered = found.counters.get("register", {})
    facts: dict[str, list[tuple[str, Any]]] = {
        "Training": [(found.best, ""), ("began", _time(tags.get("started")))],
        "Data": [
            (tags.get("data_path", ""), ""),
            (words.counted(int(tags["data_samples"]), "sample") if "data_samples" in tags else "", ""),
            ("DVC md5", tags.get("data_md5")),
            ("manifest sha256", tags.get("manifest_sha256")),
        ],
        "Backbone": [(backbone.name, ""), ("sha256", backbone.sha256), (f"licence {backbone.licence}", "")],
        "Code": [("commit", tags.get("git_commit")), (_changed(tags.get("git_diff_lines", "0")), "")],
        "MLflow run": [("", registered.get("run_id"))],
        "Registered": [
            (f"version {registered['version']}, {registered['alias']}" if "version" in registered else "", "")
        ],
        "Installed now": [(", ".join(_versions()), "")],
    }
    kept = {name: [pair for pair in pairs if _told(*pair)] for name, pairs in facts.items()}
    return {"facts": {name: pairs for name, pairs in kept.items() if pairs}, "params": _params(found)}


def _told(text: str, digest: str | None) -> bool:
    """Tell whether a fact is known: a bare name of a digest is none."""
    return bool(digest) if digest != "" else bool(text)


def _changed(lines: str) -> str:
    return "" if lines == "0" else f"{lines} changed lines, kept with the run"


def _time(milliseconds: int | None) -> str | None:
    if milliseconds is None:
        return None
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _versions() -> list[str]:
    found = []
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return found


def _params(found: Gathered) -> str:
    """Return the sections of params.yaml that the best training rests on, as YAML; empty where the file is gone."""
    path = found.workspace.root / PARAMS
    content = read_yaml(path) if path.exists() else {}
    wanted = {"datasets": found.params.name, "trainings": found.best}
    sections = {kind: {name: content[kind][name]} for kind, name in wanted.items() if name in content.get(kind, {})}
    stream = io.StringIO()
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = False
    writer.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    if sections:
        writer.dump(sections, stream)
    return stream.getvalue()


def cost(found: Gathered) -> dict[str, Any]:
    """Return seconds and peak memory of each stage as it last ran, and their sum."""
    timed = {name: one for name, one in found.counters.items() if "seconds" in one}
    most = max((one["seconds"] for one in timed.values()), default=0.0) or 1.0
    rows = [
        {
            "stage": name,
            "time": words.duration(one["seconds"]),
            "share": round(100 * one["seconds"] / most, 1),
            "memory": f"{one['peak_mebibytes']:,} MiB" if "peak_mebibytes" in one else words.DASH,
        }
        for name, one in timed.items()
    ]
    whole = sum(one["seconds"] for one in timed.values())
    explaining = found.counters.get("evaluate", {}).get("explaining_seconds")
    return {
        "rows": rows,
        "whole": words.duration(whole),
        "explaining": words.duration(explaining) if explaining else None,
        "peak": f"{max((one.get('peak_mebibytes', 0) for one in timed.values()), default=0):,} MiB",
    }


QUESTIONS = {"image": "photo.jpg", "text": "texts.csv", "audio": "recording.wav"}
TASKS = {"image": "image-classification", "audio": "audio-classification"}


def usage(found: Gathered) -> dict[str, Any]:
    """Return the commands that ask the model."""
    modality = found.params.modality
    model = found.workspace.model(found.best).relative_to(found.workspace.root).as_posix()
    stock = found.params.objective == "classification" and modality in TASKS
    return {
        "commands": [
            f"transfer predict {found.params.name} {QUESTIONS[modality]}",
            f"transfer predict {found.params.name} {QUESTIONS[modality]} --output answers.csv",
            f"transfer show {found.params.name}@champion",
        ],
        "python": f'transformers.pipeline("{TASKS[modality]}", model="{model}")' if stock else None,
        "registered": "version" in found.counters.get("register", {}),
        "alias": found.counters.get("register", {}).get("alias"),
    }
