"""The samples everybody is given: a part of one of our data sets, with the splits our own ingest decided."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from safetensors.torch import load_file, save_file

from bench.data import ABOUT, TABLE
from bench.plan import Suite
from tasks import config
from tasks.neural import backbones
from tasks.schema import AnyDataset, Config

EXTRA = 0.01
"""The share of the samples, of the train split, that comes later."""
COLUMNS = ["id", "content", "label", "group", "split", "extra"]
SEED = 17
TIMM = "timm_model."


def export(root: Path, name: str, suite: Suite) -> Path:
    """Write the set of a suite to .local/bench/sets, if it is not there, and return its folder."""
    folder = root / ".local" / "bench" / "sets" / f"{name}-{suite.dataset}-{suite.rows}"
    if (folder / ABOUT).exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    loaded = config.load(root)
    params = config.dataset(loaded, suite.dataset)
    rows = with_extra(chosen(_samples(root, suite.dataset), suite.rows))
    if params.modality != "text":
        rows["content"] = [_linked(root, suite.dataset, row, folder) for row in rows.itertuples()]
    rows[COLUMNS].to_csv(folder / TABLE, index=False)
    backbone = backbones.fetch(params.backbone, root)
    if params.modality == "image":
        _write_timm(backbone, folder)
    (folder / ABOUT).write_text(json.dumps(_about(loaded, params, backbone, suite), indent=2), encoding="utf-8")
    return folder


def chosen(samples: pd.DataFrame, rows: int) -> pd.DataFrame:
    """Return about so many samples, of each split and label the same share, at least two: always the same ones."""
    share = min(1.0, rows / len(samples))
    parts = [
        part.sample(min(len(part), max(2, round(share * len(part)))), random_state=SEED)
        for _, part in samples.groupby(["split", "label"], sort=True)
    ]
    return pd.concat(parts).sort_values("id", ignore_index=True)


def with_extra(samples: pd.DataFrame) -> pd.DataFrame:
    """Mark the train samples that come later, at least one, by a word in the column `extra`."""
    count = max(1, round(EXTRA * len(samples)))
    later = samples[samples["split"] == "train"].sample(count, random_state=SEED).index
    return samples.assign(extra=["later" if row in later else "" for row in samples.index])


def read_table(folder: Path) -> pd.DataFrame:
    """Read the table of a set."""
    return pd.read_csv(folder / TABLE, dtype=str, keep_default_na=False)


def _samples(root: Path, dataset: str) -> pd.DataFrame:
    """Return the usable samples of a data set, with where they lie; ingest and preprocess run if they have not."""
    home = root / "data" / dataset
    for stage, written in (("ingest", home / "raw"), ("preprocess", home / "prepared")):
        if not written.exists():
            subprocess.run([sys.executable, "-m", "tasks", stage, dataset], cwd=root, check=True)
    usable = pd.read_parquet(home / "prepared" / "samples.parquet")
    raw = pd.read_parquet(home / "raw" / "manifest.parquet")[["id", "path", "text"]]
    samples = usable.merge(raw, on="id")
    return samples.assign(
        content=samples["text"].where(samples["path"].isna(), samples["path"]),
        group=samples["group"].where(samples["group"].notna(), samples["id"]),
    )


def _linked(root: Path, dataset: str, row: Any, folder: Path) -> str:
    """Give the file a plain name in the set's own folder; nothing is copied."""
    name = f"{row.id[:16]}{Path(row.content).suffix}"
    target = folder / "files" / name
    target.parent.mkdir(exist_ok=True)
    target.unlink(missing_ok=True)
    os.link((root / "data" / dataset / "raw" / row.content).resolve(), target)
    return name


def _write_timm(backbone: Path, folder: Path) -> None:
    """Write the weights by the names timm itself gives them."""
    tensors = load_file(backbone / "model.safetensors")
    save_file({name.removeprefix(TIMM): tensor for name, tensor in tensors.items()}, folder / "timm.safetensors")


def _about(loaded: Config, params: AnyDataset, backbone: Path, suite: Suite) -> dict[str, Any]:
    """Return what the set is, and what of our own recipe a rival that does the same is told."""
    recipe = loaded.trainings[suite.recipe]
    return {
        "modality": params.modality,
        "recipe": suite.recipe,
        "backbone": str(backbone),
        "epochs": getattr(recipe, "epochs", 0),
        "blocks": getattr(recipe, "blocks", 0),
        "layers": params.extract.layers,
        "seconds_limit": suite.seconds_limit,
    }
