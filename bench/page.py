"""The tables of docs/performance.md and of the README, put between two markers; the rest is written by hand."""

from pathlib import Path
from typing import Any

from tasks.errors import ConfigError

BEGIN, END = "<!-- bench: begin -->", "<!-- bench: end -->"
STEPS = {"cold": "first model", "noop": "nothing changed", "head": "another head", "more": "1 % more data"}
ASKED = {"one": "1 answer", "many": "32 answers"}
COLUMNS = ["", "test accuracy (95 % interval)", *STEPS.values(), *ASKED.values(), "peak memory"]
PHASES = {"preprocess": "samples prepared", "extract": "features"}
AGAIN = "again"


def put(page: Path, text: str) -> None:
    """Replace what stands between the markers of a page; ConfigError where it has none."""
    content = page.read_text(encoding="utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ConfigError(f"{page.name}: has no lines {BEGIN} and {END}; write them where the tables belong")
    page.write_text(f"{before}{BEGIN}\n{text.strip()}\n{END}{after}", encoding="utf-8")


def introduction(results: dict[str, Any]) -> str:
    """Say when, where and how it was measured."""
    machine, when = results["machine"], results["measured"]
    days = " to ".join(dict.fromkeys(moment[:10] for moment in (when["first"], when["last"]) if moment))
    half = "bfloat16 in hardware" if machine["bfloat16"] else "no bfloat16 in hardware"
    return (
        f"Measured {days or 'never'} on {machine['processor']}, {machine['cores']} cores ({half}), "
        f"{machine['memory_gibibytes']} GiB, torch {machine['libraries']['torch']}; {results['threads']} threads each, "
        f"medians of {results['repeats']} repeats in interleaved order, each step in a fresh process, imports too. "
        "In brackets: times the first row. Peak memory is that of all processes together. «again»: its user "
        "runs the same once more, which takes what the first model took. Answers are those of a loaded model."
    )


def tables(results: dict[str, Any]) -> str:
    """Return a table per suite, of what is measured so far."""
    parts = [introduction(results)]
    for suite in filter(None, map(_begun, results["suites"].values())):
        samples = ", ".join(f"{suite['samples'].get(name, 0):,} {name}" for name in ("train", "validation", "test"))
        micro = any("measure" in one["steps"] for one in suite["contestants"].values())
        parts.append(f"**{suite['says']}** (`{suite['dataset']}`: {samples})")
        parts.append(phases(suite) if micro else table(suite))
    return "\n\n".join(parts)


def _begun(suite: dict[str, Any]) -> dict[str, Any] | None:
    """Return a suite without those of whom nothing is measured yet; null where there is nobody to compare them with."""
    there = {
        name: one
        for name, one in suite["contestants"].items()
        if one["measured"] or any(step["all"] for step in one["steps"].values())
    }
    return {**suite, "contestants": there} if suite["reference"] in there else None


def summary(results: dict[str, Any]) -> str:
    """Return one table of all first models, for a page that tells of other things too."""
    rows = []
    for suite in filter(None, map(_begun, results["suites"].values())):
        ordered = [suite["contestants"][name] for name in _ordered(suite)]
        for one in (one for one in ordered if "cold" in one["steps"]):
            row = _row(one, one is ordered[0])
            rows.append([f"`{suite['dataset']}`" if one is ordered[0] else "", *row[:3], *row[4:6]])
    columns = ["data set", COLUMNS[0], COLUMNS[1], *(STEPS[step] for step in ("cold", "head", "more"))]
    return f"{introduction(results)}\n\n{markdown(columns, rows)}"


def _ordered(suite: dict[str, Any]) -> list[str]:
    """Return the contestants' names, the reference first."""
    return sorted(suite["contestants"], key=lambda name: name != suite["reference"])


def table(suite: dict[str, Any]) -> str:
    """Return the table of a suite: a row per contestant, the reference first."""
    rows = [_row(suite["contestants"][name], name == suite["reference"]) for name in _ordered(suite)]
    return markdown(COLUMNS, rows)


def phases(suite: dict[str, Any]) -> str:
    """Return the table of a micro-bench: samples a second of each phase and of both, seconds an epoch."""
    reference = suite["contestants"][suite["reference"]]["measured"]
    columns = ["", "prepared", "features", "both", "features of 1 % more", "an epoch", "cosine to float32"]
    rows = [
        [
            one["says"],
            *(_rate(one["measured"], reference, names) for names in _RATES),
            _compared(_more(one["measured"]), _more(reference), one["measured"] is reference),
            _compared(one["measured"].get("epoch"), reference.get("epoch"), one["measured"] is reference),
            f"{one['measured']['likeness']:.4f}" if "likeness" in one["measured"] else "",
        ]
        for one in suite["contestants"].values()
    ]
    return markdown(columns, rows)


_RATES = (("preprocess",), ("extract",), ("preprocess", "extract"))


def _rate(own: dict[str, float], reference: dict[str, float], names: tuple[str, ...]) -> str:
    """Return samples a second, and how many times as long they take as the reference's."""
    took, ours = (sum(phases.get(name, 0.0) for name in names) for phases in (own, reference))
    if not took:
        return ""
    return f"{own['samples'] / took:,.1f} /s{'' if own is reference or not ours else f' ({took / ours:.1f} x)'}"


def _more(phases: dict[str, float]) -> float | None:
    """Return the seconds it takes to have the features of 1 % more; who keeps none makes all of them again.

    Null of an engine: what it is told to compute is not its business.
    """
    if "likeness" in phases:
        return None
    return phases.get("more", phases["preprocess"] + phases["extract"]) if phases else None


def _compared(own: float | None, ours: float | None, reference: bool) -> str:
    return "" if own is None else seconds(own, None if reference or not ours else own / ours)


def _row(one: dict[str, Any], reference: bool) -> list[str]:
    cells = [one["says"], interval(one["accuracy"])]
    for step in STEPS:
        cell = _cell(one, step, reference, seconds)
        cells.append(f"{AGAIN}, {cell}" if cell and step in one["again"] else cell)
    cells += [_cell(one, step, reference, milliseconds) for step in ASKED]
    return [*cells, "" if one["tree_mebibytes"] is None else f"{one['tree_mebibytes'] / 1024:.1f} GiB"]


def _cell(one: dict[str, Any], step: str, reference: bool, written: Any) -> str:
    told = one["steps"].get(step)
    if told is None or told["seconds"] is None:
        return ""
    return str(written(told["seconds"], None if reference else told["times_ours"]))


def interval(found: dict[str, float] | None) -> str:
    """Return 85.2 % (83.9 to 86.6)."""
    return (
        "" if found is None else f"{found['value']:.1%} ({found['low']:.1%} to {found['high']:.1%})".replace("%", " %")
    )


def seconds(value: float, times: float | None) -> str:
    """Return 12.3 s (1.5 x)."""
    return f"{value:.1f} s{_times(times)}"


def milliseconds(value: float, times: float | None) -> str:
    """Return 12 ms (1.5 x)."""
    return f"{value * 1000:,.0f} ms{_times(times)}"


def _times(times: float | None) -> str:
    return "" if times is None else f" ({times:.1f} x)"


def markdown(columns: list[str], rows: list[list[str]]) -> str:
    """Return a Markdown table."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
