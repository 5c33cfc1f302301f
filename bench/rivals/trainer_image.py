"""transformers' Trainer with its defaults on pictures: three epochs, every weight learns, batches of eight, float32."""

import json
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.data import Dataset
from transformers import (
    AutoImageProcessor,
    AutoModelForImageClassification,
    Trainer,
    TrainingArguments,
    default_data_collator,
    pipeline,
)

from bench.contestant import Ask
from bench.data import Data


class Pictures(Dataset[Any]):
    """Opens a picture when it is asked for."""

    def __init__(self, rows: Any, numbers: dict[str, int], processor: Any, training: bool) -> None:
        self.files, self.labels = rows["content"].tolist(), [numbers[label] for label in rows["label"]]
        self.transforms = processor.train_transforms if training else processor.val_transforms

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, row: int) -> dict[str, Any]:
        picture = Image.open(self.files[row]).convert("RGB")
        return {"pixel_values": self.transforms(picture), "labels": self.labels[row]}


def fit(data: Data, work: Path) -> list[str]:
    """Train on the processor's own random crops, save, answer."""
    processor = AutoImageProcessor.from_pretrained(data.backbone)
    labels = dict(enumerate(data.labels))
    numbers = {label: number for number, label in labels.items()}
    model = AutoModelForImageClassification.from_pretrained(
        data.backbone, num_labels=len(labels), id2label=labels, label2id=numbers, ignore_mismatched_sizes=True
    )
    trainer = Trainer(
        model=model,
        args=TrainingArguments(output_dir=str(work / "checkpoints"), use_cpu=True),
        train_dataset=Pictures(data.train, numbers, processor, training=True),
        data_collator=default_data_collator,
        processing_class=processor,
    )
    trainer.train()
    trainer.save_model(str(work / "model"))
    (work / "labels.json").write_text(json.dumps(labels))
    outputs: Any = trainer.predict(Pictures(data.test, numbers, processor, training=False)).predictions
    return [labels[int(number)] for number in outputs.argmax(axis=1)]


def load(work: Path) -> Ask:
    """Load it as a pipeline; the saved configuration of a timm network forgets its labels."""
    asked = pipeline("image-classification", model=str(work / "model"), device="cpu")
    labels = json.loads((work / "labels.json").read_text())
    asked.model.config.id2label = {int(number): label for number, label in labels.items()}
    return lambda files: [answers[0]["label"] for answers in asked(files, batch_size=32)]
