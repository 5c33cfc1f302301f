"""TF-IDF and logistic regression of scikit-learn: what one tries first, without any pretrained network."""

from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from bench.contestant import Ask
from bench.data import Data

STRENGTHS = (1.0, 0.5)


def fit(data: Data, work: Path) -> list[str]:
    """Learn from single words and pairs; scikit-learn's defaults otherwise."""
    strength = STRENGTHS[data.variant]
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=strength, max_iter=1000))
    model.fit(data.train["content"], data.train["label"])
    joblib.dump(model, work / "model.joblib")
    return list(model.predict(data.test["content"]))


def load(work: Path) -> Ask:
    """Load the pipeline."""
    model = joblib.load(work / "model.joblib")
    return lambda texts: list(model.predict(texts))
