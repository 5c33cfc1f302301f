"""What a user can get wrong, as one family: each message is one line that names the culprit and the mend."""

import difflib
from collections.abc import Iterable


class TransferError(Exception):
    """A mistake or an accident the user can mend: shown as one line, without a traceback."""


class ConfigError(TransferError):
    """params.yaml holds a misspelt, missing or ill-typed key; the message lists every fault, one a line."""


class SourceError(TransferError):
    """Raw data cannot be had: the file, folder or package is missing, altered or not what it claims to be."""


class UnreachableError(SourceError):
    """A registry or an address did not answer: that may pass, so the flow tries again."""


class SampleShareError(TransferError):
    """More samples were refused than the data set declares bearable: mend the data or raise the share."""


class BackboneError(TransferError):
    """Pretrained weights are missing, altered or of another architecture than declared."""


class TrainingError(TransferError):
    """A training cannot go on: a split without samples, a loss that is no number."""


class BusyError(TransferError):
    """Another process holds the data set: wait for it or stop it."""


class MovedInputError(TransferError):
    """An input of a stage changed while the stage ran: its outcome stands, but is not recorded; run again."""


class RegistryError(TransferError):
    """The registry has no such model, version or alias, or cannot be reached."""


class DamagedError(TransferError, ValueError):
    """A file that a stage wrote is no longer what it wrote: cut off, or edited."""


class ResourceError(TransferError):
    """The machine lacks what the work needs: room on the disk, memory, the right to write."""


class ReportError(TransferError):
    """There is nothing yet that a report could tell: run what it rests on first."""


class BadSample(Exception):  # noqa: N818 - a verdict on one sample, not an error of the run
    """One sample is unusable: it is refused with this reason, `mend` says what to do, and the rest go on."""

    def __init__(self, reason: str, mend: str) -> None:
        super().__init__(reason)
        self.mend = mend


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ". Did you mean X?" for the nearest of the known names, or nothing where none is near."""
    near = difflib.get_close_matches(name, list(known), n=1)
    return f". Did you mean {near[0]}?" if near else ""
