"""Small samples in memory, and model directories that hold just what a modality reads of a backbone."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from PIL import Image


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    """Return the bytes of an image file."""
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def picture(width: int = 40, height: int = 30, seed: int = 0) -> Image.Image:
    """A smooth colourful picture whose corners differ."""
    corners = np.random.default_rng(seed).integers(0, 256, (2, 2, 3)).astype(np.uint8)
    return Image.fromarray(corners).resize((width, height), Image.Resampling.BICUBIC)


def recording(samples: Any, rate: int = 16000, form: str = "WAV", subtype: str = "FLOAT") -> bytes:
    """Return the bytes of a sound file with samples [S] or [S, channels]."""
    stream = io.BytesIO()
    soundfile.write(stream, np.asarray(samples), rate, format=form, subtype=subtype)
    return stream.getvalue()


def tone(hertz: float = 440.0, seconds: float = 0.5, rate: int = 16000) -> "np.ndarray[Any, Any]":
    """A sine at half of full scale."""
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)


def image_backbone(folder: Path, mean: float = 0.5, deviation: float = 0.25) -> Path:
    """A directory that declares how a timm network sees."""
    declared = {"mean": [mean] * 3, "std": [deviation] * 3, "interpolation": "bicubic"}
    return _directory(folder, {"config.json": {"pretrained_cfg": declared}})


def audio_backbone(folder: Path, rate: int = 16000) -> Path:
    """A directory that declares how Whisper hears."""
    declared = {"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": rate}
    declared |= {"feature_size": 80, "hop_length": 160, "n_fft": 400}
    return _directory(folder, {"preprocessor_config.json": declared})


def text_backbone(folder: Path, words: str = "a fine poor film it was the of end") -> Path:
    """A directory with a tokenizer of whole words: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, then `words` from 4."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: number for number, word in enumerate([*special, *words.split()])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token=special[1]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    names = dict(zip(("pad_token", "unk_token", "cls_token", "sep_token"), special, strict=True))
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, model_max_length=32, **names)
    fast.save_pretrained(folder)
    return _directory(folder, {"config.json": {"model_type": "bert", "max_position_embeddings": 32}})


def _directory(folder: Path, files: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content))
    return folder
