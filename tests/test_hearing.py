"""The ways to hear: as transformers' own feature extractors, changed at random, and asked through its pipeline."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch
from samples import recording, tone
from transformers import AutoFeatureExtractor, pipeline

from tasks.errors import BackboneError, ConfigError
from tasks.modalities import audio, hearing
from tasks.modalities.wave import first_frame
from tasks.neural import feeding, networks
from tasks.schema import AudioAugment, AudioPreprocess, NearDuplicates

TOLD = NearDuplicates(across_splits="report", likeness=1.0)
SETTINGS = AudioPreprocess(window_seconds=1, duration_limit_seconds=5, shard=8, refused_share=0, near_duplicates=TOLD)
STILL = AudioAugment(
    time_masks=0, time_mask_seconds=0, frequency_masks=0, frequency_mask_bands=0, shift_seconds=0, noise=0, mix_up=0
)
HEARS = {"whisper": "input_features", "wav2vec2": "input_values", "hubert-large": "input_values", "ast": "input_values"}
DirectoryOf = Callable[[str], Path]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> DirectoryOf:
    """Write the tiny model directory of a family, once; only to be read."""
    torch.set_num_threads(1)
    shelf = tmp_path_factory.mktemp("tiny")
    return lambda name: shelf / name if (shelf / name).exists() else tiny.write(name, shelf / name)


def noisy(seconds: float, seed: int = 0) -> "np.ndarray[Any, Any]":
    sound = tone(300 * (seed + 1), seconds)
    return (sound + np.random.default_rng(seed).normal(0.1, 0.1, len(sound))).astype(np.float32)


def prepared(sounds: list["np.ndarray[Any, Any]"], backbone: Path) -> list[dict[str, Any]]:
    decoded = [audio.decode(recording(sound), SETTINGS, backbone) for sound in sounds]
    return audio.prepare(decoded, SETTINGS, backbone)


@pytest.mark.parametrize("seconds", [0.03, 0.7, 1.0, 1.8])
@pytest.mark.parametrize(("family", "name"), HEARS.items())
def test_it_hears_what_transformers_hears(directory: DirectoryOf, family: str, name: str, seconds: float) -> None:
    backbone, sound = directory(family), noisy(seconds)
    ours = audio.collate(prepared([sound], backbone), backbone)
    window = hearing.of(backbone).extractor(1)
    extractor = AutoFeatureExtractor.from_pretrained(backbone, **window)
    theirs = extractor(sound[:16000], sampling_rate=16000, return_tensors="pt")
    assert ours[name].shape == theirs[name].shape and ours[name].dtype == torch.float32
    assert torch.allclose(ours[name], theirs[name], atol=1e-4)


def test_a_wave_is_of_zero_mean_and_unit_variance_only_where_the_backbone_wants_it(
    directory: DirectoryOf, tmp_path: Path
) -> None:
    told = json.loads((directory("wav2vec2") / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({**told, "do_normalize": False}))
    (tmp_path / "config.json").write_text((directory("wav2vec2") / "config.json").read_text())
    sound = noisy(0.5)
    [plain], [scaled] = prepared([sound], tmp_path), prepared([sound], directory("wav2vec2"))
    assert np.allclose(plain["wave"], sound, atol=1e-6)
    assert abs(float(scaled["wave"].mean())) < 1e-5 and float(scaled["wave"].std()) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize("family", ["wav2vec2", "hubert", "ast", "whisper"])
def test_the_shortest_recording_is_heard(directory: DirectoryOf, family: str) -> None:
    backbone = directory(family)
    batch = audio.collate(prepared([noisy(0.01)], backbone), backbone)
    network = networks.build("audio", backbone, None, 1, 3).eval()
    with torch.no_grad():
        assert torch.isfinite(network.features(**batch)).all()
    if family == "wav2vec2":
        assert batch["input_values"].shape == (1, first_frame(backbone)) == (1, 180)


def test_waves_are_as_long_as_they_are_and_padded_with_zeros(directory: DirectoryOf) -> None:
    samples = prepared([noisy(0.5), noisy(1.5), noisy(0.25)], directory("wav2vec2"))
    assert audio.lengths(samples).tolist() == [8000, 16000, 4000]
    assert [bool(sample["cut"]) for sample in samples] == [False, True, False]
    batch = audio.collate(samples, directory("wav2vec2"))
    assert batch["attention_mask"].sum(1).tolist() == [8000, 16000, 4000]
    assert not batch["input_values"][batch["attention_mask"] == 0].any()
    assert np.array_equal(batch["input_values"][2, :4000], samples[2]["wave"])


def test_windows_of_a_filter_bank_cost_the_same(directory: DirectoryOf) -> None:
    samples = prepared([noisy(0.5), noisy(1.5)], directory("ast"))
    assert audio.lengths(samples).tolist() == [1, 1]
    assert {sample["filter_bank"].shape for sample in samples} == {(100, 32)}


def test_a_directory_without_a_name_for_it_hears_as_its_kind_of_network_does(
    directory: DirectoryOf, tmp_path: Path
) -> None:
    """As facebook/wav2vec2-base-960h."""
    for name in ("config.json", "preprocessor_config.json"):
        told = json.loads((directory("hubert") / name).read_text())
        told.pop("feature_extractor_type", None)
        (tmp_path / name).write_text(json.dumps(told))
    assert hearing.of(tmp_path) is hearing.HEARING["Wav2Vec2FeatureExtractor"]


@pytest.mark.parametrize(
    ("file", "told"),
    [
        ('{"feature_extractor_type": "ClapFeatureExtractor"}', "ClapFeatureExtractor is no way to hear known here"),
        (None, r"there is no preprocessor_config\.json in it, which tells how samples must be; put the one"),
        ('{"feature_extractor_type": "ASTFeatureExtractor"}', "lacks sampling_rate"),
    ],
)
def test_a_directory_that_says_no_known_way_to_hear_is_refused(tmp_path: Path, file: str | None, told: str) -> None:
    if file is not None:
        (tmp_path / "preprocessor_config.json").write_text(file)
    with pytest.raises(BackboneError, match=told):
        audio.prepare([audio.Recording(noisy(0.1), 0.1)], SETTINGS, tmp_path)


# --- random changes


@pytest.fixture
def waves(directory: DirectoryOf) -> dict[str, torch.Tensor]:
    sounds = [noisy(seconds, seed) for seed, seconds in enumerate([1.0, 0.5, 0.8] * 4)]
    return audio.collate(prepared(sounds, directory("wav2vec2")), directory("wav2vec2"))


def changed(batch: dict[str, torch.Tensor], backbone: Path, seed: int = 5, **changes: Any) -> torch.Tensor:
    settings = STILL.model_copy(update=changes)
    found = audio.augment(batch, settings, backbone, torch.Generator().manual_seed(seed))
    assert all(torch.equal(found[name], batch[name]) for name in batch if name != "input_values")
    return found["input_values"]


ALL = {"time_masks": 2, "time_mask_seconds": 0.2, "shift_seconds": 0.1, "noise": 0.1}


@pytest.mark.parametrize("family", ["wav2vec2", "ast"])
def test_changes_are_reproducible_and_leave_the_batch(directory: DirectoryOf, family: str) -> None:
    backbone = directory(family)
    batch = audio.collate(prepared([noisy(0.5), noisy(1.0, 1)], backbone), backbone)
    before = batch["input_values"].clone()
    once, again, other = (changed(batch, backbone, seed, **ALL) for seed in (5, 5, 6))
    assert torch.equal(once, again) and not torch.equal(once, other)
    assert torch.equal(batch["input_values"], before) and torch.equal(changed(batch, backbone), before)
    assert once.shape == before.shape and not torch.allclose(once, before, atol=0.01)


def test_after_the_end_of_a_wave_stays_silence(directory: DirectoryOf, waves: dict[str, torch.Tensor]) -> None:
    assert not changed(waves, directory("wav2vec2"), **ALL)[waves["attention_mask"] == 0].any()


def test_a_mask_silences_one_stretch_within_the_wave(directory: DirectoryOf, waves: dict[str, torch.Tensor]) -> None:
    found = changed(waves, directory("wav2vec2"), time_masks=1, time_mask_seconds=0.2)
    widths = []
    for before, after, length in zip(waves["input_values"], found, waves["attention_mask"].sum(1), strict=True):
        masked = after[:length] != before[:length]
        assert not after[:length][masked].any() and (masked[1:] ^ masked[:-1]).sum() <= 2
        widths.append(int(masked.sum()))
    assert max(widths) <= 3200 and len(set(widths)) > 6 and min(sorted(widths)[3:]) > 0


def test_a_shift_moves_the_wave_and_lets_silence_in(directory: DirectoryOf, waves: dict[str, torch.Tensor]) -> None:
    found = changed(waves, directory("wav2vec2"), shift_seconds=0.01)
    shifts = []
    for before, after, length in zip(
        waves["input_values"], found, waves["attention_mask"].sum(1).tolist(), strict=True
    ):
        fitting = []
        for shift in range(-160, 161):
            wanted = before[:length].roll(shift)
            wanted[:shift] = 0 if shift > 0 else wanted[:shift]
            wanted[length + shift :] = 0 if shift < 0 else wanted[length + shift :]
            fitting += [shift] if torch.equal(after[:length], wanted) else []
        assert len(fitting) == 1
        shifts += fitting
    assert len(set(shifts)) > 6 and min(shifts) < 0 < max(shifts)


def test_noise_on_waves_has_the_declared_strength(directory: DirectoryOf, waves: dict[str, torch.Tensor]) -> None:
    noise = (changed(waves, directory("wav2vec2"), noise=0.05) - waves["input_values"])[waves["attention_mask"] == 1]
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)


def test_masks_of_frequencies_are_refused_for_waves_and_made_for_filter_banks(
    directory: DirectoryOf, waves: dict[str, torch.Tensor]
) -> None:
    bands = {"frequency_masks": 1, "frequency_mask_bands": 8}
    with pytest.raises(ConfigError, match=r"^augment\.frequency_masks: 1, but the backbone hears raw waves, .* to 0$"):
        changed(waves, directory("wav2vec2"), **bands)
    batch = audio.collate(prepared([noisy(1.0)], directory("ast")), directory("ast"))
    [before], [after] = batch["input_values"], changed(batch, directory("ast"), **bands)
    masked = torch.isclose(after, before.mean()).all(dim=0)
    assert 0 < int(masked.sum()) <= 8 and torch.equal(after[:, ~masked], before[:, ~masked])


def test_mixed_waves_are_heard_as_long_as_the_longer(waves: dict[str, torch.Tensor]) -> None:
    none = np.zeros(12)
    portion = feeding.Portion(none, waves, torch.zeros(12), torch.ones(12), None, 1.0)
    mixed = feeding._mixed(portion, 0.4, torch.Generator().manual_seed(0))
    assert mixed.partners is not None and mixed.inputs["attention_mask"].dtype == torch.int64
    wanted = torch.maximum(waves["attention_mask"], waves["attention_mask"][mixed.partners])
    assert torch.equal(mixed.inputs["attention_mask"], wanted)


# --- the way through


@pytest.mark.parametrize("family", [name for name, family in tiny.FAMILIES.items() if family.modality == "audio"])
def test_the_pipeline_answers_alike_on_arrays(directory: DirectoryOf, family: str, tmp_path: Path) -> None:
    made = networks.build("audio", directory(family), None, 1, 3).eval()
    made.graft(*tiny.head(made.head.in_features))
    made.save(tmp_path, tiny.FACTS, {"window_seconds": 1})
    (tmp_path / "pipeline.json").write_text(json.dumps({"modality": "audio"}))
    sounds, loaded = [noisy(0.4), noisy(1.0, 1)], networks.load(tmp_path).eval()
    with torch.no_grad():
        batch = audio.collate(prepared(sounds, tmp_path), tmp_path)
        wanted = loaded(**batch).softmax(-1)
        assert torch.allclose(wanted, made(**batch).softmax(-1))
    listener = pipeline("audio-classification", model=str(tmp_path))
    for sound, expected in zip(sounds, wanted.tolist(), strict=True):
        told = {row["label"]: row["score"] for row in listener(sound)}
        assert [told[label] for label in tiny.FACTS["labels"]] == pytest.approx(expected, abs=1e-4)
