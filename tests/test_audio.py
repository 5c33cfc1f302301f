"""Recordings: what is refused, how they become spectrograms, what augmentation may do to those."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from samples import audio_backbone, recording, tone

from tasks.errors import BackboneError, BadSample
from tasks.modalities import audio
from tasks.neural import backbones
from tasks.schema import AudioAugment, AudioPreprocess, Config, NearDuplicates

TOLD = NearDuplicates(across_splits="report", likeness=1.0)
SETTINGS = AudioPreprocess(window_seconds=1, duration_limit_seconds=3, shard=8, refused_share=0.0, near_duplicates=TOLD)
STILL = AudioAugment(
    time_masks=0,
    time_mask_seconds=0,
    frequency_masks=0,
    frequency_mask_bands=0,
    shift_seconds=0,
    noise=0,
    mix_up=0,
)


@pytest.fixture
def backbone(tmp_path: Path) -> Path:
    return audio_backbone(tmp_path / "backbone")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "cannot be decoded"),
        (b"RIFF but no recording", "is no recording but a text"),
        (recording(tone())[:30], "cannot be decoded"),
        (recording([]), "holds no samples"),
        (recording([0.1, np.nan, 0.1]), "NaN or infinite"),
        (recording([0.1, np.inf]), "NaN or infinite"),
        (recording(np.zeros(8000)), "is silent: every sample of its first 1 s is zero"),
        (recording(np.stack([tone(), -tone()], axis=1)), "is silent"),
        (recording(np.concatenate([np.zeros(16000), tone()])), "is silent"),
        (recording(tone(seconds=3.01)), "longer than duration_limit_seconds, 3 s"),
        (recording(tone(), rate=44_101), "44101 samples a second, which cannot be brought to 16000"),
        ("sound.wav", "is a text"),
    ],
    ids=[str(number) for number in range(12)],  # the bytes of a recording hold the second it was made in
)
def test_unusable_recordings_are_refused(backbone: Path, content: Any, reason: str) -> None:
    with pytest.raises(BadSample, match=reason):
        audio.decode(content, SETTINGS, backbone)


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS")])
def test_formats_of_libsndfile_are_read(backbone: Path, form: str, subtype: str) -> None:
    decoded = audio.decode(recording(tone(), form=form, subtype=subtype), SETTINGS, backbone)
    assert decoded.samples.dtype == np.float32
    assert decoded.seconds == 0.5
    assert np.abs(decoded.samples - tone()).max() < 0.05


def test_channels_become_their_mean(backbone: Path) -> None:
    stereo = np.stack([tone(440), tone(880)], axis=1)
    decoded = audio.decode(recording(stereo), SETTINGS, backbone)
    assert np.allclose(decoded.samples, stereo.mean(axis=1), atol=1e-6)


@pytest.mark.parametrize("rate", [8000, 22_050, 44_100, 48_000])
def test_every_rate_is_brought_to_the_backbones(backbone: Path, rate: int) -> None:
    decoded = audio.decode(recording(tone(rate=rate), rate=rate), SETTINGS, backbone)
    assert len(decoded.samples) == 8000
    assert np.abs(decoded.samples - tone())[200:-200].max() < 0.01


def test_the_window_is_cut_after_resampling(backbone: Path) -> None:
    """What the filter sees beyond the window is the recording itself, not an end."""
    noise = np.random.default_rng(0).normal(0, 0.1, 44_100 * 2)
    [short] = prepared([recording(noise[: int(44_100 * 1.05)], rate=44_100)], backbone)
    [long] = prepared([recording(noise, rate=44_100)], backbone)
    assert np.allclose(short["mel"], long["mel"], atol=1e-5)


def prepared(contents: list[bytes], backbone: Path) -> list[dict[str, Any]]:
    decoded = [audio.decode(content, SETTINGS, backbone) for content in contents]
    return audio.prepare(decoded, SETTINGS, backbone)


def test_a_spectrogram_shows_the_tone_and_then_silence(backbone: Path) -> None:
    [low, high] = prepared([recording(tone(300)), recording(tone(3000))], backbone)
    assert low["mel"].shape == (80, 100)
    assert low["mel"].dtype == np.float32
    assert low["mel"][:, 25].argmax() < high["mel"][:, 25].argmax()
    assert (low["mel"][:, 60:] == low["mel"].min()).all()
    assert np.ptp(low["mel"]) == pytest.approx(2)


def test_longer_recordings_are_cut_and_counted(backbone: Path) -> None:
    samples = prepared([recording(tone(seconds=seconds)) for seconds in (0.5, 1.0, 1.01, 3.0)], backbone)
    assert [bool(sample["cut"]) for sample in samples] == [False, False, True, True]


def test_a_sample_does_not_depend_on_its_neighbours(backbone: Path) -> None:
    contents = [recording(tone(100.0 * number, seconds=0.1 * number)) for number in range(1, 10)]
    together = prepared(contents, backbone)
    for content, sample in zip(contents, together, strict=True):
        assert np.array_equal(prepared([content], backbone)[0]["mel"], sample["mel"])


def test_the_backbone_says_how_it_hears(tmp_path: Path) -> None:
    slower = audio_backbone(tmp_path / "slower", rate=8000)
    decoded = audio.decode(recording(tone(rate=8000), rate=8000), SETTINGS, slower)
    assert len(decoded.samples) == 4000
    told = '{"feature_extractor_type": "WhisperFeatureExtractor", "sampling_rate": 16000}'
    (tmp_path / "preprocessor_config.json").write_text(told)
    with pytest.raises(BackboneError, match="lacks feature_size, hop_length, n_fft"):
        prepared([recording(tone())], tmp_path)


def augmented(mels: torch.Tensor, backbone: Path, seed: int = 5, **changes: Any) -> torch.Tensor:
    settings = STILL.model_copy(update=changes)
    batch = {"input_features": mels}
    return audio.augment(batch, settings, backbone, torch.Generator().manual_seed(seed))["input_features"]


@pytest.fixture
def mels(backbone: Path) -> torch.Tensor:
    contents = [recording(tone(hertz, seconds=1)) for hertz in range(200, 2000, 100)]
    batch = audio.collate(prepared(contents, backbone), backbone)["input_features"]
    assert batch.shape == (18, 80, 100)
    return batch


def test_augmentation_is_reproducible_and_leaves_the_batch(backbone: Path, mels: torch.Tensor) -> None:
    everything = {
        "time_masks": 2,
        "time_mask_seconds": 0.2,
        "frequency_masks": 2,
        "frequency_mask_bands": 10,
        "shift_seconds": 0.1,
        "noise": 0.1,
    }
    before = mels.clone()
    once, again = (augmented(mels, backbone, **everything) for _ in range(2))
    assert torch.equal(once, again)
    assert torch.equal(mels, before)
    assert not torch.equal(once, augmented(mels, backbone, seed=6, **everything))
    assert torch.equal(augmented(mels, backbone), mels)


@pytest.mark.parametrize(
    ("changes", "axis", "most"),
    [
        ({"time_masks": 1, "time_mask_seconds": 0.2}, 1, 20),
        ({"frequency_masks": 1, "frequency_mask_bands": 10}, 0, 10),
    ],
)
def test_masks_hold_the_mean_in_one_stretch(
    backbone: Path, mels: torch.Tensor, changes: dict[str, Any], axis: int, most: int
) -> None:
    widths = set()
    for before, after in zip(mels, augmented(mels, backbone, **changes), strict=True):
        masked = torch.isclose(after, before.mean()).all(dim=1 - axis)
        assert torch.equal(after.movedim(axis, 0)[~masked], before.movedim(axis, 0)[~masked])
        assert (masked[1:] ^ masked[:-1]).sum() <= 2
        widths.add(int(masked.sum()))
    assert max(widths) <= most
    assert len(widths) > 3


def shifted(mel: torch.Tensor, shift: int) -> torch.Tensor:
    """The spectrogram moved by `shift` frames, with its lowest value where it was."""
    moved = mel.roll(shift, 1)
    moved[:, :shift] = mel.min() if shift > 0 else moved[:, :shift]
    moved[:, 100 + shift :] = mel.min() if shift < 0 else moved[:, 100 + shift :]
    return moved


def test_a_shift_lets_silence_in(backbone: Path, mels: torch.Tensor) -> None:
    found = []
    for before, after in zip(mels, augmented(mels, backbone, shift_seconds=0.1), strict=True):
        found.append([shift for shift in range(-10, 11) if torch.equal(after, shifted(before, shift))])
    assert all(len(shifts) == 1 for shifts in found)
    assert len({shifts[0] for shifts in found}) > 5


def test_noise_has_the_declared_strength(backbone: Path, mels: torch.Tensor) -> None:
    noise = augmented(mels, backbone, noise=0.05) - mels
    assert float(noise.std()) == pytest.approx(0.05, rel=0.02)
    assert abs(float(noise.mean())) < 0.001


def test_windows_cost_the_same() -> None:
    mel = np.zeros((80, 100), np.float32)
    assert audio.lengths([{"mel": mel}, {"mel": mel}]).tolist() == [1, 1]


@pytest.mark.integration
@pytest.mark.parametrize("seconds", [1, 2])
def test_spectrograms_are_those_of_transformers(config: Config, repository: Path, seconds: int) -> None:
    from transformers import WhisperFeatureExtractor

    directory = backbones.fetch(config.backbones["whisper-tiny-en"], repository)
    settings = SETTINGS.model_copy(update={"window_seconds": seconds})
    generator = np.random.default_rng(0)
    sounds = [0.1 * generator.normal(size=size) + tone(hertz, size / 16000)
              for size, hertz in ((800, 100), (9_999, 440), (16_000, 700), (40_000, 2_000))]  # fmt: skip
    decoded = [audio.decode(recording(sound), settings, directory) for sound in sounds]
    ours = audio.collate(audio.prepare(decoded, settings, directory), directory)["input_features"]
    extractor = WhisperFeatureExtractor.from_pretrained(directory, chunk_length=seconds)
    whole = [sound.astype(np.float32) for sound in sounds]
    theirs = extractor(whole, sampling_rate=16_000, return_tensors="pt")["input_features"]
    assert ours.shape == theirs.shape
    assert torch.allclose(ours, theirs, atol=1e-4)
