"""What stands beside saved weights, so that transformers.pipeline sees and hears as our preparation does."""

import shutil
from pathlib import Path
from typing import Any

from tasks.modalities import hearing
from tasks.modalities.directory import PROCESSOR
from tasks.workspace import read_json, write_json

TOKENIZER = (
    "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
    "vocab.txt", "vocab.json", "merges.txt", "sentencepiece.bpe.model", "spiece.model",
)  # fmt: skip
"""The files that tokenizers of transformers are made of; each has some of them."""


def describe(config: Any, facts: dict[str, Any], preprocess: dict[str, Any]) -> None:
    """Tell the model's configuration its labels, and of timm's models how a picture is prepared."""
    labels = facts.get("labels", ["value"])
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: number for number, label in enumerate(labels)}
    config.problem_type = "single_label_classification" if "labels" in facts else "regression"
    if config.model_type == "timm_wrapper":
        config.label_names = labels
        side = preprocess["size"]
        whole = {"input_size": [3, side, side], "crop_pct": 1.0, "crop_mode": "squash"}
        config.pretrained_cfg = {**config.pretrained_cfg, **whole}


def write(modality: str, source: Path, target: Path, preprocess: dict[str, Any]) -> None:
    """Write the processor's files of a network from directory `source` into `target`."""
    WRITERS[modality](source, target, preprocess)


def _of_pictures(source: Path, target: Path, preprocess: dict[str, Any]) -> None:
    """Write that the whole picture is resized, nothing cut off; timm's models say so in config.json.

    Some processors (ConvNext's, which ResNets have) cut whatever they are told: ViT's does what it is told.
    """
    if not (source / PROCESSOR).exists():
        return
    side = {"height": preprocess["size"], "width": preprocess["size"]}
    stock = {name: value for name, value in read_json(source / PROCESSOR).items() if name not in OTHERS_OWN}
    plain = {"image_processor_type": "ViTImageProcessor", "size": side, "do_resize": True, "do_center_crop": False}
    write_json(target / PROCESSOR, {**stock, **plain})


OTHERS_OWN = ("feature_extractor_type", "crop_pct", "crop_size")


def _of_texts(source: Path, target: Path, preprocess: dict[str, Any]) -> None:
    for name in TOKENIZER:
        if (source / name).exists():
            shutil.copyfile(source / name, target / name)


def _of_sounds(source: Path, target: Path, preprocess: dict[str, Any]) -> None:
    """Write that the window is all that is heard."""
    from transformers import AutoFeatureExtractor

    window = hearing.of(source).extractor(preprocess["window_seconds"])
    safely = {"local_files_only": True, "trust_remote_code": False}
    AutoFeatureExtractor.from_pretrained(source, **safely, **window).save_pretrained(target)


WRITERS = {"image": _of_pictures, "text": _of_texts, "audio": _of_sounds}
