"""fastai's vision_learner and fine_tune: the head for one epoch, then everything, with its own augmentations."""

from pathlib import Path
from typing import Any

import pandas as pd
from fastai.vision.all import (
    CategoryBlock,
    ColReader,
    ColSplitter,
    DataBlock,
    ImageBlock,
    Resize,
    ResizeMethod,
    accuracy,
    aug_transforms,
    load_learner,
    vision_learner,
)

from bench.contestant import Ask
from bench.data import Data

NAME, SIDE, BATCH, EPOCHS = "tf_efficientnet_lite0", 224, 32, 3


def fit(data: Data, work: Path) -> list[str]:
    """Fine-tune for three epochs after the head's one, save, answer."""
    rows = pd.concat([data.train, data.validation], ignore_index=True)
    rows["is_valid"] = rows["split"] == "validation"
    block = DataBlock(
        blocks=(ImageBlock, CategoryBlock),
        get_x=ColReader("content"),
        get_y=ColReader("label"),
        splitter=ColSplitter("is_valid"),
        item_tfms=Resize(SIDE, method=ResizeMethod.Squish),
        batch_tfms=aug_transforms(flip_vert=True),
    )
    batches = block.dataloaders(rows, bs=BATCH, num_workers=2)
    weights = {"file": str(data.timm_weights)}
    learner = vision_learner(batches, NAME, metrics=accuracy, pretrained_cfg_overlay=weights)
    with learner.no_bar():
        learner.fine_tune(EPOCHS)
    learner.export(work / "model.pkl")
    return _answers(learner, data.test["content"].tolist())


def load(work: Path) -> Ask:
    """Load the exported learner: a pickle, which is fastai's way."""
    learner = load_learner(work / "model.pkl", cpu=True)
    return lambda files: _answers(learner, files)


def _answers(learner: Any, files: list[str]) -> list[str]:
    with learner.no_bar():
        batches = learner.dls.test_dl([Path(file) for file in files])
        _, _, numbers = learner.get_preds(dl=batches, with_decoded=True)
    return [learner.dls.vocab[int(number)] for number in numbers]
