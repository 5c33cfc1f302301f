"""Fine-tuning with transformers' Trainer: discriminative rates, early stopping on validation, the best epoch kept."""

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, Sampler
from transformers import (
    EarlyStoppingCallback,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    get_scheduler,
)
from transformers.trainer_pt_utils import LengthGroupedSampler

from tasks import progress
from tasks.modalities import Arrays, Modality
from tasks.modalities.shards import Prepared
from tasks.neural import devices, inference
from tasks.neural.networks import Network
from tasks.objectives import Array, Facts, Objective
from tasks.schema import PartialTraining

Listener = Callable[[dict[str, float | None], int], None]
"""Called after each epoch with what was measured and the epoch's number, from 1."""


@dataclass(frozen=True)
class Material:
    """What is learnt from: prepared samples, their targets (in prepared order) and the rows of two splits."""

    prepared: Prepared
    targets: Array
    train: Array
    validation: Array
    modality: Modality
    objective: Objective
    facts: Facts
    backbone: Path


class Rows(Dataset[tuple[Arrays, Any]]):
    """Some rows of the prepared samples: item i is a sample and its target."""

    def __init__(self, material: Material, rows: Array) -> None:
        self.material, self.rows = material, rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> tuple[Arrays, Any]:
        row = int(self.rows[item])
        return self.material.prepared[row], self.material.targets[row]


def fine_tune(
    network: Network, material: Material, params: PartialTraining[Any], scratch: Path, listen: Listener
) -> dict[str, Any]:
    """Train `network` in place and leave it with the weights of its best epoch on validation.

    Returns {"epochs": [{"epoch", "train_loss", "loss", metrics...}], "best_epoch": int}. Epoch 0 is the network as it
    came, with the head learnt on frozen features: a fine-tuning that never beats it is undone. `scratch` holds
    checkpoints meanwhile.
    """
    shutil.rmtree(scratch, ignore_errors=True)
    start = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    trainer = EpochTrainer(network, material, params, scratch, listen)
    trainer.evaluate()
    with progress.bar(params.name, trainer.steps) as advance:
        trainer.add_callback(Steps(advance))
        trainer.train()
    best = _best(trainer.history, params.monitor)
    if best == 0:
        network.load_state_dict(start)
    shutil.rmtree(scratch, ignore_errors=True)
    return {"epochs": trainer.history, "best_epoch": best}


class Steps(TrainerCallback):
    """Tells a progress bar of every optimizer step."""

    def __init__(self, advance: Callable[[], None]) -> None:
        self.advance = advance

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: Any) -> None:
        """Advance the bar."""
        self.advance()


class EpochTrainer(Trainer):
    """A Trainer whose loss and validation are the objective's, and whose batches are the modality's."""

    def __init__(
        self,
        network: Network,
        material: Material,
        params: PartialTraining[Any],
        scratch: Path,
        listen: Listener,
    ) -> None:
        self.network, self.material, self.params, self.listen = network, material, params, listen
        self.history: list[dict[str, Any]] = []
        self.generator = torch.Generator().manual_seed(params.seed)
        self.steps = steps = params.epochs * math.ceil(len(material.train) / params.batch_size)
        optimizer = torch.optim.AdamW(network.groups(params.learning_rates, params.weight_decay), fused=True)
        schedule = get_scheduler(params.schedule, optimizer, round(params.warmup * steps), steps)
        super().__init__(
            model=network,
            args=_arguments(params, scratch),
            train_dataset=Rows(material, material.train),
            eval_dataset=Rows(material, material.validation),
            data_collator=self.collate,
            optimizers=(optimizer, schedule),
            callbacks=[EarlyStoppingCallback(params.patience)],
        )
        self.remove_callback(PrinterCallback)

    def collate(self, items: list[tuple[Arrays, Any]]) -> dict[str, torch.Tensor]:
        """Make a batch: augmented inputs by the names the network knows, and targets [B]."""
        samples, targets = zip(*items, strict=True)
        batch = self.material.modality.collate(samples, self.material.backbone)
        batch = self.material.modality.augment(batch, self.params.augment, self.material.backbone, self.generator)
        return {**batch, "targets": torch.as_tensor(np.stack(targets))}

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        """Return the objective's loss, in float32 whatever the network computes in."""
        targets = inputs.pop("targets")
        outputs = model(**inputs).float()
        loss = self.material.objective.loss(outputs, targets, self.material.facts)
        return (loss, outputs) if return_outputs else loss

    def evaluate(self, *_: Any, **__: Any) -> dict[str, Any]:
        """Score the validation split, add it to the history and tell the callbacks and the listener."""
        epoch = round(self.state.epoch or 0)
        trained = [entry["loss"] for entry in self.state.log_history if "loss" in entry]
        scores: dict[str, float | None] = {"train_loss": trained[-1]} if trained else {}
        scores |= self._validate()
        self.history.append({"epoch": epoch, **scores})
        self.listen(scores, epoch)
        metrics = {f"eval_{name}": value for name, value in scores.items() if value is not None}
        self.log(dict(metrics))
        self.control = self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
        return metrics

    def _validate(self) -> dict[str, float | None]:
        material = self.material
        outputs = inference.compute(
            self.network, material.prepared, material.validation, material.modality, material.backbone,
            self.params.batch_size, self.params.precision, "outputs",
        )  # fmt: skip
        return material.objective.score(outputs, material.targets[material.validation], material.facts)

    def _get_train_sampler(self, train_dataset: Any = None) -> Sampler[int] | None:
        """Batch like with like where samples differ in length, so that little is computed on padding."""
        lengths = self.material.modality.lengths(self.material.prepared)[self.material.train].tolist()
        if len(set(lengths)) == 1:
            return super()._get_train_sampler(train_dataset)
        generator = torch.Generator().manual_seed(self.params.seed)
        return LengthGroupedSampler(self.params.batch_size, lengths=lengths, generator=generator)


def _arguments(params: PartialTraining[Any], scratch: Path) -> TrainingArguments:
    half = devices.precision(params.precision) is torch.bfloat16
    return TrainingArguments(
        output_dir=str(scratch),
        num_train_epochs=params.epochs,
        per_device_train_batch_size=params.batch_size,
        max_grad_norm=params.clip_norm,
        seed=params.seed,
        bf16=half,
        use_cpu=devices.device().type == "cpu",
        eval_strategy="epoch",
        save_strategy="epoch",
        logging_strategy="epoch",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model=params.monitor,
        greater_is_better=params.monitor != "loss",
        remove_unused_columns=False,
        dataloader_pin_memory=False,
        report_to="none",
        disable_tqdm=True,
    )


def _best(history: list[dict[str, Any]], monitor: str) -> int:
    """Return the number of the best epoch; of equals the earliest."""
    sign = 1 if monitor == "loss" else -1
    return int(min(history, key=lambda entry: sign * entry[monitor])["epoch"])
