"""Texts: what is refused, how many tokens are kept, how batches are padded and words dropped."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from samples import text_backbone

from tasks.errors import BackboneError, BadSample, ConfigError
from tasks.modalities import text
from tasks.neural import backbones
from tasks.schema import Config, NearDuplicates, TextAugment, TextPreprocess

TOLD = NearDuplicates(across_splits="report", likeness=1.0)
SETTINGS = TextPreprocess(tokens=8, shard=8, refused_share=0.0, near_duplicates=TOLD)
PAD, UNKNOWN, BEGIN, END, A, FINE, POOR, FILM = range(8)


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return text_backbone(tmp_path_factory.mktemp("words"))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (" \n\t ", "is empty"),
        ("a\0b", "NUL"),
        ("half \ud83d", "surrogate"),
        (b"\xff\xfe", "is UTF-16, not UTF-8"),
        (b"caf\xe9", "is not UTF-8: byte 3 is 0xe9"),
        (7.5, "is no text but float"),
        (None, "is no text but NoneType"),
    ],
)
def test_what_is_no_text_is_refused(backbone: Path, content: Any, reason: str) -> None:
    with pytest.raises(BadSample, match=reason):
        text.decode(content, SETTINGS, backbone)


def test_newlines_are_made_alike_and_the_rest_is_kept(backbone: Path) -> None:
    assert text.decode(" a\r\nfine\rfilm\n", SETTINGS, backbone) == " a\nfine\nfilm\n"
    assert text.decode("﻿ein schöner Film 🎬".encode(), SETTINGS, backbone) == "ein schöner Film 🎬"


def test_tokens_stand_in_their_frame_and_long_texts_are_cut_and_counted(backbone: Path) -> None:
    short, exact, long = text.prepare(["a fine film", "a " * 6, "a " * 7], SETTINGS, backbone)
    assert short["tokens"].tolist() == [BEGIN, A, FINE, FILM, END]
    assert short["tokens"].dtype == np.int32
    assert long["tokens"].tolist() == [BEGIN, *[A] * 6, END] == exact["tokens"].tolist()
    assert [bool(sample["truncated"]) for sample in (short, exact, long)] == [False, False, True]
    assert not any(sample["unknown"] for sample in (short, exact, long))


def test_many_threads_may_prepare_at_once(tmp_path: Path) -> None:
    fresh = text_backbone(tmp_path)
    texts = [["a fine film " * (1 + number % 9)] * 50 for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda part: text.prepare(part, SETTINGS, fresh), texts))
    for part, prepared in zip(texts, found, strict=True):
        assert np.array_equal(prepared[0]["tokens"], text.prepare(part[:1], SETTINGS, fresh)[0]["tokens"])


@pytest.mark.integration
def test_many_threads_may_be_the_first(repository: Path, backbone: Path) -> None:
    """In a process that has imported nothing yet."""
    code = f"""
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tasks.modalities import text
with ThreadPoolExecutor(8) as pool:
    assert len(set(map(id, pool.map(text.tokenizer, [Path({str(backbone)!r})] * 8)))) == 1
"""
    subprocess.run([sys.executable, "-c", code], check=True, cwd=repository)


def test_more_tokens_than_the_backbone_reads_are_refused(backbone: Path) -> None:
    settings = SETTINGS.model_copy(update={"tokens": 33})
    with pytest.raises(ConfigError, match=r"preprocess\.tokens: 33, .* at most 32"):
        text.prepare(["a"], settings, backbone)


def test_a_directory_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(BackboneError, match="its tokenizer cannot be read"):
        text.prepare(["a"], SETTINGS, tmp_path)


def batch_of(texts: list[str], backbone: Path) -> dict[str, torch.Tensor]:
    return text.collate(text.prepare(texts, SETTINGS, backbone), backbone)


def test_a_batch_is_padded_to_its_longest_text(backbone: Path) -> None:
    batch = batch_of(["a fine film", "film"], backbone)
    assert batch["input_ids"].tolist() == [[BEGIN, A, FINE, FILM, END], [BEGIN, FILM, END, PAD, PAD]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1, 1], [1, 1, 1, 0, 0]]
    assert {tensor.dtype for tensor in batch.values()} == {torch.int64}


@pytest.mark.parametrize(
    ("kind", "positions", "most"), [("bert", 20, 20), ("distilbert", 20, 20), ("roberta", 20, 19), ("mpnet", 20, 19)]
)
def test_as_many_tokens_fit_as_there_are_positions(tmp_path: Path, kind: str, positions: int, most: int) -> None:
    """Whatever the tokenizer says: RoBERTa's positions begin after the number of its padding token, here 0."""
    backbone = text_backbone(tmp_path)
    told = {"model_type": kind, "max_position_embeddings": positions, "pad_token_id": PAD}
    (tmp_path / "config.json").write_text(json.dumps(told))
    endless = json.loads((tmp_path / "tokenizer_config.json").read_text()) | {"model_max_length": int(1e30)}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(endless))
    long = "film " * 50
    [sample] = text.prepare([long], SETTINGS.model_copy(update={"tokens": most}), backbone)
    assert len(sample["tokens"]) == most
    with pytest.raises(ConfigError, match=rf"preprocess\.tokens: {most + 1}, .* at most {most}; lower it"):
        text.prepare([long], SETTINGS.model_copy(update={"tokens": most + 1}), backbone)


