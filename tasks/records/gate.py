"""Whether a new model takes the champion's place: both answer for the same test samples."""

from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from tasks.errors import BadSample, TrainingError
from tasks.modalities.reading import Row, content
from tasks.objectives import Facts, objective
from tasks.parallel import batched
from tasks.records.enrolment import PREDICTIONS
from tasks.records.registry import model_directory
from tasks.schema import AnyDataset
from tasks.workspace import Workspace, read_json

AT_ONCE = 512


class Verdict(NamedTuple):
    """Whether the new model is better than the champion, and the sentence that says so."""

    better: bool
    reason: str


def judge(params: AnyDataset, workspace: Workspace, model: Path, test: pd.DataFrame, package: Path) -> Verdict:
    """Compare a model with the champion in `package` by the data set's main metric.

    `test` holds id, label and the model's outputs of the current test split. The champion's stored outputs serve
    where they cover it; else it answers again, from the raw samples. A sample it refuses counts for neither.
    """
    champion = model_directory(package)
    ours, theirs = _pipeline(model), _pipeline(champion)
    if ours["objective"] != theirs["objective"]:
        return Verdict(True, f"the champion learnt {theirs['objective']}, which the data set no longer asks for")
    answered = _outputs(workspace, champion, pd.read_parquet(package / PREDICTIONS), test["id"])
    if answered.empty:
        return Verdict(True, "the champion can read none of the test samples")
    both = test.set_index("id").loc[answered.index]
    try:
        held = _score(params, answered, both["label"], theirs["facts"])
    except TrainingError as error:
        return Verdict(True, f"the champion cannot name every label: {error}")
    return _verdict(params, _score(params, both, both["label"], ours["facts"]), held, len(both))


def _verdict(params: AnyDataset, value: float | None, held: float | None, samples: int) -> Verdict:
    metric, margin = params.evaluate.metric, params.register_.gate.margin
    if value is None or held is None:
        return Verdict(False, f"{metric} is undefined on {samples:,} test samples, so nothing can be compared")
    told = f"{metric} {value:.4f} against the champion's {held:.4f} on the same {samples:,} test samples"
    return Verdict(value - held > margin, f"{told} (gate.margin {margin:g})")


def _pipeline(model: Path) -> dict[str, Any]:
    return dict(read_json(model / "pipeline.json"))


def _score(params: AnyDataset, outputs: pd.DataFrame, labels: "pd.Series[Any]", facts: Facts) -> float | None:
    """Return the main metric of the output columns of a table."""
    learns = objective(params.objective)
    arrays = outputs.filter(regex=r"^output_\d+$").to_numpy("float32")
    return learns.score(arrays, learns.targets(labels, facts), facts)[params.evaluate.metric]


def _outputs(workspace: Workspace, champion: Path, stored: pd.DataFrame, ids: "pd.Series[str]") -> pd.DataFrame:
    """Return the champion's outputs by id, for the test samples it can read."""
    stored = stored.set_index("id")
    if ids.isin(stored.index).all():
        return stored.loc[ids.tolist()]
    return _answered_again(workspace, champion, ids)


def _answered_again(workspace: Workspace, champion: Path, ids: "pd.Series[str]") -> pd.DataFrame:
    from tasks.predict import Predictor

    predictor, parts = Predictor.load(champion), []
    for rows in batched(raw_rows(workspace, ids.tolist()), AT_ONCE):
        outputs, refused = predictor.outputs([_content(workspace, row) for row in rows])
        read = [row.id for row, reason in zip(rows, refused, strict=True) if not reason]
        parts.append(pd.DataFrame(outputs, index=read).add_prefix("output_"))
    return pd.concat(parts)


def raw_rows(workspace: Workspace, ids: list[str]) -> list[Row]:
    """Return the rows of the manifest with these ids, in their order."""
    from pyarrow.parquet import read_table

    table = read_table(workspace.raw / "manifest.parquet", columns=list(Row._fields[1:])).to_pylist()
    rows = {row["id"]: Row(number, **row) for number, row in enumerate(table)}
    return [rows[identity] for identity in ids]


def _content(workspace: Workspace, row: Row) -> bytes | str | BadSample:
    try:
        return content(workspace.raw, row)
    except BadSample as reason:
        return reason
