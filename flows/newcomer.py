"""`transfer new` and `transfer remove`: a data set comes into params.yaml, and goes."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows import console
from tasks import config, params_datasets
from tasks.config import PARAMS
from tasks.inspection.request import Request

if TYPE_CHECKING:
    from tasks.inspection.proposal import Proposal
    from tasks.inspection.timing import Estimate

Line = tuple[str, str]


def new(request: Request, yes: bool) -> int:
    """Look at the data, tell what was found and what is proposed, and write it once it is agreed to; the exit code."""
    content = config.read_yaml(request.root / PARAMS)
    config.load(request.root)
    from tasks.inspection import look, timing

    looked = look.at(request, content)
    console.heading(request.name)
    _print(looked.found)
    made = looked.proposal
    console.out.print("proposed", style="bold")
    _print(made.reasons)
    _print(_time(made, timing.estimate(request.root, made, content["backbones"][made.dataset["backbone"]])))
    if not console.agreed(f"write this into {PARAMS}?", yes, "nothing is written"):
        return 1
    comment = f"written by transfer new, from {_one_line(request.address)}"
    params_datasets.add_dataset(request.root / PARAMS, request.name, made.dataset, made.trainings, comment)
    _descriptor(request.root, request, made.dataset["ingest"]["source"])
    names = ",".join(name.removeprefix(f"{request.name}-") for name in made.trainings)
    told = f"wrote {PARAMS}: datasets.{request.name}, trainings.{request.name}-{{{names}}}"
    console.out.print(f"{told}   next: transfer run {request.name}", markup=False)
    return 0


def remove(root: Path, name: str, yes: bool) -> int:
    """Tell what of a data set goes and what stays, and take it away once it is agreed to; return the exit code."""
    from tasks import removal

    config.dataset(config.load(root), name)
    gone = removal.belongings(root, name)
    console.heading(name)
    _print(removal.told(gone))
    if not console.agreed(f"remove {name}?", yes, "nothing is removed"):
        return 1
    freed = removal.remove(root, gone)
    console.out.print(f"removed {name}: {removal.size(freed)} are free again", markup=False)
    return 0


def _print(lines: Sequence[Line]) -> None:
    for label, text in lines:
        console.out.print(f"  {label:<11}{_one_line(text)}", markup=False)


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _time(made: "Proposal", estimated: "Estimate") -> list[Line]:
    """Tell the trainings and how long they take here, as a range."""
    parts = ", ".join(f"{name} {console.span(*part)}" for name, part in estimated.parts.items())
    epochs = max(training.get("epochs", 0) for training in made.trainings.values())
    whole = f"{console.span(estimated.low, estimated.high)} in all, if nothing else computes here"
    return [
        ("trainings", f"head on frozen features; partial and, for comparison, scratch: {epochs} epochs at most"),
        ("time", f"{whole} ({MEASURED if estimated.measured else UNMEASURED}): {parts}"),
    ]


MEASURED = "by one small batch just measured"
UNMEASURED = "by what the shipped data sets took elsewhere; the backbone is fetched first, which comes on top"


def _descriptor(root: Path, request: Request, source: dict[str, Any]) -> None:
    """Make the folder that a source without one of its own starts from: the pipeline looks at it for changes."""
    if source["kind"] not in ("sql", "remote"):
        return
    folder = root / source["path"]
    folder.mkdir(parents=True, exist_ok=True)
    told = (
        f"# {request.name}: where it comes from\n\n{request.address}, added by `transfer new`. A change of this file "
    )
    (folder / "README.md").write_text(told + "makes the data be fetched anew.\n", encoding="utf-8")
