"""Loads pretrained networks, and those we saved, from Hugging Face model directories: in float32, from safetensors."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
)
from transformers.utils import logging

from tasks.errors import BackboneError
from tasks.neural.architectures import architecture
from tasks.neural.listeners import LISTENERS

STOCK = {
    "image": AutoModelForImageClassification,
    "text": AutoModel,
    "audio": AutoModelForAudioClassification,
}
"""The stock class of each modality; texts have none that pools as we do, so theirs ends with the encoder."""
WITH_POOLER = ("bert", "roberta", "xlm-roberta", "mpnet")
"""Encoders whose class adds a layer for the first token, which mean pooling has no use for."""
SAFELY: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
"""Nothing is fetched behind our back, and no code that comes with weights is run."""
CHANNELS = 3


def fresh(modality: str, directory: Path, layers: int | None, window_seconds: int | None, outputs: int) -> Any:
    """Return the pretrained stock model, cut to `layers` blocks (null: all), with a last layer of `outputs`."""
    config = _config(directory)
    architecture(config.model_type, modality)
    options: dict[str, Any] = {} if layers is None else {"num_hidden_layers": _countable(layers, config, directory)}
    if modality == "audio":
        return _listener(modality, directory, window_seconds, {**options, "num_labels": outputs})
    if modality == "image":
        if getattr(config, "num_channels", CHANNELS) != CHANNELS:
            raise BackboneError(f"{directory.name}: sees {config.num_channels} channels; choose one that sees three")
        options |= {"num_labels": outputs, "architectures": []}
    return _load(modality, STOCK[modality], directory, options)


def unlearnt(modality: str, model: Any) -> Any:
    """Return a model of the same class and configuration with random weights, drawn by torch's global generator.

    What its authors never learnt (Whisper's table of positions, a projector that lets everything through) it keeps.
    """
    with quiet():
        random = type(model)(model.config, **_without_pooler(model.config.model_type))
    row = architecture(model.config.model_type, modality)
    fixed = {name for name, parameter in random.named_parameters() if not parameter.requires_grad}
    kept = {name: tensor for name, tensor in model.state_dict().items() if name in fixed or row.never_learns(name)}
    random.load_state_dict(kept, strict=False)
    return random


def saved(modality: str, directory: Path) -> Any:
    """Return the stock model as it was saved."""
    return _load(modality, STOCK[modality], directory, {})


def _config(directory: Path) -> Any:
    try:
        return AutoConfig.from_pretrained(directory, **SAFELY)
    except (OSError, ValueError, KeyError) as error:
        reason = str(error).partition("\n")[0]
        raise BackboneError(f"{directory.name}: no configuration transformers knows ({reason})") from None


def _countable(layers: int, config: Any, directory: Path) -> int:
    """Return `layers` if the network can be cut there: not every family counts its blocks."""
    most = getattr(config, "num_hidden_layers", None)
    if most is None:
        raise BackboneError(f"layers: {directory.name} can only be used whole; set it to null")
    if layers > most:
        raise BackboneError(f"layers: {layers} are asked of {directory.name}, which has {most}")
    return layers


def _load(modality: str, stock: Any, directory: Path, options: dict[str, Any]) -> Any:
    """Load a model whose weights are all there, its last layer aside if that is to be another."""
    if stock is AutoModel:
        options = {**options, **_without_pooler(_config(directory).model_type)}
    given = {"use_safetensors": True, "dtype": torch.float32, "ignore_mismatched_sizes": True, **SAFELY, **options}
    try:
        with quiet():
            model, told = stock.from_pretrained(directory, output_loading_info=True, **given)
    except (OSError, ValueError, RuntimeError, ImportError, SafetensorError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(
            f"{directory.name}: cannot be loaded ({reason}); fetch it again or choose another"
        ) from None
    _whole(modality, model, told, directory)
    _align(model)
    return model


def _whole(modality: str, model: Any, told: dict[str, Any], directory: Path) -> None:
    """Refuse weights that lack a part, or have one of another size: transformers would draw it at random."""
    row = architecture(model.config.model_type, modality)
    parts = row.parts(model)
    lacking = sorted(name for name in told["missing_keys"] if not row.may_lack(name, parts))
    if lacking:
        names = ", ".join(lacking[:3])
        raise BackboneError(f"{directory.name}: its weights lack {names}; it is not the network it says it is")
    odd = sorted((name, *shapes) for name, *shapes in told["mismatched_keys"] if not row.may_lack(name, parts))
    if odd:
        name, found, wanted = odd[0]
        raise BackboneError(
            f"{directory.name}: {name} is {list(found)} in its weights and {list(wanted)} by its config.json; "
            "one of the two files is another network's"
        )


def _without_pooler(model_type: str) -> dict[str, Any]:
    return {"add_pooling_layer": False} if model_type in WITH_POOLER else {}


def _align(model: torch.nn.Module) -> None:
    """Copy the weights out of the mapped file, where they lie wherever its header ends.

    Kernels round differently at another alignment: a saved network would not answer bit for bit as before.
    """
    for tensor in chain(model.parameters(), model.buffers()):
        tensor.data = tensor.data.clone()


def _listener(modality: str, directory: Path, window_seconds: int | None, options: dict[str, Any]) -> Any:
    """Return a network that hears as a classifier of `window_seconds`."""
    if window_seconds is None:
        raise BackboneError(f"window_seconds: {directory.name} must be told how long it hears")
    config = AutoConfig.from_pretrained(directory, **SAFELY, **options)
    kind = LISTENERS[config.model_type]
    return kind.fit(_load(modality, kind.loads, directory, options), config, window_seconds, directory)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers from reporting the last layer it could not fill, and from drawing bars of its own."""
    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
