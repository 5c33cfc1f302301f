"""Texts: the tokens of the backbone's tokenizer, at most as many as declared, padded in batches."""

import copy
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np

from tasks.errors import BackboneError, BadSample, ConfigError
from tasks.modalities import Arrays, Batch
from tasks.modalities.directory import CONFIG, declared, described, read
from tasks.schema import TextAugment, TextPreprocess
from tasks.signatures import binary

if TYPE_CHECKING:
    import torch

CHUNK = 1024  # the tokenizer shares a list out among the cores by itself
FLAGS = ("truncated", "unknown")
CHARACTERS_A_TOKEN = 100
"""So much of a text is given to the tokenizer for each token that is kept; more where it does not fill them."""
MOST_CHARACTERS = 2**20
"""And never more: spaces or a word of megabytes fill no tokens, but gigabytes of memory."""
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
LOADING = Lock()  # transformers imports its parts when they are first used, which two threads must not do at once


def takes(backbone: Path) -> dict[str, Any]:
    """Return the files a tokenizer is read from, which are all but the weights."""
    return described(backbone)


def decode(content: bytes | str, settings: TextPreprocess, backbone: Path) -> str:
    r"""Return the text with every line break as \n, otherwise as it is; bytes are read as UTF-8.

    Raises BadSample for what is no text, empty or blank, holds a NUL or half a surrogate pair.
    """
    if isinstance(content, bytes):
        content = _decoded(content)
    if not isinstance(content, str):
        raise BadSample(f"is no text but {type(content).__name__}", "write it as a text")
    if not content.strip():
        raise BadSample("is empty", "write something, or take it out")
    if "\0" in content:
        raise BadSample("holds a NUL character: it may be a binary file", "save it as plain text in UTF-8")
    if not _encodable(content):
        raise BadSample("holds half a surrogate pair: it was cut or decoded wrongly", "write it anew from its source")
    if not any(character.isprintable() and not character.isspace() for character in content):
        raise BadSample("holds no printable character", "write something, or take it out")
    return content.replace("\r\n", "\n").replace("\r", "\n")


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        found = binary(content)
        if found is not None:
            raise BadSample(f"is no text but {found.name}", "put the text itself in its place") from None
        if content.startswith(UTF_16):
            raise BadSample("is UTF-16, not UTF-8", "save it as UTF-8, e.g. `iconv -f UTF-16 -t UTF-8`") from None
        reason = f"is not UTF-8: byte {error.start} is 0x{content[error.start]:02x}"
        raise BadSample(reason, "save it as UTF-8, e.g. `iconv -f WINDOWS-1252 -t UTF-8`") from None


def _encodable(content: str) -> bool:
    try:
        content.encode()
    except UnicodeEncodeError:
        return False
    return True


def prepare(decoded: Sequence[str], settings: TextPreprocess, backbone: Path) -> list[Arrays]:
    """Return of each `tokens` int32 [L], special ones too, `truncated` bool [] and `unknown` bool [].

    `truncated` says whether it had more tokens, `unknown` whether the tokenizer knows none of it.
    """
    encoder, strange = _encoder(backbone, settings.tokens), tokenizer(backbone).unk_token_id
    return [
        {
            "tokens": np.array(encoding.ids, np.int32),
            "truncated": np.array(whole < len(content) or bool(encoding.overflowing)),
            "unknown": np.array(_all_strange(encoding, strange)),
        }
        for content, (encoding, whole) in zip(decoded, _encoded(encoder, decoded, settings.tokens), strict=True)
    ]


def _encoded(encoder: Any, texts: Sequence[str], tokens: int) -> list[tuple[Any, int]]:
    """Return of each text its encoding and of how many characters: of a long one a part that fills the tokens.

    A tokenizer takes kilobytes for each token it is going to cut off. What comes of a text is the same whichever
    other texts are encoded with it.
    """
    size, backwards = tokens * CHARACTERS_A_TOKEN, encoder.truncation["direction"] == "left"
    parts = [_part(text, size, backwards) for text in texts]
    found = []
    for text, part, encoding in zip(texts, parts, encoder.encode_batch(parts), strict=True):
        most = size
        while not encoding.overflowing and most < min(len(text), MOST_CHARACTERS):
            most = min(8 * most, MOST_CHARACTERS)
            part = _part(text, most, backwards)
            encoding = encoder.encode(part)
        found.append((encoding, len(part)))
    return found


