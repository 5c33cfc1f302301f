"""Packs a model directory as an MLflow model: its own code beside it, no pickle inside."""

import shutil
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.records import tracking

NEEDED = (
    "filelock", "mlflow", "numpy", "pandas", "pillow", "pyarrow", "pydantic", "safetensors", "scikit-learn", "scipy",
    "rich", "soundfile", "timm", "torch", "torchaudio", "torchvision", "transformers",
)  # fmt: skip
"""What a registered model needs to answer."""


def package(model: Path, target: Path, question: pd.DataFrame, answer: pd.DataFrame, logged: Any) -> None:
    """Write `model` to the folder `target`; a question and its answer show what goes in and comes out.

    `logged` is the model's entry in MLflow.
    """
    mlflow, code = tracking.library(), Path(__file__).parents[1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's advice on type hints
        mlflow.pyfunc.save_model(
            path=str(target),
            python_model=str(code / "records" / "served.py"),
            artifacts={"model": str(model)},
            code_paths=[str(code)],
            signature=mlflow.models.infer_signature(question, answer),
            input_example=question,
            pip_requirements=[f"{name}=={_release(name)}" for name in NEEDED],
            mlflow_model=mlflow.models.Model(
                run_id=logged.source_run_id, model_id=logged.model_id, model_uuid=logged.model_id
            ),
        )
    for compiled in list(target.rglob("__pycache__")):
        shutil.rmtree(compiled)


def fetch(root: Path, source: str, scratch: Path) -> Path:
    """Download a packed model from a server to a folder below `scratch`, and return that folder."""
    download = tracking.library().artifacts.download_artifacts
    return Path(download(artifact_uri=source, dst_path=str(scratch), tracking_uri=tracking.address(root)))


def _release(name: str) -> str:
    """Return the installed version of a package, without the builder's own suffix (2.14.1+cpu)."""
    return version(name).partition("+")[0]
