"""Groups taken from the names of samples: patient12_a.png and patient12_b.png belong to patient12."""

import re

from tasks.sources import Refused, Sample

MEND = "rename it, or widen the pattern"


def by_name(found: list[Sample | Refused], pattern: str | None) -> list[Sample | Refused]:
    """Return the samples with what the one group of `pattern` matches in their names as their group.

    The pattern is looked for anywhere in a name. A sample it does not match is refused. None leaves all as they are.
    """
    if pattern is None:
        return found
    searched = re.compile(pattern)
    return [_grouped(sample, searched) if isinstance(sample, Sample) else sample for sample in found]


def _grouped(sample: Sample, pattern: re.Pattern[str]) -> Sample | Refused:
    match = pattern.search(sample.name)
    if match is None or not match.group(1):
        return Refused(sample.name, f"ingest.group_pattern {pattern.pattern} finds no group in its name", MEND)
    return sample._replace(group=match.group(1))
