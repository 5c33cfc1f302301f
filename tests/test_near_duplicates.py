"""Planted copies across splits are found in each modality and refused or told; what only looks alike is left alone."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageOps
from samples import audio_backbone, encoded, image_backbone, recording, text_backbone

from tasks.leaks import banding, resemblance
from tasks.leaks.fingerprints import FINGERPRINTS, fingerprint
from tasks.modalities import MODALITIES
from tasks.modalities.shards import Prepared
from tasks.neural import backbones
from tasks.preprocess import preprocess
from tasks.schema import AnyDataset, NearDuplicates
from tasks.workspace import FILES, Workspace, read_json

NAMES = {"image": "solar-cells", "text": "movie-reviews", "audio": "mandarin-tones"}
BACKBONES = {"image": image_backbone, "text": text_backbone, "audio": audio_backbone}
SMALL: dict[str, dict[str, int]] = {"image": {"size": 64}, "text": {"tokens": 16}, "audio": {}}
LIKENESS = {"image": 0.95, "text": 0.7, "audio": 0.995}
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heath", "islet", "jetty", "knoll", "marsh"]
RATE = 16000


def scene(seed: int, side: int = 96) -> Image.Image:
    """A picture of blurred blobs in colour, in which pictures of another seed share nothing."""
    coarse = np.random.default_rng(seed).integers(0, 256, (7, 7, 3)).astype(np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def phrase(seed: int, words: int = 20) -> str:
    return " ".join(np.random.default_rng(seed).choice(WORDS, words)) + f" {seed * 7919}"


def melody(seed: int) -> Any:
    """0.8 s of four chords at random; float64 [S]."""
    generator = np.random.default_rng(seed)
    time = np.arange(int(0.2 * RATE)) / RATE
    chords = [
        sum(np.sin(2 * np.pi * pitch * time) for pitch in generator.uniform(150, 3500, 3)) * generator.uniform(0.1, 0.3)
        for _ in range(4)
    ]
    return np.concatenate(chords)


def spoken(sound: Any) -> bytes:
    return recording(sound, RATE, subtype="PCM_16")


def noisy(sound: Any) -> Any:
    return sound + np.random.default_rng(1).normal(0, 0.03 * sound.std(), sound.size)


CLEAN: dict[str, Callable[[int], bytes | str]] = {
    "image": lambda seed: encoded(scene(seed), "PNG"),
    "text": phrase,
    "audio": lambda seed: spoken(melody(seed)),
}
CHANGES: dict[str, dict[str, Callable[[int], bytes | str]]] = {
    "image": {
        "same pixels in another format": lambda seed: encoded(scene(seed), "BMP"),
        "re-encoded": lambda seed: encoded(scene(seed), "JPEG", quality=40),
        "resized": lambda seed: encoded(scene(seed).resize((50, 60)), "PNG"),
        "brightened": lambda seed: encoded(ImageEnhance.Brightness(scene(seed)).enhance(1.2), "PNG"),
        "flattened": lambda seed: encoded(ImageEnhance.Contrast(scene(seed)).enhance(0.6), "PNG"),
        "mirrored": lambda seed: encoded(ImageOps.mirror(scene(seed)), "PNG"),
    },
    "text": {
        "one word changed": lambda seed: phrase(seed).replace(phrase(seed).split()[7], "zephyr", 1),
        "another case": lambda seed: phrase(seed).upper(),
        "punctuated": lambda seed: phrase(seed).replace(" ", ", ", 6) + "!",
    },
    "audio": {
        "noise": lambda seed: spoken(noisy(melody(seed))),
        "softer": lambda seed: spoken(melody(seed) * 0.2),
        "20 ms later": lambda seed: spoken(np.concatenate([np.zeros(RATE // 50), melody(seed)])),
        "another format": lambda seed: recording(melody(seed), RATE, "OGG", "VORBIS"),
        "all of it": lambda seed: spoken(np.concatenate([np.zeros(RATE // 50), noisy(melody(seed)) * 0.5])),
    },
}


@pytest.fixture
def dataset(tiny_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AnyDataset]:
    """Make parameters of a modality's data set with a policy for near duplicates."""

    def make(modality: str, policy: str) -> AnyDataset:
        directory = BACKBONES[modality](tmp_path / "backbone")
        monkeypatch.setattr(backbones, "fetch", lambda backbone, root: directory)
        near = NearDuplicates.model_validate({"across_splits": policy, "likeness": LIKENESS[modality]})
        settings = {"near_duplicates": near, "shard": 7, **SMALL[modality]}
        made: AnyDataset = tiny_dataset(
            NAMES[modality], {f"preprocess.{key}": value for key, value in settings.items()}
        )
        return made

    return make


