"""sentence-transformers and scikit-learn's logistic regression: encode, fit, done."""

from pathlib import Path
from typing import Any

import joblib
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer
from sklearn.linear_model import LogisticRegression

from bench.contestant import Ask
from bench.data import Data

STRENGTHS = (1.0, 0.5)


def encoder(backbone: Path) -> Any:
    """Return all-MiniLM-L6-v2 as its model card assembles it: mean pooling, then unit length."""
    words = Transformer(str(backbone))
    return SentenceTransformer(modules=[words, Pooling(words.get_embedding_dimension()), Normalize()], device="cpu")


def fit(data: Data, work: Path) -> list[str]:
    """Encode train and test with the default batches, fit the head on train."""
    model = encoder(data.backbone)
    head = LogisticRegression(C=STRENGTHS[data.variant], max_iter=1000)
    head.fit(model.encode(data.train["content"].tolist()), data.train["label"])
    model.save(str(work / "encoder"))
    joblib.dump(head, work / "head.joblib")
    return list(head.predict(model.encode(data.test["content"].tolist())))


def load(work: Path) -> Ask:
    """Load the encoder and the head."""
    model, head = SentenceTransformer(str(work / "encoder"), device="cpu"), joblib.load(work / "head.joblib")
    return lambda texts: list(head.predict(model.encode(texts)))
