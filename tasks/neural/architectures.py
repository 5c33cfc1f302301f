"""Where the parts of each family of pretrained networks stand. A new family is a row of ARCHITECTURES."""

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from timm.models import group_parameters
from timm.models._manipulate import MATCH_PREV_GROUP
from torch import nn

from tasks.errors import BackboneError

NONE = "(?!)"
"""A regular expression that nothing matches."""


class Parts(NamedTuple):
    """The parts of one network, by the names of its parameters.

    `base` is the path of the pretrained part; below it `stem` and `blocks` say by timm's regular expressions
    which parameters come first and, by their groups, which block each belongs to. What neither matches stands
    after the last block and belongs to it. `head` is the path of the final linear layer, None if there is none.
    """

    base: str
    stem: Any
    blocks: Any
    head: str | None


class Architecture(NamedTuple):
    """A family of networks: what it reads, and where its parts stand in a network of it.

    The convolutions of its first `exact` blocks compute in float32 where the rest computes in bfloat16. `still`: a
    regular expression of the parameters that never learn. `anew`: of those that pretrained weights may lack, because
    they belong to the head.
    """

    modality: str
    exact: int
    parts: Callable[[Any], Parts]
    still: str = NONE
    anew: str = NONE

    def never_learns(self, name: str) -> bool:
        """Tell whether the parameter called so takes no gradient, whatever the strategy."""
        return re.fullmatch(self.still, name) is not None

    def may_lack(self, name: str, parts: Parts) -> bool:
        """Tell whether a network is whole without this pretrained parameter: it is begun anew, or used by nothing."""
        ends = parts.head is not None and name.startswith(f"{parts.head}.")
        return ends or re.fullmatch(f"{self.still}|{self.anew}", name) is not None


def _always(base: str, stem: str, blocks: str, head: str | None) -> Callable[[Any], Parts]:
    """Make the parts of a family whose networks are all built alike."""
    return lambda _model: Parts(base, stem, blocks, head)


def _timm_says(model: Any) -> Parts:
    """Ask timm, which knows the parts of each of its networks."""
    network = model.timm_model
    matcher = network.group_matcher(coarse=True)
    if not isinstance(matcher, dict):
        name = model.config.architecture
        raise BackboneError(f"{name}: timm does not tell its blocks by name; choose another backbone")
    return Parts("timm_model", matcher["stem"], matcher["blocks"], f"timm_model.{network.default_cfg['classifier']}")


def _of_waves(model: Any) -> Parts:
    """Wav2Vec2 and HuBERT: a normalisation stands before the blocks, or where `do_stable_layer_norm` behind them."""
    stem = r"feature_|masked_spec|encoder\.pos_conv_embed"
    stem = stem if model.config.do_stable_layer_norm else rf"{stem}|encoder\.layer_norm"
    return Parts(model.config.model_type, stem, r"encoder\.layers\.(\d+)", "classifier")


WAVE = Architecture("audio", 0, _of_waves, still=r"projector\..*|(?:.*\.)?masked_spec_embed")
TRANSFORMER = ("embeddings", r"encoder\.layer\.(\d+)")
AST = "audio_spectrogram_transformer"

ARCHITECTURES = {
    "timm_wrapper": Architecture("image", 2, _timm_says),
    "vit": Architecture("image", 0, _always("vit", "embeddings", r"layers\.(\d+)", "classifier")),
    "deit": Architecture("image", 0, _always("deit", "embeddings", r"layers\.(\d+)", "classifier")),
    "resnet": Architecture("image", 2, _always("resnet", "embedder", r"encoder\.stages\.(\d+)", "classifier.1")),
    "bert": Architecture("text", 0, _always("", *TRANSFORMER, None)),
    "roberta": Architecture("text", 0, _always("", *TRANSFORMER, None)),
    "xlm-roberta": Architecture("text", 0, _always("", *TRANSFORMER, None)),
    "mpnet": Architecture("text", 0, _always("", r"embeddings|encoder\.rel", r"encoder\.layer\.(\d+)", None)),
    "distilbert": Architecture("text", 0, _always("", "embeddings", r"transformer\.layer\.(\d+)", None)),
    "whisper": Architecture(
        "audio", 0, _always("encoder", "conv|embed_positions", r"layers\.(\d+)", "classifier"), still=r"projector\..*"
    ),
    "wav2vec2": WAVE,
    "hubert": WAVE,
    "audio-spectrogram-transformer": Architecture(
        "audio",
        0,
        _always("", rf"{AST}\.embeddings", rf"{AST}\.layers\.(\d+)", "classifier.dense"),
        anew=r"classifier\.layernorm\..*",
    ),
}
"""By the `model_type` of config.json."""


def architecture(model_type: str, modality: str) -> Architecture:
    """Return the row of `model_type`; BackboneError if there is none or it reads another modality."""
    fitting = sorted(name for name, row in ARCHITECTURES.items() if row.modality == modality)
    if model_type not in fitting:
        raise BackboneError(f"{model_type}: no backbone for {modality} known here; choose one of {', '.join(fitting)}")
    return ARCHITECTURES[model_type]


def blocks(model: nn.Module, parts: Parts) -> list[list[str]]:
    """Return the names of the parameters of each block, stem first."""
    rest = [(".", MATCH_PREV_GROUP)]
    matcher = {"stem": parts.stem, "blocks": parts.blocks, "rest": rest}
    groups = group_parameters(model.get_submodule(parts.base), matcher)
    prefix = f"{parts.base}." if parts.base else ""
    return [[prefix + name for name in groups[number]] for number in sorted(groups)]
