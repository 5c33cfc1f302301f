"""`python -m tasks STAGE NAME`: run one stage of one data set (or training) of the project in this folder."""

import sys
from pathlib import Path

try:
    from tasks import stages, summary
    from tasks.errors import TransferError
except ModuleNotFoundError as missing:
    sys.exit(
        f"{missing.name} is not installed for {sys.executable}; activate the environment: source .venv/bin/activate"
    )


def main(arguments: list[str]) -> int:
    """Run the stage, print its line and return the exit code; a user's mistake is one line on standard error."""
    if len(arguments) != 2 or arguments[0] not in stages.STAGES:
        print(f"usage: python -m tasks {{{','.join(stages.STAGES)}}} NAME", file=sys.stderr)  # noqa: T201
        return 2
    stage, name = arguments
    try:
        counted = stages.run(Path.cwd(), stage, name)
    except TransferError as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    print(f"{stage:<11} {summary.sentence(counted)}  {counted['seconds']} s")  # noqa: T201
    for warning in counted.get("warnings", []):
        print(f"{'look at':<11} {warning}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
