"""Whether names, order, sizes or lengths tell the label: then a score may owe to how the data was gathered.

A small classifier or regressor learns each trace from some samples and is asked about others: see permutation.py.
"""

import re
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from tasks.leaks import names
from tasks.leaks.finding import Finding, clean, reported
from tasks.leaks.permutation import DEALS, MARGIN, Asked, Told, deal, tell
from tasks.objectives import Array

LEAVES = 16
"""Steps of what a number can say: coarse enough to be of the gathering, not of the single sample."""


MEANING = {
    "names": "no model reads them, but the classes may have come from different places",
    "running number": "no model reads it, but the classes came one after the other, and what else changed meanwhile?",
    "file size": "fine if richer samples take more bytes; else the classes were saved in different ways",
    "size of the picture": "the classes may come from different sources, and resizing leaves traces that a model sees",
    "length and rate of the recording": "fine if it belongs to the label; else cut and record the classes alike",
    "length of the text": "fine if it belongs to the label; else the classes were written or cut in different ways",
}
"""What to make of it that a trace tells the label."""


def by_name(known: "pd.Series[str]", to: Asked) -> Finding:
    """Tell whether the letters of the files' names tell the label; folders and numbers aside."""
    check, stems = "label told by the names", known.map(names.letters).to_numpy(str)
    if len(np.unique(stems)) < 2:
        return clean(check, "none: names hold nothing but numbers")
    learner = LogisticRegression(class_weight="balanced", max_iter=1000) if to.classes else Ridge()
    runs = CountVectorizer(analyzer="char", ngram_range=(1, 3), binary=True, max_features=1000, lowercase=False)
    return _judged(check, "names", stems, make_pipeline(runs, learner), to)


def by_numbers(trace: str, values: Array, to: Asked) -> Finding:
    """Tell whether numbers float64 [N, k] tell the label, such as the size of a picture."""
    check = f"label told by the {trace}"
    if np.isnan(values).any(axis=1).mean() > MARGIN or (np.nanmax(values, 0) == np.nanmin(values, 0)).all():
        return clean(check, f"none: the {trace} is missing or all the same")
    settings = {"max_leaf_nodes": LEAVES, "min_samples_leaf": max(1, len(values) // 50), "random_state": to.seed}
    tree = DecisionTreeClassifier(class_weight="balanced", **settings) if to.classes else None
    return _judged(check, trace, values, tree or DecisionTreeRegressor(**settings), to)


def by_words(texts: "pd.Series[str]", to: Asked) -> Finding:
    """Tell whether texts hold their own label as a word more often than that of another."""
    check = "label named in the text"
    words = _words if to.classes else _numbers
    wanted, member = np.unique(to.labels if to.classes else to.labels.astype(str), return_inverse=True)
    meant = [words(label) or {label} for label in wanted]
    holds = np.array([[label <= held for label in meant] for held in map(words, texts)])
    rows, generator = np.arange(len(member)), np.random.default_rng(to.seed)
    dealt = np.array([holds[rows, deal(member, to.groups, generator)].mean() for _ in range(DEALS)])
    own = float(holds[rows, member].mean())
    told = Told(own, float(dealt.mean()), float((1 + (dealt >= own).sum()) / (1 + DEALS)))
    said = f"{own:.1%} of the texts hold their own label as a word, {told.chance:.1%} would by chance"
    if not told.alarming:
        return clean(check, said)
    return reported(check, int(holds[rows, member].sum()), said, [text[:80] for text in texts[holds[rows, member]]])


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


def _numbers(text: str) -> set[str]:
    """Return the numbers in a text as they are usually written."""
    return {f"{float(number):g}" for number in re.findall(r"-?\d+(?:\.\d+)?(?:e-?\d+)?", text.casefold())}


def _judged(check: str, trace: str, inputs: Array, estimator: Any, to: Asked) -> Finding:
    told = tell(inputs, estimator, to)
    if told is None:
        return clean(check, "not looked at: too few samples or groups")
    measure = "balanced accuracy" if to.classes else "rank correlation"
    said = f"a {measure} of {told.score:.2f} ({told.chance:.2f} by chance) is reached from the {trace} alone"
    if not told.alarming:
        return clean(check, f"none: {said}")
    return reported(check, 1, f"{said}: {MEANING[trace]}", [])
