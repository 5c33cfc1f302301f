"""`python -m bench.micro.stage STAGE DATASET OUT`: one of our stages in a process that has imported everything."""

import json
import sys
import time
from importlib import import_module
from pathlib import Path

from bench.micro.ours import HEAVY
from tasks import stages


def main(arguments: list[str]) -> None:
    """Run the stage in the current folder's project and write its seconds."""
    stage, dataset, out = arguments
    for name in HEAVY if stage != "ingest" else ("tasks.ingest",):
        import_module(name)
    started = time.perf_counter()
    counted = stages.run(Path.cwd(), stage, dataset)
    told = {"seconds": time.perf_counter() - started, "process_mebibytes": counted["peak_mebibytes"]}
    Path(out).write_text(json.dumps(told), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
