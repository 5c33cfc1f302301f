"""AutoGluon's MultiModalPredictor on texts: three lines, its own recipe, within a time limit."""

import shutil
from pathlib import Path

import pandas as pd
from autogluon.multimodal import MultiModalPredictor

from bench.contestant import Ask
from bench.data import Data


def fit(data: Data, work: Path) -> list[str]:
    """Fit with the same pretrained network as everybody; all else is AutoGluon's default."""
    shutil.rmtree(work / "model", ignore_errors=True)
    predictor = MultiModalPredictor(label="label", path=str(work / "model"), enable_progress_bar=False)
    predictor.fit(
        data.train[["content", "label"]],
        tuning_data=data.validation[["content", "label"]],
        time_limit=data.seconds_limit,
        hyperparameters={"model.hf_text.checkpoint_name": str(data.backbone)},
    )
    return list(predictor.predict(data.test[["content"]]))


def load(work: Path) -> Ask:
    """Load the predictor."""
    predictor = MultiModalPredictor.load(str(work / "model"))
    return lambda texts: list(predictor.predict(pd.DataFrame({"content": texts})))
