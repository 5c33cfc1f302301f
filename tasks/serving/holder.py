"""The version that answers now. When another one takes its alias it is loaded beside, and then answers instead."""

import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from tasks.modalities.reading import Decoding, decoding
from tasks.neural.devices import cores
from tasks.predict import Predictor
from tasks.progress import note
from tasks.records import registry
from tasks.records.registry import Version


@dataclass(frozen=True)
class Loaded:
    """A version, ready to answer: its decoders are processes of their own, which a file may take down."""

    version: Version
    predictor: Predictor
    decode: Decoding
    ends: ExitStack
    turn: threading.Lock = field(default_factory=threading.Lock)

    @property
    def modality(self) -> str:
        """What it reads."""
        return str(self.predictor.about["modality"])

    def answer(self, contents: Sequence[str | bytes]) -> pd.DataFrame:
        """Return a row for each content: the answer, and the reason where it is refused. One request at a time."""
        with self.turn:
            return self.predictor.answer(contents, self.decode)


def load(root: Path, name: str, which: str) -> Loaded:
    """Load the version `which`, an alias or a number; RegistryError if there is none."""
    version = registry.describe(root, name, which)
    predictor = Predictor.load(registry.model_directory(registry.package_directory(root, version)))
    about, ends = predictor.about, ExitStack()
    made = decoding(about["modality"], predictor.here.settings, about["preprocess"], predictor.directory, cores())
    return Loaded(version, predictor, ends.enter_context(made), ends)


class Holder:
    """Holds the version that answers, and looks every `seconds` whether it still is the one that is asked for.

    What is under way when it changes is answered by the version it began with. `changed` is told of each new one.
    """

    def __init__(
        self, root: Path, name: str, which: str, seconds: float, changed: Callable[[Version], None] = lambda _: None
    ) -> None:
        self.name, self.which = name, which
        self._root, self._seconds, self._changed = root, seconds, changed
        self._stop = threading.Event()
        self._former: list[Loaded] = []
        self.current = load(root, name, which)
        self._thread = threading.Thread(target=self._watch, name="champion", daemon=True)

    def __enter__(self) -> "Holder":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        for loaded in [*self._former, self.current]:
            loaded.ends.close()

    def look(self) -> bool:
        """Take the version that is asked for now, if it is another one; tell whether it is."""
        found = registry.describe(self._root, self.name, self.which)
        if found["version"] == self.current.version["version"]:
            return False
        fresh = load(self._root, self.name, self.which)
        self._former.append(self.current)
        self.current = fresh
        self._changed(fresh.version)
        self._end_former()
        return True

    def _end_former(self) -> None:
        """End the decoders of versions that nobody waits for any more, but for the last one: it may just be asked."""
        for loaded in self._former[:-1]:
            with loaded.turn:
                loaded.ends.close()
        self._former = self._former[-1:]

    def _watch(self) -> None:
        told = ""
        while not self._stop.wait(self._seconds):
            try:
                self.look()
                told = ""
            except Exception as error:  # whatever it is, the one that answers goes on answering
                if str(error) != told:
                    told = str(error)
                    note(f"{self.name}: version {self.current.version['version']} goes on answering: {told}")


def metadata(loaded: Loaded) -> dict[str, Any]:
    """Return the version and where it comes from, as `transfer show` tells it, and what it knows."""
    about = loaded.predictor.about
    kept = {key: value for key, value in loaded.version.items() if key != "source"}
    knows = {key: about.get(key) for key in ("modality", "objective", "facts", "training", "strategy")}
    return {**kept, **knows}
