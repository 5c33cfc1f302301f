"""Product reviews as a user has them: a CSV of texts with their labels and where each is from."""

import csv
import tempfile
from pathlib import Path

from tasks.schema import PackageFile
from tasks.sources import Sample, archives, packages, readers

PACKAGE = PackageFile(
    kind="package",
    index="sdist",
    package="vaderSentiment",
    version="3.3.2",
    sha256="5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
)


def prepare(root: Path, target: Path, given: list[str]) -> str:
    """Write reviews.csv (text, sentiment, review) from the Amazon sentences of vaderSentiment's ICWSM 2014 set."""
    with tempfile.TemporaryDirectory() as scratch:
        archives.unpack(packages.fetch(PACKAGE, root), Path(scratch))
        found = readers.movies_to_amazon(Path(scratch), "sentiment")
    # The reader gives films to learn from and products to be asked about: here the products are a set of their own.
    rows = [one for one in found if isinstance(one, Sample) and one.split == "test"]
    with (target / "reviews.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["text", "sentiment", "review"])
        table.writerows((row.content, row.label, row.group) for row in rows)
    return f"{len(rows):,} sentences of {len({row.group for row in rows})} reviews, reviews.csv"
