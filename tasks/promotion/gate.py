"""The gate: a version becomes champion only if it is better on the same samples and fails none of the checks."""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from safetensors.numpy import load_file

from tasks.evaluation import resampling
from tasks.objectives import objective
from tasks.promotion import checks, drift
from tasks.promotion.checks import Check, Duel
from tasks.promotion.drift import Arrivals
from tasks.promotion.reign import Reign
from tasks.records.registry import CHALLENGER, CHAMPION, Version, package_directory
from tasks.records.throne import ROLLED_BACK
from tasks.schema import AnyDataset
from tasks.workspace import Workspace, read_json

REFUSED = "refused_share"
"""The tag that says which share of the samples was refused when a version was registered."""


class Decision(NamedTuple):
    """The alias a version deserves, the sentence that says why, the champion it was compared with, all checks."""

    alias: str
    reason: str
    against: str | None
    checks: list[Check]

    def numbers(self) -> dict[str, Any]:
        """Return all of it as JSON can write it."""
        found = [{"name": one.name, "passed": one.passed, "told": one.told, **one.numbers} for one in self.checks]
        return {"alias": self.alias, "against": self.against, "reason": self.reason, "checks": found}


FIRST = Decision(CHAMPION, "it is the first one", None, [])


def judge(
    params: AnyDataset, workspace: Workspace, model: Path, test: pd.DataFrame, version: Version, held: Version
) -> Decision:
    """Compare a version, whose files are in `model`, with the champion `held`.

    `test` holds id, label and the version's outputs of the current test split.
    """
    reign = Reign(held["version"], package_directory(workspace.root, held))
    found = _checks(params, workspace, model, test, reign, held)
    if version.get(ROLLED_BACK):
        found.insert(0, Check("history", False, f"it was rolled back: {version[ROLLED_BACK]}", {}))
    failed = [one.told for one in found if not one.passed]
    won = next((one.told for one in found if one.name == "metric"), "")
    reason = f"{'; '.join(failed) or won}; the champion was version {reign.version}"
    return Decision(CHALLENGER if failed else CHAMPION, reason, reign.version, found)


def _checks(
    params: AnyDataset, workspace: Workspace, model: Path, test: pd.DataFrame, reign: Reign, held: Version
) -> list[Check]:
    alike = _alike(dict(read_json(model / "pipeline.json")), reign)
    if not alike.passed:
        return [alike]
    answered = reign.outputs(workspace, test["id"])
    if answered.empty:
        told = "the champion can read none of the test samples, so nothing can be compared"
        return [alike, Check("read", False, told, {})]
    duel = _duel(params, workspace, test.set_index("id").loc[answered.index], answered, reign)
    arrived = drift.check(_arrivals(workspace, reign, held), params.register_.gate.drift, params.seed)
    return [alike, _unseen(test, reign), *checks.check(duel, params.register_.gate), arrived]


def _alike(ours: dict[str, Any], reign: Reign) -> Check:
    """Both must have learnt the same: who asks the champion relies on its labels."""
    if ours["objective"] != reign.about["objective"]:
        told = f"it learnt {ours['objective']}, the champion {reign.about['objective']}"
        return Check("labels", False, told, {})
    now, before = (set(about["facts"].get("labels", ())) for about in (ours, reign.about))
    if now == before:
        return Check("labels", True, "it knows the champion's labels", {})
    changes = [f"{verb} {', '.join(sorted(names))}" for verb, names in (("also", now - before), ("not", before - now))]
    told = f"it knows other labels than the champion: {' and '.join(one for one in changes if one.split()[1:])}"
    return Check("labels", False, told, {"new": sorted(now), "champion": sorted(before)})


def _unseen(test: pd.DataFrame, reign: Reign) -> Check:
    """The champion must not be asked what it was taught."""
    if reign.learnt is None:
        return Check("unseen", True, "the champion does not tell what it learnt from", {})
    seen = int(test["id"].isin(reign.learnt).sum())
    told = f"{seen:,} of {len(test):,} test samples are among those the champion's training saw"
    return Check("unseen", not seen, told, {"seen": seen})


def _duel(params: AnyDataset, workspace: Workspace, ours: pd.DataFrame, theirs: pd.DataFrame, reign: Reign) -> Duel:
    learns, facts = objective(params.objective), reign.about["facts"]
    manifest = pd.read_parquet(workspace.raw / "manifest.parquet", columns=["id", "group"]).set_index("id")
    samples = manifest.loc[ours.index].reset_index()
    return Duel(
        objective=params.objective,
        facts=facts,
        metric=params.evaluate.metric,
        targets=learns.targets(ours["label"], facts),
        weights=resampling.weights(params, samples),
        ours=_arrays(ours),
        theirs=_arrays(theirs),
    )


def _arrays(table: pd.DataFrame) -> "np.ndarray[Any, np.dtype[np.float32]]":
    return np.asarray(table.filter(regex=r"^output_\d+$").to_numpy("float32"))


def _arrivals(workspace: Workspace, reign: Reign, held: Version) -> Arrivals:
    samples = pd.read_parquet(workspace.prepared / "samples.parquet", columns=["id", "label", "group"])
    learnt = samples["id"].isin(reign.learnt if reign.learnt is not None else [])
    new = ~learnt & ~samples["id"].isin(reign.asked)
    before = held.get(REFUSED)
    return Arrivals(
        samples=samples,
        features=load_file(workspace.features / "features.safetensors")["features"],
        learnt=np.flatnonzero(learnt),
        new=np.flatnonzero(new),
        refused=(refused_share(workspace), None if before is None else float(before)),
    )


def refused_share(workspace: Workspace) -> float:
    """Return which share of the samples preprocess refused when it last ran here."""
    counted = workspace.counters("preprocess")
    return float(counted.get("refused", 0) / max(1, counted.get("read", 0)))
