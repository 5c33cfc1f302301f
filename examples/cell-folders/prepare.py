"""Pictures as most people have them: a folder per class."""

import shutil
import tempfile
from collections import Counter
from pathlib import Path

from tasks.schema import PackageFile
from tasks.sources import Sample, archives, packages, readers

PACKAGE = PackageFile(
    kind="package",
    index="wheel",
    package="elpv-dataset",
    version="1.0.0.post1",
    sha256="85e31c1126ee9b48e62d3a0232c58f58b2d189b0814a45c13642fa0415af4a4c",
)


def prepare(root: Path, target: Path, given: list[str]) -> str:
    """Sort the solar cells whose annotators were sure into the folders defective/ and functional/."""
    with tempfile.TemporaryDirectory() as scratch:
        archives.unpack(packages.fetch(PACKAGE, root), Path(scratch))
        # A folder cannot say how sure a label is: pictures with doubts stay out.
        found = readers.solar_cells(Path(scratch), "defective")
        sure = [one for one in found if isinstance(one, Sample) and one.confidence == "1"]
        for sample in sure:
            place = target / sample.label / Path(sample.content).name
            place.parent.mkdir(exist_ok=True)
            shutil.copyfile(sample.content, place)
    counted = Counter(sample.label for sample in sure)
    return ", ".join(f"{label}/ {count:,} pictures" for label, count in sorted(counted.items()))