def test_a_tokenizer_that_pads_otherwise_than_its_network_is_refused(tmp_path: Path) -> None:
    backbone = text_backbone(tmp_path)
    told = {"model_type": "roberta", "max_position_embeddings": 20, "pad_token_id": 1}
    (tmp_path / "config.json").write_text(json.dumps(told))
    with pytest.raises(BackboneError, match="its network pads with token 1, its tokenizer with 0; one of the two"):
        text.prepare(["a film"], SETTINGS, backbone)


def test_lengths_are_those_of_the_tokens(backbone: Path) -> None:
    assert text.lengths(text.prepare(["a fine film", "film"], SETTINGS, backbone)).tolist() == [5, 3]


def dropped(batch: dict[str, torch.Tensor], share: float, backbone: Path, seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return text.augment(batch, TextAugment(word_dropout=share), backbone, generator)


def words(batch: dict[str, torch.Tensor]) -> list[list[int]]:
    pairs = zip(batch["input_ids"], batch["attention_mask"].bool(), strict=True)
    return [tokens[mask].tolist() for tokens, mask in pairs]


def test_word_dropout_removes_words_and_closes_the_gap(backbone: Path) -> None:
    batch = batch_of(["a fine poor film it was", "film was fine", "was"] * 20, backbone)
    before = words(batch)
    after = dropped(batch, 0.4, backbone, seed=1)
    for whole, rest in zip(before, words(after), strict=True):
        assert (rest[0], rest[-1]) == (BEGIN, END)
        assert len(rest) > 2
        assert not Counter(rest) - Counter(whole)
        assert rest == [token for token in whole if token in rest]
    mask = after["attention_mask"]
    assert torch.equal(mask, mask.sort(dim=1, descending=True).values)
    assert (after["input_ids"][mask == 0] == PAD).all()
    assert mask.sum(1).max() == mask.shape[1]
    removed = 1 - sum(map(len, words(after))) / sum(map(len, before))
    assert 0.1 < removed < 0.4


def test_word_dropout_is_reproducible_and_leaves_the_batch(backbone: Path) -> None:
    batch = batch_of(["a fine poor film it was"] * 20, backbone)
    before = {name: tensor.clone() for name, tensor in batch.items()}
    once, again, other = (words(dropped(batch, 0.5, backbone, seed)) for seed in (1, 1, 2))
    assert once == again != other
    assert all(torch.equal(before[name], batch[name]) for name in batch)
    assert words(dropped(batch, 0.0, backbone, seed=1)) == words(batch)


def test_one_word_is_left_of_a_text_that_loses_all(backbone: Path) -> None:
    batch = batch_of(["a fine film", "film", "unheard unheard"], backbone)
    assert [len(rest) for rest in words(dropped(batch, 1.0, backbone, seed=1))] == [3, 3, 3]


@pytest.mark.integration
def test_tokens_are_those_of_transformers(config: Config, repository: Path) -> None:
    from transformers import AutoTokenizer

    directory = backbones.fetch(config.backbones["all-minilm-l6"], repository)
    texts = ["A gorgeous, witty film.", "naïve café 🎬 \r\n end", "word " * 40, "unbelievably good" * 30]
    decoded = [text.decode(content, SETTINGS, directory) for content in texts]
    prepared = text.prepare(decoded, SETTINGS, directory)
    theirs = AutoTokenizer.from_pretrained(directory)(decoded, truncation=True, max_length=8, padding=True)
    batch = text.collate(prepared, directory)
    assert batch["input_ids"].tolist() == theirs["input_ids"]
    assert batch["attention_mask"].tolist() == theirs["attention_mask"]
    assert sum(bool(sample["truncated"]) for sample in prepared) == 2
