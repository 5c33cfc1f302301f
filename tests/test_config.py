"""params.yaml: what is wrong in it is told, all at once, each with its path."""

from pathlib import Path

import pytest

from tasks import config
from tasks.errors import ConfigError
from tasks.schema import Config

REPOSITORY = Path(__file__).resolve().parent.parent

BAD = {
    "a misspelt key": (
        "      tokens: 128", "      tokkens: 128",
        ["datasets.movie-reviews.preprocess.tokkens: unknown key. Did you mean tokens?",
         "datasets.movie-reviews.preprocess.tokens: is missing"],
    ),
    "a number that is none": (
        "      tokens: 128", "      tokens: many",
        ["datasets.movie-reviews.preprocess.tokens: Input should be a valid integer"],
    ),
    "an unknown backbone": (
        "backbone: whisper-tiny-en", "backbone: whisper-tiny",
        ["datasets.mandarin-tones.backbone: no 'whisper-tiny' under backbones", "Did you mean whisper-tiny-en?"],
    ),
    "a training of no data set": (
        "    dataset: movie-reviews\n", "    dataset: movies\n",
        ["trainings.movie-reviews-head.dataset: no 'movies' under datasets"],
    ),
    "a training that is not the data set's own": (
        "trainings: [solar-cells-head, solar-cells-partial]", "trainings: [movie-reviews-head]",
        ["datasets.solar-cells.evaluate.trainings: 'movie-reviews-head' is no training of solar-cells"],
    ),
    "a modality that does not exist": (
        "    modality: audio\n    objective: classification\n    backbone",
        "    modality: video\n    objective: classification\n    backbone",
        ["datasets.mandarin-tones: Input tag 'video'"],
    ),
    "a share above one": ("    refused_share: 0.01", "    refused_share: 2", ["refused_share: Input should be less"]),
    "a metric of another objective": ("      metric: r2", "      metric: accuracy", ["evaluate.metric: 'accuracy'"]),
    "a key written twice": ("backbones:\n", "backbones: {}\nbackbones:\n", ["duplicate key"]),
    "a tab": ("backbones:\n", "\tbackbones:\n", ["params.yaml"]),
}  # fmt: skip


@pytest.fixture
def params(tmp_path: Path) -> Path:
    target = tmp_path / "params.yaml"
    target.write_text((REPOSITORY / "params.yaml").read_text())
    return target


@pytest.mark.parametrize("case", BAD)
def test_each_fault_is_told_with_its_path(params: Path, case: str) -> None:
    old, new, expected = BAD[case]
    content = params.read_text()
    assert old in content
    params.write_text(content.replace(old, new))
    with pytest.raises(ConfigError) as error:
        config.load(params.parent)
    for part in expected:
        assert part in str(error.value)


def test_all_faults_are_told_at_once(params: Path) -> None:
    content = params.read_text()
    for case in ("a misspelt key", "an unknown backbone"):
        content = content.replace(*BAD[case][:2])
    params.write_text(content)
    with pytest.raises(ConfigError) as error:
        config.load(params.parent)
    assert "tokkens" in str(error.value)
    assert "whisper-tiny" in str(error.value)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such file; run from the project's folder"):
        config.load(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "text"])
def test_a_file_without_a_mapping_is_told(tmp_path: Path, content: str) -> None:
    (tmp_path / "params.yaml").write_text(content)
    with pytest.raises(ConfigError, match="holds no mapping"):
        config.load(tmp_path)


def test_an_unknown_name_brings_the_nearest(config: Config) -> None:
    from tasks.config import dataset

    with pytest.raises(ConfigError, match=r'no data set "solar-cels".*Did you mean solar-cells\?'):
        dataset(config, "solar-cels")


def test_numbers_are_read_as_dvc_reads_them(params: Path) -> None:
    content = params.read_text().replace("weight_decay: 0.01", "weight_decay: 1e-2")
    params.write_text(content)
    assert config.load(params.parent).trainings["movie-reviews-partial"].optimizer.weight_decay == 0.01
