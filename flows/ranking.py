"""`transfer rank`: the candidates of a data set in one table, the best by LogME first."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import console
from tasks import config
from tasks.errors import ConfigError
from tasks.schema import METRICS, AnyDataset, Config, HeadSettings
from tasks.workspace import Workspace, read_json, write_json

if TYPE_CHECKING:
    import pandas as pd

    from tasks.experiments.contenders import Contender


def rank(root: Path, name: str) -> None:
    """Print the table of data set `name` and write it, with the scores' agreement, to .local/rank/NAME.json."""
    from tasks.experiments.rank import agreement
    from tasks.experiments.rank import rank as ranked

    loaded = config.load(root)
    dataset, workspace = config.dataset(loaded, name), Workspace(root, name)
    candidates, head, metric = _candidates(loaded, name), _head(loaded, dataset), dataset.evaluate.metric
    with workspace.locked(f"rank {name}"):
        table = ranked(dataset, candidates, head, workspace)
        rows, alike = _records(table), agreement(table)
        target = workspace.local / "rank" / f"{name}.json"
        write_json(target, {"dataset": name, "metric": metric, "candidates": rows, "tau_b": alike})
    columns = ["backbone", "layers", "dimensions", "LogME", "H-score", f"linear probe ({metric})", "time", ""]
    console.table(f"Candidates for {name}, by LogME", columns, [_row(row, metric) for row in rows])
    console.out.print(f"agreement (Kendall's tau-b)   {_agreement(alike)}\nkept in {target.relative_to(root)}")
    _confirmed(root)


def _confirmed(root: Path) -> None:
    """Tell how well the scores agreed with fine-tuning where that was measured."""
    known = root / "docs" / "ranking.json"
    for name, told in read_json(known).items() if known.exists() else ():
        console.out.print(
            f"fine-tuning {told['candidates']} candidates of {name} agreed with   {_agreement(told['tau_b'])}"
        )


def _candidates(loaded: Config, name: str) -> "list[Contender]":
    from tasks.experiments.contenders import Contender

    declared = loaded.candidates.get(name)
    if not declared:
        example = f"candidates: {{{name}: [{{backbone: {next(iter(loaded.backbones))}, layers: null}}]}}"
        raise ConfigError(f"{config.PARAMS}: {name} has no candidates to rank; write {example}")
    return [Contender(loaded.backbones[one.backbone], one.layers) for one in declared]


def _head(loaded: Config, dataset: AnyDataset) -> HeadSettings:
    """Return the head of the first of the data set's trainings that has one."""
    for training in dataset.evaluate.trainings:
        head: HeadSettings | None = getattr(loaded.trainings[training], "head", None)
        if head is not None:
            return head
    raise ConfigError(f"trainings: none of {dataset.name} has a head to probe with; add one of strategy head")


def _records(table: "pd.DataFrame") -> list[dict[str, Any]]:
    """Return the rows as JSON has them: null for what is not a number."""
    known = table.astype(object).where(table.notna(), None)
    return [{str(name): value for name, value in row.items()} for row in known.to_dict("records")]


def _row(row: dict[str, Any], metric: str) -> list[str]:
    return [
        row["backbone"],
        "all" if row["layers"] is None else str(row["layers"]),
        str(row["dimensions"]),
        f"{row['logme']:.4f}",
        "-" if row["h_score"] is None else f"{row['h_score']:.4f}",
        _probe(row["probe"], metric),
        "-" if row["seconds"] is None else console.duration(row["seconds"]),
        "current" if row["current"] else "",
    ]


def _probe(value: float | None, metric: str) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if metric in METRICS["regression"] else f"{100 * value:.1f} %"


def _agreement(alike: dict[str, float | None]) -> str:
    from tasks.experiments.rank import SCORES

    pairs = {" / ".join(SCORES[score] for score in pair.split()): value for pair, value in alike.items()}
    return "   ".join(f"{pair} {'-' if value is None else f'{value:+.2f}'}" for pair, value in pairs.items())
