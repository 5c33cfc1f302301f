"""searches in params.yaml: what cannot be searched, and why, is told before anything runs."""

from pathlib import Path

import pytest
from project import PARAMS

from tasks import config, ranges
from tasks.errors import ConfigError

RATES = "learning_rates.head: {low: 0.0001, high: 0.1, log: true}"
AT = "searches.colours.ranges."

BAD = {
    "an unknown data set": ("searches:\n  colours:", "searches:\n  colour:",
        "searches.colour: no 'colour' under datasets; there are ['colours']. Did you mean colours?"),
    "a training of another name": ("training: colours-partial", "training: colours-full",
        "searches.colours.training: 'colours-full' is no training of colours; there are"),
    "a training without epochs": ("training: colours-partial", "training: colours-head",
        "searches.colours.training: colours-head tries its strengths by itself"),
    "an unknown key": (RATES, "learning_rates.heads: {low: 1, high: 2, log: false}",
        AT + "learning_rates.heads: colours-partial has no such key. Did you mean learning_rates.head?"),
    "the kind of training": (RATES, "strategy: {choices: [partial, full]}", AT + "strategy: makes the training what"),
    "the name": (RATES, "name: {choices: [a, b]}", AT + "name: makes the training what it is"),
    "the seed": (RATES, "seed: {low: 1, high: 9, log: false}", AT + "seed: the luckiest seed"),
    "the judge": (RATES, "monitor: {choices: [loss, accuracy]}", AT + "monitor: changes what the trials are compared"),
    "the loss where it is the judge": (RATES, "loss.focal: {low: 0.0, high: 2.0, log: false}",
        AT + "loss.focal: changes what the trials are compared by"),
    "an interval of words": (RATES, "precision: {low: 0, high: 1, log: false}",
        AT + "precision: colours-partial holds 'float32', no number; write choices"),
    "an interval of truths": (RATES, "loss.class_weights: {low: 0, high: 1, log: false}",
        AT + "loss.class_weights: cha"),
    "ends the wrong way round": ("low: 0.0001, high: 0.1", "low: 0.1, high: 0.0001",
        AT + "learning_rates.head: low 0.1 is not below high 0.0001"),
    "a logarithm of nought": ("low: 0.0001, high: 0.1", "low: 0, high: 0.1",
        AT + "learning_rates.head: low 0: a range with log begins above 0"),
    "parts of whole numbers": ("blocks: {low: 1, high: 2", "blocks: {low: 0.5, high: 2.5",
        AT + "blocks: holds whole numbers, and so must low 0.5 and high 2.5"),
    "a range beside the start": ("low: 0.0001, high: 0.1", "low: 0.0001, high: 0.001",
        AT + "learning_rates.head: 0.0001 to 0.001 must hold 0.01 too, with which colours-partial starts"),
    "choices beside the start": (RATES,
        "schedule: {choices: [{kind: cosine, warmup: 0.1}, {kind: constant, warmup: 0.1}]}",
        AT + "schedule: choices must hold {'kind': 'linear', 'warmup': 0.1} too"),
    "an end that makes no training": (RATES, "dropout: {low: 0.0, high: 1.0, log: false}",
        AT + "dropout: Input should be less than 1 (found 1.0)"),
    "a choice that makes no training": (RATES, "precision: {choices: [float32, float8]}",
        AT + "precision: Input should be 'auto', 'float32' or 'bfloat16' (found 'float8')"),
    "a choice that does not fit": (RATES, "adapters: {choices: [null, {rank: 4, alpha: 8.0, dropout: 0.0}]}",
        AT + "adapters: adapters: strategy partial has none; write null"),
    "a single choice": (RATES, "precision: {choices: [float32]}",
        AT + "precision.choices: List should have at least 2"),
    "a missing end": (RATES, "dropout: {low: 0.0, log: false}", AT + "dropout.high: is missing"),
    "no ranges": ("      " + RATES + "\n      blocks: {low: 1, high: 2, log: false}\n", "      {}\n",
        "searches.colours.ranges: Dictionary should have at least 1 item"),
    "no trials": ("trials: 3", "trials: 0", "searches.colours.trials: Input should be greater than 0"),
}  # fmt: skip

GOOD = {
    "whole numbers for parts": "dropout: {choices: [0, 0.5]}",
    "whole sections": "optimizer: {choices: [{kind: adamw, momentum: 0.9, weight_decay: 0.01, clip_norm: 1.0}, "
    "{kind: sgd, momentum: 0.9, weight_decay: 0.0, clip_norm: 1.0}]}",
    "null": "unfreeze_every: {choices: [null, 1]}",
    "what the augmentation does": "augment.word_dropout: {low: 0, high: 0.5, log: false}",
}


def write(root: Path, old: str, new: str) -> None:
    content = PARAMS.replace("SHA256", "a" * 64)
    assert old in content
    (root / "params.yaml").write_text(content.replace(old, new))


@pytest.mark.parametrize("case", BAD)
def test_a_search_that_cannot_be_is_told(root: Path, case: str) -> None:
    old, new, expected = BAD[case]
    write(root, old, new)
    with pytest.raises(ConfigError) as error:
        config.load(root)
    assert expected in str(error.value)
    assert all(line.startswith("params.yaml: searches.") for line in str(error.value).splitlines())


@pytest.mark.parametrize("case", GOOD)
def test_what_can_be_searched(root: Path, case: str) -> None:
    write(root, RATES, GOOD[case])
    assert set(config.load(root).searches["colours"].ranges) == {GOOD[case].split(":")[0], "blocks"}


def test_a_changed_training_leaves_the_first_as_it_was(root: Path) -> None:
    write(root, RATES, RATES)
    training = config.load(root).trainings["colours-partial"]
    changed = ranges.changed(training, {"learning_rates.head": 1, "blocks": 2})
    assert (changed.learning_rates.head, changed.blocks, changed.name) == (1.0, 2, "colours-partial")
    assert ranges.held(training, "learning_rates.head") == 0.01
    assert ranges.changed(training, {}) == training
    with pytest.raises(ConfigError, match=r"blocks, dropout: Input should be .* \(found 1.5\); Input .* \(found 2\)"):
        ranges.changed(training, {"blocks": 1.5, "dropout": 2})