def write(root: Path, contents: dict[tuple[str, str], bytes | str]) -> Workspace:
    """Write a manifest as ingest does, of contents by split and name."""
    import hashlib

    workspace = Workspace(root, "little")
    (workspace.raw / "files").mkdir(parents=True)
    rows = []
    for (split, name), content in contents.items():
        row = {"path": None, "text": None, "label": "a", "group": None, "split": split, "name": name, "confidence": 1.0}
        if isinstance(content, str):
            row |= {"text": content, "id": hashlib.sha256(content.encode()).hexdigest()}
        else:
            (workspace.raw / "files" / name).write_bytes(content)
            row |= {"path": f"files/{name}", "id": hashlib.sha256(content).hexdigest()}
        rows.append(row)
    pd.DataFrame(rows).sort_values("id").to_parquet(workspace.raw / "manifest.parquet", index=False)
    return workspace


def originals(modality: str, first: int = 0) -> dict[tuple[str, str], bytes | str]:
    """30 samples, none like another."""
    splits = {"train": 18, "validation": 5, "test": 7}
    named = [(split, f"{split}-{number}") for split, count in splits.items() for number in range(count)]
    return {key: CLEAN[modality](first + seed) for seed, key in enumerate(named)}


TEST, HELD = 18 + 5, 18
"""The seeds of the first test and the first validation sample."""


def copies(modality: str) -> dict[tuple[str, str], bytes | str]:
    """Each change of a test sample in train; one of test in validation, of validation in train, and a twin."""
    changes = CHANGES[modality]
    last = list(changes.values())[-1]
    planted = {("train", what): change(TEST + number) for number, (what, change) in enumerate(changes.items())}
    others = {("validation", "seen"): last(TEST + 6), ("train", "held"): last(HELD + 4), ("train", "twin"): last(0)}
    return planted | others


def expected(modality: str) -> dict[str, str]:
    """What each planted copy resembles, by its name."""
    found = {what: f"test-{number} of the test split" for number, what in enumerate(CHANGES[modality])}
    return found | {"seen": "test-6 of the test split", "held": "validation-4 of the validation split"}


@pytest.mark.parametrize("modality", NAMES)
def test_planted_copies_are_refused_by_name_and_nothing_else(dataset: Any, root: Path, modality: str) -> None:
    planted = copies(modality)
    workspace = write(root, originals(modality) | planted)
    preprocess(dataset(modality, "refuse"), workspace)
    prepared = Prepared(workspace.prepared)
    refused = pd.read_csv(workspace.prepared / "refused.csv").set_index("name")["reason"]
    assert {name: reason.split(" (likeness")[0] for name, reason in refused.items()} == {
        name: f"resembles {other}" for name, other in expected(modality).items()
    }
    assert sorted(prepared.samples["name"]) == sorted(["twin", *(name for _, name in originals(modality))])
    counted = workspace.counters("preprocess")
    assert counted["read"] == len(prepared) + counted["refused"] == counted["decoded"] == 30 + len(planted)
    assert counted["near_duplicates"] == counted["refused"] == len(refused)
    assert read_json(workspace.prepared / "near_duplicates.json")["within"]["train"] == 2


@pytest.mark.parametrize("modality", NAMES)
def test_what_stays_is_what_was_there_without_the_refused(dataset: Any, root: Path, modality: str) -> None:
    """The shards are written again: every sample keeps its own arrays, in order."""
    planted = copies(modality)
    alone = {key: content for key, content in planted.items() if key[1] == "twin"}
    pure = write(root / "pure", originals(modality) | alone)
    preprocess(dataset(modality, "report"), pure)
    mixed = write(root / "mixed", originals(modality) | planted)
    preprocess(dataset(modality, "refuse"), mixed)
    ours, theirs = Prepared(mixed.prepared), Prepared(pure.prepared)
    assert ours.samples.equals(theirs.samples)
    shards = [{name: digest for name, digest in read_json(one.folder / FILES).items() if name.startswith("shard")}
              for one in (ours, theirs)]  # fmt: skip
    assert shards[0] == shards[1]
    assert not (mixed.prepared / "kept").exists()


@pytest.mark.parametrize("modality", NAMES)
def test_reported_copies_stay_and_are_listed(dataset: Any, root: Path, modality: str) -> None:
    workspace = write(root, originals(modality) | copies(modality))
    preprocess(dataset(modality, "report"), workspace)
    assert len(Prepared(workspace.prepared)) == 30 + len(copies(modality))
    listed = pd.read_csv(workspace.prepared / "near_duplicates.csv")
    assert list(listed.columns) == ["split", "name", "other_split", "other_name", "likeness"]
    likest = listed.drop_duplicates("name").set_index("name")
    told = {name: f"{row.other_name} of the {row.other_split} split" for name, row in likest.iterrows()}
    assert told == expected(modality)
    assert listed["likeness"].between(LIKENESS[modality], 1).all()
    assert len(pd.read_csv(workspace.prepared / "refused.csv")) == 0


