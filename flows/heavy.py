"""What takes seconds to import and is the same for every data set: the server that workers are forked from has it."""

from importlib import import_module

from tasks.records import tracking
from tasks.stages import STAGES

for name in ("torch", "transformers", "timm", *(f"tasks.{stage}" for stage in STAGES)):
    import_module(name)
tracking.library()  # which tells MLflow beforehand to keep quiet
