"""transformers' Trainer with its defaults on recordings: Whisper's own feature extractor pads each to 30 seconds."""

from pathlib import Path
from typing import Any

import soundfile
import torch
import torchaudio
from transformers import (
    AutoFeatureExtractor,
    AutoModelForAudioClassification,
    Trainer,
    TrainingArguments,
    default_data_collator,
)

from bench.contestant import Ask
from bench.data import Data


def wave(file: str, rate: int) -> Any:
    """Return a recording's samples, mono, at `rate` hertz, as the models want them."""
    samples, own = soundfile.read(file, dtype="float32", always_2d=True)
    return torchaudio.functional.resample(torch.from_numpy(samples.mean(axis=1)), own, rate).numpy()


def heard(files: list[str], extractor: Any) -> list[Any]:
    """Return each recording's log-mel spectrogram, 30 seconds long."""
    waves = [wave(file, extractor.sampling_rate) for file in files]
    return [extractor(one, sampling_rate=extractor.sampling_rate)["input_features"][0] for one in waves]


def fit(data: Data, work: Path) -> list[str]:
    """Extract, train, save, answer."""
    extractor = AutoFeatureExtractor.from_pretrained(data.backbone)
    labels = dict(enumerate(data.labels))
    numbers = {label: number for number, label in labels.items()}
    model = AutoModelForAudioClassification.from_pretrained(
        data.backbone, num_labels=len(labels), id2label=labels, label2id=numbers
    )

    def encoded(rows: Any) -> Any:
        sounds = heard(rows["content"].tolist(), extractor)
        return [
            {"input_features": sound, "labels": numbers[label]}
            for sound, label in zip(sounds, rows["label"], strict=True)
        ]

    trainer = Trainer(
        model=model,
        args=TrainingArguments(output_dir=str(work / "checkpoints"), use_cpu=True),
        train_dataset=encoded(data.train),
        data_collator=default_data_collator,
        processing_class=extractor,
    )
    trainer.train()
    trainer.save_model(str(work / "model"))
    outputs: Any = trainer.predict(encoded(data.test)).predictions
    return [labels[int(number)] for number in outputs.argmax(axis=1)]


def load(work: Path) -> Ask:
    """Load model and extractor."""
    extractor = AutoFeatureExtractor.from_pretrained(work / "model")
    model = AutoModelForAudioClassification.from_pretrained(work / "model").eval()

    def ask(files: list[str]) -> list[str]:
        inputs = torch.stack([torch.as_tensor(sound) for sound in heard(files, extractor)])
        with torch.inference_mode():
            numbers = model(input_features=inputs).logits.argmax(dim=1)
        return [model.config.id2label[int(number)] for number in numbers]

    return ask
