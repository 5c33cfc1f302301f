"""Where the samples of a page come from: the raw files while they are what they were, or what was prepared of them."""

from dataclasses import dataclass, field
from functools import cached_property

from tasks.errors import BadSample
from tasks.modalities import Arrays
from tasks.modalities.reading import content
from tasks.modalities.shards import Prepared
from tasks.reporting.gather import Gathered
from tasks.reporting.media import Budget


@dataclass
class Shelf:
    """Where the samples of a page come from, and how much room there is for them."""

    found: Gathered
    budget: Budget
    missing: int = field(default=0)

    @cached_property
    def prepared(self) -> dict[str, int]:
        """Return the row of each prepared sample by id."""
        return {str(one): row for row, one in enumerate(self.found.samples["id"])} if len(self.found.samples) else {}

    @cached_property
    def arrays(self) -> Prepared:
        """Return the prepared samples."""
        return Prepared(self.found.workspace.prepared)

    def raw(self, identity: str) -> bytes | str | None:
        """Return the file's bytes or the text; None where it is not on this machine or is no longer what it was."""
        row = self.found.rows.get(identity)
        try:
            return None if row is None else content(self.found.workspace.raw, row)
        except BadSample:
            return None

    def sample(self, identity: str) -> Arrays | None:
        """Return the prepared arrays of a sample."""
        return self.arrays[self.prepared[identity]] if identity in self.prepared else None
