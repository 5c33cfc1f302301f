"""`python -m bench.ours.stages ROOT DATASET TRAINING`: our stages up to the test accuracy, and nothing around them.

No Prefect, no DVC, no registry, no page: what the flow's worker does, in one process. To compare computing with.
"""

import os
import sys
from pathlib import Path

from tasks import stages


def main(arguments: list[str]) -> None:
    """Run the stages that a changed head leaves stale (`head`), or all."""
    dataset, training, which = arguments
    steps = [("finetune", training), ("evaluate", dataset)]
    if which == "all":
        steps = [(stage, dataset) for stage in ("ingest", "preprocess", "extract")] + steps
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    for stage, name in steps:
        stages.run(Path.cwd(), stage, name)


if __name__ == "__main__":
    main(sys.argv[1:])
