"""transformers' Trainer with its defaults on texts: three epochs, every weight learns, batches of eight, float32."""

from pathlib import Path
from typing import Any

import pandas as pd
from transformers import AutoModelForSequenceClassification, AutoTokenizer, Trainer, TrainingArguments, pipeline

from bench.contestant import Ask
from bench.data import Data


def fit(data: Data, work: Path) -> list[str]:
    """Tokenize, train, save, answer; batches are padded to their longest text."""
    tokenizer = AutoTokenizer.from_pretrained(data.backbone)
    labels = dict(enumerate(data.labels))
    numbers = {label: number for number, label in labels.items()}
    model = AutoModelForSequenceClassification.from_pretrained(
        data.backbone, num_labels=len(labels), id2label=labels, label2id=numbers
    )

    def encoded(rows: pd.DataFrame) -> Any:
        inputs = tokenizer(rows["content"].tolist(), truncation=True)
        return [
            {**{name: values[row] for name, values in inputs.items()}, "labels": numbers[label]}
            for row, label in enumerate(rows["label"])
        ]

    arguments = TrainingArguments(output_dir=str(work / "checkpoints"), use_cpu=True)
    trainer = Trainer(model=model, args=arguments, train_dataset=encoded(data.train), processing_class=tokenizer)
    trainer.train()
    trainer.save_model(str(work / "model"))
    outputs: Any = trainer.predict(encoded(data.test)).predictions
    return [labels[int(number)] for number in outputs.argmax(axis=1)]


def load(work: Path) -> Ask:
    """Load it as a pipeline."""
    asked = pipeline("text-classification", model=str(work / "model"), device="cpu")
    return lambda texts: [answer["label"] for answer in asked(texts, batch_size=32)]
