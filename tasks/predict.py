"""A saved model answers: for bytes and texts, many at a time, without anything but its own directory."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from tasks.errors import BadSample, RegistryError
from tasks.modalities import Arrays, modality
from tasks.modalities.reading import Decoding, decoding
from tasks.neural import devices, inference, networks
from tasks.objectives import Array, objective
from tasks.parallel import batched, in_order
from tasks.sources.inputs import Content, Question
from tasks.workspace import read_json

BATCH_SIZE = 32
AT_ONCE = 512
"""How many questions are held in memory while a long list is answered."""
PRECISION = "float32"
"""An answer is the same on every machine, whatever types its processor is fast in."""


@dataclass(frozen=True)
class Predictor:
    """A model directory, loaded: `about` is its pipeline.json."""

    directory: Path
    about: dict[str, Any]
    network: networks.Network

    @classmethod
    def load(cls, directory: Path) -> "Predictor":
        """Load a model directory; RegistryError if it is none."""
        if not (directory / "pipeline.json").is_file():
            raise RegistryError(f"{directory}: is no model directory (it has no pipeline.json); train one first")
        devices.threads()
        return cls(directory, read_json(directory / "pipeline.json"), networks.load(directory))

    @property
    def here(self) -> Decoding:
        """Decode in this process, as a server must; `answers` does it in some that may die."""
        settings = SimpleNamespace(**self.about["preprocess"])
        return Decoding(modality(self.about["modality"]), settings, self.directory, None, None)

    def answer(self, contents: Sequence[Content], decode: Decoding | None = None) -> pd.DataFrame:
        """Return a row for each content, in their order: what the objective answers, and `refused`.

        `refused` is the reason why a content is unusable (its answer is then missing), else an empty text.
        """
        outputs, refused = self.outputs(contents, decode)
        answers = objective(self.about["objective"]).answers(outputs, self.about["facts"])
        answers.index = pd.Index([row for row, reason in enumerate(refused) if not reason])
        return answers.reindex(range(len(contents))).assign(refused=pd.Series(refused, dtype=str))

    def outputs(self, contents: Sequence[Content], decode: Decoding | None = None) -> tuple[Array, list[str]]:
        """Return the network's float32 [M, K] for the M usable of N contents, and N reasons to refuse or ""."""
        reads = modality(self.about["modality"])
        chunks = list(in_order(partial(_prepared, decode or self.here), batched(contents, reads.CHUNK)))
        samples = [sample for chunk, _ in chunks for sample in chunk]
        refused = [reason for _, reasons in chunks for reason in reasons]
        if not samples:
            return np.zeros((0, objective(self.about["objective"]).outputs(self.about["facts"])), np.float32), refused
        rows = np.arange(len(samples))
        outputs = inference.compute(
            self.network, samples, rows, reads, self.directory, BATCH_SIZE, PRECISION, "outputs"
        )
        return outputs, refused


def _prepared(decode: Decoding, contents: Sequence[Content]) -> tuple[list[Arrays], list[str]]:
    """Return the arrays of the usable contents, and for each content why it is refused, or ""."""
    decoded, refused = [], []
    for content in contents:
        try:
            if isinstance(content, BadSample):
                raise content
            decoded.append(decode(content))
            refused.append("")
        except BadSample as reason:
            refused.append(str(reason))
    return decode.modality.prepare(decoded, decode.settings, decode.backbone) if decoded else [], refused


def answers(predictor: Predictor, questions: Iterable[Question]) -> Iterator[pd.DataFrame]:
    """Answer a list of any length, some hundred at a time; the first column is the question's name.

    A file that takes its decoder down costs its own answer only.
    """
    about, settings = predictor.about, predictor.here.settings
    with decoding(about["modality"], settings, about["preprocess"], predictor.directory, BATCH_SIZE) as decode:
        for some in batched(questions, AT_ONCE):
            answered = predictor.answer([question.content for question in some], decode)
            answered.insert(0, "name", [question.name for question in some])
            yield answered