def _part(text: str, size: int, backwards: bool) -> str:
    """Return the first `size` characters, or the last, where the end is what is kept."""
    return text[-size:] if backwards else text[:size]


def _all_strange(encoding: Any, unknown: int | None) -> bool:
    """Tell whether all tokens but the special ones, which frame them, are the unknown one."""
    pairs = zip(encoding.ids, encoding.special_tokens_mask, strict=True)
    return all(token == unknown for token, special in pairs if not special)


def collate(samples: Sequence[Arrays], backbone: Path) -> Batch:
    """Return `input_ids` and `attention_mask` int64 [B, L], padded at the end to the longest of the batch."""
    import torch

    lengths = np.array([len(sample["tokens"]) for sample in samples])
    attended = np.arange(lengths.max()) < lengths[:, None]
    tokens = np.full(attended.shape, tokenizer(backbone).pad_token_id, np.int64)
    tokens[attended] = np.concatenate([sample["tokens"] for sample in samples])
    return {
        "input_ids": torch.from_numpy(tokens),
        "attention_mask": torch.from_numpy(attended.astype(np.int64)),
    }


def augment(batch: Batch, settings: TextAugment, backbone: Path, generator: "torch.Generator") -> Batch:
    """Leave out tokens at random; see text_augment."""
    from tasks.modalities import text_augment

    known = tokenizer(backbone)
    frame = (known.cls_token_id, known.sep_token_id, known.bos_token_id, known.eos_token_id)
    kept = sorted({token for token in frame if token is not None})
    return text_augment.augment(batch, settings, kept, known.pad_token_id, generator)


def variants(count: int, settings: TextAugment, generator: "torch.Generator") -> "torch.Tensor | None":
    """Return noughts int64 [count] where no token is left out, else null."""
    import torch

    return None if settings.word_dropout else torch.zeros(count, dtype=torch.int64)


def lengths(samples: Sequence[Arrays]) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """Return int64 [N], the number of tokens of each text."""
    return np.array([len(sample["tokens"]) for sample in samples], dtype=np.int64)


def tokenizer(backbone: Path) -> Any:
    """Return the tokenizer of a model directory; BackboneError where it has none that is fast and can pad."""
    with LOADING:
        return _tokenizer(backbone)


@cache
def _tokenizer(backbone: Path) -> Any:
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(backbone, local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise BackboneError(f"{backbone}: its tokenizer cannot be read ({reason}); choose another backbone") from None
    if not loaded.is_fast or loaded.pad_token_id is None:
        raise BackboneError(f"{backbone}: its tokenizer is slow or has no padding token; choose another backbone")
    return loaded


@cache
def _encoder(backbone: Path, tokens: int) -> Any:
    """Return an encoder that truncates, set once: setting it while another thread encodes would fail."""
    known = tokenizer(backbone)
    most = min(known.model_max_length, _positions(backbone, known.pad_token_id))
    if tokens > most:
        raise ConfigError(f"preprocess.tokens: {tokens}, but the backbone reads at most {most}; lower it")
    encoder = copy.deepcopy(known.backend_tokenizer)
    encoder.enable_truncation(tokens, direction=known.truncation_side)
    encoder.no_padding()
    return encoder


FROM_PADDING = ("roberta", "xlm-roberta", "mpnet")
"""Networks that count positions from the number of the padding token on: the first of a text is the one after it."""


def _positions(backbone: Path, padding: int) -> int:
    """Return how many tokens the network of this directory has positions for."""
    config = read(backbone, CONFIG)
    (most,) = declared(config, backbone, CONFIG, "max_position_embeddings")
    if config.get("model_type") not in FROM_PADDING:
        return int(most)
    if config.get("pad_token_id", padding) != padding:
        raise BackboneError(
            f"{backbone}: its network pads with token {config['pad_token_id']}, its tokenizer with {padding}; "
            "one of the two is another model's"
        )
    return int(most) - padding - 1