@pytest.mark.parametrize("modality", NAMES)
@pytest.mark.parametrize("first", [1000, 2000, 3000])
def test_clean_data_raises_no_alarm(modality: str, first: int) -> None:
    looks = fingerprint(modality)
    count = 150
    marks = [mark_of(modality, CLEAN[modality](first + seed)) for seed in range(count)]
    splits = np.arange(count) % 3
    found = resemblance.find(looks, marks, splits, 3, LIKENESS[modality])
    assert (found.partner == -1).all()


def mark_of(modality: str, content: bytes | str) -> Any:
    """The mark of one sample as preprocess makes it."""
    if isinstance(content, str):
        return fingerprint(modality).mark({}, content)
    return fingerprint(modality).mark(ARRAYS[modality](content), None)


def _pixels(content: bytes) -> dict[str, Any]:
    import io

    return {"pixels": np.asarray(Image.open(io.BytesIO(content)).convert("RGB").resize((64, 64)))}


def _mel(content: bytes) -> dict[str, Any]:
    import io

    import soundfile
    import torch

    from tasks.modalities.log_mel import Hearing, log_mel

    window = np.zeros(RATE, np.float32)
    sound, _ = soundfile.read(io.BytesIO(content), dtype="float32")
    window[: len(sound)] = sound[:RATE]
    return {"mel": log_mel(torch.from_numpy(window)[None], Hearing(RATE, 80, 160, 400))[0].numpy()}


ARRAYS = {"image": _pixels, "audio": _mel}


def test_many_of_one_mark_cost_no_more_than_two_and_all_are_found() -> None:
    """5,000 empty pictures in three splits and one that is not empty."""
    empty, other = np.zeros(24 * 24 * 3, np.uint8), np.asarray(scene(3, 24)).ravel()
    marks, splits = [empty] * 5000 + [other], np.array([*(np.arange(5000) % 3), 0])
    found = resemblance.find(fingerprint("image"), marks, splits, 3, 0.95)
    assert (found.likeness[:5000] == 1).all() and (found.partner[:5000] >= 0).all()
    assert (splits[found.partner[:5000]] == [0, 1, 2]).all()
    assert (found.partner[:5000, 0] != np.arange(5000)).all()
    assert (found.partner[5000] == -1).all()


def test_candidates_are_the_pairs_that_agree_in_a_key_each_once() -> None:
    keys = np.random.default_rng(0).integers(0, 12, (60, 3)).astype(np.uint64)
    pairs = [pair for part in banding.candidates(keys) for pair in zip(*(rows.tolist() for rows in part), strict=True)]
    counted = Counter(tuple(sorted(pair)) for pair in pairs)
    agree = {(one, other) for one in range(60) for other in range(one + 1, 60) if (keys[one] == keys[other]).any()}
    assert set(counted) == agree
    assert set(counted.values()) == {1}


def test_pictures_that_differ_in_colour_alone_are_not_alike() -> None:
    red, blue = (np.tile(np.array(colour, np.uint8), 24 * 24) for colour in ((200, 40, 40), (40, 40, 200)))
    looks = fingerprint("image")
    assert looks.alike([red, blue], np.array([0]), np.array([1]))[0] < 0.5


def test_every_modality_has_its_fingerprint() -> None:
    assert set(FINGERPRINTS) == set(MODALITIES)


@pytest.mark.integration
@pytest.mark.parametrize(("name", "modality", "most"), [("mandarin-tones", "audio", 2), ("movie-reviews", "text", 2)])
def test_real_sets_hold_few_copies(
    real_raw: Callable[[str], Workspace], config: Any, name: str, modality: str, most: int
) -> None:
    workspace = real_raw(name)
    preprocess(config.datasets[name], workspace)
    assert len(pd.read_csv(workspace.prepared / "near_duplicates.csv")) <= most


def test_texts_that_differ_in_case_alone_are_alike_to_the_highest_degree() -> None:
    looks = fingerprint("text")
    marks = [looks.mark({}, text) for text in ("A fine film it was.", "a fine FILM it was", "a poor film it was")]
    keys = looks.keys(marks, 1.0)
    assert (keys[0] == keys[1]).all()
    assert looks.alike(marks, np.array([0, 0]), np.array([1, 2])).tolist() == pytest.approx([1.0, 0.44], abs=0.1)
