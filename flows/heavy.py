"""What takes seconds to import and is the same for every data set: the server that workers are forked from has it."""

import timm  # noqa: F401
import torch  # noqa: F401
import transformers  # noqa: F401

from tasks import evaluate, extract, finetune, ingest, preprocess, register  # noqa: F401
from tasks.records import tracking

tracking.library()  # which tells MLflow beforehand to keep quiet
