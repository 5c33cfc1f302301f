"""What the bench ran on."""

import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil

from tasks.neural import devices

LIBRARIES = ("torch", "transformers", "timm", "scikit-learn", "prefect", "dvc", "mlflow")


def told() -> dict[str, Any]:
    """Return processor, cores, memory and the libraries that matter."""
    return {
        "processor": processor(),
        "cores": devices.cores(),
        "memory_gibibytes": round(psutil.virtual_memory().total / 2**30),
        "system": platform.platform(terse=True),
        "bfloat16": devices.native_bfloat16(devices.device()),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }


def processor() -> str:
    """Return what the processor calls itself."""
    facts = Path("/proc/cpuinfo")
    lines = facts.read_text().splitlines() if facts.exists() else []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, platform.processor() or platform.machine())
