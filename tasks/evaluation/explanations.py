"""Why the best training answered as it did, for its worst errors and some right answers."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from tasks.evaluation.comparison import rounded
from tasks.evaluation.findings import Findings
from tasks.explaining import explainer
from tasks.modalities import modality
from tasks.modalities.shards import Prepared
from tasks.neural import devices, networks
from tasks.objectives import Array
from tasks.workspace import write_json

NAME = "explanations.json"
MAPS = "maps.safetensors"


class Explained(NamedTuple):
    """Of which training and how, a mapping for each sample, their maps float32 [N, rows, columns], the time it took."""

    training: str
    method: str
    samples: list[dict[str, Any]]
    maps: Array | None
    seconds: float


def explain(findings: Findings, prepared: Prepared, test: Array, most: int) -> Explained:
    """Explain the best training's answers to the `most` most telling samples of the rows `test`, one at a time.

    A sample's mapping: name, id, right, truth, answer, confidence or deviation, words, and value and nothing as in
    tasks.explaining.Explanation.
    """
    started = time.monotonic()
    model = findings.models[findings.best]
    reads, explains = modality(model.pipeline["modality"]), explainer(model.pipeline["modality"])
    telling = findings.telling(most)
    if not len(telling):
        return Explained(findings.best, "", [], None, 0.0)
    network = networks.load(model.directory).to(devices.device()).eval()
    network.requires_grad_(False)
    targets = findings.outputs[findings.best].test.argmax(axis=1) if "labels" in findings.trial.facts else None
    samples, maps = [], []
    for told in telling.to_dict("records"):
        row = told.pop("row")
        batch = reads.collate([prepared[int(test[row])]], model.directory)
        batch = {name: tensor.to(devices.device()) for name, tensor in batch.items()}
        target = None if targets is None else int(targets[row])
        found = explains.explain(network, batch, model.directory, target)
        parts = {"words": [list(word) for word in found.words], "value": found.value, "nothing": found.nothing}
        samples.append(rounded(told | parts))
        maps += [] if found.map is None else [found.map]
    seconds = round(time.monotonic() - started, 1)
    return Explained(findings.best, found.method, samples, np.stack(maps) if maps else None, seconds)


def write(explained: Explained, folder: Path) -> None:
    """Write explanations.json and, where there are maps, maps.safetensors in the order of its samples."""
    folder.mkdir()
    content = {"training": explained.training, "method": explained.method, "samples": explained.samples}
    write_json(folder / NAME, content)
    if explained.maps is not None:
        save_file({"maps": np.ascontiguousarray(explained.maps)}, folder / MAPS)
