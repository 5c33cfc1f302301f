"""params.yaml: what is wrong in it is told, all at once, each with its path."""

from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

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
        ["datasets.movie-reviews.preprocess.tokens: Input should be a number, without quotes"],
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
    "a pattern of two groups": ("group_pattern: null", "group_pattern: (a)(b)", ["group_pattern: Value error, has 2"]),
    "a pattern that is none": ("group_pattern: null", "group_pattern: (a", ["Value error, is no regular expression"]),
    "a likeness of nothing": ("likeness: 0.7}", "likeness: 0}", ["near_duplicates.likeness: Input should be greater"]),
    "a metric of another objective": ("      metric: r2", "      metric: accuracy", ["evaluate.metric: 'accuracy'"]),
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


def test_an_unknown_name_brings_the_nearest(config: Config) -> None:
    from tasks.config import dataset

    with pytest.raises(ConfigError, match=r'no data set "solar-cels".*Did you mean solar-cells\?'):
        dataset(config, "solar-cels")


def test_numbers_are_read_as_dvc_reads_them(params: Path) -> None:
    content = params.read_text().replace("weight_decay: 0.01", "weight_decay: 1e-2")
    params.write_text(content)
    assert config.load(params.parent).trainings["movie-reviews-partial"].optimizer.weight_decay == 0.01


ADAPTERS = {"rank": 8, "alpha": 16, "dropout": 0.0}
SMALL_LOSS = {"kind": "cross_entropy", "label_smoothing": 0.0, "focal": 0.0, "class_weights": False}
STRATEGIES: dict[str, dict[str, Any]] = {
    "partial": {"strategy": "partial"},
    "full": {"strategy": "full", "blocks": None},
    "lora": {"strategy": "lora", "blocks": None, "adapters": ADAPTERS},
    "scratch": {"strategy": "scratch", "blocks": None, "head": None},
}
"""What changes of movie-reviews-partial, which learns its last blocks."""
MISFITS: dict[str, tuple[str, dict[str, Any], str]] = {
    "blocks under full": ("full", {"blocks": 2}, "blocks: strategy full has none; write null"),
    "blocks under lora": ("lora", {"blocks": 2}, "blocks: strategy lora has none; write null"),
    "no blocks under partial": ("partial", {"blocks": None}, "blocks: strategy partial needs it"),
    "no block": ("partial", {"blocks": 0}, "blocks: Input should be greater than 0 (found 0)"),
    "adapters under full": ("full", {"adapters": ADAPTERS}, "adapters: strategy full has none; write null"),
    "no adapters under lora": ("lora", {"adapters": None}, "adapters: strategy lora needs it"),
    "adapters without a rank": ("lora", {"adapters": {"alpha": 1, "dropout": 0.0}}, "adapters.rank: is missing"),
    "a head under scratch": ("scratch", {"head": {"strengths": [1.0]}}, "head: strategy scratch has none; write null"),
    "no head under full": ("full", {"head": None}, "head: strategy full needs it"),
    "another objective's loss": (
        "full", {"loss": {"kind": "squared_error", "unsure": "ignore"}},
        "loss.kind: 'squared_error' is no loss for classification; there are ('cross_entropy',)",
    ),
    "another objective's monitor": ("full", {"monitor": "r2"}, "monitor: 'r2' is not one of ('loss', 'accuracy'"),
    "another loss's key": (
        "full", {"loss": {**SMALL_LOSS, "unsure": "ignore", "delta": 1.0}}, "loss.delta: does not belong here",
    ),
    "a loss cut short": ("full", {"loss": SMALL_LOSS}, "loss.unsure: is missing"),
    "another schedule's key": (
        "full", {"schedule": {"kind": "step", "every": 1, "factor": 0.5, "warmup": 0.1}},
        "schedule.warmup: does not belong here",
    ),
    "a schedule that does not exist": ("full", {"schedule": {"kind": "wave", "warmup": 0.1}}, "schedule: Input tag"),
    "another modality's change": ("full", {"augment": {"word_dropout": 0.1, "noise": 0.1}}, "augment.noise: does not"),
    "all left out": ("full", {"dropout": 1.0}, "dropout: Input should be less than 1 (found 1.0)"),
    "a strategy that does not exist": ("full", {"strategy": "most"}, "strategy: Input should be 'partial', 'full', "),
    "what only networks have": ("full", {"strategy": "head", "blocks": 2}, "epochs: does not belong here"),
}  # fmt: skip


def declare(root: Path, changes: dict[str, Any]) -> None:
    """Change the training movie-reviews-partial in params.yaml."""
    content = config.read_yaml(root / "params.yaml")
    content["searches"] = {}
    content["trainings"]["movie-reviews-partial"] |= changes
    YAML(typ="safe", pure=True).dump(content, root / "params.yaml")


@pytest.mark.parametrize("case", MISFITS)
def test_what_does_not_fit_a_training_is_told_with_its_path(params: Path, case: str) -> None:
    strategy, changes, told = MISFITS[case]
    declare(params.parent, STRATEGIES[strategy] | changes)
    with pytest.raises(ConfigError) as error:
        config.load(params.parent)
    assert f"params.yaml: trainings.movie-reviews-partial.{told}" in str(error.value)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_each_strategy_can_be_declared(params: Path, strategy: str) -> None:
    declare(params.parent, STRATEGIES[strategy])
    found = config.load(params.parent).trainings["movie-reviews-partial"]
    assert {key: getattr(found, key) for key in ("strategy", "seed")} == {"strategy": strategy, "seed": 17}
