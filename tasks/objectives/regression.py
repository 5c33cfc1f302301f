"""One number per sample: the network answers in the labels' own units."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from tasks.errors import TrainingError
from tasks.objectives import Array, Facts, Head, Scores, heads

if TYPE_CHECKING:
    from tasks.objectives.losses import Criterion
    from tasks.schema import HeadSettings, Huber, Loss, SquaredError


def learn(labels: "pd.Series[Any]") -> Facts:
    """Return mean and deviation of the labels, in their units."""
    values = targets(labels, {}).astype(np.float64)
    if np.ptp(values) == 0:
        raise TrainingError(f"all labels of the train split are {values[0]:g}; add samples with other values")
    return {"mean": float(values.mean()), "deviation": float(values.std())}


def outputs(facts: Facts) -> int:
    """One value."""
    return 1


def targets(labels: "pd.Series[Any]", facts: Facts) -> Array:
    """Return the labels as float32 [N], in their units."""
    values = labels.to_numpy(dtype=np.float32)
    if not np.isfinite(values).all() or not len(values):
        bad = int((~np.isfinite(values)).sum())
        raise TrainingError(f"{bad} of {len(values)} labels are no finite numbers; mend the label column")
    return values


def fit_head(
    features: Array, targets: Array, train: Array, validation: Array, settings: "HeadSettings", seed: int
) -> Head:
    """Fit ridge regressions and keep the best by validation mean squared error."""
    data = heads.split(features, targets, train, validation)
    return heads.ridge(data, settings.strengths, squared_error, seed)


def criterion(settings: "Loss", train: Array, facts: Facts) -> "Criterion":
    """Squared or Huber's error of outputs [B, 1], in the train labels' deviations: squared, about 1 for the mean."""
    from tasks.objectives import losses

    return losses.of_values(cast("SquaredError | Huber", settings), train, facts)


def squared_error(outputs: Array, targets: Array) -> float:
    """Mean squared error of outputs [N, 1], in units squared."""
    return float(np.mean((outputs[:, 0].astype(np.float64) - targets) ** 2))


def score(outputs: Array, targets: Array, facts: Facts) -> Scores:
    """R2, Spearman's rank correlation, mean absolute and root mean squared error, and the loss.

    R2 is null where all targets are equal, the correlation where all targets or all outputs are.
    """
    from scipy.stats import spearmanr
    from sklearn.metrics import mean_absolute_error, r2_score

    answer, error = outputs[:, 0].astype(np.float64), squared_error(outputs, targets)
    told = bool(np.ptp(targets) > 0)
    return {
        "r2": float(r2_score(targets, answer)) if told else None,
        "spearman": float(spearmanr(targets, answer).statistic) if told and np.ptp(answer) > 0 else None,
        "mae": float(mean_absolute_error(targets, answer)),
        "rmse": float(np.sqrt(error)),
        "loss": error / facts["deviation"] ** 2,
    }


def baseline(targets: Array, rows: int, facts: Facts) -> Array:
    """Answer the mean of `targets` [M] for each sample."""
    return np.full((rows, 1), targets.mean(dtype=np.float64), dtype=np.float32)


def answers(outputs: Array, facts: Facts) -> pd.DataFrame:
    """Return each sample's value as `answer`, float64, in the labels' units."""
    return pd.DataFrame({"answer": outputs[:, 0].astype(np.float64)})
