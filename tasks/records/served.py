"""The script of the registered model; MLflow runs it to load one, so that nothing need be unpickled."""

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel, PythonModelContext


class Served(PythonModel):
    """Answers for the first column of a table: texts, or the bytes of files."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model directory that is packed with this script."""
        from tasks.predict import Predictor

        self.predictor = Predictor.load(Path(context.artifacts["model"]))

    def predict(
        self, context: PythonModelContext, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Return one row for each row in: the answer, and the reason where it is refused."""
        return self.predictor.answer(model_input.iloc[:, 0].tolist())


set_model(Served())
