"""Pretrained networks that hear become classifiers of a window of sound: one function for each kind of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from transformers import AutoModel, AutoModelForAudioClassification

from tasks.errors import BackboneError
from tasks.modalities.filter_bank import FRAMES_A_SECOND

POSITIONS_A_SECOND = 50
"""Of Whisper's encoder: 100 mel frames, halved by its second convolution."""
Fit = Callable[[Any, Any, int, Path], Any]


class Listener(NamedTuple):
    """`loads`: the class that reads the weights. `fit`: makes the classifier of them, of `config`, for a window in s.

    BackboneError where it cannot hear that long.
    """

    loads: Any
    fit: Fit


def _whisper(pretrained: Any, config: Any, seconds: int, directory: Path) -> Any:
    """Return Whisper's encoder as a classifier.

    It demands exactly as many frames as it has positions, so the table of positions is cut to the window.
    """
    encoder = pretrained.encoder
    _hears(seconds, encoder.config.max_source_positions // POSITIONS_A_SECOND, directory)
    config.max_source_positions = seconds * POSITIONS_A_SECOND
    config.classifier_proj_size, config.encoder_layerdrop = config.d_model, 0.0
    model = AutoModelForAudioClassification.from_config(config)
    tensors = dict(encoder.state_dict())
    tensors["embed_positions.weight"] = tensors["embed_positions.weight"][: config.max_source_positions]
    model.encoder.load_state_dict({name: tensors[name] for name in model.encoder.state_dict()})
    return _let_through(model)


def _of_waves(pretrained: Any, config: Any, seconds: int, directory: Path) -> Any:
    """Return Wav2Vec2 or HuBERT, which hear any window.

    What its pretraining left out or masked at random is switched off: changes of a training are declared, and what is
    frozen answers always alike. Dropout stays where blocks learn.
    """
    if getattr(config, "add_adapter", False):
        raise BackboneError(f"{directory.name}: has adapters on its encoder (add_adapter); choose one without")
    config.layerdrop, config.apply_spec_augment, config.use_weighted_layer_sum = 0.0, False, False
    config.classifier_proj_size = config.hidden_size
    model = AutoModelForAudioClassification.from_config(config)
    model.base_model.load_state_dict(pretrained.state_dict())
    return _let_through(model)


def _spectrogram_transformer(pretrained: Any, config: Any, seconds: int, directory: Path) -> Any:
    """Return AST with the positions of the window: as its authors do, from the middle of those it learnt."""
    _hears(seconds, config.max_length // FRAMES_A_SECOND, directory)
    most = pretrained.audio_spectrogram_transformer.embeddings.get_shape(config)
    config.max_length = seconds * FRAMES_A_SECOND
    model = type(pretrained)(config)
    name = "audio_spectrogram_transformer.embeddings.position_embeddings"
    tensors = dict(pretrained.state_dict())
    kept = model.audio_spectrogram_transformer.embeddings.get_shape(config)[1]
    first = (most[1] - kept) // 2
    tokens, patches = tensors[name][:, :2], tensors[name][:, 2:].unflatten(1, most)
    tensors[name] = torch.cat([tokens, patches[:, :, first : first + kept].flatten(1, 2)], dim=1)
    model.load_state_dict(tensors)
    return model


def _hears(seconds: int, most: int, directory: Path) -> None:
    if seconds > most:
        raise BackboneError(f"window_seconds: {seconds} of {directory.name}; it hears 1 to {most} seconds")


def _let_through(model: Any) -> Any:
    """Make the layer between the encoder and the head one that changes nothing."""
    torch.nn.init.eye_(model.projector.weight)
    torch.nn.init.zeros_(model.projector.bias)
    return model


LISTENERS = {
    "whisper": Listener(AutoModel, _whisper),
    "wav2vec2": Listener(AutoModel, _of_waves),
    "hubert": Listener(AutoModel, _of_waves),
    "audio-spectrogram-transformer": Listener(AutoModelForAudioClassification, _spectrogram_transformer),
}
"""By the `model_type` of config.json."""
