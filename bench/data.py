"""What a contestant is given, in whichever environment it runs: a table of samples in three splits, and weights."""

import json
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

TABLE, ABOUT = "table.csv", "about.json"


@dataclass(frozen=True)
class Data:
    """A set of samples: rows have `id`, `content` (a file's path or a text), `label`, `group` and `split`.

    `recipe` names our training whose `epochs`, `blocks` and `layers` are told to who does the same as it.
    `backbone` is a Hugging Face model directory; `timm_weights` the same weights by timm's own names, of pictures.
    `variant` is 0, or 1 where the user has changed what is learnt on top of the pretrained network.
    """

    folder: Path
    modality: str
    rows: pd.DataFrame
    recipe: str
    backbone: Path
    timm_weights: Path
    epochs: int
    blocks: int
    layers: int | None
    seconds_limit: int
    variant: int

    @property
    def train(self) -> pd.DataFrame:
        """What is learnt from."""
        return self._part("train")

    @property
    def validation(self) -> pd.DataFrame:
        """What choices are made on."""
        return self._part("validation")

    @property
    def test(self) -> pd.DataFrame:
        """What the accuracy is told on."""
        return self._part("test")

    @property
    def labels(self) -> list[str]:
        """Return all labels, sorted."""
        return sorted(self.rows["label"].unique())

    def _part(self, split: str) -> pd.DataFrame:
        return self.rows[self.rows["split"] == split].reset_index(drop=True)


def read(job: Path) -> Data:
    """Read the set a job file names."""
    told = json.loads(job.read_text(encoding="utf-8"))
    folder = Path(told["set"])
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    rows = pd.read_csv(folder / TABLE, dtype=str, keep_default_na=False)
    if not told["extra"]:
        rows = rows[rows["extra"] == ""].reset_index(drop=True)
    if about["modality"] != "text":
        rows["content"] = [str(folder / "files" / name) for name in rows["content"]]
    return Data(
        folder=folder,
        modality=about["modality"],
        rows=rows,
        recipe=about["recipe"],
        backbone=Path(about["backbone"]),
        timm_weights=folder / "timm.safetensors",
        epochs=about["epochs"],
        blocks=about["blocks"],
        layers=about["layers"],
        seconds_limit=about["seconds_limit"],
        variant=told["variant"],
    )
