"""Settings of the tools, made before they are imported: no telemetry, no noise, everything below .local."""

import io
import os
import sys
from pathlib import Path


def speak() -> None:
    """Let every message through, also where the terminal's language lacks a letter of it: that one is spelt out."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def settle(root: Path) -> None:
    """Set what the environment does not say already. Must run before Prefect, MLflow or torch is imported."""
    home = root / ".local" / "prefect"
    quiet = {
        "DO_NOT_TRACK": "1",
        # What our own processes say to one another is UTF-8, whatever the terminal's language.
        "PYTHONUTF8": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PREFECT_HOME": str(home),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_TELEMETRY_ENABLE_RESOURCE_METRICS": "false",
        "PREFECT_CLI_COLORS": "false",
        # A flow's own failure is told in one line; what the throw-away server says while it stops is nobody's.
        "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_SERVER_LEVEL": "CRITICAL",
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
        "TOKENIZERS_PARALLELISM": "false",
        "TRANSFORMERS_VERBOSITY": "error",
    }
    for key, value in quiet.items():
        os.environ.setdefault(key, value)
    if (root / "params.yaml").exists():
        Path(os.environ["PREFECT_HOME"]).mkdir(parents=True, exist_ok=True)
