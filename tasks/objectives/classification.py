"""One label per sample out of K: logits in, softmax probabilities out."""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd

from tasks.errors import TrainingError
from tasks.objectives import Array, Facts, Head, Scores, heads

if TYPE_CHECKING:
    from tasks.objectives.losses import Criterion
    from tasks.schema import CrossEntropy, HeadSettings, Loss


def learn(labels: "pd.Series[Any]") -> Facts:
    """Return the labels in sorted order; the position of a label is its class index."""
    names = sorted({str(label) for label in labels})
    if len(names) < 2:
        raise TrainingError(f"the train split holds one class only, {names}; add samples of others")
    return {"labels": names}


def outputs(facts: Facts) -> int:
    """One logit per class."""
    return len(facts["labels"])


def targets(labels: "pd.Series[Any]", facts: Facts) -> Array:
    """Return int64 [N] class indices."""
    known = {label: index for index, label in enumerate(facts["labels"])}
    strangers = sorted({str(label) for label in labels} - set(known))
    if strangers:
        raise TrainingError(
            f"no sample of the train split has the label {', '.join(map(repr, strangers))}; "
            "add samples of it, take it out, or change ingest.split"
        )
    return np.array([known[str(label)] for label in labels], dtype=np.int64)


def fit_head(
    features: Array, targets: Array, train: Array, validation: Array, settings: "HeadSettings", seed: int
) -> Head:
    """Fit logistic regressions and keep the best by validation log-loss."""
    data = heads.split(features, targets, train, validation)
    return heads.logistic(data, settings.strengths, log_loss, seed)


def criterion(settings: "Loss", train: Array, facts: Facts) -> "Criterion":
    """Cross entropy of logits [B, K], in nats, as `settings` modify it."""
    from tasks.objectives import losses

    return losses.of_classes(cast("CrossEntropy", settings), train, facts)


def log_loss(outputs: Array, targets: Array) -> float:
    """Cross entropy of logits [N, K], in nats."""
    return float(-log_probabilities(outputs)[np.arange(len(targets)), targets].mean())


def log_probabilities(outputs: Array) -> Array:
    """Return log softmax of logits [N, K] in float64; unlike probabilities they do not tie near 1."""
    from scipy.special import log_softmax

    return np.asarray(log_softmax(outputs.astype(np.float64), axis=1))


def score(outputs: Array, targets: Array, facts: Facts) -> Scores:
    """Accuracy; balanced accuracy, macro-F1 and ROC-AUC over the classes there are samples of; log-loss."""
    from sklearn.metrics import accuracy_score, f1_score, recall_score

    answer = outputs.argmax(axis=1)
    over_classes = {"labels": np.unique(targets), "average": "macro"}
    return {
        "accuracy": float(accuracy_score(targets, answer)),
        "balanced_accuracy": float(recall_score(targets, answer, **over_classes)),
        "macro_f1": float(f1_score(targets, answer, **over_classes)),
        "roc_auc": _roc_auc(log_probabilities(outputs), targets),
        "loss": log_loss(outputs, targets),
    }


def _roc_auc(scores: Array, targets: Array) -> float | None:
    """Average over the classes that some but not all samples have; of two both areas are equal."""
    from sklearn.metrics import roc_auc_score

    counts = np.bincount(targets, minlength=scores.shape[1])
    told = np.flatnonzero((counts > 0) & (counts < len(targets)))[-1 if len(counts) == 2 else 0 :]
    areas = [roc_auc_score(targets == index, scores[:, index]) for index in told]
    return float(np.mean(areas)) if areas else None


def baseline(targets: Array, rows: int, facts: Facts) -> Array:
    """Answer with the logarithm of each class's share of `targets` [M]: always the majority class."""
    shares = np.bincount(targets, minlength=outputs(facts)) / len(targets)
    return np.tile(np.log(shares).astype(np.float32), (rows, 1))


def answers(outputs: Array, facts: Facts) -> pd.DataFrame:
    """Return each sample's most probable label as `answer` and its probability as `confidence`, float64."""
    labels = np.array(facts["labels"], dtype=object)[outputs.argmax(axis=1)]
    return pd.DataFrame({"answer": labels, "confidence": np.exp(log_probabilities(outputs).max(axis=1))})
