"""How the stages grow with the number of samples: seconds, their slope, and peak memory; and what a no-op costs."""

import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bench import copies, page, sets
from bench.kept import Shelf, fingerprint
from bench.numbers import middle, slope, spread
from bench.ours import project
from bench.plan import Plan, Suite
from bench.running import run
from bench.session import environment
from tasks import config
from tasks.evaluation import plots

STAGES = ("ingest", "preprocess", "extract")
NOOPS = 3
WHOLE = 10**9


def measure(root: Path, plan: Plan) -> None:
    """Measure every size of every data set that is missing, then the no-op."""
    for dataset in plan.scale.datasets:
        for size in plan.scale.sizes:
            _once(root, plan, dataset, str(size), partial(_grown, root, plan, dataset, size))
    _once(root, plan, plan.scale.pictures, "noop", partial(_noop, root, plan))


def kept(root: Path) -> dict[str, Any]:
    """Return what is measured: of each data set by size, and the no-op."""
    found: dict[str, Any] = {}
    for file in sorted(_shelf(root).glob("*/*.json"), key=lambda path: (path.parent.name, path.stem.zfill(9))):
        if file.stem != "begun":
            told = json.loads(file.read_text(encoding="utf-8"))["measured"]
            found.setdefault(file.parent.name, {})[file.stem] = told
    return found


def _shelf(root: Path) -> Path:
    return root / ".local" / "bench" / "measurements" / "scale"


def _once(root: Path, plan: Plan, dataset: str, name: str, work: Callable[[], dict[str, Any]]) -> None:
    """Do what is not kept yet."""
    code = [path for folder in ("tasks", "flows") for path in (root / folder).rglob("*.py")]
    shelf = Shelf(_shelf(root) / dataset, fingerprint([*code, root / "params.yaml"], plan.scale.model_dump()))
    if shelf.take(name) is None:
        measured = work()
        shelf.keep(name, measured)
        sys.stderr.write(f"scale  {dataset:<16} {name:>6}  {measured}\n")


def _grown(root: Path, plan: Plan, dataset: str, size: int) -> dict[str, Any]:
    """Return of each stage seconds and mebibytes at that size."""
    folder = _project(root, plan, dataset, size)
    found = {}
    for stage in STAGES:
        out = folder / f"{stage}.json"
        command = [sys.executable, "-m", "bench.micro.stage", stage, dataset, str(out)]
        spent = _run(root, plan, folder, command, f"{dataset}-{size}-{stage}")
        found[stage] = {**json.loads(out.read_text()), "tree_mebibytes": round(spent.tree_mebibytes)}
    shutil.rmtree(folder)
    return found


def _noop(root: Path, plan: Plan) -> dict[str, Any]:
    """Run many pictures to a registered model once; return what it costs to find that nothing is to be done."""
    dataset, files = plan.scale.pictures, plan.scale.noop_files
    folder = _project(root, plan, dataset, files)
    command = [sys.executable, "-m", "flows.cli", "run"]
    first = _run(root, plan, folder, command, f"{dataset}-first")
    _run(root, plan, folder, command, f"{dataset}-second")
    again = [_run(root, plan, folder, command, f"{dataset}-noop").seconds for _ in range(NOOPS)]
    shutil.rmtree(folder)
    seconds = middle(again) or 0.0
    told = {"files": files, "first_seconds": first.seconds, "seconds": seconds}
    return told | {"microseconds_a_file": 1e6 * seconds / files}


def _project(root: Path, plan: Plan, dataset: str, size: int) -> Path:
    """Make a project with so many samples, pictures prepared small."""
    params = config.load(root).datasets[dataset]
    suite = Suite(
        says=dataset,
        dataset=dataset,
        rows=WHOLE,
        recipe=f"{dataset}-head",
        seconds_limit=1,
        reference="",
        contestants={},
    )
    samples_folder = sets.export(root, "scale", suite)
    samples = sets.read_table(samples_folder)
    folder = root / ".local" / "bench" / "work" / "scale" / f"{dataset}-{size}"
    project.make(root, folder, samples_folder, f"{dataset}-head")
    shutil.rmtree(folder / "own")
    files = None if params.modality == "text" else samples_folder / "files"
    copies.write(samples if size > len(samples) else sets.chosen(samples, size), files, size, folder / "own")
    if params.modality == "image":
        project.change_side(folder, plan.scale.side)
    return folder


def _run(root: Path, plan: Plan, folder: Path, command: list[str], name: str) -> Any:
    log = root / ".local" / "bench" / "logs" / "scale" / f"{name}.txt"
    return run(command, folder, environment(root, folder, plan.threads), log, plan.limit_seconds)


def slopes(measured: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Return of each stage the slope of log seconds against log samples, and the spread of its peak memory."""
    sizes = sorted(int(size) for size in measured if size.isdigit())
    if len(sizes) < 2:
        return {}
    found = {}
    for stage in STAGES:
        seconds, memory = ([measured[str(size)][stage][key] for size in sizes] for key in ("seconds", "tree_mebibytes"))
        found[stage] = {"slope": slope(sizes, seconds), "memory_spread": spread(memory)}
    return found


def told(measured: dict[str, Any]) -> str:
    """Return the table of the page."""
    rows = []
    for dataset, sizes in measured.items():
        lines = slopes(sizes)
        numbers = [size for size in sizes if size.isdigit()]
        for stage in STAGES if lines else ():
            ends = (numbers[0], numbers[-1])
            cells = [f"{sizes[size][stage]['seconds']:.1f} s of {int(size):,}" for size in ends]
            spent = f"{lines[stage]['memory_spread']:+.0%}".replace("%", " %")
            rows.append([f"`{dataset}`", stage, *cells, f"{lines[stage]['slope']:.2f}", spent])
    if not rows:
        return ""
    parts = [
        "**Growth**",
        page.markdown(["", "stage", "fewest samples", "most samples", "slope", "peak memory"], rows),
    ]
    for sizes in measured.values():
        if "noop" in sizes:
            noop = sizes["noop"]
            each = f"{noop['microseconds_a_file']:.0f} microseconds a file"
            parts.append(f"With {noop['files']:,} pictures, nothing changed: {noop['seconds']:.1f} s, {each}.")
    return "\n\n".join(parts)


def draw(measured: dict[str, Any], folder: Path) -> None:
    """Draw seconds and memory over the number of samples."""
    drawn = {name: sizes for name, sizes in measured.items() if slopes(sizes)}
    if not drawn:
        return
    folder.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(4 * len(drawn), 6), layout="constrained")
    panels = figure.subplots(2, len(drawn), squeeze=False)
    for column, (name, sizes) in enumerate(drawn.items()):
        numbers = sorted(int(size) for size in sizes if size.isdigit())
        for panel, key in zip(panels[:, column], ("seconds", "tree_mebibytes"), strict=True):
            for stage in STAGES:
                panel.plot(numbers, [sizes[str(number)][stage][key] for number in numbers], marker="o", label=stage)
            panel.set(xscale="log", xlabel="samples", ylabel=key.replace("tree_", "peak "), title=name)
        panels[0, column].set_yscale("log")
        panels[1, column].set_ylim(bottom=0)
    panels[0, 0].legend()
    plots.save(figure, folder / "scale.png")
