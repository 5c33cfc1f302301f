"""Spoken digits as a user has them: recordings in one folder, and a table made from their names."""

import csv
import re
import shutil
from pathlib import Path

from tasks.errors import SourceError

NAME = re.compile(r"(?P<digit>\d)_(?P<speaker>[^_]+)_(?P<index>\d+)\.wav")


def prepare(root: Path, target: Path, given: list[str]) -> str:
    """Copy the recordings DIGIT_SPEAKER_INDEX.wav of the given folder, and write labels.csv: file, digit, speaker."""
    if len(given) != 1:
        raise SourceError("spoken-digits needs the folder of the recordings: python -m examples spoken-digits FOLDER")
    folder = Path(given[0]).expanduser()
    named = [match for path in sorted(folder.glob("*.wav")) if (match := NAME.fullmatch(path.name))]
    if not named:
        raise SourceError(
            f"{folder}: holds no recording named as 7_jackson_32.wav; see examples/spoken-digits/README.md"
        )
    with (target / "labels.csv").open("w", newline="", encoding="utf-8") as stream:
        table = csv.writer(stream)
        table.writerow(["file", "digit", "speaker"])
        for match in named:
            shutil.copyfile(folder / match[0], target / match[0])
            table.writerow([match[0], match["digit"], match["speaker"]])
    return f"{len(named):,} recordings of {len({match['speaker'] for match in named})} speakers, labels.csv"
