"""`transfer ...`: the commands a user types. Each does little itself, so that what is not needed is not imported."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from flows import console
from flows.quiet import settle, speak
from tasks import accidents
from tasks.errors import TransferError


class Interrupted(Exception):  # noqa: N818 - a user's wish
    """Ctrl-C."""


class Commands(TyperGroup):
    """The commands. Ctrl-C is handed on to `main`: typer alone would end without a word."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted from None


app = typer.Typer(
    cls=Commands,
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Raw data to a registered, fine-tuned model, and its proof.",
)

Names = Annotated[
    list[str] | None,
    typer.Argument(metavar="[DATASET ...]", help="Data sets of params.yaml; all of them if none is named."),
]
Model = Annotated[str | None, typer.Option("--model", help="A training of the data set, instead of its champion.")]


@app.command()
def run(
    names: Names = None,
    wait: Annotated[float, typer.Option(help="Seconds to wait for another run of the same data set.")] = 0.0,
) -> None:
    """Run what is stale of each data set, from raw data to a registered model."""
    from flows import running

    sys.exit(running.run(Path.cwd(), names or [], wait))


@app.command()
def status(names: Names = None) -> None:
    """Say what is fresh and what is stale, and because of which file or key."""
    from flows import running

    running.status(Path.cwd(), names or [])


@app.command()
def new(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the data set is to be called.")],
    address: Annotated[str, typer.Option("--from", help="A folder, a table, s3://..., or a database's variable.")],
    modality: Annotated[str | None, typer.Option(help="image, text or audio; else found out.")] = None,
    objective: Annotated[str | None, typer.Option(help="classification or regression; else found out.")] = None,
    label: Annotated[str | None, typer.Option(help="The label's column, or a pattern of names: '{label}_*'.")] = None,
    content: Annotated[str | None, typer.Option(help="The column of texts, or of files' names.")] = None,
    group: Annotated[str | None, typer.Option(help="The column that says what belongs together.")] = None,
    query: Annotated[str | None, typer.Option(help="SQL; --from then names a variable with the address.")] = None,
    backbone: Annotated[str | None, typer.Option(help="An entry of backbones in params.yaml.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Write what is proposed without asking.")] = False,
) -> None:
    """Look at data, say what was found, and write a section for it into params.yaml."""
    from flows import newcomer
    from tasks.inspection.request import Request

    root = Path.cwd()
    request = Request(root, name, address, modality, objective, label, content, group, query, backbone)
    sys.exit(newcomer.new(request, yes))


@app.command()
def remove(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take a data set out of params.yaml, with all that was made of it; its source stays untouched."""
    from flows import newcomer

    sys.exit(newcomer.remove(Path.cwd(), name, yes))


@app.command()
def clean(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="GIBIBYTES", help="Shrink the per-sample store to so much; 0: empty."),
    ] = None,
) -> None:
    """Say what takes up space here, and free what nothing needs that is current or registered."""
    from flows import cleaning

    sys.exit(cleaning.clean(Path.cwd(), yes, store))


@app.command()
def report(
    names: Names = None,
    show: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
) -> None:
    """Render one page about each data set, data/DATASET/report/report.html, from what evaluate wrote."""
    from flows import reporting

    sys.exit(reporting.report(Path.cwd(), names or [], show))


@app.command()
def rank(dataset: str) -> None:
    """Tell which of a data set's candidate backbones suits it, by their frozen features, without training."""
    from flows import ranking

    ranking.rank(Path.cwd(), dataset)


@app.command()
def measure(
    training: str,
    seeds: Annotated[int, typer.Option(min=1, help="Repeat with so many seeds, from the declared one on.")] = 1,
    folds: Annotated[int, typer.Option(min=0, help="Hold each of so many folds out once; groups stay whole.")] = 0,
    share: Annotated[float, typer.Option(min=0.001, max=1.0, help="Learn from this share of the train split.")] = 1.0,
    test: Annotated[bool, typer.Option("--test", help="Open the test split (counted), not validation alone.")] = False,
) -> None:
    """Measure a training without keeping its model: mean and deviation over seeds or folds."""
    from flows import measuring

    measuring.measure(Path.cwd(), training, seeds, folds, share, test)


@app.command()
def tune(
    dataset: str,
    trials: Annotated[int | None, typer.Option(min=1, help="So many trials, instead of the declared number.")] = None,
    minutes: Annotated[float | None, typer.Option(min=0.01, help="Begin no trial after so many minutes.")] = None,
) -> None:
    """Search for a better training of a data set, on validation; write it into params.yaml as DATASET-tuned."""
    from flows import tuning

    tuning.tune(Path.cwd(), dataset, trials, minutes)


@app.command()
def results(
    page: Annotated[bool, typer.Option("--page", help="Only write the page, from what is measured already.")] = False,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Measure so many rows side by side; else as many as fit.")
    ] = None,
) -> None:
    """Measure in hours what study/plan.yaml lists, and write docs/results.md; stopped, the next call goes on."""
    from flows import study

    sys.exit(study.results(Path.cwd(), page, jobs))


