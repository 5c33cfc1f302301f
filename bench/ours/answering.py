"""Our saved model answers: what `transfer predict` does once its words are read."""

from pathlib import Path

from bench.contestant import Ask
from tasks.predict import Predictor


def load(work: Path) -> Ask:
    """Load the model directory that `work` holds."""
    [found] = (work / "data").glob("*/models/*/pipeline.json")
    predictor = Predictor.load(found.parent)
    text = predictor.about["modality"] == "text"

    def ask(contents: list[str]) -> list[str]:
        given = contents if text else [Path(content).read_bytes() for content in contents]
        return [str(answer) for answer in predictor.answer(given)["answer"]]

    return ask
