"""Why the best training answered as it did, for its worst errors and some right answers."""

import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors.numpy import save_file

from tasks import versioning
from tasks.evaluation.comparison import rounded
from tasks.evaluation.findings import Findings
from tasks.evaluation.saved import Saved
from tasks.explaining import Explanation, explainer
from tasks.modalities import Arrays, modality
from tasks.modalities.shards import Prepared
from tasks.neural import devices, networks
from tasks.objectives import Array
from tasks.store import Store, keys
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


class Asked(NamedTuple):
    """An answer to be explained: the sample's row and id, and the class that was answered, null for a value."""

    row: int
    id: str
    target: int | None


def explain(findings: Findings, prepared: Prepared, test: Array, most: int, store: Store) -> Explained:
    """Explain the best training's answers to the `most` most telling samples of the rows `test`, one at a time.

    A sample's mapping: name, id, right, truth, answer, confidence or deviation, words, and value and nothing as in
    tasks.explaining.Explanation. What was explained before is in the store.
    """
    started = time.monotonic()
    telling = findings.telling(most).to_dict("records")
    if not telling:
        return Explained(findings.best, "", [], None, 0.0)
    targets = findings.outputs[findings.best].test.argmax(axis=1) if "labels" in findings.trial.facts else None
    rows = [told.pop("row") for told in telling]
    asked = [
        Asked(int(test[row]), told["id"], None if targets is None else int(targets[row]))
        for row, told in zip(rows, telling, strict=True)
    ]
    found = _known_or_made(findings.models[findings.best], prepared, asked, store)
    parts = ({"words": [list(word) for word in one.words], "value": one.value, "nothing": one.nothing} for one in found)
    samples = [rounded(told | part) for told, part in zip(telling, parts, strict=True)]
    maps = [one.map for one in found if one.map is not None]
    seconds = round(time.monotonic() - started, 1)
    return Explained(findings.best, found[0].method, samples, np.stack(maps) if maps else None, seconds)


def _known_or_made(model: Saved, prepared: Prepared, asked: list[Asked], store: Store) -> list[Explanation]:
    """Return the explanation of each answer, from the store where it is known."""
    identity = _identity(model, prepared)
    wanted = [key for one in asked for key in keys(identity | {"target": one.target}, [one.id])]
    known = {key: _unpacked(arrays) for key, arrays in store.take(wanted).items()}
    missing = {key: one for key, one in zip(wanted, asked, strict=True) if key not in known}
    made = dict(zip(missing, _made(model, prepared, list(missing.values())), strict=True)) if missing else {}
    store.keep({key: _packed(explanation) for key, explanation in made.items()})
    return [(known | made)[key] for key in wanted]


def _made(model: Saved, prepared: Prepared, asked: list[Asked]) -> list[Explanation]:
    reads, explains = modality(model.pipeline["modality"]), explainer(model.pipeline["modality"])
    network = networks.load(model.directory).to(devices.device()).eval()
    network.requires_grad_(False)
    found = []
    for one in asked:
        batch = reads.collate([prepared[one.row]], model.directory)
        batch = {name: tensor.to(devices.device()) for name, tensor in batch.items()}
        found.append(explains.explain(network, batch, model.directory, one.target))
    return found


def _identity(model: Saved, prepared: Prepared) -> dict[str, Any]:
    """Return what an explanation depends on besides its sample and the class that was answered."""
    name = model.pipeline["modality"]
    code = versioning.code("evaluate", name, "tasks/explaining/", "tasks/neural/", "tasks/modalities/")
    return {"what": "explanation", "model": model.digest, "recipe": prepared.about["recipe"], "code": code}


def _packed(explanation: Explanation) -> Arrays:
    """Return an explanation as arrays: its map, and the rest as JSON in bytes."""
    told = json.dumps(explanation._replace(map=None)._asdict()).encode()
    map_of_it = {} if explanation.map is None else {"map": explanation.map}
    return {"told": np.frombuffer(told, np.uint8), **map_of_it}


def _unpacked(arrays: Arrays) -> Explanation:
    told = json.loads(arrays["told"].tobytes())
    words = [(word, part) for word, part in told.pop("words")]
    return Explanation(**{**told, "words": words, "map": arrays.get("map")})


def write(explained: Explained, folder: Path) -> None:
    """Write explanations.json and, where there are maps, maps.safetensors in the order of its samples."""
    folder.mkdir()
    content = {"training": explained.training, "method": explained.method, "samples": explained.samples}
    write_json(folder / NAME, content)
    if explained.maps is not None:
        save_file({"maps": np.ascontiguousarray(explained.maps)}, folder / MAPS)