@app.command()
def predict(
    dataset: str,
    inputs: Annotated[list[str], typer.Argument(metavar="FILE|FOLDER|TABLE|- ...")],
    model: Model = None,
    output: Annotated[Path | None, typer.Option(help="Write a CSV file instead of printing a table.")] = None,
) -> None:
    """Let a data set's champion answer for files, folders or tables."""
    from flows import asking

    asking.predict(Path.cwd(), dataset, inputs, model, output)


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME[@ALIAS|@VERSION]")]) -> None:
    """Tell where a registered model comes from: data, parameters, commit, backbone, run."""
    from flows import asking

    asking.show(Path.cwd(), name)


@app.command()
def promote(
    name: Annotated[str, typer.Argument(metavar="DATASET")],
    version: Annotated[str, typer.Argument(metavar="VERSION", help="A number, or an alias: challenger.")],
    because: Annotated[str, typer.Option(help="Why; it is kept with the version.")],
) -> None:
    """Make a registered version champion, whatever the gate said."""
    from flows import promoting

    promoting.promote(Path.cwd(), name, version, because)


@app.command()
def rollback(
    name: Annotated[str, typer.Argument(metavar="DATASET")],
    because: Annotated[str, typer.Option(help="Why; it is kept with the version.")],
) -> None:
    """Give the champion before this one its place back; the gate will not let the other return by itself."""
    from flows import promoting

    promoting.rollback(Path.cwd(), name, because)


@app.command()
def serve(
    name: Annotated[str, typer.Argument(metavar="NAME[@ALIAS|@VERSION]")],
    host: Annotated[str, typer.Option(help="Beyond 127.0.0.1 a token must be set: TRANSFER_TOKEN.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535)] = 8000,
    rows: Annotated[int, typer.Option(min=1, help="Rows that may be asked at once.")] = 256,
    mebibytes: Annotated[float, typer.Option(min=0.001, help="What a request's body may have.")] = 32.0,
    seconds: Annotated[float, typer.Option(min=0.1, help="How long a request may take.")] = 60.0,
) -> None:
    """Let a registered version answer over HTTP until Ctrl-C; a new champion takes over without a pause."""
    from flows import serving

    serving.serve(Path.cwd(), name, host, port, rows, mebibytes, seconds)


@app.command()
def ui(port: Annotated[int, typer.Option(min=1, max=65535)] = 5000) -> None:
    """Serve the MLflow pages on 127.0.0.1 until Ctrl-C."""
    from flows import asking

    sys.exit(asking.ui(Path.cwd(), port))


def main() -> None:
    """Run the command line; a user's mistake becomes one line and exit code 1, Ctrl-C exit code 130."""
    speak()
    try:
        settle(Path.cwd())
        app()
    except TransferError as error:
        console.failure(str(error))
        sys.exit(1)
    except (Interrupted, KeyboardInterrupt):
        console.failure("interrupted; nothing is lost, the next run goes on from here")
        sys.exit(130)
    except Exception as error:
        lacking = accidents.told(error)
        if lacking is None:
            raise
        console.failure(lacking)
        sys.exit(1)


if __name__ == "__main__":
    main()
